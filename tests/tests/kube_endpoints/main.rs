//! The Endpoints lock on a real kube-apiserver: what it sends, what it leaves alone, whom it needs leave from, and how it
//! and the real elector bear what happens to the server, to the watch and to the object.

mod bad_input;
mod elections;
mod permissions;
mod restarts;
mod sane_again;
mod tap;
mod wire;

use std::error::Error;
use std::time::Duration;

use leaderelection::{
    Event, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream, ResourceLock, Swap,
    Version,
};
use leaderelection_kube::{EndpointsLock, KubeConnection};
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::faults::{Proxy, Way};
use leaderelection_tests::kube_door::{KubeDoor, connect_through};
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, sleep, within};

type TestResult = Result<(), Box<dyn Error>>;

/// For what takes no waiting, on a busy machine.
const SOON: Duration = Duration::from_secs(1);
/// The retry period of [`Candidate::unhurried`].
const UNHURRIED: Duration = Duration::from_secs(2);
const NAME: &str = "leader";

/// A name in a namespace of its own.
struct Stage {
    server: &'static KubeApiserver,
    namespace: String,
    lock: EndpointsLock,
    door: KubeDoor,
}

impl Stage {
    async fn new(test: &str) -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::shared()?;
        let namespace = server.namespace(test)?;
        let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
        let lock = admin.endpoints(&namespace, NAME)?;
        let door = KubeDoor::new(admin.client().clone(), &namespace, NAME);
        Ok(Self {
            server,
            namespace,
            lock,
            door,
        })
    }

    /// As another process would have it.
    async fn another_lock(&self) -> Result<EndpointsLock, Box<dyn Error>> {
        let connection = KubeConnection::from_kubeconfig(self.server.kubeconfig()).await?;
        Ok(connection.endpoints(&self.namespace, NAME)?)
    }

    async fn lock_with(&self, token: &str) -> Result<EndpointsLock, Box<dyn Error>> {
        let kubeconfig = self.server.kubeconfig_for(token)?;
        let connection = KubeConnection::from_kubeconfig(kubeconfig).await?;
        Ok(connection.endpoints(&self.namespace, NAME)?)
    }

    async fn lock_through_a_proxy(&self) -> Result<(EndpointsLock, Proxy), Box<dyn Error>> {
        let proxy = Proxy::before(address(self.server))?;
        let connection = connect_through(&self.server.kubeconfig(), &proxy.endpoint()).await?;
        Ok((connection.endpoints(&self.namespace, NAME)?, proxy))
    }
}

/// `HOST:PORT`.
fn address(server: &KubeApiserver) -> &'static str {
    server.url().trim_start_matches("https://").to_owned().leak()
}

fn record(holder: &str, seconds: i64) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        lease_duration_seconds: seconds,
        ..LeaderElectionRecord::default()
    }
}

async fn swap(
    lock: &EndpointsLock,
    expected: Expected,
    record: &LeaderElectionRecord,
) -> Result<Version, Box<dyn Error>> {
    match lock.compare_and_swap(expected, record).await? {
        Swap::Done(version) => Ok(version),
        Swap::Conflict(told) => Err(format!("a conflict on {expected:?}: {told:?}").into()),
    }
}

async fn watch(lock: &EndpointsLock) -> Result<ObservationStream, Box<dyn Error>> {
    Ok(lock.watch().await?.ok_or("no watch")?)
}

async fn shown(watch: &mut ObservationStream) -> Result<Observation, Box<dyn Error>> {
    use futures_util::StreamExt;
    Ok(within(SOON * 5, "what the watch shows", watch.next())
        .await
        .ok_or("it ended")??)
}

async fn call_failed(candidate: &mut Candidate) -> LockError {
    candidate
        .event(LEASE * 3, "a failed call", |event| match event {
            Event::CallFailed { error, .. } => Some(error),
            _ => None,
        })
        .await
}

async fn renewed(candidate: &mut Candidate) {
    candidate
        .event(RETRY_PERIOD * 4, "a renewal", |event| {
            matches!(event, Event::Renewed { .. }).then_some(())
        })
        .await;
}

/// Until a follower has seen the leader and its watch is open.
async fn follows(candidate: &mut Candidate) {
    candidate
        .event(LEASE, "the leader seen", |event| {
            matches!(event, Event::Noticed(_)).then_some(())
        })
        .await;
    sleep(Duration::from_millis(200)).await;
}

async fn shut_down(candidate: Candidate) -> TestResult {
    Ok(within(LEASE, "the end of the election", candidate.handle.shutdown()).await?)
}
