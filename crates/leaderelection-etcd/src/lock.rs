//! The lock: one key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{
    Client, Compare, CompareOp, GetResponse, KeyValue, ResponseHeader, Txn, TxnOp, TxnOpResponse,
};
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream, ResourceLock,
    SharedWatch, Swap, Version, WatchedKey,
};

use crate::connection::EtcdConnection;
use crate::failure::{Asked, Call, lease_unknown};
use crate::garbage::{Garbage, Hook};
use crate::members::{Members, Turn};
use crate::setup::SetupError;
use crate::url::EtcdUrl;
use crate::{fence, garbage, url, watch};

/// A [`ResourceLock`] on one key of etcd. Cheap to clone.
///
/// Every call is one request, but the opening of a watch, which reads first unless it is
/// [shared](EtcdConnection::with_shared_watch), and what
/// [`garbage_collect_after`](Self::garbage_collect_after) asks of its lease beside a swap. Nothing is retried, and there is no
/// timeout but that of the TCP connection: the elector has its own. The locks of a connection have 32 calls under way at once or so; one
/// that finds no room among them is not made, and is told as unavailable after three fifths of its time
/// ([`Crowd`](leaderelection::Crowd)). A call that fails is followed by one to another member, if the [`EtcdConnection`] has several.
#[derive(Clone)]
pub struct EtcdLock {
    members: Arc<Members>,
    key: Vec<u8>,
    term_key: Vec<u8>,
    name: Arc<str>,
    shared: Option<WatchedKey<Vec<u8>>>,
    garbage: Option<Arc<Garbage>>,
}

impl EtcdLock {
    /// A lock on a client that you made; see [`EtcdConnection::from_client`] for what to give it. For several locks on one
    /// client use that, too.
    ///
    /// # Errors
    /// When the key is empty, or ends in `.term`.
    pub fn new(client: Client, key: impl AsRef<[u8]>) -> Result<Self, SetupError> {
        EtcdConnection::from_client(client).lock(key)
    }

    /// The lock that a URL names, on a connection of its own with the defaults. [`EtcdUrl::connection`] sets up another.
    ///
    /// # Errors
    /// As [`EtcdConnection::connect`]; not when etcd is down.
    pub async fn connect(url: &EtcdUrl) -> Result<Self, SetupError> {
        url.connection().connect().await?.lock(url.key())
    }

    pub(crate) fn on(
        members: Arc<Members>,
        key: Vec<u8>,
        shared: Option<&SharedWatch<Vec<u8>>>,
    ) -> Result<Self, SetupError> {
        if key.ends_with(fence::SUFFIX) {
            return Err(SetupError::ReservedKey(
                String::from_utf8_lossy(&key).into_owned(),
            ));
        }
        let name = url::describe(members.tls(), members.endpoints(), &key).into();
        let term_key = [key.as_slice(), fence::SUFFIX].concat();
        Ok(Self {
            members,
            shared: shared.map(|watch| watch.key(key.clone())),
            key,
            term_key,
            name,
            garbage: None,
        })
    }

