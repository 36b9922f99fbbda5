//! What two locks call for, as a table.

use std::sync::Arc;

use super::MoveError;
use crate::closed::Closed;
use crate::lock::{Content, Expected, Observation};
use crate::record::LeaderElectionRecord;

/// A lock as it was read.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What a swap has to name.
    pub(super) expected: Expected,
    pub(super) record: Option<Arc<LeaderElectionRecord>>,
    pub(super) standing: Standing,
}

/// How a lock stands to the other one of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is nothing, or an object that was never an election's.
    Absent { object: bool },
    /// Open, and nobody holds it.
    Free,
    /// Open, and somebody holds it.
    Held(String),
    /// Something that is no record. It holds (SAFETY 17).
    Unreadable(String),
    /// Closed: not before the other.
    Waits,
    /// Closed: moved to the other.
    Moved,
    /// Closed in favour of a third.
    Third(String),
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Swap TO to `not before FROM`.
    Prepare,
    /// Swap FROM from `not before TO` to `moved to TO`: a move the other way was begun and is not done.
    Shut,
    /// Swap TO from `not before FROM` to free.
    Open,
    /// Lead FROM, and close it.
    Campaign {
        /// TO is not closed meanwhile.
        to_in_use: bool,
    },
    /// Nothing: it is moved.
    Done,
}

/// Why nothing can be done, without the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    FromElsewhere(String),
    ToElsewhere(String),
    InUse(String),
    Unreadable(String),
}

impl Seen {
    pub(super) fn of(observation: Observation, other: &str) -> Self {
        let (version, content) = match observation {
            Observation::Absent { .. } => {
                return Self {
                    expected: Expected::Absent,
                    record: None,
                    standing: Standing::Absent { object: false },
                };
            }
            Observation::Present { version, content } => (version, content),
        };
        let standing = match &content {
            Content::Empty => Standing::Absent { object: true },
            Content::Unreadable(found) => Standing::Unreadable(found.reason.clone()),
            Content::Record(record) => match record.closed() {
                Some(closed) if closed.other() != other => Standing::Third(closed.to_string()),
                Some(Closed::MovedTo(_)) => Standing::Moved,
                Some(Closed::NotBefore(_)) => Standing::Waits,
                None if record.is_free() => Standing::Free,
                None => Standing::Held(record.holder_identity.clone()),
            },
        };
        let record = match content {
            Content::Record(record) => Some(record),
            Content::Empty | Content::Unreadable(_) => None,
        };
        Self {
            expected: Expected::Version(version),
            record,
            standing,
        }
    }
}

/// What two locks call for. `to` was read first.
pub(super) fn next(from: &Seen, to: &Seen, even_if_in_use: bool) -> Result<Act, Refusal> {
    use Standing::{Absent, Free, Held, Moved, Third, Unreadable, Waits};
    match (&from.standing, &to.standing) {
        (Third(text), _) => Err(Refusal::FromElsewhere(text.clone())),
        (_, Third(text)) => Err(Refusal::ToElsewhere(text.clone())),
        (Moved, Waits) => Ok(Act::Open),
        // Whatever holds an open lock is for its own candidates.
        (Moved, Free | Held(_) | Unreadable(_)) => Ok(Act::Done),
        // Nobody is at work by it: it was closed, and never opened.
        (Waits, _) => Ok(Act::Shut),
        (_, Waits) => Ok(Act::Campaign { to_in_use: false }),
        // A way back: what may be opened is a `not before` only.
        (_, Moved) | (_, Absent { .. } | Free) => Ok(Act::Prepare),
        (_, Unreadable(reason)) => Err(Refusal::Unreadable(reason.clone())),
        // Somebody tidied up after a move. It is closed again: whoever finds nothing would lead.
        (Absent { .. }, Held(_)) => Ok(Act::Campaign { to_in_use: true }),
        (_, Held(_)) if even_if_in_use => Ok(Act::Campaign { to_in_use: true }),
        (_, Held(holder)) => Err(Refusal::InUse(holder.clone())),
    }
}

