//! Worlds in which no reachable state is wrong.

use leaderelection::EmptyIdentity;
use leaderelection_tests::model::setting::Ticks;
use leaderelection_tests::model::{Powers, Setting};

use super::{DOUBLE, EQUAL, SHORT, holds, quiet, setting};

#[test]
fn sound_where_clocks_differ() -> Result<(), EmptyIdentity> {
    holds("clocks that differ", setting(DOUBLE, SHORT)?)
}

/// SAFETY 16.
#[test]
fn sound_with_twins_under_one_name() -> Result<(), EmptyIdentity> {
    let powers = Powers {
        people: false,
        ..Powers::USUAL
    };
    holds("twins", quiet(EQUAL, SHORT)?.twins().powers(powers))
}

/// Somebody writes labels, which make versions and no news (SAFETY 5 and 9).
#[test]
fn sound_with_labels() -> Result<(), EmptyIdentity> {
    let labels = Powers {
        labels: true,
        ..Powers::NONE
    };
    holds("labels", quiet(EQUAL, SHORT)?.powers(labels))
}

/// SAFETY 16: a restarted candidate takes its earlier life's record over at once.
#[test]
fn sound_with_an_earlier_life_under_an_exclusive_name() -> Result<(), EmptyIdentity> {
    let crashes = Powers {
        crashes: true,
        misleads: true,
        ..Powers::NONE
    };
    holds(
        "exclusive names",
        quiet(EQUAL, SHORT)?.exclusive().powers(crashes),
    )
}

#[test]
fn sound_with_mixed_durations() -> Result<(), EmptyIdentity> {
    let long = Ticks { deadline: 3, ..SHORT };
    holds(
        "mixed durations",
        quiet(DOUBLE, SHORT)?.second(long.at_threshold(DOUBLE)),
    )
}

/// Writes that change nothing are answered as done (SAFETY 6).
#[test]
fn sound_with_answers_that_nothing_changed() -> Result<(), EmptyIdentity> {
    let mute = Powers {
        mute: true,
        ..Powers::NONE
    };
    holds("nothing changed", quiet(EQUAL, SHORT)?.powers(mute))
}

/// A drain, and work that goes on for the grace after its lease, beside a rival (SAFETY 2, 12 and 13): the clocks are equal, and writes land
/// in their tick or never. With late writes: `large`.
#[test]
fn sound_with_a_stop_grace_and_what_users_do() -> Result<(), EmptyIdentity> {
    let people = Powers {
        people: true,
        ..Powers::NONE
    };
    let mut setting = quiet(EQUAL, Ticks { grace: 1, ..SHORT })?.powers(people);
    setting.prompt_writes = true;
    holds("a stop grace, and users", setting)
}

/// Somebody writes other holders, which robs a leader of its term and nobody of their wait (SAFETY 7 and 11). Writes land in their tick
/// or never; with late writes: `large`.
#[test]
fn sound_with_rewritten_holders() -> Result<(), EmptyIdentity> {
    let rewrites = Powers {
        rewrites: true,
        ..Powers::NONE
    };
    let mut setting = quiet(EQUAL, SHORT)?.powers(rewrites);
    setting.prompt_writes = true;
    holds("rewritten holders, prompt writes", setting)
}

/// A new life may also be shown what all others knew to have passed (SAFETY 4). Writes land in their tick or never; with late writes:
/// `large`.
#[test]
fn sound_with_old_states_for_new_lives() -> Result<(), EmptyIdentity> {
    let mut setting = old_states()?;
    setting.prompt_writes = true;
    holds("old states for new lives, prompt writes", setting)
}

pub(super) fn old_states() -> Result<Setting, EmptyIdentity> {
    let crashes = Powers {
        crashes: true,
        ..Powers::NONE
    };
    let mut setting = quiet(EQUAL, SHORT)?.exclusive().powers(crashes);
    setting.forgets = false;
    Ok(setting)
}
