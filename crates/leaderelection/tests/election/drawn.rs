//! What is drawn from seed and version, so that not all candidates read or write at one instant (SAFETY 20 and 21).

use std::collections::BTreeSet;
use std::time::Duration;

use leaderelection::election::{ElectionConfig, Input};
use leaderelection::{LeaseTiming, Observation};

use crate::bench::{Bench, absent, config, present, timing};

/// The milliseconds after which a follower that hears nothing more reads the lock.
fn reads_at(seed: u64, version: u64, watches: bool) -> u64 {
    let config = ElectionConfig {
        stagger: true,
        seed,
        ..config()
    };
    let mut bench = Bench::knowing(config, present(version, "b/15@0#3"));
    bench.at(
        0.0,
        if watches {
            Input::Wake
        } else {
            Input::WatchUnsupported
        },
    );
    let transcript = bench.take_transcript();
    let (_, until) = transcript.trim_end().rsplit_once("wait until ").unwrap();
    let seconds: f64 = until.strip_suffix('s').unwrap().parse().unwrap();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let millis = (seconds * 1000.0) as u64;
    millis
}

/// SAFETY 20: one read within `S .. 1.5 S` of silence, and a poll within `P .. 1.2 P`. Where in there is drawn from the seed and
/// from the version, whatever bits either has.
#[test]
fn reads_are_spread() {
    for (watches, from, most) in [(true, 6_000, 3_000), (false, 2_000, 400)] {
        let by_seed: Vec<u64> = (0..300).map(|seed| reads_at(seed, 5, watches)).collect();
        assert!(
            by_seed.iter().all(|at| (from..from + most).contains(at)),
            "{by_seed:?}"
        );
        for third in 0..3 {
            let third = from + third * most / 3..from + (third + 1) * most / 3;
            let in_it = by_seed.iter().filter(|at| third.contains(at)).count();
            assert!((60..=140).contains(&in_it), "{in_it} of 300 within {third:?}");
        }
        for seed in [0, u64::MAX] {
            let by_version: BTreeSet<u64> =
                (1..=20).map(|version| reads_at(seed, version, watches)).collect();
            assert!(by_version.len() > 15, "seed {seed}: {by_version:?}");
        }
    }
}

/// The draw is SplitMix64, whose published sequence for the seed 0 begins like this: its state grows by `STEP`.
const PUBLISHED: [u64; 3] = [
    0xE220_A839_7B1D_CDAF,
    0x6E78_9E6A_A1B9_65F4,
    0x06C4_5D18_8009_454F,
];
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

#[test]
fn the_spread_is_drawn_by_splitmix64() {
    for (state, draw) in (0..).map(|n: u64| STEP.wrapping_mul(n)).zip(PUBLISHED) {
        let at = reads_at((state ^ 5).rotate_right(32), 5, true);
        #[allow(clippy::cast_possible_truncation)]
        let drawn = ((u128::from(draw) * 3_000) >> 64) as u64;
        assert_eq!(at, 6_000 + drawn);
    }
}

/// Whether a candidate that is shown a free lock after a round trip of 0.1 s, at 0.1 s, takes it at once, or 0.2 s later.
fn takes_at_once(seed: u64, expected: u32, stagger: bool, free: Observation) -> bool {
    let config = ElectionConfig {
        timing: timing(15, 10, 2).with_expected_candidates(expected),
        stagger,
        seed,
        ..config()
    };
    let mut bench = Bench::new(config);
    bench.wake(0.0);
    bench.read(0.1, free);
    if bench.take_transcript().contains("swap") {
        return true;
    }
    bench.wake(0.299);
    assert!(
        !bench.take_transcript().contains("swap"),
        "seed {seed}: too early"
    );
    bench.wake(0.301);
    assert!(bench.take_transcript().contains("swap"), "seed {seed}: too late");
    false
}

/// SAFETY 21: eight of those expected, on average, write at once.
#[test]
fn the_first_stage_is_drawn_by_splitmix64() {
    for (state, draw) in (0..).map(|n: u64| STEP.wrapping_mul(n)).zip(PUBLISHED) {
        for expected in 1..200 {
            let free = present(5, "/1@0#3");
            let first = draw % u64::from(expected) < 8;
            assert_eq!(
                takes_at_once(state ^ 5, expected, true, free),
                first,
                "{draw} of {expected}"
            );
        }
    }
}

/// The versions decide as the seeds do, whatever bits a seed has, so that not always the same ones come second.
#[test]
fn who_comes_first_is_drawn_anew_for_every_version() {
    for seed in [0, 5, u64::MAX] {
        let first = (1..=1000).filter(|version| takes_at_once(seed, 100, true, present(*version, "/1@0#3")));
        let first = first.count();
        assert!((50..=110).contains(&first), "seed {seed}: {first} of 1000");
    }
}

/// On a store nearby the others come 20 ms later, or there would be no time to see that one of the first has written; where the
/// RetryPeriod is short, a twentieth of it.
#[test]
fn the_second_stage_is_twenty_milliseconds_late_at_least() {
    let in_ms = Duration::from_millis;
    for (retry_period, later) in [(2_000, 20), (400, 20), (100, 5)] {
        let timing = LeaseTiming::new(in_ms(15_000), in_ms(10_000), in_ms(retry_period)).unwrap();
        let config = |seed| ElectionConfig {
            timing: timing.clone().with_expected_candidates(1_000),
            stagger: true,
            seed,
            ..config()
        };
        for seed in (0..100).filter(|seed| !takes_at_once(*seed, 1_000, true, present(5, "/1@0#3"))) {
            let mut bench = Bench::new(config(seed));
            bench.wake(0.0);
            bench.read(0.001, present(5, "/1@0#3"));
            let at = 0.001 + f64::from(later) / 1e3;
            bench.wake(at - 0.0001);
            assert!(
                !bench.take_transcript().contains("swap"),
                "seed {seed}: too early"
            );
            bench.wake(at + 0.0001);
            assert!(bench.take_transcript().contains("swap"), "seed {seed}: too late");
        }
    }
}

/// A read may have waited for a second among those of other elections: that says nothing of the store.
#[test]
fn the_second_stage_is_a_retry_period_late_at_most() {
    let config = |seed| ElectionConfig {
        timing: timing(15, 10, 2).with_expected_candidates(1_000),
        stagger: true,
        seed,
        ..config()
    };
    let late = |seed: &u64| !takes_at_once(*seed, 1_000, true, present(5, "/1@0#3"));
    for seed in (0..100).filter(late) {
        let mut bench = Bench::new(config(seed));
        bench.wake(0.0);
        bench.read(1.5, present(5, "/1@0#3"));
        bench.wake(3.499);
        assert!(
            !bench.take_transcript().contains("swap"),
            "seed {seed}: too early"
        );
        bench.wake(3.501);
        assert!(bench.take_transcript().contains("swap"), "seed {seed}: too late");
    }
}

/// A lock that does not exist is created by one of many, too.
#[test]
fn creates_are_staggered_too() {
    let first = (0..1000).filter(|seed| takes_at_once(*seed, 100, true, absent(None)));
    let first = first.count();
    assert!((50..=110).contains(&first), "{first} of 1000");
}

/// Where nothing is drawn, nobody waits.
#[test]
fn without_a_stagger_all_write_at_once() {
    assert!((0..100).all(|seed| takes_at_once(seed, 100, false, present(5, "/1@0#3"))));
}