impl Refusal {
    pub(super) fn named(self, from: String, to: String) -> MoveError {
        match self {
            Self::FromElsewhere(text) => MoveError::Elsewhere {
                lock: from,
                text,
                other: to,
            },
            Self::ToElsewhere(text) => MoveError::Elsewhere {
                lock: to,
                text,
                other: from,
            },
            Self::InUse(holder) => MoveError::InUse { from, to, holder },
            Self::Unreadable(reason) => MoveError::Unreadable { lock: to, reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Version;

    fn seen(standing: &Standing) -> Seen {
        Seen {
            expected: Expected::Version(Version::new(7)),
            record: None,
            standing: standing.clone(),
        }
    }

    /// Every pair of states. `o`: open by a swap, `p`: prepare, `s`: shut, `c`: campaign, `C`: campaign beside a TO in use,
    /// `.`: done, `!`: refused.
    #[test]
    fn every_pair_of_states_has_its_step() {
        use Standing::{Absent, Free, Held, Moved, Third, Unreadable, Waits};
        let all = [
            Absent { object: false },
            Absent { object: true },
            Free,
            Held("a".to_owned()),
            Unreadable("why".to_owned()),
            Waits,
            Moved,
            Third("moved to x".to_owned()),
        ];
        let row = |from: &Standing, even_if_in_use| -> String {
            let step = |to| match next(&seen(from), &seen(to), even_if_in_use) {
                Ok(Act::Open) => 'o',
                Ok(Act::Prepare) => 'p',
                Ok(Act::Shut) => 's',
                Ok(Act::Campaign { to_in_use: false }) => 'c',
                Ok(Act::Campaign { to_in_use: true }) => 'C',
                Ok(Act::Done) => '.',
                Err(_) => '!',
            };
            all.iter().map(step).collect()
        };
        // TO:            absent, object, free, held, unreadable, waits, moved, third
        let expected = [
            ("pppC!cp!", "pppC!cp!"), // FROM absent
            ("pppC!cp!", "pppC!cp!"), // an object without a record
            ("ppp!!cp!", "pppC!cp!"), // free
            ("ppp!!cp!", "pppC!cp!"), // held
            ("ppp!!cp!", "pppC!cp!"), // unreadable
            ("sssssss!", "sssssss!"), // waits
            ("pp...op!", "pp...op!"), // moved
            ("!!!!!!!!", "!!!!!!!!"), // third
        ];
        for (from, (careful, bold)) in all.iter().zip(expected) {
            assert_eq!(
                (row(from, false).as_str(), row(from, true).as_str()),
                (careful, bold),
                "{from:?}"
            );
        }
    }

    /// Only both together close: a long lease alone, or a name alone, is a candidate's.
    #[test]
    fn a_record_is_closed_by_its_holder_and_its_duration() {
        for (holder, seconds, standing) in [
            ("moved to x", i64::from(i32::MAX), Standing::Moved),
            ("not before x", i64::from(i32::MAX), Standing::Waits),
            (
                "moved to y",
                i64::from(i32::MAX),
                Standing::Third("moved to y".to_owned()),
            ),
            (
                "not before y",
                i64::from(i32::MAX),
                Standing::Third("not before y".to_owned()),
            ),
            ("moved to x", 15, Standing::Held("moved to x".to_owned())),
            (
                "moved to ",
                i64::from(i32::MAX),
                Standing::Held("moved to ".to_owned()),
            ),
            ("a", i64::from(i32::MAX), Standing::Held("a".to_owned())),
            ("", 1, Standing::Free),
        ] {
            let record = LeaderElectionRecord {
                holder_identity: holder.to_owned(),
                lease_duration_seconds: seconds,
                ..LeaderElectionRecord::default()
            };
            let seen = Seen::of(Observation::record(Version::new(1), record), "x");
            assert_eq!(seen.standing, standing);
        }
    }
}