    /// The same lock, whose keys vanish when nobody has written them for this time: an election that everybody has abandoned
    /// leaves nothing in etcd. Rounded up to whole seconds; with etcd's own delays they are gone somewhere between half of it and a
    /// second after all of it.
    ///
    /// They hang on a lease of etcd, one for the lock and its clones, which the writes of this lock renew: a term costs etcd one
    /// request more, and so does every third of the time while it lasts. Who writes without this option takes the keys off
    /// the lease, until somebody with it writes the next time; so give it to all candidates of an election.
    ///
    /// It is about garbage alone, and neither shortens nor lengthens a term: the keys outlast the record's own lease by far, no
    /// renewal waits for etcd's, and where etcd does not grant or renew that (which is logged), the keys lie on as they do without
    /// this option. Only the fence knows a limit: where etcd accepts writes and refuses to renew leases for as long as the time
    /// given, the key of a term that lasts so long goes, and its [`fence`](Self::fence) refuses.
    ///
    /// When the record is gone, nobody has held or sought the lock for that time, and the next candidate finds none, as in a new
    /// election. A clock that stands still with a paused machine may let it vanish earlier, as if somebody had deleted it
    /// (SAFETY 3, SAFETY 18).
    ///
    /// A record whose lease is longer than a fourth of the time is not put on the lease, so that it stays; that is logged.
    ///
    /// # Errors
    /// When it is less than a second, or longer than etcd's longest lease, of 9,000,000,000 s.
    pub fn garbage_collect_after(self, unwritten: Duration) -> Result<Self, SetupError> {
        let garbage = Garbage::new(unwritten, Arc::clone(&self.members), Arc::clone(&self.name))?;
        Ok(Self {
            garbage: Some(Arc::new(garbage)),
            ..self
        })
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The key beside it, `KEY.term`, whose `mod_revision` is the fencing token of the current term, and which is gone when a term
    /// was released. [`fence`](Self::fence) says what for.
    pub fn term_key(&self) -> &[u8] {
        &self.term_key
    }

    pub(crate) fn members(&self) -> &Arc<Members> {
        &self.members
    }

    fn turn(&self, asked: Asked) -> Result<(Turn<'_>, Call<'_>), LockError> {
        turn(&self.members, &self.name, asked)
    }

    /// Reads the key, with the revision at which that was its state.
    pub(crate) async fn read(&self) -> Result<(i64, Observation), LockError> {
        let read = || self.read_in_turn();
        self.members.crowd().one_of(read).await
    }

    async fn read_in_turn(&self) -> Result<(i64, Observation), LockError> {
        let (turn, call) = self.turn(Asked::Get)?;
        let ask = || async {
            // Linearizable unless asked otherwise.
            let answer = turn.client().kv_client().get(self.key.as_slice(), None).await;
            let read = answer.map_err(|error| call.failed(error))?;
            let revision = revision(read.header(), &call)?;
            Ok((revision, state(&read, revision)))
        };
        let seen = turn.call(&call, ask).await;
        turn.settle(&seen);
        seen
    }

    /// One transaction, that puts the keys on that lease of etcd.
    async fn swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
        lease: Option<i64>,
    ) -> Result<Swap, LockError> {
        let swap = || self.swap_in_turn(expected, record, lease);
        self.members.crowd().one_of(swap).await
    }

    async fn swap_on_a_lease(
        &self,
        garbage: &Garbage,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let Hook { lease, beside } = garbage.hook(record, fence::begins(expected, record)).await;
        let swapped = garbage::beside(beside, self.swap(expected, record, lease)).await;
        match (&swapped, lease) {
            // It was revoked, or etcd was restored. Nothing was written, so this is still the one write of this call (SAFETY 8).
            (Err(error), Some(id)) if lease_unknown(error) => {
                garbage.forget(id);
                self.swap(expected, record, None).await
            }
            _ => swapped,
        }
    }

    async fn swap_in_turn(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
        lease: Option<i64>,
    ) -> Result<Swap, LockError> {
        let (turn, call) = self.turn(Asked::Swap)?;
        let key = self.key.as_slice();
        let value = record.to_json();
        let ask = || async {
            let writes = [TxnOp::put(key, value.as_str(), garbage::on(lease))]
                .into_iter()
                .chain(fence::write(expected, record, self.term_key(), lease));
            let transaction = Txn::new()
                .when([compare(key, expected)])
                .and_then(writes.collect::<Vec<_>>())
                .or_else([TxnOp::get(key, None)]);
            let answer = turn.client().kv_client().txn(transaction).await;
            let answer = answer.map_err(|error| call.failed(error))?;
            let revision = revision(answer.header(), &call)?;
            if answer.succeeded() {
                return Ok(Swap::Done(version(revision)));
            }
            Ok(Swap::Conflict(match answer.op_responses().first() {
                Some(TxnOpResponse::Get(read)) => Some(state(read, revision)),
                _ => None,
            }))
        };
        let swapped = turn.call(&call, ask).await;
        turn.settle(&swapped);
        swapped
    }
}

#[async_trait]
impl ResourceLock for EtcdLock {
    async fn get(&self) -> Result<Observation, LockError> {
        self.read().await.map(|(_, observation)| observation)
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        match &self.garbage {
            None => self.swap(expected, record, None).await,
            // In a box, for it takes three times as much, and of thousands of elections that wait for their turn few have it.
            Some(garbage) => Box::pin(self.swap_on_a_lease(garbage, expected, record)).await,
        }
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        let followed = match &self.shared {
            Some(shared) => shared.follow().await,
            // In a box: it takes twenty times as much as to wait for the shared one.
            None => Box::pin(watch::open(self)).await,
        };
        followed.map(Some)
    }

    fn describe(&self) -> String {
        self.name.to_string()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST
            .with_watch()
            .with_versioned_absence()
            .with_conflict_tells_state()
    }
}

impl fmt::Debug for EtcdLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EtcdLock").field(&self.name).finish()
    }
}

