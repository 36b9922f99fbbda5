//! Whole elections by seed: two or three shipped machines, one simulated store, and everything that goes wrong between.
//!
//! `no_schedule_breaks_an_invariant` plays a fixed range of seeds, more than 100,000 hours of election. For a seed that fails
//! it prints the line that replays it and tells its story. `LEADERELECTION_SEEDS=a..b` plays others, and
//! `LEADERELECTION_HOURS=n` as many new ones as last for so many hours. The same seed makes the same schedule everywhere;
//! only the names that are unique to a life differ from run to run.
//!
//! What must hold is in `invariants`, one file each.
//!
//! # What is simulated
//!
//! - Time: every candidate's clock has its own beginning and rate, up to the ratio that the durations just tolerate; wall
//!   clocks jump or are set back; timers fire late, at times by seconds.
//! - The way to the store: requests and answers are slow, lost, or refused; swaps land as ghosts after they were given up,
//!   also of an earlier life; a client's own retry turns a success into a conflict (SAFETY 9); candidates are cut off.
//! - The store: versions with gaps; absences with and without one (SAFETY 4); conflicts that show what is there or do not;
//!   writes that are answered as done and do nothing (SAFETY 6).
//! - The watch: lags by up to three leases, out of order, skips versions, ends, cannot be opened, or does not exist.
//! - Candidates: unique, exclusive and shared names (SAFETY 16); unequal durations (SAFETY 7); stops, step-downs, crashes
//!   and restarts; work that ends by itself, when told, or only when it is dropped; work that panics.
//! - Others: labels (SAFETY 5), garbage (SAFETY 17), foreign records (SAFETY 11); in strict mode also deletions and
//!   emptied contents (SAFETY 18).
//! - Durations: fractions of seconds, the default, and those of real fleets, each just long enough for the clocks.
//! - After forty leases of all this the network heals, at times in the moment in which the leader dies, and somebody must
//!   lead within the bound (SAFETY 20).
//!
//! # What is not
//!
//! - Deletions where candidates lead at once: there two may lead, as SAFETY 18 says.
//! - Foreign writers that put back identical bytes (A-B-A). To a candidate that missed what stood between, that is a label,
//!   and the lease of whoever led between is not waited out (SAFETY 5). Every foreign record and all garbage is therefore
//!   unlike any before. A foreign writer who names no holder does the harm of a deletion (SAFETY 18).
//! - Unequal durations beside deletions, garbage or foreign records: whoever missed the longer declaration, because it is gone, would wait
//!   too short (SAFETY 7).
//! - Clocks beyond the tolerated ratio, clocks that stop while the machine sleeps (SAFETY 3), and rates that change.
//! - The elector, its tasks and real locks: here the driver is part of the simulation.
//!
//! # What it catches
//!
//! `cargo test -p leaderelection-tests --test variants -- --nocapture` tells which of the machine's broken variants
//! (`election/variant.rs`) turn it red, and after how many seeds.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests speak by failing"
)]

mod invariants;
mod tally;
mod world;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use tally::Tally;

/// What every run plays.
const SEEDS: Range<u64> = 0..48_000;

/// So many hours of election they must be, or little is tested.
const FEWEST_HOURS: f64 = 100_000.0;

/// A seed makes some 26 terms. Fewer than this, and the election stands still where it should not.
const FEWEST_TERMS_PER_SEED: u64 = 20;

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap()
}

/// The seeds to play, and for how many hours of election at most.
fn asked_for() -> (Range<u64>, f64) {
    if let Ok(hours) = std::env::var("LEADERELECTION_HOURS") {
        return (SEEDS.end..u64::MAX, number(&hours) as f64);
    }
    let Ok(seeds) = std::env::var("LEADERELECTION_SEEDS") else {
        return (SEEDS, f64::INFINITY);
    };
    let Some((first, end)) = seeds.split_once("..") else {
        panic!("LEADERELECTION_SEEDS is a range such as 10000..50000, not {seeds:?}");
    };
    (number(first)..number(end), f64::INFINITY)
}

/// Plays seeds on all cores until they are all played or last for so many hours.
fn play(seeds: &Range<u64>, hours: f64) -> Tally {
    let tells_story = seeds.end - seeds.start == 1;
    let next = AtomicU64::new(seeds.start);
    let played = AtomicU64::new(0);
    let milliseconds = hours * 3.6e6;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let player = || {
            let mut tally = Tally::default();
            while (played.load(Ordering::Relaxed) as f64) < milliseconds {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    break;
                }
                let one = world::play(seed, tells_story, &|_| {});
                played.fetch_add((one.time / 1_000_000) as u64, Ordering::Relaxed);
                tally.add(seed, &one);
            }
            tally
        };
        let players: Vec<_> = (0..cores).map(|_| scope.spawn(player)).collect();
        let tallies = players.into_iter().map(|player| player.join().unwrap());
        tallies.reduce(Tally::with).unwrap()
    })
}

/// All of `invariants`, and: no machine waits for the past or spins, and none panics.
#[test]
fn no_schedule_breaks_an_invariant() {
    let (seeds, hours) = asked_for();
    let tally = play(&seeds, hours);
    println!("{tally}");
    assert_eq!(
        tally.failed.len(),
        0,
        "so many seeds fail; the lines above replay them"
    );
    if hours.is_infinite() && seeds == SEEDS {
        let (hours, fewest) = (tally.hours(), FEWEST_TERMS_PER_SEED * (SEEDS.end - SEEDS.start));
        assert!(hours >= FEWEST_HOURS, "only {hours} hours");
        assert!(
            tally.terms() >= fewest,
            "only {} terms began; {fewest} should, or little is tested",
            tally.terms()
        );
    }
}

/// The line that replays a seed is worth something only if the seed is all that a schedule depends on.
#[test]
fn a_seed_replays() {
    let outline = |seed| {
        let played = world::play(seed, false, &|_| {});
        (played.time, played.terms, played.faults, played.chance)
    };
    for seed in 0..300 {
        assert_eq!(outline(seed), outline(seed), "seed {seed}");
    }
}
