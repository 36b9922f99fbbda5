//! The simulated store: one record, replaced only by somebody who names its version.

use leaderelection::election::Attempt;
use leaderelection::{Content, Expected, Observation, Swap, Version};

use super::random::Random;
use crate::invariants::Author;

/// In what the stores that the contract of `ResourceLock` allows differ.
pub(crate) struct Nature {
    /// An absence names the version as of which it holds, as etcd's does (SAFETY 4).
    pub(crate) dates_absence: bool,
    /// A conflict mostly shows what is there instead.
    pub(crate) shows_conflict: bool,
    /// An equal write is nothing done and keeps the version, as in Kubernetes (SAFETY 6).
    pub(crate) ignores_equal_write: bool,
    /// Now and then a swap is answered as done and nothing was written, as when an admission plugin puts the old content
    /// back: the answer has the version that was given (SAFETY 6).
    pub(crate) undoes_writes: bool,
}

pub(crate) struct Store {
    nature: Nature,
    /// Grows for ever, also across a deletion (SAFETY 4).
    version: u64,
    content: Option<Content>,
    /// The candidate's life that wrote the content, if one did. A label leaves it.
    author: Option<Author>,
}

impl Store {
    pub(crate) fn new(nature: Nature) -> Self {
        Self {
            nature,
            version: 0,
            content: None,
            author: None,
        }
    }

    pub(crate) fn undoes_writes(&self) -> bool {
        self.nature.undoes_writes
    }

    pub(crate) fn author(&self) -> Option<Author> {
        self.author
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
    pub(crate) fn replace(&mut self, random: &mut Random, content: Option<Content>, author: Option<Author>) {
        self.version += 1 + random.below(2);
        self.content = content;
        self.author = author;
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
