//! What is done to the leader, to its way to the server, to the server, or to the object.

use std::fmt;
use std::time::Duration;

use crate::fault_table::{Fault, LEASE, RENEW_DEADLINE, SLACK, STOP_GRACE};

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The apiserver gets SIGKILL, and is started again at once.
    ApiserverKilled,
    /// The apiserver is frozen for longer than the lease.
    ApiserverFrozen,
    /// The etcd behind the apiserver is frozen for longer than the lease.
    EtcdFrozen,
    /// All connections of all candidates are cut, again and again, for longer than the lease.
    ConnectionsCut,
    /// The leader hears nothing until just before its renew deadline.
    RepliesJustInTime,
    /// The leader hears nothing until just after its renew deadline.
    RepliesTooLate,
    /// Nothing passes between the leader and the server, for longer than the lease.
    LeaderPartitioned,
    /// The leader, its work and its guard are frozen for longer than the lease, as a machine or a container is.
    LeaderFrozen,
    /// The object is deleted; who finds none leads at once, as with client-go.
    Deleted,
    /// The object is deleted; who finds none claims it first.
    DeletedStrict,
    /// Somebody writes another holder into the record.
    Overwritten,
    /// Somebody takes the holder out of the record.
    Emptied,
    /// The leader's permissions are taken away, for longer than the lease; the others keep theirs.
    Forbidden,
}

/// What is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Whoever uses the server.
    Server,
    /// One election.
    Election,
}

impl Row {
    /// All there are.
    pub const ALL: [Self; 13] = [
        Self::ApiserverKilled,
        Self::ApiserverFrozen,
        Self::EtcdFrozen,
        Self::ConnectionsCut,
        Self::RepliesJustInTime,
        Self::RepliesTooLate,
        Self::LeaderPartitioned,
        Self::LeaderFrozen,
        Self::Deleted,
        Self::DeletedStrict,
        Self::Overwritten,
        Self::Emptied,
        Self::Forbidden,
    ];

    /// What it strikes.
    pub fn target(self) -> Target {
        match self {
            Self::ApiserverKilled | Self::ApiserverFrozen | Self::EtcdFrozen => Target::Server,
            _ => Target::Election,
        }
    }

    /// Whether two may be at work for a moment whatever the protocol, by which SAFETY says so.
    pub fn excused_by(self) -> Option<&'static str> {
        match self {
            // Whoever wakes works before it can know.
            Self::LeaderFrozen => {
                Some("SAFETY 2: a process that wakes has to run to see that its lease is over")
            }
            Self::Deleted => Some("SAFETY 18: somebody took away the record that says who leads"),
            Self::Emptied => Some("SAFETY 18: somebody wrote that nobody leads"),
            _ => None,
        }
    }
}

impl Fault for Row {
    /// Until the woken process is killed, or for the stop grace, which the leader's work has from
    /// when it is told while others may lead at once; and something for a busy machine.
    fn excused(self) -> Duration {
        match self {
            _ if self.excused_by().is_none() => Duration::ZERO,
            Self::LeaderFrozen => SLACK,
            _ => STOP_GRACE + SLACK,
        }
    }

    fn work_is_stubborn(self) -> bool {
        matches!(self, Self::Deleted | Self::Emptied)
    }

    /// The fault begins when the leader has just renewed.
    fn another_not_before(self) -> Duration {
        match self {
            // Somebody wrote that the lock is free.
            Self::Deleted | Self::Emptied => Duration::ZERO,
            // The claim, or the new holder, begins with the fault.
            Self::DeletedStrict | Self::Overwritten => LEASE,
            _ => LEASE - SLACK,
        }
    }

    fn next_not_before(self) -> Duration {
        match self {
            // The leader knows its own record when it sees it.
            Self::RepliesTooLate | Self::RepliesJustInTime | Self::ConnectionsCut | Self::ApiserverKilled => {
                RENEW_DEADLINE - SLACK
            }
            _ => self.another_not_before(),
        }
    }

    fn may_keep(self) -> bool {
        match self {
            // An apiserver needs two to four seconds to start, and the deadline is three.
            Self::ApiserverKilled => true,
            // What is left when the replies come, 0.2 s less what it took to see the renewal, is no time in which a busy machine is
            // sure to read them.
            Self::RepliesJustInTime => true,
            _ => self.must_keep(),
        }
    }

    /// A renewal needs some 20 ms, its connection included. While connections are cut every 300 ms it is tried every 500 ms, so that of
    /// three tries in a row two at least have 100 ms before the next cut; and there are five within the deadline.
    fn must_keep(self) -> bool {
        self == Self::ConnectionsCut
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiserverKilled => "apiserver killed and started again",
            Self::ApiserverFrozen => "apiserver frozen for 6 s",
            Self::EtcdFrozen => "the etcd behind it frozen for 6 s",
            Self::ConnectionsCut => "all connections cut every 300 ms for 6 s",
            Self::RepliesJustInTime => "replies to the leader held until 0.2 s before its deadline",
            Self::RepliesTooLate => "replies to the leader held until 0.2 s after its deadline",
            Self::LeaderPartitioned => "the leader alone cut off for 6 s",
            Self::LeaderFrozen => "the leader, its work and its guard frozen for 6 s, and thawed",
            Self::Deleted => "object deleted, by default; work that heeds no SIGTERM",
            Self::DeletedStrict => "object deleted, in strict mode",
            Self::Overwritten => "another holder written",
            Self::Emptied => "holder emptied; work that heeds no SIGTERM",
            Self::Forbidden => "the leader's permissions taken away for 6 s",
        })
    }
}
