//! Schedules that once went wrong, found by people and machines who looked for them.

use expect_test::expect;
use leaderelection::LockErrorKind::{Ambiguous, Unavailable};
use leaderelection::MissingRecord::ClaimThenLead;
use leaderelection::election::{ElectionConfig, Input};

use crate::bench::{Bench, absent, config, present, timing};

/// SAFETY 9: a create that was forgotten at `sent + R` landed first, and an equal one was sent later, because the wall clock
/// stands: the record must not count from the later send.
#[test]
fn a_forgotten_create_does_not_count_from_a_later_send() {
    let mut bench = Bench::new(config());
    bench.hold_wall(0);
    bench.wake(0.0);
    bench.read(0.0, absent(None));
    bench.at(0.0, Input::WatchUnsupported);
    let landed = bench.pending(1);
    bench.wake(5.0);
    bench.wake(10.0);
    bench.take_transcript();
    bench.conflict(10.1, landed);
    expect![[r#"
        10.1s: Acquire in conflict with v1 a/15@0#0
            (HolderChanged(Some("a")))
            (SameIdentity { twin: false })
            wait until 15s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: the refusal of a swap on an old version forgets nothing of an equal one on the newest.
#[test]
fn an_old_refusal_forgets_no_newer_attempt() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.watch(2.1, present(2, "a/15@0#0"));
    bench.swap_fails(2.2, Unavailable);
    let landed = bench.pending(3);
    bench.watch(2.3, landed);
    bench.done(2.4, 3);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: watch shows v2 a/15@0#0
            -> swap v2 to a/15@2#0, to Renew
            wait until 4s
        2.2s: Renew failed, unavailable
            wait until 4s
        2.3s: watch shows v3 a/15@2#0
            valid until 12.1s
            wait until 6.1s
        2.4s: Renew done, v3
            wait until 4.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 12: a release finds a place among what is pending.
#[test]
fn a_release_is_sent_whatever_is_pending() {
    let mut bench = Bench::leading(ElectionConfig {
        timing: timing(15, 12, 1),
        ..config()
    });
    for second in 1..=9 {
        bench.wake(f64::from(second));
        bench.swap_fails(f64::from(second) + 0.1, Ambiguous);
    }
    bench.take_transcript();
    bench.at(9.5, Input::WorkEnded);
    expect![[r#"
        9.5s: WorkEnded
            -> swap v1 to /1@9#0, to Release
            wait until 15.5s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 6: at the end of time every renewal still changes the record, and none comes back.
#[test]
fn renewals_in_the_year_9999_never_repeat() {
    let mut bench = Bench::knowing(config(), absent(None));
    bench.hold_wall(253_402_300_900);
    bench.done(0.1, 1);
    bench.take_transcript();
    for number in 1..=4u32 {
        bench.wake(f64::from(number) * 2.0);
        bench.done(f64::from(number) * 2.0 + 0.1, u64::from(number) + 1);
    }
    let transcript = bench.take_transcript();
    let written: Vec<&str> = transcript
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-> swap v"))
        .collect();
    expect![[r#"
        1 to a/15@253370764800#0, to Renew
        2 to a/15@253370764801#0, to Renew
        3 to a/15@253370764802#0, to Renew
        4 to a/15@253370764803#0, to Renew"#]]
    .assert_eq(&written.join("\n"));
}

/// SAFETY 19: a create that succeeds below a version that only a watch has shown is a term: the store itself never knew that
/// version.
#[test]
fn a_watch_that_lied_blocks_no_create() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.watch(1.0, present(1000, "c/15@1#3"));
    bench.watch(1.1, absent(None));
    bench.read(1.2, absent(None));
    bench.take_transcript();
    bench.done(1.3, 7);
    expect![[r#"
        1.3s: Acquire done, v7
            (HolderChanged(Some("a")))
            START token 7, valid until 11.2s
            wait until 3.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 5, 9 and 18: an old create that lands after a deletion must not look like what stood there before: every create of a
/// life is another record, also when the wall clock stands.
#[test]
fn every_create_of_a_life_is_another_record() {
    let mut bench = Bench::knowing(
        ElectionConfig {
            missing_record: ClaimThenLead,
            ..config()
        },
        absent(None),
    );
    bench.hold_wall(0);
    bench.swap_fails(0.1, Ambiguous);
    bench.wake(2.0);
    bench.swap_fails(2.1, Ambiguous);
    bench.wake(4.0);
    assert_eq!(bench.election().last_create_second(), Some(2), "a model asks");
    expect![[r#"
        0.1s: Claim failed, ambiguous
            wait until 2s
        2s: wake
            -> swap absent to a/15@1#0, to Claim
            wait until 7s
        2.1s: Claim failed, ambiguous
            wait until 4s
        4s: wake
            -> swap absent to a/15@2#0, to Claim
            wait until 9s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 6 and 16: transitions that somebody has driven to their end start over, for every acquisition must be another record.
#[test]
fn acquisitions_differ_also_at_the_end_of_the_transitions() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#9223372036854775807"));
    bench.wake(15.0);
    assert_eq!(bench.election().last_create_second(), None, "no create");
    bench.done(15.1, 6);
    expect![[r#"
        15s: wake
            -> swap v5 to a/15@15#1, to Acquire
            -> get, to verify the watch
            wait until 20s
        15.1s: Acquire done, v6
            (HolderChanged(Some("a")))
            START token 6, valid until 25s
            wait until 17s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 7: a stranger who overwrites a long lease with a short one shortens nothing for the one overwritten.
#[test]
fn an_overwritten_lease_is_waited_out_too() {
    let mut bench = Bench::knowing(config(), present(5, "b/60@0#3"));
    bench.watch(1.0, present(6, "op/5@1#3"));
    bench.wake(16.0);
    bench.wake(59.9);
    assert!(!bench.take_transcript().contains("swap"));
    bench.wake(60.0);
    assert!(bench.take_transcript().contains("-> swap v6"));
}

/// SAFETY 14: a step-down gives a ripening claim up.
#[test]
fn a_step_down_gives_a_claim_up() {
    let mut bench = Bench::knowing(
        ElectionConfig {
            missing_record: ClaimThenLead,
            ..config()
        },
        absent(None),
    );
    bench.done(0.1, 1);
    bench.at(1.0, Input::StepDown);
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("a")))
            (Claimed(15s))
            wait until 2s
        1s: StepDown
            (ClaimLapsed)
            wait until 6.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9: the renewal of a claim that has ripened meanwhile and that of the term may be one record; the earliest send counts,
/// and a refusal of the later one forgets nothing.
#[test]
fn a_claim_s_renewal_and_its_term_s_are_one_attempt() {
    let mut bench = Bench::knowing(
        ElectionConfig {
            missing_record: ClaimThenLead,
            ..config()
        },
        absent(None),
    );
    bench.hold_wall(0);
    bench.done(0.1, 1);
    for number in 1..=6u32 {
        bench.wake(f64::from(number) * 2.0);
        bench.done(f64::from(number) * 2.0, u64::from(number) + 1);
    }
    bench.wake(14.0);
    let landed = bench.pending(8);
    bench.swap_fails(14.1, Ambiguous);
    bench.wake(15.1);
    bench.take_transcript();
    bench.wake(16.0);
    bench.swap_fails(16.1, Unavailable);
    bench.wake(18.0);
    bench.conflict(18.1, landed);
    expect![[r#"
        16s: wake
            AT RISK, valid until 22s
            -> swap v7 to a/15@7#0, to Renew
            wait until 21s
        16.1s: Renew failed, unavailable
            wait until 18s
        18s: wake
            -> swap v7 to a/15@7#0, to Renew
            wait until 22s
        18.1s: Renew in conflict with v8 a/15@7#0
            valid until 24s
            AT RISK, valid until 24s
            wait until 20s
    "#]]
    .assert_eq(&bench.take_transcript());
}
