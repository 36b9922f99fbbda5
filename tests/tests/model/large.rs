//! Worlds that take minutes each: `cargo test -p leaderelection-tests --test model -- --ignored --nocapture`. `holds` explores to the
//! end, however long that takes; `nothing_found` what has not been seen to end, for eight minutes, and says so.

use std::time::Duration;

use leaderelection::EmptyIdentity;
use leaderelection_tests::model::setting::Ticks;
use leaderelection_tests::model::world::ONE_LEADER;
use leaderelection_tests::model::{Healing, Powers, Setting, check};

use super::missing::{deleting, strict_from_nothing};
use super::sound::old_states;
use super::{DOUBLE, EQUAL, SHORT, caught, holds, quiet, setting};

const LIMIT: Duration = Duration::from_secs(8 * 60);

/// Minutes in this variable are another limit.
const MINUTES: &str = "LEADERELECTION_MODEL_MINUTES";

fn limit() -> Duration {
    let minutes = std::env::var(MINUTES).ok();
    let minutes: Option<u64> =
        minutes.map(|minutes| minutes.parse().unwrap_or_else(|_| panic!("{MINUTES}={minutes}")));
    minutes.map_or(LIMIT, |minutes| Duration::from_secs(60 * minutes))
}

/// No state is wrong that is reached within the limit.
fn nothing_found(name: &str, mut setting: Setting) -> Result<(), EmptyIdentity> {
    setting.limit = Some(limit());
    let outcome = check(setting)?;
    println!("{name}: {outcome}");
    assert!(outcome.failure.is_none(), "{name}: {outcome}");
    // Or it says nothing.
    assert!(
        outcome.impossible.is_empty(),
        "{name}: never seen: {:?}",
        outcome.impossible
    );
    Ok(())
}

#[test]
#[ignore = "large: minutes"]
fn twins_with_all_that_users_do() -> Result<(), EmptyIdentity> {
    holds("twins and users", setting(EQUAL, SHORT)?.twins())
}

/// Somebody writes other holders, which robs a leader of its term and nobody of their wait (SAFETY 7 and 11).
#[test]
#[ignore = "large: minutes"]
fn rewritten_holders() -> Result<(), EmptyIdentity> {
    let rewrites = Powers {
        rewrites: true,
        ..Powers::NONE
    };
    holds("rewritten holders", quiet(EQUAL, SHORT)?.powers(rewrites))
}

#[test]
#[ignore = "large: minutes"]
fn stop_grace() -> Result<(), EmptyIdentity> {
    nothing_found("stop grace", setting(EQUAL, Ticks { grace: 1, ..SHORT })?)
}

#[test]
#[ignore = "large: minutes"]
fn mixed_durations() -> Result<(), EmptyIdentity> {
    let long = Ticks { deadline: 3, ..SHORT };
    nothing_found(
        "mixed durations",
        setting(DOUBLE, SHORT)?.second(long.at_threshold(DOUBLE)),
    )
}

#[test]
#[ignore = "large: minutes"]
fn from_nothing() -> Result<(), EmptyIdentity> {
    let mut setting = setting(EQUAL, SHORT)?;
    setting.from_nothing = true;
    nothing_found("from nothing", setting)
}

#[test]
#[ignore = "large: minutes"]
fn a_name_for_every_life() -> Result<(), EmptyIdentity> {
    nothing_found("unique names", setting(EQUAL, SHORT)?.unique())
}

#[test]
#[ignore = "large: minutes"]
fn two_writes_on_their_way() -> Result<(), EmptyIdentity> {
    let mut setting = setting(EQUAL, SHORT)?;
    setting.on_their_way = 2;
    nothing_found("two writes on their way", setting)
}

/// A new life may also be shown what all others knew to have passed.
#[test]
#[ignore = "large: minutes"]
fn old_states_for_new_lives() -> Result<(), EmptyIdentity> {
    nothing_found("old states for new lives", old_states()?)
}

#[test]
#[ignore = "large: minutes"]
fn three_candidates() -> Result<(), EmptyIdentity> {
    nothing_found("three candidates", quiet(EQUAL, SHORT)?.third()?)
}

/// What is shown is as it is, and writes are late.
#[test]
#[ignore = "large: minutes"]
fn three_candidates_with_watches_that_show_what_is() -> Result<(), EmptyIdentity> {
    let mut setting = quiet(EQUAL, SHORT)?.third()?;
    setting.oldest_shown = 0;
    nothing_found("three candidates, watches that show what is", setting)
}

/// Watches are late, and writes land in their tick or never.
#[test]
#[ignore = "large: minutes"]
fn three_candidates_with_prompt_writes() -> Result<(), EmptyIdentity> {
    let mut setting = quiet(EQUAL, SHORT)?.third()?;
    setting.prompt_writes = true;
    holds("three candidates, prompt writes", setting)
}

#[test]
#[ignore = "large: minutes"]
fn a_deletion_in_strict_mode_with_watches_that_show_what_is() -> Result<(), EmptyIdentity> {
    let mut setting = deleting(1)?.strict();
    setting.oldest_shown = 0;
    nothing_found("strict, a deletion, watches that show what is", setting)
}

