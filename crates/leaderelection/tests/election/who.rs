//! Whose record it is (SAFETY 15, 16).

use expect_test::expect;
use leaderelection::Identity;
use leaderelection::election::ElectionConfig;

use crate::bench::{Bench, absent, config, empty, present, unreadable};

fn exclusive() -> ElectionConfig {
    ElectionConfig {
        exclusive_identity: true,
        ..config()
    }
}

fn exclusive_by(name: &str) -> ElectionConfig {
    ElectionConfig {
        identity: Identity::new(name).unwrap(),
        ..exclusive()
    }
}

/// SAFETY 16: a name proves nothing.
#[test]
fn a_record_under_one_s_own_name_is_waited_out() {
    let mut bench = Bench::knowing(config(), present(5, "a/15@0#3"));
    bench.wake(14.0);
    bench.wake(15.0);
    bench.done(15.1, 6);
    expect![[r#"
        14s: wake
            -> get, to verify the watch
            wait until 15s
        15s: wake
            -> swap v5 to a/15@15#4, to Acquire
            wait until 19s
        15.1s: Acquire done, v6
            START token 6, valid until 25s
            wait until 17s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 16: unless it is exclusive, and the first record of this life. It counts as an acquisition all the same.
#[test]
fn an_exclusive_name_takes_the_first_record_over_at_once() {
    let mut bench = Bench::knowing(exclusive(), present(5, "a/15@0#3"));
    bench.done(0.1, 6);
    expect![[r#"
        0.1s: Acquire done, v6
            START token 6, valid until 10s
            wait until 2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 16: a later one proves a twin.
#[test]
fn a_later_record_under_an_exclusive_name_is_a_twin_s() {
    let mut bench = Bench::knowing(exclusive(), present(5, "b/15@0#3"));
    bench.watch(1.0, present(6, "a/15@1#4"));
    bench.wake(15.9);
    expect![[r#"
        1s: watch shows v6 a/15@1#4
            (HolderChanged(Some("a")))
            (SameIdentity { twin: true })
            wait until 7s
        15.9s: wake
            -> get, to verify the watch
            wait until 16s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 15: as in Go.
#[test]
fn a_blank_holder_holds() {
    let mut bench = Bench::knowing(config(), present(5, " /15@0#3"));
    bench.wake(14.0);
    expect![[r#"
        14s: wake
            -> get, to verify the watch
            wait until 15s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 11 and 16: a twin that overwrites a leader ends its term.
#[test]
fn a_twin_s_write_ends_the_term() {
    let mut bench = Bench::leading(config());
    bench.watch(1.0, present(2, "a/15@1#1"));
    expect![[r#"
        1s: watch shows v2 a/15@1#1
            LOST: the record was taken by "a"; gone by 1s
            (SameIdentity { twin: true })
            DROP
            wait until 7s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 16: under a name that a twin or an earlier life may use, an equal acquisition that a watch shows proves nothing:
/// it may be theirs, sent earlier. The answer with the version does.
#[test]
fn an_equal_acquisition_proves_nothing_under_a_name_of_one_s_own_choice() {
    let shared = ElectionConfig {
        identity: Identity::new("shared").unwrap(),
        ..config()
    };
    let mut bench = Bench::knowing(shared.clone(), present(5, "/1@0#3"));
    let equal = bench.pending(6);
    bench.watch(0.2, equal.clone());
    bench.done(0.3, 6);
    expect![[r#"
        0.2s: watch shows v6 shared/15@0#4
            (HolderChanged(Some("shared")))
            wait until 6.2s
        0.3s: Acquire done, v6
            START token 6, valid until 10s
            wait until 2s
    "#]]
    .assert_eq(&bench.take_transcript());

    let mut bench = Bench::knowing(shared, present(5, "/1@0#3"));
    bench.conflict(0.2, equal);
    bench.wake(15.1);
    expect![[r#"
        0.2s: Acquire in conflict with v6 shared/15@0#4
            (HolderChanged(Some("shared")))
            wait until 6.2s
        15.1s: wake
            -> get, to verify the watch
            wait until 15.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 16: once the answer has told whose it is, the record is one's own, and a term that ends by its deadline is followed
/// by another without a wait.
#[test]
fn a_record_that_the_answer_proves_is_not_waited_out() {
    let shared = ElectionConfig {
        identity: Identity::new("shared").unwrap(),
        ..config()
    };
    let mut bench = Bench::knowing(shared, present(5, "/1@0#3"));
    let equal = bench.pending(6);
    bench.watch(0.2, equal);
    bench.done(0.3, 6);
    bench.wake(2.0);
    bench.swap_fails(2.1, leaderelection::LockErrorKind::Unavailable);
    bench.wake(10.0);
    bench.take_transcript();
    bench.at(10.1, leaderelection::election::Input::WorkEnded);
    expect![[r#"
        10.1s: WorkEnded
            -> swap v6 to shared/15@10#5, to Acquire
            wait until 15s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 9, SAFETY 16: somebody's label on the acquired record, shown before the answer, takes nothing from what the answer
/// proves: the term begins, and its lease counts from the send. Another record in between does.
#[test]
fn a_label_before_the_answer_does_not_cost_the_term() {
    let knowing = || Bench::knowing(exclusive_by("shared"), present(5, "/1@0#3"));
    let mut bench = knowing();
    let labelled = bench.pending(7);
    bench.watch(0.2, labelled);
    bench.done(0.3, 6);
    expect![[r#"
        0.2s: watch shows v7 shared/15@0#4
            (HolderChanged(Some("shared")))
            wait until 6.2s
        0.3s: Acquire done, v6
            START token 6, valid until 10s
            wait until 2s
    "#]]
    .assert_eq(&bench.take_transcript());

    let mut bench = knowing();
    bench.watch(0.2, present(7, "b/15@0#5"));
    bench.done(0.3, 6);
    expect![[r#"
        0.2s: watch shows v7 b/15@0#5
            (HolderChanged(Some("b")))
            wait until 6.2s
        0.3s: Acquire done, v6
            wait until 6.2s
    "#]]
    .assert_eq(&bench.take_transcript());

    let mut bench = knowing();
    let labelled = bench.pending(7);
    bench.watch(0.2, labelled);
    bench.done(10.0, 6);
    expect![[r#"
        0.2s: watch shows v7 shared/15@0#4
            (HolderChanged(Some("shared")))
            wait until 6.2s
        10s: Acquire done, v6
            (AcquiredTooLate)
            -> swap v7 to /1@10#4, to Release
            -> get, to verify the watch
            wait until 15s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 16, SAFETY 18: after a deletion a twin may have created the same record in the same second. The answer to one's own
/// create, which a later version overtook, does not make that one's own.
#[test]
fn an_old_answer_does_not_prove_another_create() {
    for strict in [false, true] {
        let shared = ElectionConfig {
            identity: Identity::new("shared").unwrap(),
            missing_record: if strict {
                leaderelection::election::MissingRecord::ClaimThenLead
            } else {
                leaderelection::election::MissingRecord::LeadAtOnce
            },
            ..config()
        };
        for sees_the_deletion in [true, false] {
            let mut bench = Bench::knowing(shared.clone(), absent(None));
            let (own, twins) = (bench.pending(1), bench.pending(3));
            if sees_the_deletion {
                bench.watch(0.1, own);
                bench.watch(0.2, absent(2));
            }
            bench.watch(0.3, twins);
            bench.take_transcript();
            bench.done(0.4, 1);
            let said = bench.take_transcript();
            assert_eq!(
                said.lines().count(),
                2,
                "it waits as before, strict: {strict}: {said}"
            );
        }
    }
}

/// SAFETY 7, SAFETY 16: nor does it where another's record was seen in between.
#[test]
fn an_old_answer_does_not_prove_what_was_written_back() {
    let mut bench = Bench::knowing(exclusive_by("shared"), present(5, "/1@0#3"));
    let (own, restored) = (bench.pending(6), bench.pending(8));
    bench.watch(0.1, own);
    bench.watch(0.2, present(7, "b/15@0#5"));
    bench.watch(0.3, restored);
    bench.done(0.4, 6);
    expect![[r#"
        0.1s: watch shows v6 shared/15@0#4
            (HolderChanged(Some("shared")))
            wait until 6.1s
        0.2s: watch shows v7 b/15@0#5
            (HolderChanged(Some("b")))
            wait until 6.2s
        0.3s: watch shows v8 shared/15@0#4
            (HolderChanged(Some("shared")))
            (SameIdentity { twin: true })
            wait until 6.3s
        0.4s: Acquire done, v6
            wait until 6.3s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 16: where a record was destroyed, two processes under one name do not write the same one in the same second, also if
/// one has missed how far the transitions had come. A name that was made for this life has no need of it.
#[test]
fn twins_write_different_records_over_a_destroyed_one() {
    let written = |seed, destroyed: fn(u64) -> leaderelection::Observation| {
        let shared = ElectionConfig {
            identity: Identity::new("shared").unwrap(),
            seed,
            ..config()
        };
        let mut bench = Bench::knowing(shared, present(5, "b/15@0#3"));
        bench.watch(1.0, destroyed(6));
        bench.wake(20.0);
        bench.pending(7)
    };
    for destroyed in [empty as fn(u64) -> leaderelection::Observation, unreadable] {
        let mut all: Vec<_> = (0..100).map(|seed| written(seed, destroyed)).collect();
        all.sort_by_key(|record| format!("{record:?}"));
        all.dedup();
        assert_eq!(all.len(), 100, "no two of them are equal");
    }
}

/// SAFETY 6, SAFETY 16: also where the transitions have come to their end; and one who has leapt goes on step by step.
#[test]
fn a_leap_goes_past_the_end_and_is_not_repeated() {
    let shared = |seed| ElectionConfig {
        identity: Identity::new("shared").unwrap(),
        seed,
        ..config()
    };
    // The first acquisition takes one; from the last but one the leap goes past the end.
    for last in [
        i64::MAX,
        i64::MIN,
        -70_000,
        2_147_483_646,
        2_147_483_645,
        2_147_483_000,
    ] {
        let written: Vec<_> = (0..50)
            .map(|seed| {
                let mut bench = Bench::knowing(shared(seed), present(5, &format!("/1@0#{last}")));
                bench.conflict(0.1, unreadable(6));
                bench.wake(20.0);
                let first = bench.sent_record().leader_transitions;
                bench.swap_fails(20.1, leaderelection::LockErrorKind::Unavailable);
                bench.wake(22.0);
                (first, bench.sent_record().leader_transitions)
            })
            .collect();
        for (at, (first, second)) in written.iter().enumerate() {
            assert!((1..=i64::from(i32::MAX)).contains(first), "{last}: {first}");
            assert!(*second == first + 1 || *second == 1, "{first}, then {second}");
            assert!(
                written[..at].iter().all(|(other, _)| other != first),
                "{last}: {first} twice"
            );
        }
    }
}

/// As in Go: an object that is new has no record, and the first acquisition on it is the first, whatever the name.
#[test]
fn a_new_object_s_first_transition_is_the_first() {
    let shared = ElectionConfig {
        identity: Identity::new("shared").unwrap(),
        seed: 7,
        ..config()
    };
    let bench = Bench::knowing(shared, empty(5));
    assert_eq!(bench.sent_record().leader_transitions, 1);
}
