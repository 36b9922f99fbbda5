//! The shipped machine under every schedule of small worlds, and each broken variant caught.
//!
//! `cargo test -p leaderelection-tests --test model` runs what CI runs; with `-- --ignored` the larger worlds.
//! `--nocapture` shows how many states there are, and each counterexample step by step.

use leaderelection::EmptyIdentity;
use leaderelection::election::Variant;
use leaderelection_tests::model::setting::Ticks;
use leaderelection_tests::model::world::{NO_NEEDLESS_LOSS, ONE_LEADER};
use leaderelection_tests::model::{Setting, check};

/// Clocks of one rate.
const EQUAL: [u8; 2] = [1, 1];
/// At any tick, one clock may run twice as fast as another.
const DOUBLE: [u8; 2] = [1, 2];

/// R 2, P 1, σ 0: the smallest lease that is renewed before it ends.
const SHORT: Ticks = Ticks {
    lease: 0,
    deadline: 2,
    period: 1,
    grace: 0,
};

/// Two candidates with the smallest safe lease, each with at most one write on its way.
fn setting(rates: [u8; 2], ticks: Ticks) -> Result<Setting, EmptyIdentity> {
    let mut setting = Setting::new(rates, ticks.at_threshold(rates))?;
    setting.on_their_way = 1;
    Ok(setting)
}

/// Every reachable state is sound, and each candidate can lead and hand over.
fn holds(name: &str, setting: Setting) -> Result<(), EmptyIdentity> {
    let outcome = check(setting)?;
    println!("{name}: {outcome}");
    assert!(outcome.failure.is_none(), "{name}: {outcome}");
    assert!(
        outcome.impossible.is_empty(),
        "{name}: never seen: {:?}",
        outcome.impossible
    );
    Ok(())
}

/// A counterexample to `property` is found.
fn caught(name: &str, property: &str, setting: Setting) -> Result<(), EmptyIdentity> {
    let outcome = check(setting)?;
    println!("{name}: {outcome}");
    let failed = outcome.failure.map(|(name, _)| name);
    assert_eq!(failed, Some(property), "{name} is not caught");
    Ok(())
}

/// With one rule dropped, two candidates are at work at once.
fn variant_caught(variant: Variant) -> Result<(), EmptyIdentity> {
    let setting = setting(DOUBLE, SHORT)?.broken(variant);
    caught(&format!("{variant:?}"), ONE_LEADER, setting)
}

#[test]
fn sound_where_clocks_differ() -> Result<(), EmptyIdentity> {
    holds("clocks that differ", setting(DOUBLE, SHORT)?)
}

#[test]
fn sound_with_twins_under_one_name() -> Result<(), EmptyIdentity> {
    holds("twins", setting(EQUAL, SHORT)?.twins())
}

/// SAFETY's theorem: one tick below the smallest safe lease there are two leaders.
#[test]
fn caught_one_tick_below_the_threshold() -> Result<(), EmptyIdentity> {
    let below = |ticks: Ticks, rates| Ticks {
        lease: ticks.threshold(rates) - 1,
        ..ticks
    };
    for (rates, grace, deadline) in [
        (EQUAL, 0, 3),
        (EQUAL, 1, 2),
        (DOUBLE, 0, 2),
        (DOUBLE, 1, 2),
        ([2, 3], 0, 3),
    ] {
        let ticks = Ticks {
            grace,
            deadline,
            ..SHORT
        };
        let mut setting = Setting::new(rates, below(ticks, rates))?;
        setting.on_their_way = 1;
        let name =
            format!("one tick below the threshold, clocks {rates:?}, R {deadline}, stop grace {grace}");
        caught(&name, ONE_LEADER, setting)?;
    }
    Ok(())
}

/// SAFETY's theorem: the work must be gone, not only told.
#[test]
fn caught_stop_grace_forgotten_in_the_bound() -> Result<(), EmptyIdentity> {
    let forgotten = Ticks {
        grace: 1,
        ..SHORT.at_threshold(DOUBLE)
    };
    let mut setting = Setting::new(DOUBLE, forgotten)?;
    setting.on_their_way = 1;
    caught("stop grace forgotten", ONE_LEADER, setting)
}

