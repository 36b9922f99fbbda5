//! The shipped elector, driver included, on paused time: two to five of them on one lock in memory, each behind faults of its
//! own, by seed.
//!
//! A seed stands for a schedule: forty-odd leases of latency, lost requests and answers, ghosts, partitions, stalled and
//! disorderly watches, crashes, restarts, stops, step-downs, and an operator who writes into the store; then a time in
//! which nothing goes wrong, and somebody must lead. What was called, what the store did and who was at work is written
//! down, and judged when it is over: see `invariants`, one file each.
//!
//! ```text
//!   invariants judge: history
//!                        ^ calls, shifts                                    ^ writes
//!   elector -> Mortal -> RecordingLock -> Paced -> FaultLock -> RecordingLock -> Store <- operator
//! ```
//!
//! Durations are unequal only where nothing is deleted, unreadable or foreign, as in the seeds of the machine.
//!
//! The pure machine meets far more hours of this in the seeds of its own crate (`crates/leaderelection/tests/seeds`). Here it
//! is about what stands around it: tasks, timers, calls that are given up, work that is dropped.
//!
//! `LEADERELECTION_SEEDS=a..b` plays others; a single one tells its story.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests speak by failing"
)]

mod candidate;
mod catches;
mod chaos;
mod clock;
mod history;
mod invariants;
mod mortal;
mod paced;
mod play;
#[path = "../../../crates/leaderelection/tests/seeds/world/random.rs"]
mod random;
mod setup;
mod store;
mod tally;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use catches::CATCHES;
use tally::Tally;

/// What every run plays.
const SEEDS: Range<u64> = 0..700;

/// So many hours of election they must be.
const FEWEST_HOURS: f64 = 1000.0;

/// A broken elector that has broken nothing by then is not caught.
const MOST_SEEDS: u64 = 300;

/// The seeds to play.
fn asked_for() -> Range<u64> {
    let Ok(seeds) = std::env::var("LEADERELECTION_SEEDS") else {
        return SEEDS;
    };
    let Some((first, end)) = seeds.split_once("..") else {
        panic!("LEADERELECTION_SEEDS is a range such as 1000..5000, not {seeds:?}");
    };
    let number = |text: &str| text.trim().parse().unwrap();
    number(first)..number(end)
}

/// Plays seeds on all cores, each on a runtime of its own.
fn play_all(seeds: &Range<u64>) -> Tally {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let player = || {
            let mut tally = Tally::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return tally;
                }
                tally.add(&play::play(seed, None));
            }
        };
        let players: Vec<_> = (0..cores).map(|_| scope.spawn(player)).collect();
        let tallies = players.into_iter().map(|player| player.join().unwrap());
        tallies.reduce(Tally::with).unwrap()
    })
}

#[test]
fn no_schedule_breaks_an_invariant() {
    let seeds = asked_for();
    let tally = play_all(&seeds);
    if seeds.end - seeds.start == 1 {
        print!("{}", play::play(seeds.start, None).story());
    }
    println!("{tally}");
    assert_eq!(
        tally.failed(),
        0,
        "so many seeds fail; the lines above replay them"
    );
    if seeds == SEEDS {
        assert!(tally.hours() >= FEWEST_HOURS, "only {} hours", tally.hours());
        assert!(
            tally.terms() >= 10 * (SEEDS.end - SEEDS.start),
            "only {} terms",
            tally.terms()
        );
    }
}

/// The line that replays a seed is worth something only if the seed is all that a schedule depends on.
#[test]
fn a_seed_replays() {
    for seed in 0..40 {
        let (first, second) = (play::play(seed, None).outline(), play::play(seed, None).outline());
        let differ = first
            .lines()
            .zip(second.lines())
            .find(|(one, other)| one != other);
        assert_eq!(differ, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

/// Each of these turns the invariant red that is made to see it, and each invariant but one is turned red: that a follower
/// does not ask needlessly, no rule of safety depends on.
#[test]
#[allow(clippy::disallowed_methods, reason = "how long it takes is for people")]
fn it_catches_broken_electors() {
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let player = || {
            while let Some((variant, invariant)) = CATCHES.get(next.fetch_add(1, Ordering::Relaxed) as usize)
            {
                let breaks = |seed: &u64| {
                    let broken = invariants::judge(&play::play(*seed, Some(*variant)));
                    broken.iter().any(|(of, _)| of == invariant)
                };
                let began = Instant::now();
                let Some(seed) = (0..MOST_SEEDS).find(breaks) else {
                    panic!("{} does not break {invariant}", variant.name());
                };
                let time = began.elapsed();
                println!("{}: `{invariant}`, seed {seed}, {time:.1?}", variant.name());
            }
        };
        for _ in 0..cores {
            scope.spawn(player);
        }
    });
}
