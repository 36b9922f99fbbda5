//! A steady follower sends nothing while its watch is healthy, counted at the server.

use std::collections::BTreeMap;
use std::error::Error;

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Event, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream,
    ResourceLock, Swap,
};
use leaderelection_etcd::{EtcdConnection, EtcdLock};
use leaderelection_tests::candidate::{Candidate, LEASE, RETRY_PERIOD};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::time::{now, sleep};

type TestResult = Result<(), Box<dyn Error>>;

/// The leader's requests are its renewals, one transaction each. Whatever else the server counts is the followers'.
struct Counted {
    renewals: u64,
    requests: BTreeMap<String, u64>,
}

/// Counts over more than two leases while a leader renews, from just after one renewal to just after another, so that no
/// request of the leader is under way at either end.
async fn count(etcd: &Etcd, leader: &mut Candidate) -> Result<Counted, Box<dyn Error>> {
    // What happened before does not count.
    leader.events = leader.handle.events();
    renewed(leader).await;
    let before = etcd.requests_by_method()?;
    let end = now().after(LEASE * 2);
    let mut renewals = 0;
    while now() < end {
        renewed(leader).await;
        renewals += 1;
    }
    let mut requests = etcd.requests_by_method()?;
    for (method, count) in before {
        *requests.entry(method).or_default() -= count;
    }
    requests.retain(|_, count| *count > 0);
    Ok(Counted { renewals, requests })
}

async fn renewed(leader: &mut Candidate) {
    leader
        .event(RETRY_PERIOD * 2, "a renewal", |event| {
            matches!(event, Event::Renewed { .. }).then_some(())
        })
        .await;
}

/// SAFETY 20, and the goal of DESIGN: a follower's watch tells it everything.
#[tokio::test]
async fn a_steady_follower_sends_no_request() -> TestResult {
    let etcd = Etcd::start()?;
    let lock = EtcdConnection::connect([etcd.endpoint()]).await?.lock("leader")?;
    let mut leader = Candidate::start(lock, "leader")?;
    let _leadership = leader.leads(LEASE).await?;
    let mut followers = Vec::new();
    for number in 1..=3 {
        let lock = EtcdConnection::connect([etcd.endpoint()]).await?.lock("leader")?;
        followers.push(Candidate::start(lock, &format!("follower-{number}"))?);
    }
    // Until the watches are open.
    sleep(LEASE).await;
    let counted = count(&etcd, &mut leader).await?;
    println!(
        "{} renewals over two leases; requests: {:?}",
        counted.renewals, counted.requests
    );
    let leaders_own = [("etcdserverpb.KV/Txn".to_owned(), counted.renewals)];
    assert_eq!(counted.requests, leaders_own.into());
    for follower in followers {
        assert_eq!(follower.handle.leader().as_deref(), Some("leader"));
    }
    Ok(())
}

/// The count would show it: a follower without a watch has to ask.
#[tokio::test]
async fn a_follower_that_polls_is_counted() -> TestResult {
    let etcd = Etcd::start()?;
    let lock = EtcdConnection::connect([etcd.endpoint()]).await?.lock("leader")?;
    let mut leader = Candidate::start(lock.clone(), "leader")?;
    let _leadership = leader.leads(LEASE).await?;
    let _follower = Candidate::start(WithoutWatch(lock), "follower")?;
    let counted = count(&etcd, &mut leader).await?;
    assert!(
        counted.requests.contains_key("etcdserverpb.KV/Range"),
        "{:?}",
        counted.requests
    );
    Ok(())
}

/// A lock that refuses to watch.
struct WithoutWatch(EtcdLock);

#[async_trait]
impl ResourceLock for WithoutWatch {
    async fn get(&self) -> Result<Observation, LockError> {
        self.0.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.0.compare_and_swap(expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        Ok(None)
    }

    fn describe(&self) -> String {
        self.0.describe()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST
    }
}
