//! What is known of the lock.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::Version;
use crate::lock::Content;
use crate::moment::MonoTime;
use crate::record::LeaderElectionRecord;

/// The newest state known of the lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    /// The newest version known, from any source (SAFETY 4).
    pub(super) version: Option<Version>,
    /// The highest version that a linearizable answer has shown (SAFETY 19).
    pub(super) sure: Option<Version>,
    pub(super) state: State,
    /// This process wrote the content, and no claim hangs on it: it may be replaced at once (SAFETY 16).
    pub(super) own: bool,
    /// From when on the state may be replaced: `received + D` for a rival's record, `received` for a free one.
    pub(super) takeable_at: MonoTime,
    /// `D`: for how long the content is waited out.
    pub(super) waited_out: Duration,
    /// The last readable duration that somebody else declared under this name, in seconds (SAFETY 17, SAFETY 18).
    pub(super) last_seconds: i64,
    /// The last readable transitions under this name.
    pub(super) last_transitions: i64,
    /// The content equals an acquisition of this process on the version before, which only its answer tells from a twin's
    /// (SAFETY 16).
    pub(super) perhaps_own: bool,
    /// A record has been seen in this life (SAFETY 16: only the first may be an earlier life's).
    pub(super) any_record: bool,
    /// The first record of this life stands under the exclusive identity: taking it over is a claim in strict mode.
    pub(super) earlier_life: bool,
    /// The store went back; this candidate does not lead until a newer version than the highest comes (SAFETY 19).
    pub(super) went_back: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// Nothing was read yet.
    Unknown,
    Absent,
    Present(Content),
}

impl State {
    fn content(&self) -> Option<&Content> {
        match self {
            Self::Present(content) => Some(content),
            Self::Unknown | Self::Absent => None,
        }
    }

    fn record(&self) -> Option<&Arc<LeaderElectionRecord>> {
        match self.content() {
            Some(Content::Record(record)) => Some(record),
            _ => None,
        }
    }

    /// Who holds, as far as it can be read.
    pub(super) fn holder(&self) -> Option<&str> {
        self.record()
            .filter(|record| !record.is_free())
            .map(|record| record.holder_identity.as_str())
    }
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            version: None,
            sure: None,
            state: State::Unknown,
            own: false,
            takeable_at: MonoTime::NEVER,
            waited_out: Duration::ZERO,
            last_seconds: 0,
            last_transitions: 0,
            perhaps_own: false,
            any_record: false,
            earlier_life: false,
            went_back: false,
        }
    }

    pub(super) fn content(&self) -> Option<&Content> {
        self.state.content()
    }

    pub(super) fn record(&self) -> Option<&Arc<LeaderElectionRecord>> {
        self.state.record()
    }

    /// A record or something unreadable of somebody else, whose lease is waited out.
    pub(super) fn follows(&self) -> bool {
        !self.own
            && match self.content() {
                Some(Content::Record(record)) => !record.is_free(),
                Some(Content::Unreadable(_)) => true,
                Some(Content::Empty) | None => false,
            }
    }

    /// This process's own record, not yet freed.
    pub(super) fn own_held(&self) -> bool {
        self.own && self.record().is_some_and(|record| !record.is_free())
    }
}
