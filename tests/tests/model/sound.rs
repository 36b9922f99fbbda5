//! Worlds in which no reachable state is wrong.

use leaderelection::EmptyIdentity;
use leaderelection_tests::model::Powers;
use leaderelection_tests::model::setting::Ticks;

use super::{DOUBLE, EQUAL, SHORT, holds, quiet, setting};

#[test]
fn sound_where_clocks_differ() -> Result<(), EmptyIdentity> {
    holds("clocks that differ", setting(DOUBLE, SHORT)?)
}

#[test]
fn sound_with_twins_under_one_name() -> Result<(), EmptyIdentity> {
    holds("twins", setting(EQUAL, SHORT)?.twins())
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

/// Somebody writes other holders, which robs a leader of its term and nobody of their wait (SAFETY 7 and 11).
#[test]
#[ignore = "large: minutes"]
fn sound_with_rewritten_holders() -> Result<(), EmptyIdentity> {
    let rewrites = Powers {
        rewrites: true,
        ..Powers::NONE
    };
    holds("rewritten holders", quiet(EQUAL, SHORT)?.powers(rewrites))
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

#[test]
#[ignore = "large: minutes"]
fn sound_with_a_stop_grace() -> Result<(), EmptyIdentity> {
    holds("stop grace", setting(EQUAL, Ticks { grace: 1, ..SHORT })?)
}

#[test]
#[ignore = "large: minutes"]
fn sound_with_mixed_durations_and_all_powers() -> Result<(), EmptyIdentity> {
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
