//! What is written, and what an unknown outcome means (SAFETY 6, 8, 9).

use expect_test::expect;
use leaderelection::LockErrorKind::{Ambiguous, Denied};
use leaderelection::election::Input;

use crate::bench::{Bench, absent, config, present};

/// SAFETY 6: within a term the whole second grows with every write, also when the wall clock stands or steps back.
#[test]
fn every_renewal_has_a_later_second() {
    let mut bench = Bench::leading(config());
    bench.hold_wall(0);
    bench.wake(2.0);
    bench.done(2.1, 2);
    bench.hold_wall(-5000);
    bench.wake(4.0);
    bench.done(4.1, 3);
    bench.hold_wall(100);
    bench.wake(6.0);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@1#0, to Renew
            wait until 4s
        2.1s: Renew done, v2
            valid until 12s
            wait until 4s
        4s: wake
            -> swap v2 to a/15@2#0, to Renew
            wait until 6s
        4.1s: Renew done, v3
            valid until 14s
            wait until 6s
        6s: wake
            -> swap v3 to a/15@100#0, to Renew
            wait until 8s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 6: an acquisition takes the wall clock as it is, so a clock that was ahead once is not followed for ever; and
/// the end of year 9999 is not followed at all.
#[test]
fn an_acquisition_takes_the_wall_clock_as_it_is() {
    let mut bench = Bench::knowing(config(), present(5, "/1@253402300799#3"));
    bench.done(0.1, 6);
    bench.wake(2.0);
    expect![[r#"
        0.1s: Acquire done, v6
            (HolderChanged(Some("a")))
            START token 6, valid until 10s
            wait until 2s
        2s: wake
            -> swap v6 to a/15@2#4, to Renew
            wait until 4s
    "#]]
    .assert_eq(&bench.take_transcript());
    let mut bench = Bench::new(config());
    bench.hold_wall(253_402_300_799);
    bench.wake(0.0);
    bench.read(0.0, absent(None));
    bench.done(0.1, 6);
    bench.take_transcript();
    bench.wake(2.0);
    expect![[r#"
        2s: wake
            -> swap v6 to a/15@253370764801#0, to Renew
            wait until 4s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 6, SAFETY 16: transitions that somebody has driven to their end start over, and the end is that of a Kubernetes
/// Lease: a larger number would be refused there for ever. So does what is below 0, which it does not hold either.
#[test]
fn transitions_start_over_where_a_lease_ends() {
    for transitions in ["2147483646", "2147483647", "9223372036854775807", "-7"] {
        let mut bench = Bench::knowing(config(), present(5, &format!("/1@0#{transitions}")));
        bench.done(0.1, 6);
        bench.wake(2.0);
        let next = if transitions == "2147483646" {
            "2147483647"
        } else {
            "1"
        };
        let transcript = bench.take_transcript();
        assert!(
            transcript.contains(&format!("swap v6 to a/15@2#{next},")),
            "{transitions}: {transcript}"
        );
    }
}

/// SAFETY 6: nor is a clock before the year 1, whose first second Go writes as no time at all.
#[test]
fn a_clock_before_all_years_is_not_followed() {
    let mut bench = Bench::new(config());
    bench.hold_wall(-70_000_000_000);
    bench.wake(0.0);
    bench.read(0.0, absent(None));
    let first = chrono::DateTime::from_timestamp(-62_135_596_799, 0);
    assert_eq!(bench.sent_record().renew_time, first);
    assert_eq!(first.unwrap().to_string(), "0001-01-01 00:00:01 UTC");
}

/// SAFETY 12: the term's beginning stays with it, and a release has both times of its own.
#[test]
fn a_renewal_keeps_the_time_of_the_acquisition_and_a_release_does_not() {
    let seconds = |bench: &Bench| {
        let record = bench.sent_record();
        [record.acquire_time, record.renew_time].map(|time| time.unwrap().timestamp())
    };
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.wake(15.0);
    assert_eq!(seconds(&bench), [15, 15]);
    bench.done(15.1, 6);
    bench.wake(17.0);
    assert_eq!(seconds(&bench), [15, 17]);
    bench.done(17.1, 7);
    bench.at(18.0, Input::WorkEnded);
    assert_eq!(seconds(&bench), [18, 18]);
}

/// SAFETY 6: a success with the version that was given has renewed nothing.
#[test]
fn an_answer_with_the_same_version_renews_nothing() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.done(2.1, 1);
    bench.wake(10.0);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew done, v1
            (NothingWritten(Version(1)))
            wait until 4s
        10s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 10s
            DROP
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: a renewal whose reply was lost is retried on the same base; the conflict shows that the first one landed, and
/// the lease counts from its send.
#[test]
fn a_lost_reply_is_found_by_the_retry() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    let landed = bench.pending(2);
    bench.swap_fails(3.0, Ambiguous);
    bench.wake(4.0);
    bench.conflict(4.5, landed);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        3s: Renew failed, ambiguous
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@4#0, to Renew
            wait until 9s
        4.5s: Renew in conflict with v2 a/15@2#0
            valid until 12s
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: of equal attempts the EARLIEST counts when the store only shows the record.
#[test]
fn equal_attempts_count_from_the_earliest_send() {
    let mut bench = Bench::leading(config());
    bench.hold_wall(0);
    bench.wake(2.0);
    let landed = bench.pending(2);
    bench.swap_fails(3.0, Ambiguous);
    bench.wake(4.0);
    bench.watch(4.5, landed);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@1#0, to Renew
            wait until 4s
        3s: Renew failed, ambiguous
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@1#0, to Renew
            wait until 9s
        4.5s: watch shows v2 a/15@1#0
            valid until 12s
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// But the answer to the second one tells that it was that one.
#[test]
fn an_answer_tells_which_of_equal_attempts_it_was() {
    let mut bench = Bench::leading(config());
    bench.hold_wall(0);
    bench.wake(2.0);
    let landed = bench.pending(2);
    bench.swap_fails(3.0, Ambiguous);
    bench.wake(4.0);
    bench.watch(4.5, landed);
    bench.done(5.0, 2);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@1#0, to Renew
            wait until 4s
        3s: Renew failed, ambiguous
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@1#0, to Renew
            wait until 9s
        4.5s: watch shows v2 a/15@1#0
            valid until 12s
            wait until 6s
        5s: Renew done, v2
            valid until 14s
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: any newer version resolves all that is pending; what does not equal it can no longer land.
#[test]
fn a_newer_version_resolves_what_is_pending() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    let ghost = bench.pending(3);
    bench.swap_fails(2.5, Ambiguous);
    // Somebody wrote a label on version 1: the renewal on it cannot land, the lease does not move.
    bench.watch(3.0, present(2, "a/15@0#0"));
    // A store that shows it all the same, at a later version, is not believed.
    bench.watch(3.5, ghost);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.5s: Renew failed, ambiguous
            wait until 4s
        3s: watch shows v2 a/15@0#0
            -> swap v2 to a/15@3#0, to Renew
            wait until 4s
        3.5s: watch shows v3 a/15@2#0
            LOST: the record was taken by "a"; gone by 3.5s
            (SameIdentity { twin: true })
            DROP
            wait until 9.5s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: the swap names the newest version, the lease stays where it was.
#[test]
fn a_label_on_one_s_own_record_moves_the_version_only() {
    let mut bench = Bench::leading(config());
    bench.watch(1.0, present(2, "a/15@0#0"));
    bench.wake(2.0);
    bench.done(2.1, 3);
    expect![[r#"
        1s: watch shows v2 a/15@0#0
            wait until 2s
        2s: wake
            -> swap v2 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew done, v3
            valid until 12s
            wait until 4s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// An event that comes before the answer, as the apiserver does it, is the answer.
#[test]
fn a_watch_may_be_faster_than_the_answer() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    let landed = bench.pending(2);
    bench.watch(2.1, landed);
    bench.done(2.2, 2);
    bench.wake(4.0);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: watch shows v2 a/15@2#0
            valid until 12s
            wait until 6s
        2.2s: Renew done, v2
            wait until 4s
        4s: wake
            -> swap v2 to a/15@4#0, to Renew
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: a create has no version and may land much later; until `sent + R` it is known, after that it is a twin's.
#[test]
fn a_late_create_is_known_only_for_a_lease() {
    let mut bench = Bench::knowing(config(), absent(None));
    let created = bench.pending(2);
    bench.swap_fails(1.0, Ambiguous);
    bench.watch(1.5, present(1, "b/15@1#0"));
    bench.watch(1.6, absent(None));
    bench.read(1.7, absent(None));
    bench.watch(9.0, created.clone());
    expect![[r#"
        1s: Acquire failed, ambiguous
            wait until 2s
        1.5s: watch shows v1 b/15@1#0
            (HolderChanged(Some("b")))
            wait until 7.5s
        1.6s: watch shows absent
            -> get
            wait until 6.6s
        1.7s: read absent
            (HolderChanged(None))
            -> swap absent to a/15@1#0, to Acquire
            wait until 6.7s
        9s: watch shows v2 a/15@0#0
            (HolderChanged(Some("a")))
            START token 2, valid until 10s
            AT RISK, valid until 10s
            -> swap v2 to a/15@9#0, to Renew
            wait until 10s
    "#]]
    .assert_eq(&bench.take_transcript());

    let mut bench = Bench::knowing(config(), absent(None));
    bench.swap_fails(1.0, Ambiguous);
    bench.watch(1.5, present(1, "b/15@1#0"));
    bench.take_transcript();
    bench.watch(10.0, created);
    expect![[r#"
        10s: watch shows v2 a/15@0#0
            (HolderChanged(Some("a")))
            (SameIdentity { twin: true })
            wait until 16s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 8: one swap at a time, P apart, or when the last one has not answered within the attempt timeout.
#[test]
fn swaps_are_sent_a_period_apart_and_one_at_a_time() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.wake(4.0);
    bench.wake(7.0);
    bench.swap_fails(7.5, Denied);
    bench.swap_fails(8.0, Denied);
    bench.wake(9.0);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            wait until 7s
        7s: wake
            -> swap v1 to a/15@7#0, to Renew
            wait until 10s
        7.5s: Renew failed, denied
            wait until 10s
        8s: Renew failed, denied
            wait until 9s
        9s: wake
            -> swap v1 to a/15@9#0, to Renew
            wait until 10s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// No more than eight are pending, one of them a release: a retry beyond them repeats the last record.
#[test]
fn what_is_pending_is_capped() {
    let timing = crate::bench::timing(60, 50, 2);
    let mut bench = Bench::leading(leaderelection::election::ElectionConfig { timing, ..config() });
    for second in (2..=20).step_by(2) {
        bench.wake(f64::from(second));
        bench.swap_fails(f64::from(second) + 0.1, Ambiguous);
    }
    let transcript = bench.take_transcript();
    let sent: Vec<&str> = transcript.lines().filter(|line| line.contains("swap")).collect();
    assert_eq!(sent.len(), 10);
    assert_eq!(sent[6], "    -> swap v1 to a/60@14#0, to Renew");
    assert!(
        sent[7..].iter().all(|again| *again == sent[6]),
        "the eighth to tenth repeat the seventh"
    );
    bench.at(21.0, Input::Wake);
}
