//! Endings by will: drain, release, step-down, stop (SAFETY 12 to 14, 23).

use std::time::Duration;

use expect_test::expect;
use leaderelection::LockErrorKind::Ambiguous;
use leaderelection::election::{ElectionConfig, Input};

use crate::bench::{Bench, absent, config, present, timing};

/// SAFETY 12: first the work has stopped, then the record is freed, with its transitions.
#[test]
fn a_stop_drains_then_releases_then_ends() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::Stop);
    bench.wake(2.0);
    bench.done(2.1, 2);
    bench.at(3.0, Input::WorkEnded);
    bench.done(3.1, 3);
    bench.wake(4.0);
    expect![[r#"
        1s: Stop
            DRAIN until 11s
            wait until 2s
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew done, v2
            valid until 12s
            wait until 4s
        3s: WorkEnded
            -> swap v2 to /1@3#0, to Release
            wait until 8s
        3.1s: Release done, v3
            (HolderChanged(None))
            (Released)
            ENDED
            wait until never
        4s: wake
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 13: work that does not end within the drain timeout loses its term; it is gone σ later, and then the record is
/// released.
#[test]
fn a_drain_has_a_limit() {
    let timing = timing(15, 10, 2)
        .with_drain_timeout(Duration::from_secs(3))
        .and_then(|timing| timing.with_stop_grace(Duration::from_secs(1)))
        .unwrap();
    let mut bench = Bench::leading(ElectionConfig { timing, ..config() });
    bench.at(1.0, Input::Stop);
    bench.wake(2.0);
    bench.done(2.1, 2);
    bench.wake(4.0);
    bench.wake(5.0);
    bench.at(5.0, Input::WorkEnded);
    bench.done(5.1, 3);
    expect![[r#"
        1s: Stop
            DRAIN until 4s
            wait until 2s
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew done, v2
            valid until 12s
            wait until 4s
        4s: wake
            LOST: the work did not end within the drain timeout; gone by 5s
            wait until 5s
        5s: wake
            DROP
            wait until never
        5s: WorkEnded
            -> swap v2 to /1@5#0, to Release
            wait until 10s
        5.1s: Release done, v3
            (HolderChanged(None))
            (Released)
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 13: a drain never outlives its lease.
#[test]
fn a_drain_ends_with_its_lease() {
    let timing = timing(15, 10, 2)
        .with_drain_timeout(Duration::from_secs(100))
        .unwrap();
    let mut bench = Bench::leading(ElectionConfig { timing, ..config() });
    bench.at(1.0, Input::Stop);
    bench.wake(2.0);
    bench.wake(10.0);
    expect![[r#"
        1s: Stop
            DRAIN until 101s
            wait until 2s
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        10s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 10s
            DROP
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 12: a release finds its own renewal in the way, and frees that; but never a successor's record.
#[test]
fn a_release_is_sent_once_more_on_one_s_own_renewal_only() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    let renewal = bench.pending(2);
    bench.swap_fails(2.5, Ambiguous);
    bench.at(3.0, Input::Stop);
    bench.at(3.0, Input::WorkEnded);
    bench.conflict(3.1, renewal);
    bench.conflict(3.2, present(3, "b/15@3#1"));
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.5s: Renew failed, ambiguous
            wait until 4s
        3s: Stop
            DRAIN until 13s
            wait until 4s
        3s: WorkEnded
            -> swap v1 to /1@3#0, to Release
            wait until 8s
        3.1s: Release in conflict with v2 a/15@2#0
            -> swap v2 to /1@3#0, to Release
            wait until 8s
        3.2s: Release in conflict with v3 b/15@3#1
            (HolderChanged(Some("b")))
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 12: when the release's reply is lost the term is over all the same; it is tried again, and given up in time.
#[test]
fn a_release_that_is_not_answered_is_given_up() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::Stop);
    bench.at(1.0, Input::WorkEnded);
    bench.swap_fails(1.5, Ambiguous);
    bench.wake(3.0);
    bench.wake(6.0);
    expect![[r#"
        1s: Stop
            DRAIN until 11s
            wait until 2s
        1s: WorkEnded
            -> swap v1 to /1@1#0, to Release
            wait until 6s
        1.5s: Release failed, ambiguous
            wait until 3s
        3s: wake
            -> swap v1 to /1@3#0, to Release
            wait until 6s
        6s: wake
            (ReleaseUnconfirmed)
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 14: after a step-down the process waits P ...
#[test]
fn a_step_down_lets_others_win_first() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::StepDown);
    bench.at(1.0, Input::WorkEnded);
    bench.done(1.1, 2);
    bench.wake(3.0);
    bench.wake(3.1);
    expect![[r#"
        1s: StepDown
            DRAIN until 11s
            wait until 2s
        1s: WorkEnded
            -> swap v1 to /1@1#0, to Release
            wait until 6s
        1.1s: Release done, v2
            (HolderChanged(None))
            (Released)
            wait until 3.1s
        3s: wake
            wait until 3.1s
        3.1s: wake
            -> swap v2 to a/15@3#1, to Acquire
            wait until 8.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// ... or until another holds.
#[test]
fn a_step_down_ends_when_another_holds() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::StepDown);
    bench.at(1.0, Input::WorkEnded);
    bench.done(1.1, 2);
    bench.watch(1.2, present(3, "b/15@1#1"));
    bench.watch(1.3, present(4, "/1@1#1"));
    expect![[r#"
        1s: StepDown
            DRAIN until 11s
            wait until 2s
        1s: WorkEnded
            -> swap v1 to /1@1#0, to Release
            wait until 6s
        1.1s: Release done, v2
            (HolderChanged(None))
            (Released)
            wait until 3.1s
        1.2s: watch shows v3 b/15@1#1
            (HolderChanged(Some("b")))
            wait until 7.2s
        1.3s: watch shows v4 /1@1#1
            (HolderChanged(None))
            -> swap v4 to a/15@1#2, to Acquire
            wait until 6.3s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 14: also when the term was lost on the way: then it campaigns again, in its time.
#[test]
fn a_step_down_of_a_term_that_is_lost_meanwhile_ends_too() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::StepDown);
    bench.wake(2.0);
    bench.swap_fails(2.1, Ambiguous);
    bench.wake(10.0);
    bench.take_transcript();
    bench.at(10.5, Input::WorkEnded);
    bench.done(10.6, 2);
    bench.wake(12.6);
    expect![[r#"
        10.5s: WorkEnded
            -> swap v1 to /1@10#0, to Release
            wait until 15.5s
        10.6s: Release done, v2
            (HolderChanged(None))
            (Released)
            wait until 12.6s
        12.6s: wake
            -> swap v2 to a/15@12#1, to Acquire
            wait until 17.6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// What somebody else has freed was not released by this process.
#[test]
fn a_record_that_another_freed_is_no_release() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::Stop);
    bench.at(1.0, Input::WorkEnded);
    bench.take_transcript();
    bench.conflict(1.1, present(3, "/1@1#4"));
    expect![[r#"
        1.1s: Release in conflict with v3 /1@1#4
            (HolderChanged(None))
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// From the start until the work has ended, also beyond its term.
#[test]
fn a_candidate_is_at_work_until_its_work_has_ended() {
    let mut bench = Bench::knowing(config(), present(5, "/1@0#3"));
    assert!(!bench.election().is_at_work());
    assert_eq!(
        bench.election().known_version(),
        Some(leaderelection::Version::new(5))
    );
    bench.done(0.1, 6);
    assert!(bench.election().is_at_work());
    bench.watch(0.2, present(7, "b/15@0#4"));
    assert!(bench.election().is_at_work(), "it was told to stop, and has not");
    bench.at(0.3, Input::WorkEnded);
    assert!(!bench.election().is_at_work());
    assert_eq!(
        bench.election().known_version(),
        Some(leaderelection::Version::new(7))
    );
}

/// Work that ends by itself while it leads lets others lead.
#[test]
fn work_that_ends_releases() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::WorkEnded);
    bench.done(1.1, 2);
    expect![[r#"
        1s: WorkEnded
            -> swap v1 to /1@1#0, to Release
            wait until 6s
        1.1s: Release done, v2
            (HolderChanged(None))
            (Released)
            wait until 3.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 23: an acquisition that may still land is replaced by a free record on the same base.
#[test]
fn a_stop_frees_the_base_of_a_pending_acquisition() {
    let mut bench = Bench::knowing(config(), present(5, "/1@0#3"));
    let acquired = bench.pending(6);
    bench.at(0.5, Input::Stop);
    bench.swap_fails(0.6, Ambiguous);
    bench.conflict(0.7, acquired);
    bench.done(0.8, 7);
    expect![[r#"
        0.5s: Stop
            -> swap v5 to /1@1#3, to Release
            wait until 5.5s
        0.6s: Acquire failed, ambiguous
            wait until 5.5s
        0.7s: Release in conflict with v6 a/15@0#4
            (HolderChanged(Some("a")))
            -> swap v6 to /1@0#4, to Release
            wait until 5.5s
        0.8s: Release done, v7
            (HolderChanged(None))
            (Released)
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 23, where there is nothing yet; and never on a record of somebody else.
#[test]
fn a_stop_replaces_a_pending_create_but_nobody_s_record() {
    let mut bench = Bench::knowing(config(), absent(None));
    bench.at(0.5, Input::Stop);
    bench.conflict(0.6, present(4, "b/15@0#0"));
    expect![[r#"
        0.5s: Stop
            -> swap absent to /1@0#0, to Release
            wait until 5.5s
        0.6s: Acquire in conflict with v4 b/15@0#0
            (HolderChanged(Some("b")))
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// After a loss by the deadline the record may still be one's own: a stop frees it once the work is gone.
#[test]
fn a_stop_after_a_loss_frees_what_is_left() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.wake(10.0);
    bench.at(10.5, Input::Stop);
    bench.at(11.0, Input::WorkEnded);
    bench.swap_fails(11.0, Ambiguous);
    bench.done(11.5, 2);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        10s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 10s
            DROP
            wait until never
        10.5s: Stop
            wait until never
        11s: WorkEnded
            -> swap v1 to /1@11#0, to Release
            wait until 16s
        11s: Renew failed, ambiguous
            wait until 16s
        11.5s: Release done, v2
            (HolderChanged(None))
            (Released)
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A follower has nothing to release.
#[test]
fn a_follower_just_ends() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.at(1.0, Input::Stop);
    bench.watch(2.0, present(6, "/1@1#3"));
    expect![[r#"
        1s: Stop
            ENDED
            wait until never
        2s: watch shows v6 /1@1#3
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A second stop, and a step-down after a stop, change nothing.
#[test]
fn a_stop_is_final() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::StepDown);
    bench.at(2.0, Input::Stop);
    bench.at(2.0, Input::StepDown);
    bench.at(2.0, Input::Stop);
    bench.at(2.0, Input::WorkEnded);
    bench.swap_fails(2.0, Ambiguous);
    bench.done(2.1, 2);
    expect![[r#"
        1s: StepDown
            DRAIN until 11s
            wait until 2s
        2s: Stop
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2s: StepDown
            wait until 4s
        2s: Stop
            wait until 4s
        2s: WorkEnded
            -> swap v1 to /1@2#0, to Release
            wait until 7s
        2s: Renew failed, ambiguous
            wait until 4s
        2.1s: Release done, v2
            (HolderChanged(None))
            (Released)
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}
