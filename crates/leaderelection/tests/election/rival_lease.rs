//! The rival's lease: from receipt, for as long as it declares (SAFETY 1, 5, 7, 10, 17, 20).

use std::time::Duration;

use expect_test::expect;
use leaderelection::LeaseTiming;
use leaderelection::LockErrorKind::{self, Unavailable};
use leaderelection::election::{ElectionConfig, Input};

use crate::bench::{Bench, config, present, timing, unreadable};

/// SAFETY 1 and 10: L after the receipt, by one swap on the version that stood still, without a read.
#[test]
fn a_record_that_stands_still_is_taken_over_after_its_lease() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.watch(4.0, present(6, "b/15@4#3"));
    bench.wake(10.0);
    bench.read(10.1, present(6, "b/15@4#3"));
    bench.wake(16.0);
    bench.read(16.1, present(6, "b/15@4#3"));
    bench.wake(19.0);
    bench.done(19.2, 7);
    expect![[r#"
        4s: watch shows v6 b/15@4#3
            wait until 10s
        10s: wake
            -> get, to verify the watch
            wait until 15s
        10.1s: read v6 b/15@4#3
            wait until 16s
        16s: wake
            -> get, to verify the watch
            wait until 19s
        16.1s: read v6 b/15@4#3
            wait until 19s
        19s: wake
            -> swap v6 to a/15@19#4, to Acquire
            wait until 22s
        19.2s: Acquire done, v7
            (HolderChanged(Some("a")))
            START token 7, valid until 29s
            wait until 21s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 5: a label written for ever neither restarts the lease nor fools the swap.
#[test]
fn a_version_that_moves_alone_keeps_nobody_alive() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    for second in 1..15u32 {
        bench.watch(f64::from(second), present(5 + u64::from(second), "b/15@0#3"));
    }
    bench.take_transcript();
    bench.wake(15.0);
    expect![[r#"
        15s: wake
            -> swap v19 to a/15@15#4, to Acquire
            wait until 20s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 7: the longer of own L and the record's; nothing sensible declared means own L; absurd means as declared.
#[test]
fn a_rival_is_waited_out_for_the_longer_duration() {
    for (declared, until) in [("60", 60), ("5", 15), ("0", 15), ("-1", 15)] {
        let mut bench = Bench::knowing(config(), present(5, &format!("b/{declared}@0#3")));
        bench.wake(f64::from(until) - 0.001);
        assert!(!bench.take_transcript().contains("swap"), "{declared}: not yet");
        bench.wake(f64::from(until));
        assert!(
            bench.take_transcript().contains("-> swap v5 to a/15"),
            "{declared}: now"
        );
    }
    let mut bench = Bench::new(config());
    bench.wake(0.0);
    bench.read(0.0, present(5, &format!("b/{}@0#3", i64::MAX)));
    bench.at(0.0, Input::WatchStarted);
    expect![[r#"
        0s: wake
            -> watch
            -> get
            wait until 5s
        0s: read v5 b/9223372036854775807@0#3
            (HolderChanged(Some("b")))
            (LongLease { holder: "b", seconds: 9223372036854775807 })
            wait until 2s
        0s: WatchStarted
            -> get
            wait until 5s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 7: a lease of more than a day is reported, and respected all the same.
#[test]
fn a_lease_of_more_than_a_day_is_reported() {
    for (declared, reported) in [(86_400, false), (86_401, true)] {
        let mut bench = Bench::new(config());
        bench.wake(0.0);
        bench.read(0.0, present(5, &format!("b/{declared}@0#3")));
        assert_eq!(
            bench.take_transcript().contains("LongLease"),
            reported,
            "{declared}"
        );
    }
}

/// SAFETY 7: the margin for Go leaders.
#[test]
fn the_rival_margin_is_added() {
    let timing = timing(15, 10, 2)
        .with_rival_margin(Duration::from_secs(2))
        .unwrap();
    let mut bench = Bench::knowing(ElectionConfig { timing, ..config() }, present(5, "b/15@0#3"));
    bench.wake(16.9);
    assert!(!bench.take_transcript().contains("swap"));
    bench.wake(17.0);
    assert!(bench.take_transcript().contains("swap v5"));
}

/// SAFETY 7: a leader in Go leads until `P + R + D` after its last success, and where P is below a second, that may be a
/// second after the last write that others could tell from the one before. What `with_rival_margin` says to add covers it.
#[test]
fn the_margin_that_is_documented_outlasts_a_leader_in_go() {
    let seconds = Duration::from_secs_f64;
    for (lease, renew, retry, slowest, margin) in [
        (4, 3.0, 1.0, 1.0, 1.0),
        (3, 2.0, 1.5, 0.5, 1.0),
        (15, 10.0, 2.0, 5.0, 2.0),
        (15, 10.0, 2.0, 9.9, 6.9),
        (15, 14.0, 2.0, 7.0, 8.0),
        (3, 2.0, 0.5, 1.0, 0.5 + 1.0),
        (15, 14.5, 0.2, 2.0, 1.7 + 1.0),
    ] {
        let unseen = if retry < 1.0 { 1.0 } else { 0.0 };
        let leads_until = retry + renew + slowest + unseen;
        let takes_over_before_that = |margin| {
            let timing = LeaseTiming::new(seconds(f64::from(lease)), seconds(renew), seconds(retry));
            let timing = timing.unwrap().with_rival_margin(seconds(margin)).unwrap();
            let held = present(5, &format!("b/{lease}@0#3"));
            let mut bench = Bench::knowing(ElectionConfig { timing, ..config() }, held);
            bench.wake(leads_until - 0.001);
            bench.take_transcript().contains("swap")
        };
        assert!(
            !takes_over_before_that(margin),
            "{lease} {renew} {retry} {slowest}"
        );
        assert!(takes_over_before_that(0.0), "it is needed");
    }
}

/// SAFETY 17: held, reported, waited out, and only then replaced by a swap on its version.
#[test]
fn an_unreadable_record_is_waited_out() {
    let mut bench = Bench::knowing(config(), present(5, "b/20@0#3"));
    bench.watch(1.0, unreadable(6));
    bench.wake(16.0);
    bench.wake(21.0);
    bench.done(21.1, 7);
    expect![[r#"
        1s: watch shows v6 unreadable
            (HolderChanged(None))
            (Unreadable { reason: "not a leader election record: expected ident at line 1 column 2", waited_out: 20s })
            wait until 7.666666666s
        16s: wake
            -> get, to verify the watch
            wait until 21s
        21s: wake
            -> swap v6 to a/15@21#4, to Acquire
            -> get
            wait until 26s
        21.1s: Acquire done, v7
            (HolderChanged(Some("a")))
            START token 7, valid until 31s
            wait until 23s
    "#]].assert_eq(&bench.take_transcript());
}

/// SAFETY 15: a released record is taken at once, and keeps its transitions.
#[test]
fn a_free_record_is_taken_at_once() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.watch(1.0, present(6, "/1@1#3"));
    bench.done(1.1, 7);
    expect![[r#"
        1s: watch shows v6 /1@1#3
            (HolderChanged(None))
            -> swap v6 to a/15@1#4, to Acquire
            wait until 6s
        1.1s: Acquire done, v7
            (HolderChanged(Some("a")))
            START token 7, valid until 11s
            wait until 3s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A race that is lost: the winner is waited out.
#[test]
fn a_conflict_that_shows_the_winner_needs_no_read() {
    let mut bench = Bench::knowing(config(), present(5, "/1@0#3"));
    bench.conflict(0.2, present(6, "b/15@0#4"));
    expect![[r#"
        0.2s: Acquire in conflict with v6 b/15@0#4
            (HolderChanged(Some("b")))
            wait until 6.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A store that does not tell what stood in the way is asked.
#[test]
fn a_conflict_that_shows_nothing_is_followed_by_a_read() {
    let mut bench = Bench::knowing(config(), present(5, "/1@0#3"));
    bench.conflict(0.2, None);
    bench.read(0.3, present(6, "b/15@0#4"));
    expect![[r#"
        0.2s: Acquire in conflict
            -> get
            wait until 2s
        0.3s: read v6 b/15@0#4
            (HolderChanged(Some("b")))
            wait until 6.3s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 20: one read after S = 6 s of silence; when it shows something newer, the watch is opened anew.
#[test]
fn a_silent_watch_is_verified_and_restarted_when_it_missed_something() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.wake(5.9);
    bench.wake(6.0);
    bench.read(6.1, present(8, "b/15@6#3"));
    bench.at(6.2, Input::WatchStarted);
    bench.read(6.3, present(8, "b/15@6#3"));
    expect![[r#"
        5.9s: wake
            wait until 6s
        6s: wake
            -> get, to verify the watch
            wait until 11s
        6.1s: read v8 b/15@6#3
            -> watch
            wait until 8s
        6.2s: WatchStarted
            -> get
            wait until 11.2s
        6.3s: read v8 b/15@6#3
            wait until 12.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// Polling serves where the watch is refused, broken or unknown to the store.
#[test]
fn without_a_watch_the_lock_is_read_every_retry_period() {
    let mut bench = Bench::new(config());
    bench.wake(0.0);
    bench.read(0.1, present(5, "b/15@0#3"));
    bench.at(0.2, Input::WatchUnsupported);
    bench.wake(2.0);
    bench.read_fails(2.1, Unavailable);
    bench.wake(4.0);
    bench.read(4.1, present(6, "b/15@4#3"));
    expect![[r#"
        0s: wake
            -> watch
            -> get
            wait until 5s
        0.1s: read v5 b/15@0#3
            (HolderChanged(Some("b")))
            wait until 2s
        0.2s: WatchUnsupported
            wait until 2s
        2s: wake
            -> get
            wait until 7s
        2.1s: read failed, unavailable
            wait until 4s
        4s: wake
            -> get
            wait until 9s
        4.1s: read v6 b/15@4#3
            wait until 6s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A store that asks a reader to be left alone is neither polled nor asked for a watch, for a lease at most.
#[test]
fn a_store_that_asks_to_be_left_alone_is_not_polled() {
    let mut bench = Bench::new(config());
    bench.wake(0.0);
    bench.read_fails_for(0.1, Unavailable, Some(Duration::from_secs(5)));
    bench.at(0.1, watch_ended(Some(Unavailable)));
    bench.wake(5.0);
    bench.wake(5.1);
    bench.read_fails_for(5.2, Unavailable, Some(Duration::from_secs(600)));
    bench.at(5.2, watch_ended(Some(Unavailable)));
    bench.wake(20.1);
    bench.wake(20.2);
    expect![[r#"
        0s: wake
            -> watch
            -> get
            wait until 5s
        0.1s: read failed, unavailable
            wait until 5.1s
        0.1s: WatchEnded(Some(Unavailable))
            wait until 5.1s
        5s: wake
            wait until 5.1s
        5.1s: wake
            -> watch
            -> get
            wait until 10.1s
        5.2s: read failed, unavailable
            wait until 20.2s
        5.2s: WatchEnded(Some(Unavailable))
            wait until 20.2s
        20.1s: wake
            wait until 20.2s
        20.2s: wake
            -> watch
            -> get
            wait until 25.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

fn watch_ended(kind: Option<LockErrorKind>) -> Input {
    Input::WatchEnded {
        kind,
        retry_after: None,
    }
}

/// A store that asks to be left alone is not asked for a watch meanwhile, but for no longer than L.
#[test]
fn a_watch_is_opened_when_the_store_is_ready_for_it() {
    for (asked, opened_at) in [(1, 2.0), (5, 6.0), (60, 16.0)] {
        let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
        let retry_after = Some(Duration::from_secs(asked));
        bench.at(
            1.0,
            Input::WatchEnded {
                kind: Some(Unavailable),
                retry_after,
            },
        );
        let mut opened = None;
        for tenth in 10..200 {
            let now = f64::from(tenth) / 10.0;
            bench.wake(now);
            if bench.take_transcript().contains("-> watch") {
                opened = opened.or(Some(now));
            }
        }
        assert_eq!(opened, Some(opened_at), "asked for {asked} s");
    }
}

/// A watch that fails is opened again, no more often than every P; one that is refused, every L.
#[test]
fn a_watch_is_opened_again() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.at(1.0, watch_ended(None));
    bench.at(2.0, Input::Wake);
    bench.at(2.1, watch_ended(Some(leaderelection::LockErrorKind::Denied)));
    expect![[r#"
        1s: WatchEnded(None)
            wait until 2s
        2s: wake
            -> watch
            -> get
            wait until 7s
        2.1s: WatchEnded(Some(Denied))
            wait until 7s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A read that is never answered holds up nothing for longer than the attempt timeout.
#[test]
fn a_read_that_hangs_is_asked_again() {
    let mut bench = Bench::new(config());
    bench.wake(0.0);
    bench.at(0.1, Input::WatchStarted);
    bench.wake(5.0);
    expect![[r#"
        0s: wake
            -> watch
            -> get
            wait until 5s
        0.1s: WatchStarted
            wait until 5s
        5s: wake
            -> get
            wait until 10s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 20: a read verifies the watch after a third of what is waited out; behind an absurd lease, of more than a day, as soon as
/// behind one of three minutes.
#[test]
fn an_absurd_lease_is_not_waited_for_in_silence() {
    for (declared, silent) in [
        (300, 100),
        (80_400, 26_800),
        (86_400, 28_800),
        (86_401, 60),
        (2_147_483_647, 60),
    ] {
        let mut bench = Bench::knowing(config(), present(5, &format!("b/{declared}@0#0")));
        bench.watch(1.0, present(6, &format!("b/{declared}@1#0")));
        let said = bench.take_transcript();
        let expected = format!("wait until {}s", 1 + silent);
        assert!(said.trim_end().ends_with(&expected), "{expected}: {said}");
    }
}
