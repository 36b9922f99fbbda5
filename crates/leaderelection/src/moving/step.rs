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
        // Whatever holds an open lock is for its own candidates; and if somebody has deleted it, whether to wait for a leader that
        // has not seen that yet (SAFETY 18). One that was never opened has none.
        (Moved, Absent { .. } | Free | Held(_) | Unreadable(_)) => Ok(Act::Done),
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
            (".....op!", ".....op!"), // moved
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

    /// A lock of the model: how it stands, and its version.
    type Lock = (Standing, u64);

    /// A mover of the model: what it has read, or the swap that it has decided on, which may land at any later time.
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    enum Mover {
        Idle,
        HasReadTo(u64, u8),
        Swaps { lock: usize, at: u64, to: u8 },
    }

    /// Every order in which two movers of one direction and one of the other can read and swap: never both locks open. A
    /// campaign ends in a swap of an open lock's own version, which is all of it that matters here.
    #[test]
    fn no_order_of_movers_opens_both_locks() {
        const LAST_VERSION: u64 = 9;
        for open in [Standing::Free, Standing::Held("a".to_owned())] {
            let names = [open, Standing::Waits, Standing::Moved];
            let at = |(standing, version): &Lock| Seen {
                expected: Expected::Version(Version::new(*version)),
                record: None,
                standing: standing.clone(),
            };
            let lock = |(standing, version): (u8, u64)| (names[usize::from(standing)].clone(), version);
            let start = ([(0u8, 1u64), (1, 1)], [Mover::Idle, Mover::Idle, Mover::Idle]);
            let mut seen = std::collections::BTreeSet::from([start.clone()]);
            let mut open_worlds = vec![start];
            let mut opened = [false; 2];
            while let Some((locks, movers)) = open_worlds.pop() {
                let [old, new] = locks.map(|(standing, _)| standing == 0);
                assert!(!(old && new), "both are open: {locks:?}, {movers:?}");
                opened = [opened[0] || (old && locks[0].1 > 1), opened[1] || new];
                for who in 0..movers.len() {
                    // The last one moves back.
                    let (from, to) = if who == 2 { (1, 0) } else { (0, 1) };
                    let (mut locks, mut movers) = (locks, movers.clone());
                    movers[who] = match movers[who] {
                        Mover::Idle => Mover::HasReadTo(locks[to].1, locks[to].0),
                        Mover::HasReadTo(version, standing) => {
                            let act = next(&at(&lock(locks[from])), &at(&lock((standing, version))), false);
                            let from_becomes = |standing| (from, locks[from].1, standing);
                            let swap = match act {
                                Ok(Act::Prepare) => Some((to, version, 1)),
                                Ok(Act::Open) => Some((to, version, 0)),
                                Ok(Act::Shut | Act::Campaign { .. }) => Some(from_becomes(2)),
                                Ok(Act::Done) | Err(_) => None,
                            };
                            swap.map_or(Mover::Idle, |(lock, at, to)| Mover::Swaps { lock, at, to })
                        }
                        Mover::Swaps { lock, at, to } => {
                            if locks[lock].1 == at && at < LAST_VERSION {
                                locks[lock] = (to, at + 1);
                            }
                            Mover::Idle
                        }
                    };
                    let world = (locks, movers);
                    if seen.insert(world.clone()) {
                        open_worlds.push(world);
                    }
                }
            }
            assert_eq!(opened, [true; 2], "moved there and back");
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
