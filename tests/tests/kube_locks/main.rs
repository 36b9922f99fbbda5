//! What the kinds of objects have in common, on a real kube-apiserver: what stays on an object, what one is made with, and
//! whom a lock needs leave from, and a lock by a configuration file. And what is a Lease's own. The Endpoints lock in depth is `kube_endpoints`.

mod configured;
mod lease;
mod objects;
mod permissions;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use leaderelection::{Content, Expected, LeaderElectionRecord, Observation, ResourceLock, Swap, Version};
use leaderelection_kube::{KubeConnection, LockRef};
use leaderelection_tests::kube_door::{Kind, KubeDoor};
use leaderelection_tests::servers::KubeApiserver;

type TestResult = Result<(), Box<dyn Error>>;

const NAME: &str = "leader";

/// A name in a namespace of its own.
struct Stage {
    server: &'static KubeApiserver,
    namespace: String,
    kube: KubeConnection,
    lock: Arc<dyn ResourceLock>,
    door: KubeDoor,
}

impl Stage {
    async fn new(kind: Kind, test: &str) -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::shared()?;
        let namespace = server.namespace(test)?;
        let kube = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
        Ok(Self {
            server,
            lock: kube.lock(&reference(kind, &namespace)?),
            door: KubeDoor::on(kind, kube.client().clone(), &namespace, NAME),
            namespace,
            kube,
        })
    }
}

fn reference(kind: Kind, namespace: &str) -> Result<LockRef, Box<dyn Error>> {
    Ok(format!("{}:{namespace}/{NAME}", kind.plural()).parse()?)
}

fn record(holder: &str, seconds: i64) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        lease_duration_seconds: seconds,
        ..LeaderElectionRecord::default()
    }
}

async fn swap(
    lock: &dyn ResourceLock,
    expected: Expected,
    record: &LeaderElectionRecord,
) -> Result<Version, Box<dyn Error>> {
    match lock.compare_and_swap(expected, record).await? {
        Swap::Done(version) => Ok(version),
        Swap::Conflict(told) => Err(format!("a conflict on {expected:?}: {told:?}").into()),
    }
}

async fn shown(lock: &dyn ResourceLock) -> Result<(Version, Content), Box<dyn Error>> {
    match lock.get().await? {
        Observation::Present { version, content } => Ok((version, content)),
        Observation::Absent { .. } => Err("absent".into()),
    }
}

async fn held(lock: &dyn ResourceLock) -> Result<Arc<LeaderElectionRecord>, Box<dyn Error>> {
    match shown(lock).await? {
        (_, Content::Record(record)) => Ok(record),
        other => Err(format!("{other:?}").into()),
    }
}

/// For what takes no waiting, on a busy machine.
const SOON: Duration = Duration::from_secs(5);
