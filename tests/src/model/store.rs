//! The store: one record under compare-and-swap, and what it was up to two versions ago.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leaderelection::election::Shift;
use leaderelection::{Content, Expected, LeaderElectionRecord, MonoTime, Observation, Version};

/// The number that the newest version has in a normalised world. What is older than two versions before has 0.
pub const NEWEST: u64 = 3;
/// The second and the transitions that the newest record has in a normalised world.
const BASE: i64 = 3;
/// How many states are remembered: the newest and two before it.
const REMEMBERED: usize = 3;

/// The record as it is and was, newest first. `None` is the absence before the first create.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Store {
    newest: u64,
    states: Vec<Option<Arc<LeaderElectionRecord>>>,
}

fn second(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

impl Store {
    /// Nothing was written yet.
    pub(super) fn empty() -> Self {
        Self {
            newest: NEWEST,
            states: vec![None],
        }
    }

    /// Somebody has led and released.
    pub(super) fn released() -> Self {
        let time = Some(second(BASE));
        let record = LeaderElectionRecord {
            lease_duration_seconds: 1,
            acquire_time: time,
            renew_time: time,
            leader_transitions: BASE,
            ..LeaderElectionRecord::default()
        };
        Self {
            newest: NEWEST,
            states: vec![Some(Arc::new(record))],
        }
    }

    /// The record as it was `ago` versions ago, where it is remembered.
    pub fn record(&self, ago: usize) -> Option<&Arc<LeaderElectionRecord>> {
        self.states.get(ago)?.as_ref()
    }

    /// The version `ago` versions ago; `None` where nothing was.
    pub fn version(&self, ago: usize) -> Option<Version> {
        self.record(ago)?;
        let back = u64::try_from(ago).ok()?;
        Some(Version::new(self.newest.saturating_sub(back)))
    }

    /// How far back states are remembered.
    pub fn remembered(&self) -> std::ops::Range<usize> {
        0..self.states.len()
    }

    /// What a look at the state `ago` versions ago shows.
    pub fn shown(&self, ago: usize) -> Observation {
        match (self.version(ago), self.record(ago)) {
            (Some(version), Some(record)) => Observation::Present {
                version,
                content: Content::Record(Arc::clone(record)),
            },
            _ => Observation::Absent { as_of: None },
        }
    }

    /// Whether a swap that names `expected` would be done.
    pub fn is(&self, expected: Expected) -> bool {
        match expected {
            Expected::Absent => self.record(0).is_none(),
            Expected::Version(version) => self.version(0) == Some(version),
        }
    }

    /// The record is replaced.
    pub(super) fn put(&mut self, record: Arc<LeaderElectionRecord>) -> Version {
        self.newest += 1;
        self.states.insert(0, Some(record));
        self.states.truncate(REMEMBERED);
        Version::new(self.newest)
    }

    /// The second that a wall clock shows: it stands with the record, which is the hardest case for a record that has to
    /// change with every write (SAFETY 6).
    pub fn wall(&self) -> DateTime<Utc> {
        let renewed = self.record(0).and_then(|record| record.renew_time);
        renewed.unwrap_or(second(BASE))
    }

    /// By how much a world is shifted after a write, so that the newest record always has the same version, second and
    /// transitions.
    pub(super) fn shift(&self, coarse: bool) -> Shift {
        let (seconds, transitions) = match self.record(0) {
            Some(record) => (self.wall().timestamp() - BASE, record.leader_transitions - BASE),
            None => (0, 0),
        };
        Shift {
            now: MonoTime::ZERO,
            version: self.newest - NEWEST,
            seconds,
            transitions,
            coarse: coarse.then(|| second(BASE)),
        }
    }

    /// Forgets older states that every candidate knows to have passed: only a newer version counts (SAFETY 4).
    pub(super) fn forget_known(&mut self, known: Option<Version>) {
        while self.states.len() > 1 && self.version(self.states.len() - 1) <= known {
            self.states.pop();
        }
    }

    pub(super) fn normalise(&mut self, by: &Shift) {
        self.newest -= by.version;
        for record in self.states.iter_mut().flatten() {
            by.shared_record(record);
        }
    }
}
