//! Swaps whose outcome is not known: which may have landed, and which certainly have not (SAFETY 8, 9).

use expect_test::expect;
use leaderelection::LockErrorKind::{Ambiguous, Unavailable};
use leaderelection::MissingRecord::ClaimThenLead;
use leaderelection::election::{ElectionConfig, Input};

use crate::bench::{Bench, absent, config, present, timing};

/// SAFETY 9: a client below the lock, or a proxy, may have sent a write twice, of which the first landed and the second was
/// refused. What is shown all the same is one's own, and its lease counts from the send.
#[test]
fn a_refused_renewal_that_is_shown_all_the_same_has_landed() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    let equal = bench.pending(2);
    bench.swap_fails(2.1, Unavailable);
    bench.watch(2.2, equal);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew failed, unavailable
            wait until 4s
        2.2s: watch shows v2 a/15@2#0
            valid until 12s
            wait until 4s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: also where the next one is on its way by then, and says something else.
#[test]
fn a_refused_renewal_is_known_when_the_next_one_is_sent() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    let landed = bench.pending(2);
    bench.swap_fails(2.1, Unavailable);
    bench.wake(4.0);
    bench.watch(4.1, landed);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew failed, unavailable
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@4#0, to Renew
            wait until 9s
        4.1s: watch shows v2 a/15@2#0
            valid until 12s
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A label on the record makes haste only for what is on its way and can no longer land: what was refused waits for its time.
#[test]
fn a_label_makes_no_haste_for_what_was_refused() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    let labelled = bench.pending(3);
    bench.done(2.1, 2);
    bench.wake(4.0);
    bench.swap_fails(4.1, Unavailable);
    bench.watch(4.2, labelled);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew done, v2
            valid until 12s
            wait until 4s
        4s: wake
            -> swap v2 to a/15@4#0, to Renew
            wait until 6s
        4.1s: Renew failed, unavailable
            wait until 6s
        4.2s: watch shows v3 a/15@2#0
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: also where it is said again in the same second, and that is what is shown: the lease counts from the EARLIEST send.
#[test]
fn a_refused_renewal_that_is_said_again_counts_from_the_first_send() {
    let timing = timing(4, 3, 1);
    let mut bench = Bench::leading(ElectionConfig { timing, ..config() });
    bench.hold_wall(1);
    bench.wake(1.0);
    let landed = bench.pending(2);
    bench.swap_fails(1.1, Unavailable);
    bench.wake(2.0);
    assert_eq!(
        bench.pending(2),
        landed,
        "in the same second of its clock it says the same"
    );
    bench.conflict(2.1, landed);
    expect![[r#"
        1s: wake
            -> swap v1 to a/4@1#0, to Renew
            wait until 1.5s
        1.1s: Renew failed, unavailable
            wait until 1.5s
        2s: wake
            AT RISK, valid until 3s
            -> swap v1 to a/4@1#0, to Renew
            wait until 3s
        2.1s: Renew in conflict with v2 a/4@1#0
            valid until 4s
            wait until 2.5s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// However often a store refuses, what is sent next is new: an old send would leave nothing of its lease.
#[test]
fn refusals_fill_no_list() {
    let mut bench = Bench::knowing(config(), present(5, "/1@0#3"));
    for second in (0..40).step_by(2) {
        bench.wake(f64::from(second));
        let sent = bench.sent_record().renew_time.map(|time| time.timestamp());
        assert_eq!(sent, Some(i64::from(second)));
        bench.swap_fails(f64::from(second) + 0.1, Unavailable);
    }
    bench.wake(40.0);
    bench.done(40.1, 6);
    let said = bench.take_transcript();
    assert!(said.contains("START token 6, valid until 50s"), "{said}");
}

/// A create likewise.
#[test]
fn a_refused_create_that_is_shown_all_the_same_has_landed() {
    let mut bench = Bench::knowing(config(), absent(None));
    let equal = bench.pending(1);
    bench.swap_fails(0.1, Unavailable);
    bench.watch(0.2, equal);
    expect![[r#"
        0.1s: Acquire failed, unavailable
            wait until 2s
        0.2s: watch shows v1 a/15@0#0
            (HolderChanged(Some("a")))
            START token 1, valid until 10s
            wait until 2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: a refusal tells of one attempt alone; an earlier one, whose answer was lost, may have landed.
#[test]
fn a_refusal_forgets_no_other_attempt() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    let landed = bench.pending(2);
    bench.swap_fails(2.1, Ambiguous);
    bench.wake(4.0);
    bench.swap_fails(4.1, Unavailable);
    bench.watch(4.2, landed);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew failed, ambiguous
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@4#0, to Renew
            wait until 9s
        4.1s: Renew failed, unavailable
            wait until 6s
        4.2s: watch shows v2 a/15@2#0
            valid until 12s
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: where the list of the pending is full, what was refused makes room, and not what may have landed.
#[test]
fn what_was_refused_makes_room_first() {
    let timing = timing(40, 30, 1);
    let mut bench = Bench::leading(ElectionConfig { timing, ..config() });
    bench.wake(1.0);
    let landed = bench.pending(2);
    bench.swap_fails(1.1, Ambiguous);
    bench.wake(2.0);
    bench.swap_fails(2.1, Unavailable);
    for second in 3..=9 {
        bench.wake(f64::from(second));
        bench.swap_fails(f64::from(second) + 0.1, Ambiguous);
    }
    bench.take_transcript();
    bench.watch(9.5, landed);
    let said = bench.take_transcript();
    assert!(
        said.contains("valid until 31s") && !said.contains("LOST"),
        "{said}"
    );
}

/// SAFETY 9: a create may land at any time, and a refusal of what was sent on a version tells nothing of it.
#[test]
fn a_refusal_of_a_swap_on_a_version_forgets_no_create() {
    let mut bench = Bench::knowing(config(), absent(None));
    let created = bench.pending(7);
    bench.swap_fails(0.1, Ambiguous);
    bench.watch(0.2, present(5, "/1@0#3"));
    bench.swap_fails(0.3, Unavailable);
    bench.watch(0.4, absent(6));
    bench.watch(0.5, created);
    expect![[r#"
        0.1s: Acquire failed, ambiguous
            wait until 2s
        0.2s: watch shows v5 /1@0#3
            -> swap v5 to a/15@0#4, to Acquire
            wait until 5.2s
        0.3s: Acquire failed, unavailable
            wait until 2.2s
        0.4s: watch shows absent as of v6
            -> swap absent to a/15@1#0, to Acquire
            wait until 5.4s
        0.5s: watch shows v7 a/15@0#0
            (HolderChanged(Some("a")))
            START token 7, valid until 10s
            wait until 4s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// Creates that are as old as a lease make room for others, so that each is a new record however long the store is mute.
#[test]
fn creates_that_nobody_answers_make_room() {
    let mut bench = Bench::knowing(config(), absent(None));
    bench.swap_fails(0.1, Ambiguous);
    for second in (2..=40).step_by(2) {
        bench.wake(f64::from(second));
        bench.swap_fails(f64::from(second) + 0.1, Ambiguous);
    }
    let transcript = bench.take_transcript();
    for second in (2..=40).step_by(2) {
        let create = format!("-> swap absent to a/15@{second}#0, to Acquire");
        assert!(transcript.contains(&create), "{create}: {transcript}");
    }
}

/// SAFETY 9, SAFETY 18: with the list full of creates, the oldest makes room for what names a version, and it goes out at once.
/// If that create lands after a deletion, it is waited out like a twin's; a younger one leads, from its send.
#[test]
fn the_oldest_of_many_creates_makes_room_for_a_version() {
    let timing = timing(15, 12, 1);
    let config = ElectionConfig { timing, ..config() };
    let full = || {
        let mut bench = Bench::knowing(config.clone(), absent(None));
        let mut creates = vec![bench.pending(9)];
        bench.swap_fails(0.1, Ambiguous);
        for second in 1..=6 {
            bench.wake(f64::from(second));
            creates.push(bench.pending(9));
            bench.swap_fails(f64::from(second) + 0.1, Ambiguous);
        }
        bench.take_transcript();
        (bench, creates)
    };
    let (mut bench, creates) = full();
    bench.watch(6.5, present(5, "/1@0#3"));
    bench.watch(7.0, creates[0].clone());
    expect![[r#"
        6.5s: watch shows v5 /1@0#3
            -> swap v5 to a/15@6#4, to Acquire
            wait until 12.5s
        7s: watch shows v9 a/15@0#0
            (HolderChanged(Some("a")))
            (SameIdentity { twin: true })
            wait until 12s
    "#]]
    .assert_eq(&bench.take_transcript());

    let (mut bench, creates) = full();
    bench.watch(6.5, present(5, "/1@0#3"));
    bench.watch(7.0, creates[1].clone());
    expect![[r#"
        6.5s: watch shows v5 /1@0#3
            -> swap v5 to a/15@6#4, to Acquire
            wait until 12.5s
        7s: watch shows v9 a/15@1#0
            (HolderChanged(Some("a")))
            START token 9, valid until 13s
            AT RISK, valid until 13s
            wait until 12.5s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 18: whatever a lapsed claim had on its way is waited out like a twin's.
#[test]
fn a_renewal_of_a_lapsed_claim_is_waited_out() {
    let strict = ElectionConfig {
        missing_record: ClaimThenLead,
        ..config()
    };
    let mut bench = Bench::knowing(strict, absent(None));
    bench.done(0.1, 1);
    bench.wake(2.0);
    let landed = bench.pending(2);
    bench.wake(10.0);
    bench.take_transcript();
    bench.watch(11.0, landed);
    bench.at(12.0, Input::Wake);
    expect![[r#"
        11s: watch shows v2 a/15@2#0
            (SameIdentity { twin: true })
            wait until 15s
        12s: wake
            wait until 15s
    "#]]
    .assert_eq(&bench.take_transcript());
}
