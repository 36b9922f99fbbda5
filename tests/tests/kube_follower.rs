//! A steady follower sends nothing while its watch is healthy, counted at the apiserver.

use std::collections::BTreeMap;
use std::error::Error;

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Event, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream,
    ResourceLock, Swap,
};
use leaderelection_kube::{EndpointsLock, KubeConnection};
use leaderelection_tests::candidate::{Candidate, LEASE, RETRY_PERIOD};
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, sleep};

type TestResult = Result<(), Box<dyn Error>>;

/// The leader's requests are its renewals, one patch each. Whatever else the server logs is the followers'.
struct Counted {
    renewals: usize,
    requests: BTreeMap<String, usize>,
}

async fn lock(server: &KubeApiserver, namespace: &str) -> Result<EndpointsLock, Box<dyn Error>> {
    let kube = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    Ok(kube.endpoints(namespace, "leader")?)
}

fn requests(server: &KubeApiserver, namespace: &str) -> Result<BTreeMap<String, usize>, Box<dyn Error>> {
    let mut by_verb = BTreeMap::new();
    for request in server.requests(|request| request.namespace == namespace)? {
        *by_verb.entry(request.verb).or_default() += 1;
    }
    Ok(by_verb)
}

/// Counts over more than two leases while a leader renews, from just after one renewal to just after another, so that no
/// request of the leader is under way at either end.
async fn count(
    server: &KubeApiserver,
    namespace: &str,
    leader: &mut Candidate,
) -> Result<Counted, Box<dyn Error>> {
    // What happened before does not count.
    leader.events = leader.handle.events();
    renewed(leader).await;
    let before = requests(server, namespace)?;
    let end = now().after(LEASE * 2);
    let mut renewals = 0;
    while now() < end {
        renewed(leader).await;
        renewals += 1;
    }
    let mut requests = requests(server, namespace)?;
    for (verb, count) in before {
        *requests.entry(verb).or_default() -= count;
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
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("followers")?;
    let mut leader = Candidate::start(lock(server, &namespace).await?, "leader")?;
    let _leadership = leader.leads(LEASE).await?;
    let mut followers = Vec::new();
    for number in 1..=3 {
        let lock = lock(server, &namespace).await?;
        followers.push(Candidate::start(lock, &format!("follower-{number}"))?);
    }
    // Until the watches are open.
    sleep(LEASE).await;
    assert_eq!(requests(server, &namespace)?.get("watch").copied(), Some(4));
    let counted = count(server, &namespace, &mut leader).await?;
    println!(
        "{} renewals over two leases; requests: {:?}",
        counted.renewals, counted.requests
    );
    let leaders_own = [("patch".to_owned(), counted.renewals)];
    assert_eq!(counted.requests, leaders_own.into());
    for follower in followers {
        assert_eq!(follower.handle.leader().as_deref(), Some("leader"));
    }
    Ok(())
}

/// The count would show it: a follower without a watch has to ask.
#[tokio::test]
async fn a_follower_that_polls_is_counted() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("polling")?;
    let lock = lock(server, &namespace).await?;
    let mut leader = Candidate::start(lock.clone(), "leader")?;
    let _leadership = leader.leads(LEASE).await?;
    let _follower = Candidate::start(WithoutWatch(lock), "follower")?;
    let counted = count(server, &namespace, &mut leader).await?;
    assert!(counted.requests.contains_key("get"), "{:?}", counted.requests);
    Ok(())
}

/// A lock that refuses to watch.
struct WithoutWatch(EndpointsLock);

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