/// Picks the member to ask, and says what is asked of whom in case it fails.
pub(crate) fn turn<'a>(
    members: &'a Members,
    lock: &'a str,
    asked: Asked,
) -> Result<(Turn<'a>, Call<'a>), LockError> {
    let mut call = Call {
        asked,
        lock,
        endpoint: None,
        hint: None,
    };
    // There is always a member: the constructors see to it.
    let Some(turn) = members.next() else {
        return Err(call.nonsense("there is no member to ask"));
    };
    call.endpoint = turn.endpoint();
    call.hint = turn.hint();
    Ok((turn, call))
}

/// A revision that no key ever has.
pub(crate) const NEVER: i64 = -1;

/// Whether the key is in the state that the swap names.
fn compare(key: &[u8], expected: Expected) -> Compare {
    match expected {
        Expected::Absent => Compare::create_revision(key, CompareOp::Equal, 0),
        Expected::Version(version) => {
            // To etcd a missing key has the revision 0; nothing that exists does.
            let revision = i64::try_from(version.get()).ok().filter(|revision| *revision > 0);
            Compare::mod_revision(key, CompareOp::Equal, revision.unwrap_or(NEVER))
        }
    }
}

pub(crate) fn version(revision: i64) -> Version {
    Version::new(u64::try_from(revision).unwrap_or(0))
}

/// What is there: `revision` is that of the whole store, as of which an absence holds.
fn state(read: &GetResponse, revision: i64) -> Observation {
    match read.kvs().first() {
        Some(pair) => present(pair),
        None => Observation::Absent {
            as_of: Some(version(revision)),
        },
    }
}

pub(crate) fn present(pair: &KeyValue) -> Observation {
    Observation::from_json(version(pair.mod_revision()), pair.value())
}

fn revision(header: Option<&ResponseHeader>, call: &Call<'_>) -> Result<i64, LockError> {
    match header {
        Some(header) => Ok(header.revision()),
        None => Err(call.nonsense("the answer has no header")),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use leaderelection::{Clock as _, Crowd, SystemClock};

    use super::*;

    #[tokio::test]
    async fn a_lock_names_itself_as_a_url() {
        let etcd = EtcdConnection::connect(["http://a:1", "b:2"]).await.unwrap();
        let lock = etcd.lock("my-service/leader").unwrap();
        assert_eq!(lock.describe(), "etcd://a:1,b:2/my-service/leader");
        let url: EtcdUrl = lock.describe().parse().unwrap();
        assert_eq!(EtcdLock::connect(&url).await.unwrap().describe(), lock.describe());
        assert_eq!(etcd.lock(b"\xff").unwrap().describe(), "etcd://a:1,b:2/\u{fffd}");
    }

    #[tokio::test]
    async fn a_client_of_the_users_own_does_not_tell_its_endpoints() {
        let client = Client::connect(["a:1"], None).await.unwrap();
        assert_eq!(
            EtcdLock::new(client.clone(), "k").unwrap().describe(),
            "etcd:///k"
        );
        assert_eq!(EtcdLock::new(client, "").unwrap_err(), SetupError::EmptyKey);
    }
    /// Of so many who wait for an answer no more is under way.
    fn crowded(crowd: &Crowd) -> Vec<impl Future<Output = Result<(), LockError>> + Unpin> {
        let pending = || {
            let call = crowd.one_of(std::future::pending);
            // So many at one go are more than tokio lets a task have.
            Box::pin(tokio::task::unconstrained(call))
        };
        let mut all: Vec<_> = (0..crate::members::AT_ONCE).map(|_| pending()).collect();
        for one in &mut all {
            assert!(one.now_or_never().is_none());
        }
        all
    }

    /// Nothing listens there, so what is sent is refused at once.
    #[tokio::test]
    async fn reads_and_swaps_wait_until_there_is_room() {
        const SOON: Duration = Duration::from_millis(100);
        let lock = EtcdConnection::connect(["127.0.0.1:1"])
            .await
            .unwrap()
            .lock("k")
            .unwrap();
        let record = LeaderElectionRecord {
            holder_identity: "a".to_owned(),
            lease_duration_seconds: 15,
            ..LeaderElectionRecord::default()
        };
        let swap = || lock.compare_and_swap(Expected::Absent, &record);
        {
            let _full = crowded(lock.members().crowd());
            assert!(within(SOON, swap()).await.is_none());
            assert!(within(SOON, lock.get()).await.is_none());
        }
        assert!(within(SOON, swap()).await.expect("it goes").is_err());
        assert!(within(SOON, lock.get()).await.expect("it goes").is_err());
    }

    async fn within<F: Future>(limit: Duration, call: F) -> Option<F::Output> {
        let until = SystemClock.mono().after(limit);
        tokio::select! {
            answer = call => Some(answer),
            () = SystemClock.sleep_until(until) => None,
        }
    }
}
