//! What is done to the members, to the ways between them, or to what they store.

use std::fmt;
use std::time::Duration;

use crate::fault_table::{Fault, LEASE, RENEW_DEADLINE, RETRY_PERIOD, SLACK};

/// One fault. A single member that is struck is the one that serves the elected candidate, which knows the others too, unless it
/// is said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The members' leader gets SIGKILL, and stays dead.
    LeaderKilled,
    /// A member that does not lead the others gets SIGKILL, and stays dead.
    FollowerKilled,
    /// Two members get SIGKILL, and are started again after longer than the lease.
    TwoKilled,
    /// All members get SIGKILL, and are started again at once.
    AllKilled,
    /// The members' leader is frozen for longer than the lease.
    LeaderFrozen,
    /// A member that does not lead the others is frozen for longer than the lease.
    FollowerFrozen,
    /// Two members are frozen for longer than the lease.
    TwoFrozen,
    /// The members' leader is parted from both others, for longer than the lease; all candidates reach all of them.
    LeaderParted,
    /// As that, a member that does not lead the others.
    FollowerParted,
    /// Every member is parted from every other, for longer than the lease.
    AllParted,
    /// The members' leader and the elected candidate are parted from all others, for longer than the lease.
    LeaderPartedWithElected,
    /// As that, with a member that does not lead the others.
    FollowerPartedWithElected,
    /// The members' leader is lost with its data, removed, and another added in its place.
    LeaderReplaced,
    /// As that, a member that does not lead the others.
    FollowerReplaced,
    /// The store is full, which raises etcd's alarm, for longer than the lease.
    NoSpace,
    /// The store is written to and compacted without a pause, while all watches are broken again and again.
    Compacted,
    /// All members are lost, and restored from an older snapshot with later revisions, as etcd's documentation has it. The elected
    /// candidate has seen what is lost, and the others have been told of it, by their watches.
    Restored,
}

impl Row {
    /// All there are.
    pub const ALL: [Self; 17] = [
        Self::LeaderKilled,
        Self::FollowerKilled,
        Self::TwoKilled,
        Self::AllKilled,
        Self::LeaderFrozen,
        Self::FollowerFrozen,
        Self::TwoFrozen,
        Self::LeaderParted,
        Self::FollowerParted,
        Self::AllParted,
        Self::LeaderPartedWithElected,
        Self::FollowerPartedWithElected,
        Self::LeaderReplaced,
        Self::FollowerReplaced,
        Self::NoSpace,
        Self::Compacted,
        Self::Restored,
    ];

    /// Whether the struck member leads the others. Where several are struck this is one of them.
    pub(super) fn struck_leads(self) -> bool {
        !matches!(
            self,
            Self::FollowerKilled
                | Self::FollowerFrozen
                | Self::FollowerParted
                | Self::FollowerPartedWithElected
                | Self::FollowerReplaced
        )
    }

    /// Whether the elected candidate reaches the struck member alone, and all others the rest.
    pub(super) fn strikes_elected(self) -> bool {
        matches!(
            self,
            Self::LeaderPartedWithElected | Self::FollowerPartedWithElected
        )
    }
}

impl Fault for Row {
    /// The elected candidate may have renewed up to a retry period before the fault.
    fn another_not_before(self) -> Duration {
        LEASE - RETRY_PERIOD - SLACK
    }

    fn next_not_before(self) -> Duration {
        if self.strikes_elected() || matches!(self, Self::Compacted | Self::Restored) {
            self.another_not_before()
        } else {
            // Whoever led knows its own record, and is the next at once when its deadline has passed.
            RENEW_DEADLINE - RETRY_PERIOD - SLACK
        }
    }

    fn may_keep(self) -> bool {
        // The members need one to two seconds to elect another, and all a few to start: that may be less than the deadline.
        self.must_keep()
            || matches!(
                self,
                Self::LeaderKilled
                    | Self::AllKilled
                    | Self::LeaderFrozen
                    | Self::LeaderParted
                    | Self::LeaderReplaced
            )
    }

    fn must_keep(self) -> bool {
        matches!(
            self,
            Self::FollowerKilled | Self::FollowerFrozen | Self::FollowerParted | Self::FollowerReplaced
        )
    }

    fn survives(self) -> bool {
        self != Self::Compacted
    }

    fn tells(self) -> Option<&'static str> {
        match self {
            Self::NoSpace => Some("database space exceeded"),
            Self::Restored => Some("the store went back"),
            _ => None,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaderKilled => "the members' leader killed",
            Self::FollowerKilled => "another member killed",
            Self::TwoKilled => "two members killed, and started again after 6 s",
            Self::AllKilled => "all members killed and started again",
            Self::LeaderFrozen => "the members' leader frozen for 6 s",
            Self::FollowerFrozen => "another member frozen for 6 s",
            Self::TwoFrozen => "two members frozen for 6 s",
            Self::LeaderParted => "the members' leader parted from the others for 6 s",
            Self::FollowerParted => "another member parted from the others for 6 s",
            Self::AllParted => "all members parted from each other for 6 s",
            Self::LeaderPartedWithElected => {
                "the members' leader and the elected candidate parted from all others for 6 s"
            }
            Self::FollowerPartedWithElected => {
                "another member and the elected candidate parted from all others for 6 s"
            }
            Self::LeaderReplaced => "the members' leader lost with its data, and replaced",
            Self::FollowerReplaced => "another member lost with its data, and replaced",
            Self::NoSpace => "the store full (NOSPACE) for 6 s",
            Self::Compacted => {
                "writes and compactions without a pause and all watches cut, 6 s; then the elected candidate killed"
            }
            Self::Restored => "all members lost, and restored from an older snapshot with later revisions",
        })
    }
}
