//! The shipped machine under every schedule of small worlds, and each broken variant caught.
//!
//! `cargo test -p leaderelection-tests --test model` runs what CI runs; with `-- --ignored` the larger worlds; with
//! `-- bound --nocapture` it prints the table of the bound. `--nocapture` shows how many states each world has, and each
//! counterexample step by step.

#![allow(clippy::panic, reason = "tests speak by failing")]

mod alive;
mod bound;
mod caught;
mod forgetting;
mod large;
mod missing;
mod sound;

use leaderelection::EmptyIdentity;
use leaderelection::election::Variant;
use leaderelection_tests::model::setting::Ticks;
use leaderelection_tests::model::world::ONE_LEADER;
use leaderelection_tests::model::{Powers, Setting, check, counterexample};

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

/// The same, where messages are late or lost and nothing else happens.
fn quiet(rates: [u8; 2], ticks: Ticks) -> Result<Setting, EmptyIdentity> {
    Ok(setting(rates, ticks)?.powers(Powers::NONE))
}

/// How many states there are in worlds that are explored to the end, as docs/PROOF.md has them: all of CI's, and one of the larger. One that has become smaller may prove less,
/// and one that has become larger forgets less than it did: either is to be understood before the number is changed.
const STATES: &[(&str, usize)] = &[
    ("clocks that differ", 1_849_730),
    ("mixed durations", 489_637),
    ("strict, a deletion, exclusive names, prompt writes", 699_131),
    ("strict, a deletion, prompt writes", 443_264),
    ("from nothing", 445_064),
    ("a deletion of a dead record, prompt writes", 428_968),
    ("labels", 403_537),
    ("twins", 400_892),
    ("a stop grace, and users", 463_872),
    ("rounded up", 348_610),
    ("exclusive names", 330_872),
    ("strict, from nothing", 330_218),
    ("nothing changed", 94_109),
    ("heals", 85_578),
    ("rewritten holders, prompt writes", 75_953),
    ("old states for new lives, prompt writes", 49_808),
    ("three candidates, prompt writes", 225_515),
];

/// Every reachable state is sound, and each candidate can lead and hand over.
fn holds(name: &str, setting: Setting) -> Result<(), EmptyIdentity> {
    let outcome = check(setting)?;
    println!("{name}: {outcome}");
    assert!(outcome.failure.is_none() && outcome.complete, "{name}: {outcome}");
    assert!(
        outcome.impossible.is_empty(),
        "{name}: never seen: {:?}",
        outcome.impossible
    );
    match STATES.iter().find(|(world, _)| *world == name) {
        Some((_, states)) => assert!(
            outcome.states == *states,
            "{name}: {states} states are known, not {outcome}"
        ),
        None => println!("{name}: how many states it has is not held"),
    }
    Ok(())
}

/// A counterexample to `property` is found.
fn caught(name: &str, property: &'static str, setting: Setting) -> Result<(), EmptyIdentity> {
    let outcome = counterexample(setting, property)?;
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
