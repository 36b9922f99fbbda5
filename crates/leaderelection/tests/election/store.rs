//! Stores that lie, and stores that went back (SAFETY 4, 19).

use expect_test::expect;
use leaderelection::Identity;
use leaderelection::election::{ElectionConfig, Input};

use crate::bench::{Bench, absent, config, present};

/// SAFETY 19: a candidate that has seen a higher version refuses to lead until versions pass it.
#[test]
fn a_store_that_went_back_is_not_led_on() {
    let mut bench = Bench::knowing(config(), present(100, "b/15@0#3"));
    bench.wake(6.0);
    bench.read(6.1, present(50, "/1@0#2"));
    bench.wake(15.0);
    bench.watch(16.0, present(101, "/1@16#4"));
    expect![[r#"
        6s: wake
            -> get, to verify the watch
            wait until 11s
        6.1s: read v50 /1@0#2
            (StoreWentBack { highest: Version(100), shown: Some(Version(50)) })
            wait until 8s
        15s: wake
            -> get, to verify the watch
            wait until 20s
        16s: watch shows v101 /1@16#4
            (HolderChanged(None))
            -> swap v101 to a/15@16#5, to Acquire
            wait until 20s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 19: a leader that is shown it stops.
#[test]
fn a_leader_on_a_store_that_went_back_stops() {
    let mut bench = Bench::knowing(config(), present(100, "/1@0#3"));
    bench.done(0.1, 101);
    bench.wake(2.0);
    bench.conflict(2.1, present(50, "b/15@0#2"));
    expect![[r#"
        0.1s: Acquire done, v101
            (HolderChanged(Some("a")))
            START token 101, valid until 10s
            wait until 2s
        2s: wake
            -> swap v101 to a/15@2#4, to Renew
            wait until 4s
        2.1s: Renew in conflict with v50 b/15@0#2
            (StoreWentBack { highest: Version(101), shown: Some(Version(50)) })
            LOST: the store went back to an older version; gone by 2.1s
            DROP
            -> get, to verify the watch
            wait until 7.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 16, SAFETY 19: nor does a late answer that proves an acquisition which the store has lost start a term, be its version
/// the newest known or one before a label.
#[test]
fn an_acquisition_that_the_store_has_lost_starts_nothing() {
    for newest in [6, 7] {
        let shared = ElectionConfig {
            identity: Identity::new("shared").unwrap(),
            ..config()
        };
        let mut bench = Bench::knowing(shared, present(5, "/1@0#3"));
        let shown = bench.pending(newest);
        bench.watch(0.1, shown);
        bench.wake(6.2);
        bench.read(6.3, present(4, "b/15@0#2"));
        let said = bench.take_transcript();
        assert!(said.contains("StoreWentBack"), "{said}");
        bench.done(6.4, 6);
        let said = bench.take_transcript();
        assert!(!said.contains("START"), "{said}");
    }
}

/// SAFETY 19: a create that succeeds at a version that is not newer starts no term: its token would not fence.
#[test]
fn a_create_at_an_old_version_starts_nothing() {
    let mut bench = Bench::knowing(config(), present(100, "b/15@0#3"));
    bench.watch(1.0, absent(None));
    bench.read(1.1, absent(None));
    bench.done(1.2, 51);
    expect![[r#"
        1s: watch shows absent
            -> get
            wait until 6s
        1.1s: read absent
            (HolderChanged(None))
            -> swap absent to a/15@1#0, to Acquire
            wait until 6.1s
        1.2s: Acquire done, v51
            (StoreWentBack { highest: Version(100), shown: Some(Version(51)) })
            wait until 3s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 19: nor one at the very version that the store has shown before: two terms would have one token.
#[test]
fn a_create_at_a_known_version_starts_nothing() {
    let mut bench = Bench::knowing(config(), present(100, "b/15@0#3"));
    bench.watch(1.0, absent(None));
    bench.read(1.1, absent(None));
    bench.take_transcript();
    bench.done(1.2, 100);
    expect![[r#"
        1.2s: Acquire done, v100
            (StoreWentBack { highest: Version(100), shown: Some(Version(100)) })
            wait until 3s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9 and 19: with a version that only a watch has shown goes all that was on its way.
#[test]
fn what_was_sent_on_a_version_from_nowhere_is_forgotten() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.watch(1.0, present(1000, "/1@1#3"));
    let equal = bench.pending(7);
    bench.conflict(1.1, present(6, "b/15@1#3"));
    bench.take_transcript();
    bench.watch(1.2, equal);
    expect![[r#"
        1.2s: watch shows v7 a/15@1#4
            (HolderChanged(Some("a")))
            (SameIdentity { twin: true })
            wait until 7.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 19: what only a watch has shown does not bind: the store itself does not know it.
#[test]
fn a_watch_that_shows_a_version_from_nowhere_blocks_nobody() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#3"));
    bench.watch(1.0, present(1000, "c/15@1#3"));
    bench.wake(7.0);
    bench.read(7.1, present(6, "b/15@5#3"));
    bench.wake(22.1);
    expect![[r#"
        1s: watch shows v1000 c/15@1#3
            (HolderChanged(Some("c")))
            wait until 7s
        7s: wake
            -> get, to verify the watch
            wait until 12s
        7.1s: read v6 b/15@5#3
            (StoreWentBack { highest: Version(1000), shown: Some(Version(6)) })
            (HolderChanged(Some("b")))
            wait until 13.1s
        22.1s: wake
            -> swap v6 to a/15@22#4, to Acquire
            -> get, to verify the watch
            wait until 27.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 4: an absence without a version counts only as the answer to a read that was sent after the newest version was
/// known.
#[test]
fn a_slow_absence_is_no_absence() {
    let mut bench = Bench::new(config());
    bench.wake(0.0);
    bench.watch(1.0, present(5, "b/15@0#3"));
    bench.read(2.0, absent(None));
    bench.watch(3.0, absent(None));
    bench.read(3.1, absent(None));
    expect![[r#"
        0s: wake
            -> watch
            -> get
            wait until 5s
        1s: watch shows v5 b/15@0#3
            (HolderChanged(Some("b")))
            wait until 5s
        2s: read absent
            -> get
            wait until 7s
        3s: watch shows absent
            wait until 7s
        3.1s: read absent
            (HolderChanged(None))
            -> swap absent to a/15@3#0, to Acquire
            -> get
            wait until 8.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A store that says that it swapped on a version that was not its newest is not built upon.
#[test]
fn a_success_on_an_old_version_starts_nothing() {
    let mut bench = Bench::knowing(config(), present(5, "/1@0#3"));
    bench.watch(0.1, present(6, "b/15@0#4"));
    bench.done(0.2, 7);
    expect![[r#"
        0.1s: watch shows v6 b/15@0#4
            (HolderChanged(Some("b")))
            wait until 6.1s
        0.2s: Acquire done, v7
            (HolderChanged(Some("a")))
            (SameIdentity { twin: true })
            wait until 6.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A conflict that shows the very state that was named is a contradiction: it is asked again, at the usual pace.
#[test]
fn a_conflict_with_the_named_state_is_no_loop() {
    let mut bench = Bench::leading(config());
    bench.wake(2.0);
    bench.conflict(2.1, present(1, "a/15@0#0"));
    bench.read(2.2, present(1, "a/15@0#0"));
    bench.at(4.0, Input::Wake);
    expect![[r#"
        2s: wake
            -> swap v1 to a/15@2#0, to Renew
            wait until 4s
        2.1s: Renew in conflict with v1 a/15@0#0
            -> get
            wait until 4s
        2.2s: read v1 a/15@0#0
            wait until 4s
        4s: wake
            AT RISK, valid until 10s
            -> swap v1 to a/15@4#0, to Renew
            wait until 9s
    "#]]
    .assert_eq(&bench.take_transcript());
}
