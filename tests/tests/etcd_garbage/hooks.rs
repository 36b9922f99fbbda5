//! What the writes of a lock do to its keys' lease, one by one.

use leaderelection::{Expected, LeaderElectionRecord, Observation, ResourceLock as _, Swap, Version};
use leaderelection_etcd::{EtcdConnection, EtcdLock, SetupError};
use leaderelection_tests::side_door::SideDoor;

use super::*;

/// In the tests' own world every second is a renewal.
fn record(holder: &str, lease_seconds: i64, renewals: i64) -> LeaderElectionRecord {
    let at = |seconds| chrono::DateTime::from_timestamp(1_800_000_000 + seconds, 0);
    LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        lease_duration_seconds: lease_seconds,
        acquire_time: at(0),
        renew_time: at(renewals),
        ..LeaderElectionRecord::default()
    }
}

async fn swap(
    lock: &EtcdLock,
    expected: Expected,
    record: &LeaderElectionRecord,
) -> Result<Version, Box<dyn Error>> {
    match lock.compare_and_swap(expected, record).await? {
        Swap::Done(version) => Ok(version),
        conflict => Err(format!("{conflict:?}").into()),
    }
}

async fn lock(etcd: &Etcd) -> Result<EtcdLock, Box<dyn Error>> {
    Ok(EtcdConnection::connect([etcd.endpoint()]).await?.lock(KEY)?)
}

const HOUR: Duration = Duration::from_secs(3_600);

/// The first write of a term has to wait for the lease: the term's key is written once.
#[tokio::test]
async fn a_term_is_hung_on_one_lease_from_its_first_write() -> TestResult {
    let etcd = Etcd::start()?;
    let operator = Operator::of(&etcd).await?;
    let lock = lock(&etcd).await?.garbage_collect_after(HOUR)?;
    let mut version = swap(&lock, Expected::Absent, &record("a", 15, 0)).await?;
    let [lease] = operator.leases().await?[..] else {
        return Err("not one lease".into());
    };
    assert_eq!(operator.leases_of(KEY).await?, [lease, lease], "record and term");
    for renewal in 1..=5 {
        version = swap(&lock, Expected::Version(version), &record("a", 15, renewal)).await?;
    }
    // A clone is the same lock; a release frees the record, which hangs on.
    let free = record("", 1, 6);
    let free = swap(&lock.clone(), Expected::Version(version), &free).await?;
    assert_eq!(operator.leases_of(KEY).await?, [lease], "the term's key is gone");
    assert_eq!(operator.leases().await?, [lease]);
    let requests = etcd.requests_by_method()?;
    let of_leases = |method: &str| requests.get(&format!("etcdserverpb.Lease/{method}")).copied();
    assert_eq!(of_leases("LeaseGrant"), Some(1), "{requests:?}");
    assert_eq!(of_leases("LeaseKeepAlive"), None, "it is fresh: {requests:?}");

    // The next term renews it, once: a stream that is opened, a message, and its end where etcd counts that.
    swap(&lock, Expected::Version(free), &record("a", 15, 0)).await?;
    assert_eq!(operator.leases_of(KEY).await?, [lease, lease]);
    let asked = etcd.requests(|method| method == "etcdserverpb.Lease/LeaseKeepAlive")?;
    assert!((2..=3).contains(&asked), "{:?}", etcd.requests_by_method()?);
    Ok(())
}

/// A put without a lease takes a key off the one that it hung on.
#[tokio::test]
async fn who_writes_without_the_option_takes_the_keys_off_the_lease() -> TestResult {
    let etcd = Etcd::start()?;
    let operator = Operator::of(&etcd).await?;
    let without = lock(&etcd).await?;
    let with = without.clone().garbage_collect_after(HOUR)?;
    let version = swap(&with, Expected::Absent, &record("a", 15, 0)).await?;
    let version = swap(&without, Expected::Version(version), &record("b", 15, 0)).await?;
    assert_eq!(operator.leases_of(KEY).await?, [0, 0]);
    swap(&with, Expected::Version(version), &record("a", 15, 0)).await?;
    let leases = operator.leases_of(KEY).await?;
    assert!(leases[0] != 0 && leases[0] == leases[1], "{leases:?}");
    Ok(())
}