#[test]
#[ignore = "large: minutes"]
fn a_deletion_in_strict_mode() -> Result<(), EmptyIdentity> {
    holds("strict, a deletion", deleting(1)?.strict())
}

/// Here the model found that the same life took over twice in the same second of its wall clock, with a deletion in between:
/// both acquisitions were equal, and who had missed all between took the second for a label on the first.
#[test]
#[ignore = "large: minutes"]
fn a_deletion_in_strict_mode_from_nothing() -> Result<(), EmptyIdentity> {
    holds("strict, from nothing, a deletion", strict_from_nothing(1)?)
}

/// Two of one name claim in one second, and renew as often (SAFETY 18).
#[test]
#[ignore = "large: minutes"]
fn twins_and_a_deletion_in_strict_mode() -> Result<(), EmptyIdentity> {
    nothing_found("strict, twins, a deletion", strict_from_nothing(1)?.twins())
}

#[test]
#[ignore = "large: minutes"]
fn two_deletions_in_strict_mode() -> Result<(), EmptyIdentity> {
    nothing_found("strict, two deletions", deleting(2)?.strict())
}

/// The claim waits for the longer of its own lease and the last one seen; so the world is one where it was seen. Whoever has not
/// seen it must have a lease that outlasts the deleted leader's deadline.
#[test]
#[ignore = "large: minutes"]
fn mixed_durations_in_strict_mode() -> Result<(), EmptyIdentity> {
    nothing_found("strict, mixed durations, a deletion", mixed_in_strict_mode(true)?)
}

#[test]
#[ignore = "large: minutes"]
fn two_lead_after_a_deletion_of_a_longer_lease_that_was_not_seen() -> Result<(), EmptyIdentity> {
    caught("strict, not seen", ONE_LEADER, mixed_in_strict_mode(false)?)
}

fn mixed_in_strict_mode(deletes_known: bool) -> Result<Setting, EmptyIdentity> {
    let long = Ticks { deadline: 3, ..SHORT };
    let powers = Powers {
        deletions: 1,
        deletes_known,
        ..Powers::NONE
    };
    let setting = quiet(EQUAL, SHORT)?.powers(powers).strict();
    Ok(setting.second(long.at_threshold(EQUAL)))
}

/// SAFETY 18: taking over an earlier life's record is a claim.
#[test]
#[ignore = "large: minutes"]
fn an_earlier_life_in_strict_mode() -> Result<(), EmptyIdentity> {
    let crashes = Powers {
        crashes: true,
        ..Powers::NONE
    };
    let setting = quiet(EQUAL, SHORT)?.strict().exclusive().powers(crashes);
    nothing_found("strict, exclusive names", setting)
}

/// Everything at once: σ, clocks that differ, users, crashes, labels, other holders, a deletion in strict mode.
#[test]
#[ignore = "large: minutes"]
fn everything_at_once() -> Result<(), EmptyIdentity> {
    let powers = Powers {
        labels: true,
        rewrites: true,
        deletions: 1,
        mute: true,
        ..Powers::USUAL
    };
    let setting = setting(DOUBLE, Ticks { grace: 1, ..SHORT })?;
    nothing_found("everything at once", setting.strict().powers(powers))
}

#[test]
#[ignore = "large: minutes"]
fn leads_again_where_clocks_differ() -> Result<(), EmptyIdentity> {
    holds(
        "heals, clocks differ",
        quiet(DOUBLE, SHORT)?.heals(Healing::Whole),
    )
}

#[test]
#[ignore = "large: minutes"]
fn leads_again_beside_somebody_who_writes_labels() -> Result<(), EmptyIdentity> {
    let labels = Powers {
        labels: true,
        ..Powers::NONE
    };
    holds(
        "heals, labels",
        quiet(EQUAL, SHORT)?.powers(labels).heals(Healing::Whole),
    )
}

#[test]
#[ignore = "large: minutes"]
fn leads_again_after_what_users_do() -> Result<(), EmptyIdentity> {
    let powers = Powers {
        people: true,
        ..Powers::NONE
    };
    nothing_found(
        "heals, users",
        quiet(EQUAL, SHORT)?.powers(powers).heals(Healing::Whole),
    )
}

#[test]
#[ignore = "large: minutes"]
fn leads_again_after_crashes() -> Result<(), EmptyIdentity> {
    let powers = Powers {
        crashes: true,
        ..Powers::NONE
    };
    nothing_found(
        "heals, crashes",
        quiet(EQUAL, SHORT)?.powers(powers).heals(Healing::Whole),
    )
}

/// Within 3 L: the claim has to stand for one more.
#[test]
#[ignore = "large: minutes"]
fn leads_again_from_nothing_in_strict_mode() -> Result<(), EmptyIdentity> {
    nothing_found(
        "heals, strict, from nothing",
        strict_from_nothing(0)?.heals(Healing::Whole),
    )
}
