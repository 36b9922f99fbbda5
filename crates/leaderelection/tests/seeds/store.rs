//! The simulated store: one record, replaced only by somebody who names its version.

use leaderelection::election::Attempt;
use leaderelection::{Content, Expected, Observation, Swap, Version};

use crate::random::Random;

/// In what the stores that the contract of `ResourceLock` allows differ.
pub(crate) struct Nature {
    /// An absence names the version as of which it holds, as etcd's does (SAFETY 4).
    pub(crate) dates_absence: bool,
    /// A conflict mostly shows what is there instead.
    pub(crate) shows_conflict: bool,
    /// An equal write is nothing done and keeps the version, as in Kubernetes (SAFETY 6).
    pub(crate) ignores_equal_write: bool,
}

pub(crate) struct Store {
    nature: Nature,
    /// Grows for ever, also across a deletion (SAFETY 4).
    version: u64,
    content: Option<Content>,
}

impl Store {
    pub(crate) fn new(nature: Nature) -> Self {
        Self {
            nature,
            version: 0,
            content: None,
        }
    }

    pub(crate) fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }

    /// What a linearizable read shows at this moment.
    pub(crate) fn observe(&self) -> Observation {
        let version = Version::new(self.version);
        match &self.content {
            Some(content) => Observation::Present {
                version,
                content: content.clone(),
            },
            None => Observation::Absent {
                as_of: self.nature.dates_absence.then_some(version),
            },
        }
    }

    pub(crate) fn version(&self) -> Version {
        Version::new(self.version)
    }

    /// Replaces whatever is there. Versions have gaps, for other objects of the store take some.
    pub(crate) fn replace(&mut self, random: &mut Random, content: Option<Content>) {
        self.version += 1 + random.below(2);
        self.content = content;
    }

    /// Whether the state that a swap names is the one that is there.
    pub(crate) fn matches(&self, expected: Expected) -> bool {
        match expected {
            Expected::Absent => self.content.is_none(),
            Expected::Version(version) => self.content.is_some() && version.get() == self.version,
        }
    }

    /// Whether the swap, which [`matches`](Self::matches), would change nothing and be taken for nothing.
    pub(crate) fn would_ignore(&self, attempt: &Attempt) -> bool {
        self.nature.ignores_equal_write && self.content == Some(Content::Record(attempt.record.clone()))
    }

    pub(crate) fn conflict(&self, random: &mut Random) -> Swap {
        let shown = self.nature.shows_conflict && random.chance(80);
        Swap::Conflict(shown.then(|| self.observe()))
    }
}