/// SAFETY 1.
#[test]
fn caught_count_from_receipt() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::CountFromReceipt)
}

/// SAFETY 4. The machine names a version in every write, so that old news costs it its term, but makes no two leaders.
#[test]
fn caught_any_version_adopted() -> Result<(), EmptyIdentity> {
    let setting = setting(DOUBLE, SHORT)?.broken(Variant::AnyVersionAdopted);
    caught("AnyVersionAdopted", NO_NEEDLESS_LOSS, setting)
}

/// SAFETY 7: a candidate with a short lease robs one with a long lease.
#[test]
fn caught_own_duration_alone() -> Result<(), EmptyIdentity> {
    let long = Ticks { deadline: 3, ..SHORT };
    let setting = setting(DOUBLE, SHORT)?
        .second(long.at_threshold(DOUBLE))
        .broken(Variant::OwnDurationAlone);
    caught("OwnDurationAlone", ONE_LEADER, setting)
}

/// SAFETY 9. With a deadline of three ticks, because a read-back only counts while the term is held: with two, that is
/// in the tick in which the renewal is sent.
#[test]
fn caught_read_back_extends() -> Result<(), EmptyIdentity> {
    let longer = Ticks { deadline: 3, ..SHORT };
    let setting = setting(EQUAL, longer)?.broken(Variant::ReadBackExtends);
    caught("ReadBackExtends", ONE_LEADER, setting)
}

/// SAFETY 12.
#[test]
fn caught_release_before_work_stopped() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::ReleaseBeforeWorkStopped)
}

/// SAFETY 12.
#[test]
fn caught_term_resumed_after_release() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::TermResumedAfterRelease)
}

/// SAFETY 13.
#[test]
fn caught_drain_outlives_lease() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::DrainOutlivesLease)
}

/// SAFETY 16.
#[test]
fn caught_identity_trusted() -> Result<(), EmptyIdentity> {
    let setting = setting(DOUBLE, SHORT)?.twins().broken(Variant::IdentityTrusted);
    caught("IdentityTrusted", ONE_LEADER, setting)
}

/// SAFETY 16: as the model found it. Under a name that others have too, a record that equals one's own acquisition may be
/// a twin's or an earlier life's.
#[test]
fn caught_equal_acquisition_proves() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::EqualAcquisitionProves)
}

/// SAFETY 22.
#[test]
fn caught_lost_term_revived() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::LostTermRevived)
}

#[test]
#[ignore = "large: minutes"]
fn sound_with_a_stop_grace() -> Result<(), EmptyIdentity> {
    holds("stop grace", setting(EQUAL, Ticks { grace: 1, ..SHORT })?)
}

#[test]
#[ignore = "large: minutes"]
fn sound_with_mixed_durations() -> Result<(), EmptyIdentity> {
    let long = Ticks { deadline: 3, ..SHORT };
    holds(
        "mixed durations",
        setting(DOUBLE, SHORT)?.second(long.at_threshold(DOUBLE)),
    )
}

#[test]
#[ignore = "large: minutes"]
fn sound_where_nothing_was_written_yet() -> Result<(), EmptyIdentity> {
    let mut setting = setting(EQUAL, SHORT)?;
    setting.from_nothing = true;
    holds("from nothing", setting)
}

#[test]
#[ignore = "large: minutes"]
fn sound_with_a_name_for_every_life() -> Result<(), EmptyIdentity> {
    holds("unique names", setting(EQUAL, SHORT)?.unique())
}

#[test]
#[ignore = "large: minutes"]
fn sound_with_two_writes_on_their_way() -> Result<(), EmptyIdentity> {
    let mut setting = setting(EQUAL, SHORT)?;
    setting.on_their_way = 2;
    holds("two writes on their way", setting)
}
