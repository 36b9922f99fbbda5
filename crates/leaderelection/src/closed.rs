//! Closed locks: a record that nobody takes over for 68 years, and that says why.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::record::LeaderElectionRecord;

/// Why a lock is closed: nobody may lead by it until a [`Move`](crate::Move) opens it.
///
/// A closed lock is a record like any other. Its holder is a text (what [`Display`](fmt::Display) writes), and its lease is
/// the longest that a Kubernetes Lease can hold: 2,147,483,647 s, 68 years. So a candidate that waits for the longer of its own
/// lease and the record's leaves it alone (SAFETY 7). docs/MOVING.md says which clients do not, and what closes them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closed<'a> {
    /// `moved to NAME`: the election goes on at the lock of that name.
    MovedTo(&'a str),
    /// `not before NAME`: the election has not come here yet. It opens when the lock of that name is closed.
    NotBefore(&'a str),
}

/// The lease of a closed lock, in seconds.
const FOR_EVER: i64 = i32::MAX as i64;

const MOVED_TO: &str = "moved to ";
const NOT_BEFORE: &str = "not before ";

impl<'a> Closed<'a> {
    /// The lock that is named.
    pub fn other(self) -> &'a str {
        match self {
            Self::MovedTo(name) | Self::NotBefore(name) => name,
        }
    }

    /// What the holder of a record says.
    pub(crate) fn parse(holder: &'a str) -> Option<Self> {
        let moved = holder.strip_prefix(MOVED_TO).map(Self::MovedTo);
        moved
            .or_else(|| holder.strip_prefix(NOT_BEFORE).map(Self::NotBefore))
            .filter(|closed| !closed.other().is_empty())
    }

    /// The record that closes a lock where `before` stood: its transitions and unknown fields stay.
    pub(crate) fn record(
        self,
        before: Option<&LeaderElectionRecord>,
        now: DateTime<Utc>,
    ) -> LeaderElectionRecord {
        standing(before, self.to_string(), FOR_EVER, now)
    }
}

/// The record that opens a closed lock: free, as a release writes it (SAFETY 12).
pub(crate) fn opened(closed: &LeaderElectionRecord, now: DateTime<Utc>) -> LeaderElectionRecord {
    standing(Some(closed), String::new(), 1, now)
}

fn standing(
    before: Option<&LeaderElectionRecord>,
    holder_identity: String,
    lease_duration_seconds: i64,
    now: DateTime<Utc>,
) -> LeaderElectionRecord {
    // Whole seconds, as elections write them, so that every store reads back what was written (clause 3).
    let now = DateTime::from_timestamp(now.timestamp(), 0);
    LeaderElectionRecord {
        holder_identity,
        lease_duration_seconds,
        acquire_time: now,
        renew_time: now,
        ..before.cloned().unwrap_or_default()
    }
}

impl fmt::Display for Closed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MovedTo(name) => write!(f, "{MOVED_TO}{name}"),
            Self::NotBefore(name) => write!(f, "{NOT_BEFORE}{name}"),
        }
    }
}

impl LeaderElectionRecord {
    /// Why the lock is closed, if it is: by both its holder and its duration, so that no candidate that merely has such a name
    /// closes anything.
    ///
    /// ```
    /// use leaderelection::{Closed, LeaderElectionRecord};
    ///
    /// let json = br#"{"holderIdentity":"moved to leases:ns/job","leaseDurationSeconds":"2147483647"}"#;
    /// let record = LeaderElectionRecord::from_json(json)?;
    /// assert_eq!(record.closed(), Some(Closed::MovedTo("leases:ns/job")));
    /// # Ok::<(), leaderelection::RecordError>(())
    /// ```
    pub fn closed(&self) -> Option<Closed<'_>> {
        (self.lease_duration_seconds == FOR_EVER)
            .then(|| Closed::parse(&self.holder_identity))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an older client has to take for a lease that is held for 68 years, and for one that was released. What the record had
    /// besides stays.
    #[test]
    fn the_records_that_close_and_open_a_lock_are_these() {
        let now = DateTime::from_timestamp(1_700_000_000, 999_000_000).unwrap();
        let before = LeaderElectionRecord::from_json(
            br#"{"holderIdentity":"a","leaseDurationSeconds":15,"acquireTime":"2020-01-01T00:00:00Z",
                 "renewTime":"2020-01-01T00:00:01Z","leaderTransitions":7,"colour":"red"}"#,
        )
        .unwrap();
        let json = |record: &LeaderElectionRecord| serde_json::to_string(record).unwrap();
        let closed = Closed::MovedTo("leases:ns/job").record(Some(&before), now);
        assert_eq!(
            json(&closed),
            r#"{"holderIdentity":"moved to leases:ns/job","leaseDurationSeconds":2147483647,"acquireTime":"2023-11-14T22:13:20Z","renewTime":"2023-11-14T22:13:20Z","leaderTransitions":7,"colour":"red"}"#
        );
        assert_eq!(
            json(&opened(&closed, now)),
            r#"{"holderIdentity":"","leaseDurationSeconds":1,"acquireTime":"2023-11-14T22:13:20Z","renewTime":"2023-11-14T22:13:20Z","leaderTransitions":7,"colour":"red"}"#
        );
        let first = Closed::NotBefore("etcd://h/k").record(None, now);
        assert_eq!(
            json(&first),
            r#"{"holderIdentity":"not before etcd://h/k","leaseDurationSeconds":2147483647,"acquireTime":"2023-11-14T22:13:20Z","renewTime":"2023-11-14T22:13:20Z","leaderTransitions":0}"#
        );
    }
}
