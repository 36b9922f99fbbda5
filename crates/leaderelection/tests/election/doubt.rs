//! What is shown in strict mode and may be another's, equal to the letter: under a name that others may have, too, and to whoever
//! follows (SAFETY 18).

use expect_test::expect;
use leaderelection::Identity;
use leaderelection::LockErrorKind::{Ambiguous, Denied};
use leaderelection::MissingRecord::{ClaimThenLead, LeadAtOnce};
use leaderelection::election::{ElectionConfig, Input};

use crate::bench::{Bench, absent, present};
use crate::missing::{renew, strict};

/// SAFETY 16: under a name that others may have too, what looks like a label may be a twin's claim, equal to the letter.
#[test]
fn a_claim_in_doubt_under_a_shared_name_is_waited_out_like_a_twins() {
    let mut bench = Bench::knowing(under_a_shared_name(), absent(None));
    bench.done(0.1, 1);
    bench.watch(1.0, present(3, "x/15@0#0"));
    bench.wake(15.9);
    bench.wake(16.0);
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("x")))
            (Claimed(15s))
            wait until 2s
        1s: watch shows v3 x/15@0#0
            (ClaimLapsed)
            wait until 7s
        15.9s: wake
            -> get, to verify the watch
            wait until 16s
        16s: wake
            -> swap v3 to x/15@16#1, to Acquire
            wait until 20.9s
    "#]]
    .assert_eq(&bench.take_transcript());
}

fn under_a_shared_name() -> ElectionConfig {
    ElectionConfig {
        missing_record: ClaimThenLead,
        stagger: false,
        timer_lead: std::time::Duration::ZERO,
        ..ElectionConfig::new(Identity::new("x").unwrap())
    }
}

/// SAFETY 16 and 18: so may the renewal of a claim be a twin's, of a claim that it made in the same second after a deletion. Only its
/// answer tells.
#[test]
fn a_claim_s_renewal_that_is_shown_under_a_shared_name_waits_for_its_answer() {
    let mut bench = Bench::knowing(under_a_shared_name(), absent(None));
    bench.done(0.1, 1);
    bench.wake(2.0);
    // The claim was deleted, a twin has made the same, and renews it in the same second.
    bench.conflict(2.1, None);
    bench.read(2.2, present(9, "x/15@2#0"));
    bench.wake(4.0);
    bench.wake(9.9);
    bench.wake(10.0);
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("x")))
            (Claimed(15s))
            wait until 2s
        2s: wake
            -> swap v1 to x/15@2#0, to RenewClaim
            wait until 7s
        2.1s: RenewClaim in conflict
            -> get
            wait until 4s
        2.2s: read v9 x/15@2#0
            wait until 10s
        4s: wake
            wait until 10s
        9.9s: wake
            wait until 10s
        10s: wake
            (ClaimLapsed)
            -> get, to verify the watch
            wait until 15s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// The same where it is its own, and a watch is faster than the answer.
