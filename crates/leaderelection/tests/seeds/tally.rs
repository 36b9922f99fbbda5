//! What the seeds of a run amount to.

use std::fmt;

use crate::world::{Kind, Played};

const NANOSECONDS_PER_HOUR: f64 = 3.6e12;

/// How many failing seeds are named.
const NAMED: usize = 10;

#[derive(Default, Clone, Copy)]
struct Sum {
    seeds: u64,
    /// In hours.
    time: f64,
    terms: u64,
    faults: u64,
}

impl Sum {
    fn with(self, other: Self) -> Self {
        Self {
            seeds: self.seeds + other.seeds,
            time: self.time + other.time,
            terms: self.terms + other.terms,
            faults: self.faults + other.faults,
        }
    }
}

#[derive(Default)]
pub(crate) struct Tally {
    sums: [Sum; Kind::ALL.len()],
    /// Elections that had no leader when the network healed, or lost it then, and the longest part of the bound that one of
    /// them needed.
    recovered: u64,
    slowest: f64,
    /// Seeds, and what went wrong.
    pub(crate) failed: Vec<(u64, String)>,
}

impl Tally {
    pub(crate) fn add(&mut self, seed: u64, played: &Played) {
        let sum = &mut self.sums[played.kind as usize];
        *sum = sum.with(Sum {
            seeds: 1,
            time: played.time as f64 / NANOSECONDS_PER_HOUR,
            terms: played.terms,
            faults: played.faults,
        });
        if let Some((took, bound)) = played.recovery.and_then(|it| Some((it.took?, it.bound))) {
            if took > 0 {
                self.recovered += 1;
                self.slowest = self.slowest.max(took as f64 / bound as f64);
            }
        }
        if !played.violations.is_empty() {
            let lines: Vec<_> = played
                .violations
                .iter()
                .map(|it| format!("{}: {}", it.of, it.how))
                .collect();
            self.failed.push((seed, lines.join("\n  ")));
        }
    }

    pub(crate) fn with(mut self, other: Self) -> Self {
        for (sum, other) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.with(other);
        }
        self.recovered += other.recovered;
        self.slowest = self.slowest.max(other.slowest);
        self.failed.extend(other.failed);
        self.failed.sort();
        self
    }

    fn sum(&self) -> Sum {
        self.sums.into_iter().fold(Sum::default(), Sum::with)
    }

    pub(crate) fn hours(&self) -> f64 {
        self.sum().time
    }

    pub(crate) fn terms(&self) -> u64 {
        self.sum().terms
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (seed, why) in self.failed.iter().take(NAMED) {
            writeln!(f, "seed {seed}:\n  {why}")?;
            writeln!(
                f,
                "  LEADERELECTION_SEEDS={seed}..{} cargo test -p leaderelection --test seeds -- --nocapture",
                seed + 1
            )?;
        }
        writeln!(
            f,
            "| durations | seeds | election-hours | terms | faults | faults an hour | terms an hour |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        let kinds = Kind::ALL.map(|kind| (format!("{kind:?}"), self.sums[kind as usize]));
        for (kind, sum) in kinds.into_iter().chain([("all".to_owned(), self.sum())]) {
            let Sum {
                seeds,
                time,
                terms,
                faults,
            } = sum;
            let an_hour = |count: u64| count as f64 / time;
            writeln!(
                f,
                "| {kind} | {seeds} | {time:.0} | {terms} | {faults} | {:.0} | {:.0} |",
                an_hour(faults),
                an_hour(terms)
            )?;
        }
        write!(
            f,
            "{} elections had no leader when the network healed; the slowest had one after {:.0} % of the bound",
            self.recovered,
            self.slowest * 100.0
        )
    }
}
