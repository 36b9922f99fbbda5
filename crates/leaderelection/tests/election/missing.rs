//! Where there is no record: lead at once, or claim, then lead (SAFETY 18).

use expect_test::expect;
use leaderelection::LockErrorKind::Ambiguous;
use leaderelection::MissingRecord::ClaimThenLead;
use leaderelection::election::{ElectionConfig, Input};
use leaderelection::{Identity, Observation, Version};

use crate::bench::{Bench, absent, config, empty, present, record};

pub(crate) fn strict() -> ElectionConfig {
    ElectionConfig {
        missing_record: ClaimThenLead,
        ..config()
    }
}

/// Renews the claim every 2 s from `from` to `to`, at versions that go on from `version`.
pub(crate) fn renew(bench: &mut Bench, from: i32, to: i32, mut version: u64) {
    for second in (from..=to).step_by(2) {
        bench.wake(f64::from(second));
        version += 1;
        bench.done(f64::from(second) + 0.1, version);
    }
}

/// An Endpoints object without the annotation: a version, but no record. Go adds one to the transitions here.
#[test]
fn an_empty_object_is_taken_at_once_by_its_version() {
    let mut bench = Bench::knowing(config(), empty(5));
    bench.done(0.1, 6);
    expect![[r#"
        0.1s: Acquire done, v6
            (HolderChanged(Some("a")))
            START token 6, valid until 10s
            wait until 2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// The claim is created at once, renewed, and leads when L has passed since the create's receipt at 0.1 s.
#[test]
fn a_claim_ripens() {
    let mut bench = Bench::knowing(strict(), absent(None));
    bench.done(0.1, 1);
    bench.wake(2.0);
    bench.done(2.1, 2);
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("a")))
            (Claimed(15s))
            wait until 2s
        2s: wake
            -> swap v1 to a/15@2#0, to RenewClaim
            wait until 7s
        2.1s: RenewClaim done, v2
            wait until 4s
    "#]]
    .assert_eq(&bench.take_transcript());
    renew(&mut bench, 4, 14, 2);
    bench.take_transcript();
    bench.wake(15.0);
    bench.wake(15.1);
    expect![[r#"
        15s: wake
            wait until 15.1s
        15.1s: wake
            START token 1, valid until 24s
            wait until 16s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// The longer of own L and the last duration seen under the name.
#[test]
fn a_claim_outwaits_the_last_duration_seen() {
    let mut bench = Bench::knowing(strict(), present(5, "b/40@0#3"));
    bench.watch(1.0, absent(6));
    bench.done(1.1, 7);
    expect![[r#"
        1s: watch shows absent as of v6
            (HolderChanged(None))
            -> swap absent to a/15@1#0, to Claim
            wait until 6s
        1.1s: Claim done, v7
            (HolderChanged(Some("a")))
            (Claimed(40s))
            wait until 3s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// Its own record, shown by the watch before the answer, is not the last duration that somebody else declared, whether the name
/// tells whose it is or not.
#[test]
fn a_claim_that_a_watch_shows_first_outwaits_it_as_well() {
    for identity in [config().identity, Identity::new("shared").unwrap()] {
        let strict = ElectionConfig { identity, ..strict() };
        let mut bench = Bench::knowing(strict, present(5, "b/40@0#3"));
        bench.watch(1.0, absent(6));
        let shown = bench.pending(7);
        bench.watch(1.1, shown);
        bench.done(1.2, 7);
        let said = bench.take_transcript();
        assert!(said.contains("(Claimed(40s))"), "{said}");
    }
}

/// Nor is it waited out for less, where no answer tells whose it is.
#[test]
fn a_claim_that_may_be_one_s_own_is_waited_out_for_the_last_duration_seen() {
    let shared = ElectionConfig {
        identity: Identity::new("shared").unwrap(),
        ..strict()
    };
    let mut bench = Bench::knowing(shared, present(5, "b/40@0#3"));
    bench.watch(1.0, absent(6));
    let shown = bench.pending(7);
    bench.watch(1.1, shown);
    bench.wake(41.0);
    let said = bench.take_transcript();
    assert!(!said.contains("to Acquire"), "{said}");
    bench.wake(41.1);
    let said = bench.take_transcript();
    assert!(said.contains("swap v7 to shared/15@41#1, to Acquire"), "{said}");
}

/// An empty object counts as none.
#[test]
fn a_claim_on_an_empty_object() {
    let mut bench = Bench::knowing(strict(), empty(5));
    bench.done(0.1, 6);
    expect![[r#"
        0.1s: Claim done, v6
            (HolderChanged(Some("a")))
            (Claimed(15s))
            wait until 2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// Every create restarts the claim: its own create, landed once more after a deletion, looks like a label.
#[test]
fn a_claim_restarts_when_its_object_is_not_the_one_it_wrote() {
    let mut bench = Bench::knowing(strict(), absent(None));
    bench.done(0.1, 1);
    bench.watch(1.0, present(3, "a/15@0#0"));
    renew(&mut bench, 2, 14, 3);
    bench.take_transcript();
    bench.wake(15.1);
    bench.wake(16.0);
    expect![[r#"
        15.1s: wake
            wait until 16s
        16s: wake
            START token 1, valid until 24s
            -> swap v10 to a/15@16#0, to Renew
            wait until 18s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// Another's create never matures one's own claim.
#[test]
fn a_claim_that_is_replaced_starts_anew() {
    let mut bench = Bench::knowing(strict(), absent(None));
    bench.done(0.1, 1);
    bench.watch(1.0, absent(2));
    bench.conflict(1.1, present(3, "b/15@1#0"));
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("a")))
            (Claimed(15s))
            wait until 2s
        1s: watch shows absent as of v2
            (HolderChanged(None))
            (ClaimLapsed)
            -> swap absent to a/15@1#0, to Claim
            wait until 6s
        1.1s: Claim in conflict with v3 b/15@1#0
            (HolderChanged(Some("b")))
            wait until 7.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A claim that is not renewed in time is waited out like a rival's lease.
#[test]
fn a_lapsed_claim_is_waited_out() {
    let mut bench = Bench::knowing(strict(), absent(None));
    bench.done(0.1, 1);
    bench.wake(2.0);
    bench.wake(10.0);
    bench.done(11.0, 2);
    bench.wake(25.0);
    bench.wake(26.0);
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("a")))
            (Claimed(15s))
            wait until 2s
        2s: wake
            -> swap v1 to a/15@2#0, to RenewClaim
            wait until 7s
        10s: wake
            (ClaimLapsed)
            -> get, to verify the watch
            wait until 15s
        11s: RenewClaim done, v2
            wait until 15s
        25s: wake
            -> get
            wait until 26s
        26s: wake
            -> swap v2 to a/15@26#1, to Acquire
            wait until 30s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// An unripe claim is never released (SAFETY 23): others would skip the wait.
#[test]
fn a_stop_lets_a_claim_lapse() {
    let mut bench = Bench::knowing(strict(), absent(None));
    bench.done(0.1, 1);
    bench.at(1.0, Input::Stop);
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("a")))
            (Claimed(15s))
            wait until 2s
        1s: Stop
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());

    let mut bench = Bench::knowing(strict(), absent(None));
    bench.swap_fails(0.1, Ambiguous);
    bench.at(1.0, Input::Stop);
    expect![[r#"
        0.1s: Claim failed, ambiguous
            wait until 2s
        1s: Stop
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 22 for a claim: a late create is not released either.
#[test]
fn a_late_claim_is_waited_out() {
    let mut bench = Bench::knowing(strict(), absent(None));
    bench.wake(5.0);
    bench.done(10.5, 1);
    expect![[r#"
        5s: wake
            -> swap absent to a/15@5#0, to Claim
            wait until 10s
        10.5s: Claim done, v1
            (HolderChanged(Some("a")))
            (AcquiredTooLate)
            wait until 16.5s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// The same at the very end of its lease.
#[test]
fn a_claim_that_comes_at_its_end_is_too_late() {
    let mut bench = Bench::knowing(strict(), absent(None));
    bench.wake(5.0);
    bench.take_transcript();
    bench.done(10.0, 1);
    expect![[r#"
        10s: Claim done, v1
            (HolderChanged(Some("a")))
            (AcquiredTooLate)
            wait until 16s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A stop at the moment at which the claim is ripe starts no work, nor is it renewed once more.
#[test]
fn a_stop_starts_no_term() {
    let mut bench = Bench::knowing(strict(), absent(None));
    bench.done(0.1, 1);
    renew(&mut bench, 2, 14, 1);
    bench.take_transcript();
    bench.at(16.0, Input::Stop);
    expect![[r#"
        16s: Stop
            ENDED
            wait until never
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// An exclusive take-over is a claim too.
#[test]
fn an_exclusive_take_over_is_a_claim() {
    let mut bench = Bench::knowing(
        ElectionConfig {
            exclusive_identity: true,
            ..strict()
        },
        present(5, "a/15@0#3"),
    );
    bench.done(0.1, 6);
    expect![[r#"
        0.1s: Claim done, v6
            (Claimed(15s))
            wait until 2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A free record is no missing record: it is taken at once, also in strict mode.
#[test]
fn a_free_record_needs_no_claim() {
    let mut bench = Bench::knowing(strict(), present(5, "/1@0#3"));
    bench.done(0.1, 6);
    expect![[r#"
        0.1s: Acquire done, v6
            (HolderChanged(Some("a")))
            START token 6, valid until 10s
            wait until 2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 6 and 16: a create starts the transitions anew, and a wall clock may stand. Two acquisitions of one life are never
/// equal, or who missed a deletion between them would take the second for a label on the first.
#[test]
fn an_acquisition_after_a_deletion_is_unlike_the_one_before() {
    let mut bench = Bench::knowing(config(), present(5, "b/15@0#0"));
    bench.hold_wall(100);
    bench.wake(15.0);
    bench.swap_fails(15.1, Ambiguous);
    // A retry on the same version may be equal: one of them can land.
    bench.wake(17.0);
    bench.done(17.1, 6);
    bench.watch(18.0, absent(7));
    bench.at(18.0, Input::WorkEnded);
    bench.watch(18.1, present(8, "b/15@9#0"));
    bench.wake(33.0);
    bench.wake(33.1);
    expect![[r#"
        15s: wake
            -> swap v5 to a/15@100#1, to Acquire
            -> get, to verify the watch
            wait until 20s
        15.1s: Acquire failed, ambiguous
            wait until 17s
        17s: wake
            -> swap v5 to a/15@100#1, to Acquire
            wait until 20s
        17.1s: Acquire done, v6
            (HolderChanged(Some("a")))
            START token 6, valid until 27s
            wait until 19s
        18s: watch shows absent as of v7
            (HolderChanged(None))
            LOST: the record was deleted; gone by 18s
            DROP
            wait until 20s
        18s: WorkEnded
            -> swap absent to a/15@101#0, to Acquire
            wait until 20s
        18.1s: watch shows v8 b/15@9#0
            (HolderChanged(Some("b")))
            wait until 20s
        33s: wake
            -> get
            wait until 33.1s
        33.1s: wake
            -> swap v8 to a/15@102#1, to Acquire
            wait until 38s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 5, 16 and 18: nor is a create equal to one that this life has seen under its name, by an earlier life or a twin. Whoever has
/// led or claimed by that one, and missed all between, would take it for a label, and what stands there for older than it is.
#[test]
fn a_create_after_a_deletion_is_unlike_what_stood_there_under_the_name() {
    for config in [config(), strict()] {
        for (wall, created) in [(100, 101), (7, 101), (102, 102)] {
            let mut created_before = record("a/15@100#0");
            created_before.acquire_time = created_before.renew_time;
            let stood = Observation::record(Version::new(5), created_before);
            let mut bench = Bench::knowing(config.clone(), stood);
            bench.hold_wall(wall);
            bench.watch(1.0, present(6, "b/15@3#1"));
            bench.watch(2.0, absent(7));
            let said = bench.take_transcript();
            let expected = format!("swap absent to a/15@{created}#0");
            assert!(said.contains(&expected), "{expected}: {said}");
        }
    }
}

/// SAFETY 6 and 18: an acquisition in the last year that a record can name is not followed, and no two creates are equal for its sake.
#[test]
fn an_absurd_acquisition_under_the_name_makes_no_two_creates_equal() {
    for absurd in [253_370_764_800_i64, 253_370_764_801, 253_402_300_799] {
        let mut created_before = record(&format!("a/15@{absurd}#0"));
        created_before.acquire_time = created_before.renew_time;
        let mut bench = Bench::knowing(strict(), Observation::record(Version::new(5), created_before));
        bench.watch(1.0, present(6, "b/15@3#1"));
        for version in 7..11_u32 {
            let at = f64::from(version) * 20.0;
            bench.watch(at, absent(u64::from(version)));
            bench.swap_fails(at + 0.1, Ambiguous);
            bench.wake(at + 3.0);
        }
        let said = bench.take_transcript();
        let mut created: Vec<_> = said
            .lines()
            .filter(|line| line.contains("-> swap absent"))
            .collect();
        let all = created.len();
        created.sort_unstable();
        created.dedup();
        assert!(all >= 3 && created.len() == all, "{absurd}: {said}");
    }
}
