//! What the seeds of a run amount to.

use std::fmt;

use crate::history::History;
use crate::invariants;
use crate::setup::Kind;

const NANOSECONDS_PER_HOUR: f64 = 3.6e12;

/// How many failing seeds are named.
const NAMED: usize = 10;

#[derive(Default, Clone, Copy)]
struct Sum {
    seeds: u64,
    /// In hours.
    time: f64,
    terms: u64,
    calls: u64,
    faults: u64,
}

impl Sum {
    fn with(self, other: Self) -> Self {
        Self {
            seeds: self.seeds + other.seeds,
            time: self.time + other.time,
            terms: self.terms + other.terms,
            calls: self.calls + other.calls,
            faults: self.faults + other.faults,
        }
    }
}

#[derive(Default)]
pub(crate) struct Tally {
    sums: [Sum; Kind::ALL.len()],
    /// Elections without a leader when the network was healthy, and the longest part of the bound that one of them needed.
    recovered: u64,
    slowest: f64,
    /// Seeds, and what went wrong.
    failures: Vec<(u64, String)>,
}

impl Tally {
    pub(crate) fn add(&mut self, history: &History) {
        let phases = history.phases;
        let sum = &mut self.sums[history.setup.kind as usize];
        *sum = sum.with(Sum {
            seeds: 1,
            time: phases.end.as_nanos() as f64 / NANOSECONDS_PER_HOUR,
            terms: history.shifts.len() as u64,
            calls: history.calls.len() as u64,
            faults: history.faults(),
        });
        let first = history.first_at_work(phases.healthy.after(std::time::Duration::from_nanos(1)));
        let took = first.map(|first| first.since(phases.healthy).as_secs_f64());
        if let Some(took) = took.filter(|took| *took > 0.001) {
            self.recovered += 1;
            self.slowest = self
                .slowest
                .max(took / phases.due.since(phases.healthy).as_secs_f64());
        }
        let broken: Vec<_> = invariants::judge(history)
            .into_iter()
            .map(|(of, how)| format!("{of}: {how}"))
            .collect();
        if !broken.is_empty() {
            self.failures.push((history.setup.seed, broken.join("\n  ")));
        }
    }

    pub(crate) fn with(mut self, other: Self) -> Self {
        for (sum, other) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.with(other);
        }
        self.recovered += other.recovered;
        self.slowest = self.slowest.max(other.slowest);
        self.failures.extend(other.failures);
        self.failures.sort();
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

    pub(crate) fn failed(&self) -> usize {
        self.failures.len()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (seed, why) in self.failures.iter().take(NAMED) {
            writeln!(f, "seed {seed}:\n  {why}")?;
            writeln!(
                f,
                "  LEADERELECTION_SEEDS={seed}..{} cargo test -p leaderelection-tests --test simulation no_schedule -- --nocapture",
                seed + 1
            )?;
        }
        writeln!(
            f,
            "| durations | seeds | election-hours | terms | calls and events | faults | faults an hour |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        let kinds = Kind::ALL.map(|kind| (format!("{kind:?}"), self.sums[kind as usize]));
        for (kind, sum) in kinds.into_iter().chain([("all".to_owned(), self.sum())]) {
            let Sum {
                seeds,
                time,
                terms,
                calls,
                faults,
            } = sum;
            writeln!(
                f,
                "| {kind} | {seeds} | {time:.0} | {terms} | {calls} | {faults} | {:.0} |",
                faults as f64 / time
            )?;
        }
        write!(
            f,
            "{} elections had no leader when the network was healthy; the slowest had one after {:.0} % of the bound",
            self.recovered,
            self.slowest * 100.0
        )
    }
}
