//! The store: one record under compare-and-swap, and what it was up to two versions ago.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leaderelection::election::Shift;
use leaderelection::{Content, Expected, LeaderElectionRecord, MonoTime, Observation, Version};

/// The number that the newest version has in a normalised world. What is older than two versions before has 0.
pub const NEWEST: u64 = 3;
/// The transitions that the newest record has in a normalised world. Those that lie further back have 0.
const BASE: i64 = 3;
/// The second that the wall clock shows in a normalised world, and the newest record has, unless it runs ahead. So many old
/// records that differ in their second alone have a place below it.
pub(super) const WALL: i64 = 16;
/// Beside the newest state so many before it are remembered.
pub(super) const OLDEST_REMEMBERED: usize = 2;
/// Who holds what somebody else has written.
const STRANGER: &str = "x";

/// The record as it is and was, newest first. `None` is an absence. Deletions make versions too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Store {
    newest: u64,
    states: Vec<Option<Arc<LeaderElectionRecord>>>,
    /// How often somebody may still delete the record, or empty its holder.
    pub(super) deletions: u8,
}

fn second(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// What every wall clock shows in a normalised world. It stands with the records, which is the hardest case for a record
/// that has to change with every write (SAFETY 6).
pub(super) fn wall() -> DateTime<Utc> {
    second(WALL)
}

impl Store {
    fn new(state: Option<Arc<LeaderElectionRecord>>, deletions: u8) -> Self {
        Self {
            newest: NEWEST,
            states: vec![state],
            deletions,
        }
    }

    /// Nothing was written yet.
    pub(super) fn empty(deletions: u8) -> Self {
        Self::new(None, deletions)
    }

    /// Somebody has led and released.
    pub(super) fn released(deletions: u8) -> Self {
        let record = LeaderElectionRecord {
            lease_duration_seconds: 1,
            acquire_time: Some(wall()),
            renew_time: Some(wall()),
            leader_transitions: BASE,
            ..LeaderElectionRecord::default()
        };
        Self::new(Some(Arc::new(record)), deletions)
    }

    /// The record as it was `ago` versions ago, where it is remembered and was there.
    pub fn record(&self, ago: usize) -> Option<&Arc<LeaderElectionRecord>> {
        self.states.get(ago)?.as_ref()
    }

    /// The version `ago` versions ago; `None` where that is forgotten.
    pub fn version(&self, ago: usize) -> Option<Version> {
        self.states.get(ago)?;
        let back = u64::try_from(ago).ok()?;
        Some(Version::new(self.newest.saturating_sub(back)))
    }

    /// How far back states are remembered.
    pub fn remembered(&self) -> std::ops::Range<usize> {
        0..self.states.len()
    }

    /// What a watch shows of the state `ago` versions ago: an absence with its version.
    pub fn watched(&self, ago: usize) -> Observation {
        match self.read(ago) {
            Observation::Absent { .. } => Observation::Absent {
                as_of: self.version(ago),
            },
            present => present,
        }
    }

    /// What an answer shows of the state `ago` versions ago: an absence without a version.
    pub fn read(&self, ago: usize) -> Observation {
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
            Expected::Version(version) => self.record(0).is_some() && self.version(0) == Some(version),
        }
    }

    /// Whether a swap that names `expected` would be done now or may be later.
    pub(super) fn may_be(&self, expected: Expected) -> bool {
        self.is(expected) || (expected == Expected::Absent && self.deletions > 0)
    }

    /// The record is replaced.
    pub(super) fn put(&mut self, record: Arc<LeaderElectionRecord>) -> Version {
        self.push(Some(record))
    }

    fn push(&mut self, state: Option<Arc<LeaderElectionRecord>>) -> Version {
        self.newest += 1;
        self.states.insert(0, state);
        self.states.truncate(1 + OLDEST_REMEMBERED);
        Version::new(self.newest)
    }

    /// Somebody deletes the record. `None` where that is not possible.
    pub(super) fn delete(&mut self) -> Option<()> {
        self.record(0)?;
        self.deletions = self.deletions.checked_sub(1)?;
        self.push(None);
        Some(())
    }

    /// Somebody takes the holder out of the record. `None` where that is not possible.
    pub(super) fn empty_holder(&mut self) -> Option<()> {
        let record = self.record(0).filter(|record| !record.is_free())?;
        let emptied = LeaderElectionRecord {
            holder_identity: String::new(),
            ..LeaderElectionRecord::clone(record)
        };
        self.deletions = self.deletions.checked_sub(1)?;
        self.put(Arc::new(emptied));
        Some(())
    }

    /// Somebody writes a label. `None` where there is nothing to write it on.
    pub(super) fn label(&mut self) -> Option<()> {
        let record = Arc::clone(self.record(0)?);
        self.put(record);
        Some(())
    }

    /// Somebody writes another holder, with or without a duration, and never the same record twice.
    pub(super) fn rewrite(&mut self, seconds: i64) -> Option<()> {
        let record = self.record(0)?;
        let time = Some(second(WALL + 1));
        let foreign = LeaderElectionRecord {
            holder_identity: STRANGER.to_owned(),
            lease_duration_seconds: seconds,
            acquire_time: time,
            renew_time: time,
            ..LeaderElectionRecord::clone(record)
        };
        self.put(Arc::new(foreign));
        Some(())
    }

    /// By how much a world is shifted after a write, so that the newest record always has the same version and
    /// transitions, and never a later second than the wall clock. The wall clock goes on with every create that is sent.
    pub(super) fn shift(&self, coarse: bool, deletes: bool, last_create: Option<i64>) -> Shift {
        let (seconds, transitions) = self.record(0).map_or((0, 0), |record| {
            let renewed = record.renew_time.map_or(WALL, |time| time.timestamp());
            (renewed - WALL, (record.leader_transitions - BASE).max(0))
        });
        let created = last_create.map_or(0, |second| second - WALL);
        Shift {
            now: MonoTime::ZERO,
            version: self.newest - NEWEST,
            seconds: seconds.max(created).max(0),
            transitions,
            coarse: coarse.then(wall),
            deletes,
        }
    }

    /// Forgets older states that every candidate knows to have passed: only a newer version counts (SAFETY 4).
    pub(super) fn forget_known(&mut self, known: Option<Version>) {
        while self.states.len() > 1 && self.version(self.states.len() - 1) <= known {
            self.states.pop();
        }
    }

    pub(super) fn for_each_record(&mut self, rename: impl FnMut(&mut Arc<LeaderElectionRecord>)) {
        self.states.iter_mut().flatten().for_each(rename);
    }

    pub(super) fn normalise(&mut self, by: &Shift) {
        self.newest -= by.version;
        for record in self.states.iter_mut().flatten() {
            by.shared_record(record);
        }
    }
}