/// Nor may what closes a lock for ever vanish, as a move writes it.
#[tokio::test]
async fn a_record_with_a_lease_too_long_for_it_stays() -> TestResult {
    let etcd = Etcd::start()?;
    let operator = Operator::of(&etcd).await?;
    let lock = lock(&etcd)
        .await?
        .garbage_collect_after(Duration::from_secs(60))?;
    let fits = swap(&lock, Expected::Absent, &record("a", 15, 0)).await?;
    let leases = operator.leases_of(KEY).await?;
    assert!(leases.iter().all(|lease| *lease != 0), "{leases:?}");
    let too_long = swap(&lock, Expected::Version(fits), &record("a", 16, 1)).await?;
    assert_eq!(operator.leases_of(KEY).await?[0], 0);
    let fits = swap(&lock, Expected::Version(too_long), &record("a", 15, 2)).await?;
    assert_eq!(operator.leases_of(KEY).await?[0], leases[0]);
    swap(&lock, Expected::Version(fits), &record("a", i64::MAX, 3)).await?;
    assert_eq!(operator.leases_of(KEY).await?[0], 0);
    Ok(())
}

/// SAFETY 8: what etcd refuses for its lease alone was not written, and is written without, in the same call. What etcd knows no
/// longer is asked for anew.
#[tokio::test]
async fn a_lease_that_etcd_knows_no_longer_costs_no_renewal() -> TestResult {
    let etcd = Etcd::start()?;
    let operator = Operator::of(&etcd).await?;
    let door = SideDoor::open(etcd.endpoint(), KEY).await?;
    let lock = lock(&etcd).await?.garbage_collect_after(HOUR)?;
    swap(&lock, Expected::Absent, &record("a", 15, 0)).await?;
    let [lease] = operator.leases().await?[..] else {
        return Err("not one lease".into());
    };
    // Somebody's label takes the record off it, or it would go with it.
    let touched = Version::new(door.touch().await?.unwrap());
    operator.revoke(lease).await?;
    let renewed = swap(&lock, Expected::Version(touched), &record("a", 15, 1)).await?;
    assert_eq!(
        operator.leases_of(KEY).await?,
        [0],
        "the term's key went with the lease"
    );
    // Each of these finds none to hang on, and has one asked for meanwhile.
    let mut version = renewed;
    for renewal in 2..100 {
        version = swap(&lock, Expected::Version(version), &record("a", 15, renewal)).await?;
        if operator.leases_of(KEY).await? != [0] {
            break;
        }
    }
    assert_eq!(operator.leases_of(KEY).await?, operator.leases().await?);

    // Revoked under a record that hangs on it, it takes that along, as a deletion.
    operator.revoke(operator.leases().await?[0]).await?;
    let conflict = lock
        .compare_and_swap(Expected::Version(version), &record("a", 15, 100))
        .await?;
    assert!(
        matches!(conflict, Swap::Conflict(Some(Observation::Absent { .. }))),
        "{conflict:?}"
    );
    // And the next term has a new one.
    swap(&lock, Expected::Absent, &record("a", 15, 0)).await?;
    let [lease] = operator.leases().await?[..] else {
        return Err("not one lease".into());
    };
    assert_eq!(operator.leases_of(KEY).await?, [lease, lease]);
    Ok(())
}

/// A conflict is one, whatever it would have hung on.
#[tokio::test]
async fn a_conflict_tells_what_is_there() -> TestResult {
    let etcd = Etcd::start()?;
    let lock = lock(&etcd).await?.garbage_collect_after(HOUR)?;
    let version = swap(&lock, Expected::Absent, &record("a", 15, 0)).await?;
    let conflict = lock
        .compare_and_swap(Expected::Absent, &record("b", 15, 0))
        .await?;
    let Swap::Conflict(Some(Observation::Present { version: there, .. })) = conflict else {
        return Err(format!("{conflict:?}").into());
    };
    assert_eq!(there, version);
    Ok(())
}

#[tokio::test]
async fn a_time_that_is_none_is_refused() -> TestResult {
    let lock = EtcdConnection::connect(["127.0.0.1:1"]).await?.lock(KEY)?;
    for time in [Duration::ZERO, Duration::from_secs(9_000_000_001), Duration::MAX] {
        let refused = lock.clone().garbage_collect_after(time);
        assert_eq!(refused.unwrap_err(), SetupError::GarbageTime(time));
    }
    for time in [Duration::from_nanos(1), Duration::from_secs(9_000_000_000)] {
        lock.clone().garbage_collect_after(time)?;
    }
    Ok(())
}
