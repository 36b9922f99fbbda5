//! What is written down of an election, and what the invariants judge.

use std::fmt::Write;
use std::sync::Arc;

use leaderelection::{Content, Expected, LeaderElectionRecord, LeaseTiming, MonoTime, Observation, Swap};
use leaderelection_conformance::{CallResult, Entry, Operation};

use crate::clock::SimulatedClock;
use crate::setup::Setup;

/// One life of one candidate: what a process is.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// As in the histories: `c0#3`.
    pub(crate) name: Arc<str>,
    pub(crate) who: usize,
    pub(crate) from: MonoTime,
    pub(crate) to: Option<MonoTime>,
}

/// One stretch of work, from its start until it was dropped.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    /// Whose: an index into the lives.
    pub(crate) life: usize,
    pub(crate) token: u64,
    pub(crate) from: MonoTime,
    pub(crate) to: Option<MonoTime>,
}

/// A change of the store.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) at: MonoTime,
    /// The life that wrote it, with the state that it named; `None`: an operator.
    pub(crate) by: Option<(Arc<str>, Expected)>,
    pub(crate) content: Option<Content>,
}

/// When what was, in true time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phases {
    /// Nothing goes wrong any more, and what was on its way has arrived.
    pub(crate) healthy: MonoTime,
    /// Somebody must lead.
    pub(crate) due: MonoTime,
    pub(crate) end: MonoTime,
    /// Somebody writes labels in the healthy time.
    pub(crate) labels: bool,
}

pub(crate) struct History {
    pub(crate) setup: Setup,
    pub(crate) phases: Phases,
    pub(crate) lives: Vec<Life>,
    pub(crate) shifts: Vec<Shift>,
    /// What candidates called and were told.
    pub(crate) calls: Vec<Entry>,
    /// What changed in the store, by version.
    pub(crate) writes: Vec<Change>,
    /// What people did.
    pub(crate) acts: Vec<(MonoTime, String)>,
}

impl History {
    /// All writes in the order of their versions: what candidates wrote, found in what reached the store, and the operator's.
    pub(crate) fn writes(reached: &[Entry], operator: Vec<Change>) -> Vec<Change> {
        let mut writes = operator;
        for entry in reached {
            let (
                Operation::CompareAndSwap { expected, record },
                Some(CallResult::Swapped(Swap::Done(version))),
            ) = (&entry.operation, &entry.result)
            else {
                continue;
            };
            // An equal write may do nothing: then it answers the version that it was given (SAFETY 6).
            if *expected == Expected::Version(*version) {
                continue;
            }
            writes.push(Change {
                version: version.get(),
                at: entry.start,
                by: Some((Arc::clone(&entry.client), *expected)),
                content: Some(Content::Record(Arc::clone(record))),
            });
        }
        writes.sort_by_key(|write| write.version);
        writes
    }

    pub(crate) fn timing(&self, life: &Life) -> &LeaseTiming {
        &self.setup.timings[life.who]
    }

    pub(crate) fn clock(&self, life: &Life) -> &SimulatedClock {
        &self.setup.clocks[life.who]
    }

    /// What a life called, in the order of the starts.
    pub(crate) fn calls_of<'a>(&'a self, life: &'a Life) -> impl Iterator<Item = &'a Entry> {
        self.calls.iter().filter(|entry| entry.client == life.name)
    }

    /// When somebody was at work after a moment for the first time.
    pub(crate) fn first_at_work(&self, after: MonoTime) -> Option<MonoTime> {
        let shifts = self
            .shifts
            .iter()
            .filter(|shift| shift.to.is_none_or(|to| to > after));
        shifts.map(|shift| shift.from.max(after)).min()
    }

    /// What went wrong, and what people did.
    pub(crate) fn faults(&self) -> u64 {
        let failed = |entry: &&Entry| {
            matches!(
                entry.result,
                Some(
                    CallResult::Failed { .. } | CallResult::Dropped | CallResult::Swapped(Swap::Conflict(_))
                )
            )
        };
        (self.calls.iter().filter(failed).count() + self.acts.len()) as u64
    }

