//! One's own lease: from send, never revived (SAFETY 1, 2, 11, 22).

use std::time::Duration;

use expect_test::expect;
use leaderelection::LockErrorKind::{Ambiguous, Unavailable};
use leaderelection::election::{ElectionConfig, Input};

use crate::bench::{Bench, absent, config, present, timing};

/// SAFETY 18, the default: as Go.
#[test]
fn a_candidate_that_finds_nothing_creates_and_leads() {
    let mut bench = Bench::new(config());
    bench.wake(0.0);
    bench.read(0.5, absent(None));
    bench.done(1.0, 7);
    bench.at(1.5, Input::WatchStarted);
    expect![[r#"
        0s: wake
            -> watch
            -> get
            wait until 5s
        0.5s: read absent
            (HolderChanged(None))
            -> swap absent to a/15@0#0, to Acquire
            wait until 2s
        1s: Acquire done, v7
            (HolderChanged(Some("a")))
            START token 7, valid until 10.5s
            wait until 2.5s
        1.5s: WatchStarted
            -> get
            wait until 2.5s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 1: the lease counts from the send at 2 s, not from the reply at 5 s.
#[test]
fn a_renewal_counts_from_its_send() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.wake(4.0);
    bench.done(5.0, 2);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            wait until 7s
        5s: Renew done, v2
            valid until 12s
            -> swap v2 to a/15@5#0, to Renew
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 1: at `sent + R` the term is over, whatever is still on its way.
#[test]
fn a_term_ends_r_after_the_send_of_its_last_success() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.swap_fails(2.1, Unavailable);
    bench.wake(4.0);
    bench.swap_fails(4.1, Ambiguous);
    bench.wake(6.0);
    bench.wake(10.0);
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
        4.1s: Renew failed, ambiguous
            wait until 6s
        6s: wake
            -> swap v1 to a/15@6#0, to Renew
            wait until 10s
        10s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 10s
            DROP
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// With a grace σ the work is told at `sent + R` and gone by `sent + R + σ`.
#[test]
fn the_stop_grace_runs_after_the_deadline() {
    let timing = timing(15, 10, 2).with_stop_grace(Duration::from_secs(3)).unwrap();
    let mut bench = Bench::leading(ElectionConfig { timing, ..config() });
    bench.wake(2.0);
    bench.wake(10.0);
    bench.wake(13.0);
    bench.at(13.0, Input::WorkEnded);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        10s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 13s
            wait until 13s
        13s: wake
            DROP
            wait until never
        13s: WorkEnded
            -> swap v1 to a/15@13#1, to Acquire
            wait until 18s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// Timers fire late, never early: the end is armed a little before it.
#[test]
fn the_end_is_armed_early() {
    let mut bench = Bench::leading(ElectionConfig {
        timer_lead: Duration::from_millis(2),
        ..config()
    });
    bench.wake(2.0);
    bench.wake(9.997);
    bench.wake(9.998);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        9.997s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@9#0, to Renew
            wait until 9.998s
        9.998s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 9.998s
            DROP
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 22: a late success of a renewal only updates knowledge; the record is one's own, so a new term needs no wait,
/// but it needs the work to be gone.
#[test]
fn a_late_renewal_revives_nothing() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.wake(10.0);
    bench.done(11.0, 2);
    bench.at(12.0, Input::WorkEnded);
    bench.done(12.5, 3);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        10s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 10s
            DROP
            wait until never
        11s: Renew done, v2
            wait until never
        12s: WorkEnded
            -> swap v2 to a/15@12#1, to Acquire
            wait until 17s
        12.5s: Acquire done, v3
            START token 3, valid until 22s
            wait until 14s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 22: a late acquiring success is released, and the candidate backs off L.
#[test]
fn a_late_acquisition_is_given_back() {
    let mut bench = Bench::knowing(config(), absent(None));
    bench.wake(5.0);
    bench.done(10.0, 1);
    bench.swap_fails(10.1, Ambiguous);
    bench.done(12.0, 2);
    bench.wake(24.0);
    bench.wake(25.0);
    expect![[r#"
        5s: wake
            -> swap absent to a/15@5#0, to Acquire
            wait until 10s
        10s: Acquire done, v1
            (HolderChanged(Some("a")))
            (AcquiredTooLate)
            -> swap v1 to /1@10#0, to Release
            wait until 15s
        10.1s: Acquire failed, ambiguous
            wait until 15s
        12s: Release done, v2
            (HolderChanged(None))
            (Released)
            wait until 27s
        24s: wake
            wait until 27s
        25s: wake
            wait until 27s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 11: at once, not at the deadline.
#[test]
fn a_leader_that_is_shown_another_s_record_stops_at_once() {
    let mut bench = Bench::leading(config());
    bench.watch(1.0, present(2, "b/15@1#1"));
    bench.at(1.0, Input::WorkEnded);
    expect![[r#"
        1s: watch shows v2 b/15@1#1
            (HolderChanged(Some("b")))
            LOST: the record was taken by "b"; gone by 1s
            DROP
            wait until 7s
        1s: WorkEnded
            wait until 7s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 11.
#[test]
fn a_leader_that_is_shown_that_there_is_nothing_stops_at_once() {
    let mut bench = Bench::leading(config());
    bench.watch(1.0, absent(2));
    bench.at(1.0, Input::WorkEnded);
    bench.done(1.1, 3);
    expect![[r#"
        1s: watch shows absent as of v2
            (HolderChanged(None))
            LOST: the record was deleted; gone by 1s
            DROP
            wait until never
        1s: WorkEnded
            -> swap absent to a/15@1#0, to Acquire
            wait until 6s
        1.1s: Acquire done, v3
            (HolderChanged(Some("a")))
            START token 3, valid until 11s
            wait until 3s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 4: older or equal versions change nothing, neither for a leader nor for a rival's lease.
#[test]
fn what_is_not_newer_changes_nothing() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.done(2.1, 5);
    bench.watch(3.0, present(4, "b/15@1#1"));
    bench.watch(3.0, present(5, "b/15@1#1"));
    bench.watch(3.0, absent(5));
    bench.watch(3.0, absent(None));
    bench.read(3.5, present(5, "a/15@2#0"));
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew done, v5
            valid until 12s
            wait until 4s
        3s: watch shows v4 b/15@1#1
            wait until 4s
        3s: watch shows v5 b/15@1#1
            wait until 4s
        3s: watch shows absent as of v5
            wait until 4s
        3s: watch shows absent
            -> get
            wait until 4s
        3.5s: read v5 a/15@2#0
            wait until 4s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// The notice before the loss.
#[test]
fn renewals_that_fail_put_the_term_at_risk_and_a_success_ends_that() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.swap_fails(2.5, Unavailable);
    bench.wake(4.0);
    bench.done(4.5, 2);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.5s: Renew failed, unavailable
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@4#0, to Renew
            wait until 9s
        4.5s: Renew done, v2
            valid until 14s
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A store that asks to be left alone is, but never for longer than the lease allows.
#[test]
fn retry_after_is_honoured_within_the_lease() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.swap_fails_for(3.0, Unavailable, Some(Duration::from_secs(3)));
    bench.wake(6.0);
    bench.swap_fails_for(6.0, Unavailable, Some(Duration::from_secs(600)));
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        3s: Renew failed, unavailable
            wait until 4s
        6s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@6#0, to Renew
            wait until 10s
        6s: Renew failed, unavailable
            wait until 8s
    "#]]
    .assert_eq(&bench.take_transcript());
}
