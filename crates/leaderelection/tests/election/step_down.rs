//! Letting somebody else lead, then campaigning again (SAFETY 14).

use expect_test::expect;
use leaderelection::LockErrorKind::Ambiguous;
use leaderelection::election::Input;

use crate::bench::{Bench, config, present};

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

/// Whose work has failed stays away for as long as it was told, also when another has held meanwhile.
#[test]
fn who_stays_away_does_so_whoever_holds_meanwhile() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::StayAway(std::time::Duration::from_secs(20)));
    bench.at(1.0, Input::WorkEnded);
    bench.done(1.1, 2);
    bench.watch(1.2, present(3, "b/15@1#1"));
    bench.watch(1.3, present(4, "/1@1#1"));
    bench.wake(3.1);
    bench.wake(21.0);
    expect![[r#"
        1s: StayAway(20s)
            wait until 2s
        1s: WorkEnded
            -> swap v1 to /1@1#0, to Release
            wait until 6s
        1.1s: Release done, v2
            (HolderChanged(None))
            (Released)
            wait until 21s
        1.2s: watch shows v3 b/15@1#1
            (HolderChanged(Some("b")))
            wait until 7.2s
        1.3s: watch shows v4 /1@1#1
            (HolderChanged(None))
            wait until 21s
        3.1s: wake
            wait until 21s
        21s: wake
            -> swap v4 to a/15@21#2, to Acquire
            wait until 26s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// It does not touch what is held.
#[test]
fn who_is_told_to_stay_away_while_it_leads_leads_on() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::StayAway(std::time::Duration::from_secs(20)));
    bench.wake(2.0);
    expect![[r#"
        1s: StayAway(20s)
            wait until 2s
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
    "#]]
    .assert_eq(&bench.take_transcript());
}
