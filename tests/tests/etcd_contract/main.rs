//! The lock on a real etcd keeps its contract, clause by clause, where that takes more than the suite's side doors.

use std::error::Error;
use std::time::Duration;

use etcd_client::Client;
use futures_util::StreamExt;
use leaderelection::{
    Content, Expected, LeaderElectionRecord, LockErrorKind, Observation, ObservationStream, ResourceLock,
    Swap, Version,
};
use leaderelection_etcd::{EtcdConnection, EtcdLock};
use leaderelection_tests::faults::{Proxy, Way};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::side_door::SideDoor;
use leaderelection_tests::time::{sleep, within};

mod failures;
mod no_quorum;
mod watching;

type TestResult = Result<(), Box<dyn Error>>;

const SOON: Duration = Duration::from_secs(5);
const KEY: &str = "leader";

async fn lock_at(endpoint: String) -> Result<EtcdLock, Box<dyn Error>> {
    Ok(EtcdConnection::connect([endpoint]).await?.lock(KEY)?)
}

async fn start() -> Result<(Etcd, EtcdLock, SideDoor), Box<dyn Error>> {
    let etcd = Etcd::start()?;
    let lock = lock_at(etcd.endpoint()).await?;
    let door = SideDoor::open(etcd.endpoint(), KEY).await?;
    Ok((etcd, lock, door))
}

fn record(holder: &str) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        lease_duration_seconds: 15,
        unknown_fields: vec![("strange".to_owned(), "[1,{\"a\":null}]".to_owned())],
        ..LeaderElectionRecord::default()
    }
}

fn absent(as_of: u64) -> Observation {
    Observation::Absent {
        as_of: Some(Version::new(as_of)),
    }
}

async fn create(lock: &EtcdLock, holder: &str) -> Result<Version, Box<dyn Error>> {
    match lock.compare_and_swap(Expected::Absent, &record(holder)).await? {
        Swap::Done(version) => Ok(version),
        conflict => Err(format!("{conflict:?}").into()),
    }
}

async fn next(watch: &mut ObservationStream) -> Option<Result<Observation, leaderelection::LockError>> {
    within(SOON, "an item of the watch", watch.next()).await
}

/// What the watch shows next.
async fn shown(watch: &mut ObservationStream) -> Result<Observation, Box<dyn Error>> {
    Ok(next(watch).await.ok_or("the watch ended")??)
}

async fn watch(lock: &EtcdLock) -> Result<ObservationStream, Box<dyn Error>> {
    Ok(within(SOON, "the opening of a watch", lock.watch())
        .await?
        .ok_or("no watch")?)
}

/// Clauses 2 to 5, 7: absence with its revision, creation, conflicts that tell, deletion, creation anew.
#[tokio::test]
async fn the_life_of_a_key() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    let elsewhere = door.put_elsewhere().await?;
    assert_eq!(lock.get().await?, absent(elsewhere));

    let first = create(&lock, "a").await?;
    let there = Observation::record(first, record("a"));
    assert_eq!(lock.get().await?, there);
    assert_eq!(
        lock.compare_and_swap(Expected::Absent, &record("b")).await?,
        Swap::Conflict(Some(there.clone()))
    );
    let stale = Expected::Version(Version::new(first.get() - 1));
    assert_eq!(
        lock.compare_and_swap(stale, &record("b")).await?,
        Swap::Conflict(Some(there))
    );

    let Swap::Done(second) = lock
        .compare_and_swap(Expected::Version(first), &record("a"))
        .await?
    else {
        panic!("a conflict on the newest version");
    };
    assert!(second > first, "an equal write is a write (clause 8)");

    let deleted = door.delete().await?;
    assert_eq!(lock.get().await?, absent(deleted));
    assert_eq!(
        lock.compare_and_swap(Expected::Version(second), &record("a"))
            .await?,
        Swap::Conflict(Some(absent(deleted)))
    );
    assert!(create(&lock, "c").await?.get() > deleted);
    Ok(())
}

/// Clause 4, SAFETY 8: to etcd a missing key has the revision 0, and a swap on version 0 is still no create.
#[tokio::test]
async fn a_version_that_no_key_can_have_is_a_conflict_and_never_a_create() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    for number in [0, u64::MAX, i64::MAX.unsigned_abs()] {
        let swap = lock
            .compare_and_swap(Expected::Version(Version::new(number)), &record("a"))
            .await?;
        assert!(
            matches!(swap, Swap::Conflict(Some(Observation::Absent { .. }))),
            "{number}: {swap:?}"
        );
        assert_eq!(door.get().await?, None);
    }
    Ok(())
}

/// SAFETY 8: a get is one request, a swap is one whatever comes of it, and a watch is a get and one stream.
#[tokio::test]
async fn a_call_is_one_request() -> TestResult {
    let (etcd, lock, _) = start().await?;
    lock.get().await?;
    let version = create(&lock, "a").await?;
    lock.compare_and_swap(Expected::Version(version), &record("a"))
        .await?;
    lock.compare_and_swap(Expected::Absent, &record("a")).await?;
    let _watch = watch(&lock).await?;
    let counted = etcd.requests_by_method()?;
    let expected = [
        ("etcdserverpb.KV/Range", 2),
        ("etcdserverpb.KV/Txn", 3),
        ("etcdserverpb.Watch/Watch", 2),
    ];
    assert_eq!(
        counted,
        expected.map(|(method, count)| (method.to_owned(), count)).into()
    );
    Ok(())
}

/// Clause 10, SAFETY 17: bytes that are no record, not even text, are shown as they are and can be replaced.
#[tokio::test]
async fn what_another_program_wrote_is_shown_raw_and_can_be_replaced() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    for raw in [
        &b""[..],
        b"hello",
        b"\xff\xfe\x00",
        b"{\"holderIdentity\":\"\xff\"}",
        b"{\"x\":\"\xff\"}",
        b"[]",
        b"{\"renewTime\":3}",
    ] {
        let revision = Version::new(door.put(raw).await?);
        let Observation::Present {
            version,
            content: Content::Unreadable(found),
        } = lock.get().await?
        else {
            panic!("{raw:?} was read");
        };
        assert_eq!((version, found.raw.as_slice()), (revision, raw));
        assert!(!found.reason.is_empty());
        let swap = lock
            .compare_and_swap(Expected::Version(revision), &record("a"))
            .await?;
        assert!(matches!(swap, Swap::Done(_)), "{swap:?}");
    }
    Ok(())
}

/// Many locks share one connection: each is its own election, and one's end is not another's.
#[tokio::test]
async fn many_locks_share_a_connection() -> TestResult {
    let etcd = Etcd::start()?;
    let connection = EtcdConnection::connect([etcd.endpoint()]).await?;
    let mut watches = Vec::new();
    for number in 0..200 {
        let lock = connection.lock(format!("leader-{number}"))?;
        let mut stream = watch(&lock).await?;
        shown(&mut stream).await?;
        watches.push((lock, stream));
    }
    watches.truncate(100);
    for (lock, stream) in &mut watches {
        let created = create(lock, "a").await?;
        assert_eq!(shown(stream).await?, Observation::record(created, record("a")));
    }
    Ok(())
}