    /// What depends on the seed alone: names that are unique to a life do not.
    pub(crate) fn outline(&self) -> String {
        let mut text = String::new();
        for entry in &self.calls {
            let _ = writeln!(text, "{} {:?} {:?}", entry.client, entry.start, entry.end);
        }
        for write in &self.writes {
            let _ = writeln!(text, "v{} {:?} {:?}", write.version, write.at, write.by);
        }
        for shift in &self.shifts {
            let _ = writeln!(text, "{} {shift:?}", self.lives[shift.life].name);
        }
        text
    }

    /// Everything, in order.
    pub(crate) fn story(&self) -> String {
        let mut lines: Vec<(MonoTime, u64, String)> = Vec::new();
        for (at, act) in &self.acts {
            lines.push((*at, 0, act.clone()));
        }
        for life in &self.lives {
            lines.push((life.from, 0, format!("{} begins", life.name)));
            lines.extend(life.to.map(|to| (to, 0, format!("{} is over", life.name))));
        }
        for shift in &self.shifts {
            let name = &self.lives[shift.life].name;
            lines.push((
                shift.from,
                u64::MAX,
                format!("{name} starts to work, token {}", shift.token),
            ));
            if let Some(to) = shift.to {
                lines.push((to, u64::MAX, format!("the work of {name} is gone")));
            }
        }
        for write in &self.writes {
            let by = write.by.as_ref().map_or("an operator", |(name, _)| name);
            lines.push((
                write.at,
                1,
                format!(
                    "    store: v{} by {by}: {}",
                    write.version,
                    told(write.content.as_ref())
                ),
            ));
        }
        for entry in &self.calls {
            let called = match &entry.operation {
                Operation::CompareAndSwap { expected, record } => {
                    format!("swaps {expected:?}: {}", of(record))
                }
                other => format!("{other:?}"),
            };
            if !matches!(entry.operation, Operation::Shown { .. }) {
                lines.push((
                    entry.start,
                    entry.start_step,
                    format!("  {} {called}", entry.client),
                ));
            }
            if let (Some(end), Some(step), Some(result)) = (entry.end, entry.end_step, &entry.result) {
                lines.push((
                    end,
                    step,
                    format!("  {} <- {} ({called})", entry.client, answer(result)),
                ));
            }
        }
        lines.sort();
        let mut text = format!("{:#?}\n{:?}\n", self.setup, self.phases);
        for (at, _, line) in lines {
            let _ = writeln!(text, "{:.3} {line}", at.as_nanos() as f64 / 1e9);
        }
        text
    }
}

fn of(record: &LeaderElectionRecord) -> String {
    format!(
        "{:?}/{}@{}#{}",
        record.holder_identity,
        record.lease_duration_seconds,
        record.renew_time.map_or(0, |time| time.timestamp() % 100_000),
        record.leader_transitions
    )
}

fn told(content: Option<&Content>) -> String {
    match content {
        Some(Content::Record(record)) => of(record),
        Some(Content::Empty) => "empty".into(),
        Some(Content::Unreadable(_)) => "unreadable".into(),
        None => "absent".into(),
    }
}

fn seen(observation: &Observation) -> String {
    match observation {
        Observation::Present { version, content } => format!("v{version} {}", told(Some(content))),
        Observation::Absent { as_of } => format!("absent as of {as_of:?}"),
    }
}

fn answer(result: &CallResult) -> String {
    match result {
        CallResult::Observed(observation) => seen(observation),
        CallResult::Swapped(Swap::Done(version)) => format!("done v{version}"),
        CallResult::Swapped(Swap::Conflict(shown)) => format!("conflict {:?}", shown.as_ref().map(seen)),
        other => format!("{other:?}"),
    }
}
