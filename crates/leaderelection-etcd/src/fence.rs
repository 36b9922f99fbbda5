//! The fence: what makes a transaction fail whose author's term is over.
//!
//! The revision of a lock's key changes with every renewal, so it does not tell a term. A second key does, `KEY.term`: it is put in
//! the transaction that begins a term, deleted in that which releases it, and left alone by every other. Both keys then have the
//! revision of the transaction that began the term, and the second keeps it until the term changes. That revision is the fencing
//! token (SAFETY 19), so the term with token `T` is current if and only if `KEY.term` has the `mod_revision` `T`, and the record is
//! there.
//!
//! A record alone shows whether its write changes the term: the first write of a term carries one time twice, a release no holder,
//! and every renewal a later `renewTime` than `acquireTime`, for within a term its second grows with every write (SAFETY 6). So the
//! lock remembers nothing, a renewal stays one put, and a swap whose answer was lost is no special case. In doubt the key is put:
//! then a leader's own transactions fail, and a stale one's never succeed.

use etcd_client::{Compare, CompareOp, TxnOp};
use leaderelection::{Expected, FencingToken, LeaderElectionRecord};

use crate::garbage;
use crate::lock::{EtcdLock, NEVER};

/// What the key of a lock's term has behind the lock's.
pub(crate) const SUFFIX: &[u8] = b".term";

/// What this write does to the term's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Begins,
    Ends,
}

impl Change {
    fn of(expected: Expected, record: &LeaderElectionRecord) -> Option<Self> {
        if record.holder_identity.is_empty() {
            return Some(Self::Ends);
        }
        let renews = match (record.acquire_time, record.renew_time) {
            (Some(acquired), Some(renewed)) => renewed > acquired,
            _ => false,
        };
        (expected == Expected::Absent || !renews).then_some(Self::Begins)
    }
}

/// Whether the write of this record begins a term.
pub(crate) fn begins(expected: Expected, record: &LeaderElectionRecord) -> bool {
    Change::of(expected, record) == Some(Change::Begins)
}

/// What belongs into the transaction that writes this record, on that lease of etcd.
pub(crate) fn write(
    expected: Expected,
    record: &LeaderElectionRecord,
    term_key: &[u8],
    lease: Option<i64>,
) -> Option<TxnOp> {
    // The value is for people; the fence does not look at it.
    let number = || record.leader_transitions.to_string();
    Change::of(expected, record).map(|change| match change {
        Change::Begins => TxnOp::put(term_key, number(), garbage::on(lease)),
        Change::Ends => TxnOp::delete(term_key, None),
    })
}

impl EtcdLock {
    /// The compares that make a transaction succeed only while the term with this token is current.
    ///
    /// A leader may be paused for longer than its lease, between [`check`](leaderelection::Leadership::check) and the write that
    /// it was to protect: by the kernel, by a hypervisor, by a debugger, by a slow network. When it goes on, another leads, and
    /// its write arrives all the same. With these compares etcd refuses it, in the same atomic step in which it would have
    /// written:
    ///
    /// ```no_run
    /// use leaderelection::Leadership;
    /// use leaderelection_etcd::EtcdLock;
    /// use leaderelection_etcd::etcd_client::{Client, Txn, TxnOp};
    ///
    /// # async fn example(client: Client, lock: EtcdLock, leadership: Leadership) -> Result<(), Box<dyn std::error::Error>> {
    /// let write = Txn::new()
    ///     .when(lock.fence(leadership.token()))
    ///     .and_then([TxnOp::put("my-service/config", "by the leader", None)]);
    /// if !client.kv_client().txn(write).await?.succeeded() {
    ///     // Another leads, or nobody: the term is over, and nothing was written.
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// They hold across the renewals of the term, and fail once it was released, another acquired the lock (also under the same
    /// identity), or the record was deleted, whether or not it was created again. They are about one etcd: nothing is asked of
    /// any clock. Other compares may stand beside them.
    ///
    /// A program that is not written in Rust writes the same by the token alone, as `LEADERELECT_TOKEN` tells it:
    ///
    /// ```text
    /// etcdctl txn <<END
    /// mod("my-service/leader.term") = "TOKEN"
    /// create("my-service/leader") > "0"
    ///
    /// put my-service/config "by the leader"
    ///
    ///
    /// END
    /// ```
    ///
    /// A term that ran out, because nothing renewed it, is current to etcd until somebody acquires the lock, which is no harm: nobody
    /// else leads by then. Its fence holds so long.
    ///
    /// Who overwrites the record by hand ends a term without etcd knowing: until the next candidate acquires the lock, the
    /// fence still holds. Deleting the record, or the term's key, ends it at once. An etcd restored from a snapshot needs
    /// `etcdutl snapshot restore --bump-revision`, or revisions come back that were tokens already.
    pub fn fence(&self, token: FencingToken) -> Vec<Compare> {
        let token = i64::try_from(token.get()).ok().filter(|token| *token > 0);
        let token = token.unwrap_or(NEVER);
        vec![
            Compare::mod_revision(self.term_key(), CompareOp::Equal, token),
            // Deleted, the record has 0; created anew by whomever, a later revision than the token.
            Compare::create_revision(self.key(), CompareOp::Greater, 0),
            Compare::create_revision(self.key(), CompareOp::Less, token.saturating_add(1)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use leaderelection::Version;

    use super::*;

    fn record(holder: &str, acquired: &str, renewed: &str) -> LeaderElectionRecord {
        let json = format!(
            r#"{{"holderIdentity":"{holder}","leaseDurationSeconds":15,"acquireTime":{acquired},"renewTime":{renewed}}}"#
        );
        LeaderElectionRecord::from_json(json.as_bytes()).unwrap()
    }

    /// SAFETY 6, SAFETY 16.
    #[test]
    fn only_a_renewal_leaves_the_term_alone() {
        const EARLY: &str = "\"2026-01-02T03:04:05Z\"";
        const LATE: &str = "\"2026-01-02T03:04:06Z\"";
        let on = Expected::Version(Version::new(7));
        use Change::{Begins, Ends};
        for (holder, acquired, renewed, expected, change) in [
            ("a", EARLY, LATE, on, None),
            ("a", EARLY, EARLY, on, Some(Begins)),
            ("a", LATE, EARLY, on, Some(Begins)),
            ("", EARLY, LATE, on, Some(Ends)),
            ("", EARLY, EARLY, on, Some(Ends)),
            ("", EARLY, EARLY, Expected::Absent, Some(Ends)),
            ("a", "null", LATE, on, Some(Begins)),
            ("a", EARLY, "null", on, Some(Begins)),
            ("a", EARLY, LATE, Expected::Absent, Some(Begins)),
        ] {
            let record = record(holder, acquired, renewed);
            assert_eq!(Change::of(expected, &record), change, "{expected:?} {record:?}");
        }
    }
}
