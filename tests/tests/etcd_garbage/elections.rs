//! Whole elections: one that is abandoned, and some that go on.

use etcd_client::{Txn, TxnOp};
use leaderelection::{ElectionHandle, LeaderElector, LeaseTiming, MissingRecord};
use leaderelection_etcd::{EtcdConnection, EtcdLock};
use leaderelection_tests::time::within;

use super::*;

const LEASE: Duration = Duration::from_secs(2);
/// The least for that lease.
const GARBAGE_AFTER: Duration = Duration::from_secs(8);

async fn lock(etcd: &Etcd, key: &str) -> Result<EtcdLock, Box<dyn Error>> {
    let lock = EtcdConnection::connect([etcd.endpoint()]).await?.lock(key)?;
    Ok(lock.garbage_collect_after(GARBAGE_AFTER)?)
}

fn elect(lock: EtcdLock, missing: MissingRecord) -> Result<ElectionHandle, Box<dyn Error>> {
    let milliseconds = Duration::from_millis;
    let timing = LeaseTiming::new(LEASE, milliseconds(1_600), milliseconds(300))?;
    let timing = timing.with_stop_grace(milliseconds(200))?;
    let elector = LeaderElector::builder(lock, "candidate").timing(timing);
    Ok(elector.missing_record(missing).build()?.spawn()?)
}

/// Waits until no key is left, and says how long that took.
async fn vanished(operator: &Operator, key: &str) -> Result<Duration, Box<dyn Error>> {
    let begin = now();
    loop {
        let keys = operator.keys(key).await?;
        let waited = now().since(begin);
        if keys.is_empty() {
            return Ok(waited);
        }
        if waited > LIMIT {
            return Err(format!("after {LIMIT:?} there are {keys:?}").into());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Of a leader that released, and of one that is gone without a word.
#[tokio::test]
async fn an_abandoned_election_leaves_nothing() -> TestResult {
    let etcd = Etcd::start()?;
    let operator = Operator::of(&etcd).await?;

    let released = elect(lock(&etcd, "released").await?, MissingRecord::LeadAtOnce)?;
    drop(within(LIMIT, "leadership", released.leadership()).await?);
    released.shutdown().await?;
    assert_eq!(operator.keys("released").await?.len(), 1, "it is free");

    // A runtime of its own, so that all of it ends at once, as with its process.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (endpoint, begin) = (etcd.endpoint(), now());
    let leading = runtime.spawn(async move {
        let connection = EtcdConnection::connect([endpoint]).await.unwrap();
        let lock = connection
            .lock("gone")
            .unwrap()
            .garbage_collect_after(GARBAGE_AFTER)
            .unwrap();
        let gone = elect(lock, MissingRecord::LeadAtOnce).unwrap();
        let leadership = within(LIMIT, "leadership", gone.leadership()).await.unwrap();
        std::mem::forget((gone, leadership));
    });
    leading.await?;
    runtime.shutdown_background();
    assert_eq!(operator.keys("gone").await?.len(), 2, "it is held, in a term");

    for key in ["released", "gone"] {
        vanished(&operator, key).await?;
        let took = now().since(begin);
        println!("{key}: nothing is left after {took:?}");
        // Counted from before their last write; so long it has to stand.
        assert!(key == "released" || took > LEASE * 2, "{key}: {took:?}");
    }
    operator.until_leases(0).await?;

    // For a new candidate it is a new election.
    let anew = elect(lock(&etcd, "gone").await?, MissingRecord::LeadAtOnce)?;
    let leadership = within(LEASE, "leadership at once", anew.leadership()).await?;
    assert_eq!(leadership.transitions(), 0, "of a record that was created");
    Ok(())
}

/// By the longest way through the machine, too: a claim that stands for a lease before it leads.
#[tokio::test]
async fn a_running_election_outlives_its_lease_of_etcd_three_times() -> TestResult {
    let etcd = Etcd::start()?;
    let operator = Operator::of(&etcd).await?;
    let mut running = Vec::new();
    for (key, missing) in [
        ("at-once", MissingRecord::LeadAtOnce),
        ("claims", MissingRecord::ClaimThenLead),
    ] {
        let lock = lock(&etcd, key).await?;
        let election = elect(lock.clone(), missing)?;
        let leadership = within(LIMIT, "leadership", election.leadership()).await?;
        running.push((key, lock, election, leadership));
    }
    let refreshes = || etcd.requests(|method| method.starts_with("etcdserverpb.Lease/"));
    let (begin, before) = (now(), refreshes()?);
    sleep(GARBAGE_AFTER * 3).await;
    let (asked, took) = (refreshes()? - before, now().since(begin));

    for (key, lock, election, leadership) in running {
        // A term that was lost once stays lost (SAFETY 22).
        let token = leadership.check()?;
        let put = TxnOp::put("work", key, None);
        let fenced = Txn::new().when(lock.fence(token)).and_then([put]);
        let done = operator.client.kv_client().txn(fenced).await?;
        assert!(done.succeeded(), "{key}: the term's key is gone");
        let leases = operator.leases_of(key).await?;
        assert!(leases.len() == 2 && !leases.contains(&0), "{key}: {leases:?}");
        drop(leadership);
        election.shutdown().await?;
    }
    // Each of both elections: a third of the time from one to the next, at least; a stream, a message and
    // its end each.
    let most = 2 * 3 * (3 * took.as_millis() / GARBAGE_AFTER.as_millis() + 1);
    println!("{asked} requests about leases in {took:?}");
    assert!(
        (2 * 2 * 3..=most).contains(&u128::from(asked)),
        "{asked} requests about leases, {most} at most"
    );
    Ok(())
}
