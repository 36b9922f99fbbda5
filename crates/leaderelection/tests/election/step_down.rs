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

/// Whose work has panicked stays away for as long as it was told, also when another has held meanwhile.
#[test]
fn who_stays_away_does_so_whoever_holds_meanwhile() {
    let mut bench = Bench::leading(config());
    bench.at(1.0, Input::WorkPanicked(Some(std::time::Duration::from_secs(20))));
    bench.done(1.1, 2);
    bench.watch(1.2, present(3, "b/15@1#1"));
    bench.watch(1.3, present(4, "/1@1#1"));
    bench.wake(3.1);
    bench.wake(21.0);
    expect![[r#"
        1s: WorkPanicked(Some(20s))
            DRAIN until 11s
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

/// Also where the next renewal is due at that very moment: the release alone is sent.
#[test]
fn nothing_is_renewed_for_work_that_has_panicked() {
    for away in [None, Some(std::time::Duration::from_secs(20))] {
        let mut bench = Bench::leading(config());
        bench.at(2.0, Input::WorkPanicked(away));
        let said = bench.take_transcript();
        assert!(
            said.contains("to Release") && !said.contains("to Renew"),
            "{said}"
        );
    }
}

/// And where the term was lost before, its record is released, and not taken again on the way.
#[test]
fn what_was_lost_before_the_panic_is_released() {
    for away in [None, Some(std::time::Duration::from_secs(20))] {
        let mut bench = Bench::leading(leaderelection::election::ElectionConfig {
            timing: config()
                .timing
                .with_stop_grace(std::time::Duration::from_secs(2))
                .unwrap(),
            ..config()
        });
        bench.wake(10.0);
        bench.at(11.0, Input::WorkPanicked(away));
        let said = bench.take_transcript();
        assert!(
            said.contains("to Release") && !said.contains("to Acquire"),
            "{said}"
        );
    }
}
