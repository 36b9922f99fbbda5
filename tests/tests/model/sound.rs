//! Worlds in which no reachable state is wrong.

use leaderelection::EmptyIdentity;
use leaderelection_tests::model::Powers;
use leaderelection_tests::model::setting::Ticks;

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
