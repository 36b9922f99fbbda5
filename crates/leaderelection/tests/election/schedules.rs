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

/// SAFETY 18, strict: a record that was never renewed, at a newer version, may be another claim: its wait begins again.
#[test]
fn a_create_that_landed_again_is_a_new_claim() {
    let strict = ElectionConfig {
        missing_record: ClaimThenLead,
        ..config()
    };
    let mut bench = Bench::knowing(strict, present(1, "b/15@0#0"));
    bench.watch(14.9, present(4, "b/15@0#0"));
    bench.wake(15.0);
    bench.wake(29.9);
    expect![[r#"
        14.9s: watch shows v4 b/15@0#0
            wait until 20.9s
        15s: wake
            wait until 20.9s
        29.9s: wake
            -> swap v4 to a/15@29#1, to Acquire
            -> get, to verify the watch
            wait until 34.9s
    "#]]
    .assert_eq(&bench.take_transcript());
}