#[test]
fn a_claim_s_renewal_that_is_shown_before_its_answer_counts_when_that_comes() {
    let mut bench = Bench::knowing(under_a_shared_name(), absent(None));
    bench.done(0.1, 1);
    bench.wake(2.0);
    bench.watch(2.1, present(2, "x/15@2#0"));
    bench.wake(5.0);
    bench.done(5.1, 2);
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("x")))
            (Claimed(15s))
            wait until 2s
        2s: wake
            -> swap v1 to x/15@2#0, to RenewClaim
            wait until 7s
        2.1s: watch shows v2 x/15@2#0
            wait until 10s
        5s: wake
            wait until 10s
        5.1s: RenewClaim done, v2
            -> swap v2 to x/15@5#0, to RenewClaim
            wait until 10.1s
    "#]]
    .assert_eq(&bench.take_transcript());
    bench.done(5.2, 3);
    renew(&mut bench, 8, 12, 3);
    bench.take_transcript();
    // It ripens only with its answer.
    bench.wake(14.0);
    bench.watch(14.5, bench.pending(7));
    bench.wake(15.1);
    bench.done(15.2, 7);
    expect![[r#"
        14s: wake
            -> swap v6 to x/15@14#0, to RenewClaim
            wait until 15.1s
        14.5s: watch shows v7 x/15@14#0
            wait until 22s
        15.1s: wake
            wait until 22s
        15.2s: RenewClaim done, v7
            START token 1, valid until 24s
            wait until 16s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// Where somebody has labelled the object meanwhile the claim is lost, as after every label under such a name.
#[test]
fn a_label_costs_a_claim_in_doubt_under_a_shared_name() {
    let mut bench = Bench::knowing(under_a_shared_name(), absent(None));
    bench.done(0.1, 1);
    bench.wake(2.0);
    bench.watch(2.1, present(2, "x/15@2#0"));
    bench.watch(2.2, present(3, "x/15@2#0"));
    bench.done(2.3, 2);
    bench.wake(4.0);
    expect![[r#"
        0.1s: Claim done, v1
            (HolderChanged(Some("x")))
            (Claimed(15s))
            wait until 2s
        2s: wake
            -> swap v1 to x/15@2#0, to RenewClaim
            wait until 7s
        2.1s: watch shows v2 x/15@2#0
            wait until 10s
        2.2s: watch shows v3 x/15@2#0
            (ClaimLapsed)
            wait until 8.2s
        2.3s: RenewClaim done, v2
            wait until 8.2s
        4s: wake
            wait until 8.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// The answer to a term's renewal counts, be there a label by then; but nothing is written on that.
#[test]
fn an_answer_extends_a_term_in_doubt_and_a_label_keeps_it_there() {
    let mut bench = term_under_a_shared_name(12);
    bench.wake(14.0);
    bench.wake(15.2);
    bench.take_transcript();
    bench.watch(15.3, present(8, "x/15@14#0"));
    bench.watch(15.4, present(9, "x/15@14#0"));
    bench.done(15.5, 8);
    bench.wake(16.5);
    bench.wake(24.0);
    expect![[r#"
        15.3s: watch shows v8 x/15@14#0
            wait until 16s
        15.4s: watch shows v9 x/15@14#0
            wait until 16s
        15.5s: RenewClaim done, v8
            valid until 24s
            wait until 18s
        16.5s: wake
            wait until 18s
        24s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 24s
            DROP
            -> get, to verify the watch
            wait until 29s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// A term of the name `x` that ripened at 15.1 s by a claim whose last renewal was sent at `last`.
fn term_under_a_shared_name(last: i32) -> Bench {
    let mut bench = Bench::knowing(under_a_shared_name(), absent(None));
    bench.done(0.1, 1);
    renew(&mut bench, 2, last, 1);
    bench
}

/// SAFETY 16 and 18: 6.1 s behind, a twin that claims just after this one's renewal at 6 s has renewed as far at 12.1 s. Who is shown
/// that at 15.4 s must not write on it: the twin, cut off, leads from 21.1 s.
#[test]
fn a_term_s_record_that_comes_again_under_a_shared_name_is_not_written_on() {
    let mut bench = term_under_a_shared_name(6);
    bench.wake(8.0);
    bench.swap_fails(8.1, Denied);
    bench.wake(15.1);
    bench.swap_fails(15.2, Denied);
    bench.take_transcript();
    bench.watch(15.4, present(9, "x/15@6#0"));
    bench.wake(15.9);
    bench.wake(16.0);
    bench.at(16.0, Input::WorkEnded);
    bench.wake(30.3);
    expect![[r#"
        15.4s: watch shows v9 x/15@6#0
            wait until 16s
        15.9s: wake
            wait until 16s
        16s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 16s
            DROP
            wait until 21.4s
        16s: WorkEnded
            wait until 21.4s
        30.3s: wake
            -> get, to verify the watch
            wait until 30.4s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 1 and 18: what comes again once more, while the term is in doubt, is waited out from then on: it may be a twin's by now.
#[test]
fn every_version_in_doubt_is_waited_out() {
    for by_a_label in [true, false] {
        let mut bench = term_under_a_shared_name(14);
        bench.wake(15.1);
        let content = if by_a_label {
            "x/15@14#0"
        } else {
            bench.wake(16.0);
            "x/15@16#0"
        };
        bench.watch(16.1, present(9, content));
        bench.watch(23.9, present(20, content));
        bench.wake(24.0);
        bench.at(24.0, Input::WorkEnded);
        bench.wake(38.8);
        let before = bench.take_transcript();
        assert!(!before.contains("swap v20"), "{before}");
        bench.wake(38.9);
        let then = bench.take_transcript();
        assert!(then.contains("-> swap v20"), "{then}");
    }
}

/// What the answer has told to be one's own is one's own: it is taken over at once, and released.
#[test]
fn doubt_ends_with_the_answer() {
    let answered = || {
        let mut bench = term_under_a_shared_name(14);
        bench.wake(15.1);
        bench.wake(16.0);
        bench.watch(16.1, present(9, "x/15@16#0"));
        bench.done(16.2, 9);
        bench
    };
    let mut released = answered();
    released.at(16.3, Input::StepDown);
    released.at(16.4, Input::WorkEnded);
    let said = released.take_transcript();
    assert!(said.contains("swap v9 to /1@16#0, to Release"), "{said}");

    let mut lost = answered();
    lost.wake(18.0);
    lost.swap_fails(18.1, Denied);
    lost.wake(26.0);
    lost.take_transcript();
    lost.at(26.1, Input::WorkEnded);
    let said = lost.take_transcript();
    assert!(said.contains("swap v9 to x/15@26#1, to Acquire"), "{said}");
}

/// SAFETY 18: but a claim is never freed, also when the answer has told that it is one's own.
#[test]
fn a_claim_whose_doubt_has_ended_is_not_released() {
    let mut bench = Bench::knowing(under_a_shared_name(), absent(None));
    bench.done(0.1, 1);
    bench.wake(2.0);
    bench.watch(2.1, present(2, "x/15@2#0"));
    bench.done(2.2, 2);
    bench.at(2.3, Input::Stop);
    let said = bench.take_transcript();
    assert!(!said.contains("Release") && said.contains("ENDED"), "{said}");
}

/// SAFETY 16 and 18: nor does a term's renewal that is shown before its answer extend anything.
#[test]
fn a_term_s_renewal_that_is_shown_under_a_shared_name_waits_for_its_answer() {
    let mut bench = term_under_a_shared_name(14);
    bench.wake(15.1);
    bench.wake(16.0);
    bench.take_transcript();
    bench.watch(16.1, present(9, "x/15@16#0"));
    bench.wake(18.0);
    bench.done(18.1, 9);
    bench.watch(18.2, present(10, "x/15@18#0"));
    bench.swap_fails(18.3, Ambiguous);
    bench.wake(26.0);
    bench.at(26.0, Input::WorkEnded);
    // Nor is it one's own for that.
    bench.wake(33.1);
    bench.wake(33.2);
    expect![[r#"
        16.1s: watch shows v9 x/15@16#0
            wait until 18s
        18s: wake
            AT RISK, valid until 24s
            wait until 24s
        18.1s: Renew done, v9
            valid until 26s
            -> swap v9 to x/15@18#0, to Renew
            wait until 20s
        18.2s: watch shows v10 x/15@18#0
            wait until 20s
        18.3s: Renew failed, ambiguous
            wait until 20s
        26s: wake
            LOST: no renewal succeeded within the renew deadline; gone by 26s
            DROP
            -> get, to verify the watch
            wait until 31s
        26s: WorkEnded
            wait until 31s
        33.1s: wake
            -> get
            wait until 33.2s
        33.2s: wake
            -> swap v10 to x/15@33#1, to Acquire
            wait until 38.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// SAFETY 16 and 18: what this process wrote is not its own to take over at once when it comes again, as a label or as a renewal.
#[test]
fn what_comes_again_under_a_shared_name_is_waited_out() {
    for (renewed, shown) in [(false, "x/15@14#0"), (true, "x/15@16#0")] {
        let mut bench = term_under_a_shared_name(14);
        bench.wake(15.1);
        if renewed {
            bench.wake(16.0);
            bench.swap_fails(16.1, Ambiguous);
        }
        bench.at(23.9, Input::StepDown);
        bench.wake(24.0);
        bench.take_transcript();
        bench.watch(24.1, present(9, shown));
        bench.at(24.2, Input::WorkEnded);
        bench.wake(39.0);
        let before = bench.take_transcript();
        assert!(!before.contains("-> swap"), "{before}");
        bench.wake(39.1);
        let then = bench.take_transcript();
        assert!(then.contains("-> swap v9"), "{then}");
    }
}

/// SAFETY 12 and 18: a renewal that is shown while the record is to be released is released when its answer has come.
#[test]
fn a_release_waits_for_the_answer_to_a_renewal_that_was_shown_under_a_shared_name() {
    for shown_before in [true, false] {
        let mut bench = term_under_a_shared_name(14);
        bench.wake(15.1);
        bench.at(15.9, Input::StepDown);
        bench.wake(16.0);
        if shown_before {
            bench.watch(16.1, present(9, "x/15@16#0"));
        }
        bench.at(16.2, Input::WorkEnded);
        if !shown_before {
            bench.watch(16.3, present(9, "x/15@16#0"));
        }
        let before = bench.take_transcript();
        assert!(!before.contains("swap v9"), "{before}");
        bench.done(16.4, 9);
        bench.wake(21.0);
        let after = bench.take_transcript();
        assert!(
            after.contains("swap v9 to /1@16#0, to Release"),
            "{before}{after}"
        );
    }
}

/// Also when it renewed the claim that the term has grown from.
#[test]
fn a_release_waits_for_the_answer_to_a_claim_s_last_renewal() {
    let mut bench = term_under_a_shared_name(12);
    bench.wake(14.0);
    bench.wake(15.1);
    bench.watch(15.3, present(8, "x/15@14#0"));
    bench.at(15.4, Input::StepDown);
    bench.at(15.5, Input::WorkEnded);
    bench.take_transcript();
    bench.done(15.6, 8);
    let said = bench.take_transcript();
    assert!(said.contains("swap v8 to /1@15#0, to Release"), "{said}");
}

/// Where nothing is left there is nothing to wait for.
#[test]
fn a_release_does_not_wait_for_a_record_that_is_gone() {
    let mut bench = term_under_a_shared_name(14);
    bench.wake(15.1);
    bench.at(15.9, Input::Stop);
    bench.wake(16.0);
    bench.watch(16.1, present(9, "x/15@16#0"));
    bench.at(16.2, Input::WatchStarted);
    bench.at(16.2, Input::WorkEnded);
    bench.take_transcript();
    bench.read(16.3, absent(None));
    let said = bench.take_transcript();
    assert!(said.contains("ENDED"), "{said}");
}

/// It does not wait for ever.
#[test]
fn a_release_whose_renewal_is_not_answered_is_given_up() {
    let mut bench = term_under_a_shared_name(14);
    bench.wake(15.1);
    bench.at(15.9, Input::StepDown);
    bench.wake(16.0);
    bench.watch(16.1, present(9, "x/15@16#0"));
    bench.at(16.2, Input::WorkEnded);
    bench.take_transcript();
    bench.wake(21.0);
    bench.wake(21.2);
    expect![[r#"
        21s: wake
            wait until 21.2s
        21.2s: wake
            (ReleaseUnconfirmed)
            wait until 22.1s
    "#]]
    .assert_eq(&bench.take_transcript());
}

/// Nor for what no answer tells, a label or another's record.
#[test]
fn a_stop_waits_for_no_answer_where_none_is_to_come() {
    let mut labelled = term_under_a_shared_name(14);
    labelled.wake(15.1);
    labelled.watch(15.2, present(9, "x/15@14#0"));
    labelled.at(15.3, Input::Stop);
    labelled.at(15.4, Input::WorkEnded);
    let said = labelled.take_transcript();
    assert!(
        said.ends_with("15.4s: WorkEnded\n    ENDED\n    wait until never\n"),
        "{said}"
    );

    let mut taken = term_under_a_shared_name(14);
    taken.wake(15.1);
    taken.at(15.9, Input::Stop);
    taken.wake(16.0);
    taken.watch(16.1, present(9, "x/15@16#0"));
    taken.at(16.2, Input::WorkEnded);
    taken.watch(16.3, present(10, "b/15@16#1"));
    let said = taken.take_transcript();
    assert!(said.ends_with("    ENDED\n    wait until never\n"), "{said}");
}

/// A label on what is free keeps nobody from taking it.
#[test]
fn a_label_on_a_free_record_is_not_waited_out() {
    let mut bench = term_under_a_shared_name(14);
    bench.wake(15.1);
    bench.at(15.2, Input::StepDown);
    bench.at(15.3, Input::WorkEnded);
    let labelled = bench.pending(10);
    bench.done(15.4, 9);
    bench.take_transcript();
    bench.watch(15.5, labelled);
    bench.wake(17.4);
    let said = bench.take_transcript();
    assert!(said.contains("-> swap v10"), "{said}");
}

/// SAFETY 16 and 18: the answer to an acquisition says nothing of an equal record that came after it, under a name that others may have.
#[test]
fn an_acquisition_with_a_label_before_its_answer_is_waited_out_in_strict_mode() {
    let lead_by = |config: ElectionConfig, jumped: bool| {
        let mut bench = Bench::knowing(config, present(5, "b/15@0#0"));
        bench.wake(15.0);
        let (shown, labelled) = (bench.pending(6), bench.pending(7));
        if !jumped {
            bench.watch(15.1, shown);
        }
        bench.watch(15.2, labelled);
        bench.done(15.3, 6);
        bench.wake(30.1);
        bench.take_transcript()
    };
    for jumped in [false, true] {
        let shared = under_a_shared_name();
        let said = lead_by(shared.clone(), jumped);
        assert!(!said.contains("START") && !said.contains("swap v7"), "{said}");
        let exclusive = ElectionConfig {
            exclusive_identity: true,
            ..shared
        };
        let by_default = ElectionConfig {
            missing_record: LeadAtOnce,
            ..under_a_shared_name()
        };
        for config in [exclusive, by_default] {
            let said = lead_by(config, jumped);
            assert!(said.contains("START token 6"), "{said}");
        }
    }
}

/// SAFETY 9: a renewal that a watch shows counts at once where no twin can have written it: in the default mode no claim ripens, and a
/// name that is unique or exclusive is nobody else's.
#[test]
fn a_renewal_that_is_shown_counts_where_it_is_nobody_else_s() {
    let shared = under_a_shared_name();
    let by_default = ElectionConfig {
        missing_record: LeadAtOnce,
        ..shared.clone()
    };
    let exclusive = ElectionConfig {
        exclusive_identity: true,
        ..shared.clone()
    };
    let unique = ElectionConfig {
        identity: Identity::unique(),
        ..shared
    };
    for config in [by_default, exclusive, unique] {
        let name = config.identity.clone();
        let mut bench = Bench::knowing(config, absent(None));
        bench.done(0.1, 1);
        renew(&mut bench, 2, 14, 1);
        bench.wake(15.1);
        bench.wake(16.0);
        bench.take_transcript();
        let shown = format!("{}/15@16#0", name.as_str());
        bench.watch(16.1, present(9, &shown));
        bench.watch(16.2, present(10, &shown));
        bench.swap_fails(16.3, Ambiguous);
        bench.wake(18.1);
        let said = bench.take_transcript();
        assert!(said.contains("valid until 26s"), "{name:?}: {said}");
        assert!(said.contains("swap v10 to"), "{name:?}: {said}");
    }
}

/// SAFETY 7 and 18: a label in strict mode makes no wait shorter.
#[test]
fn in_strict_mode_an_overwritten_lease_is_waited_out_also_behind_a_label() {
    let mut bench = Bench::knowing(strict(), present(5, "b/60@0#0"));
    bench.watch(1.0, present(6, "op/5@1#0"));
    bench.watch(2.0, present(7, "op/5@1#0"));
    bench.wake(59.0);
    let before = bench.take_transcript();
    assert!(!before.contains("-> swap"), "{before}");
    bench.wake(60.0);
    let then = bench.take_transcript();
    assert!(then.contains("-> swap v7"), "{then}");

    let mut bench = Bench::knowing(strict(), present(5, "b/60@0#0"));
    bench.watch(50.0, present(6, "b/60@0#0"));
    bench.wake(109.0);
    let before = bench.take_transcript();
    assert!(!before.contains("-> swap"), "{before}");
    bench.wake(110.0);
    let then = bench.take_transcript();
    assert!(then.contains("-> swap v6"), "{then}");
}

/// SAFETY 16 and 18: nor does it keep an exclusive name from claiming its earlier life's record at once.
#[test]
fn an_earlier_life_s_record_with_a_label_is_claimed_at_once() {
    let config = ElectionConfig {
        exclusive_identity: true,
        ..strict()
    };
    let mut bench = Bench::knowing(config, present(5, "a/15@0#0"));
    bench.take_transcript();
    bench.watch(0.1, present(6, "a/15@0#0"));
    let said = bench.take_transcript();
    assert!(said.contains("-> swap v6") && said.contains("to Claim"), "{said}");
}

/// SAFETY 5 and 18: in strict mode a record that stands at a newer version may be another creation: every version is waited out.
#[test]
fn in_strict_mode_every_version_is_waited_out() {
    let mut bench = Bench::knowing(strict(), present(5, "b/15@0#0"));
    bench.watch(10.0, present(6, "b/15@0#0"));
    bench.wake(15.0);
    bench.wake(25.0);
    bench.take_transcript();
    bench.swap_fails(25.1, Ambiguous);
    bench.watch(25.2, present(7, "b/15@0#0"));
    bench.wake(27.0);
    bench.wake(40.2);
    expect![[r#"
        25.1s: Acquire failed, ambiguous
            wait until 27s
        25.2s: watch shows v7 b/15@0#0
            wait until 30s
        27s: wake
            wait until 30s
        40.2s: wake
            -> swap v7 to a/15@40#1, to Acquire
            -> get
            wait until 45.2s
    "#]]
    .assert_eq(&bench.take_transcript());
}
