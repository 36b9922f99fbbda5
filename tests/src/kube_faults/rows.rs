//! What is done to the leader, to its way to the server, to the server, or to the object.

use std::fmt;

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
    /// The leader and its work are frozen for longer than the lease.
    LeaderFrozen,
    /// The object is deleted; who finds none leads at once, as with client-go.
    Deleted,
    /// The object is deleted; who finds none claims it first.
    DeletedStrict,
    /// Somebody writes another holder into the record.
    Overwritten,
    /// Somebody takes the holder out of the record.
    Emptied,
    /// The permissions are taken away, for longer than the lease.
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
                Some("SAFETY 3 and 19: a process that wakes has to run to see that its lease is over")
            }
            Self::Deleted => Some("SAFETY 18: somebody took away the record that says who leads"),
            Self::Emptied => Some("SAFETY 18: somebody wrote that nobody leads"),
            _ => None,
        }
    }

    /// Whether the leader may keep its lead; else another term begins.
    pub fn may_keep(self) -> bool {
        matches!(
            self,
            Self::ApiserverKilled | Self::ConnectionsCut | Self::RepliesJustInTime
        )
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
            Self::LeaderFrozen => "the leader and its work frozen for 6 s, and thawed",
            Self::Deleted => "object deleted, by default",
            Self::DeletedStrict => "object deleted, in strict mode",
            Self::Overwritten => "another holder written",
            Self::Emptied => "holder emptied",
            Self::Forbidden => "permissions taken away for 6 s",
        })
    }
}
