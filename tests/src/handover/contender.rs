//! A candidate of ours in a program of its own that takes the flags of Go's contenders and says what they say, so that both are
//! measured alike.

use std::io::{self, Write as _};
use std::sync::Arc;

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LeaderElector, LeaseTiming, LockError, Observation,
    ObservationStream, ResourceLock, Swap,
};
use leaderelection_etcd::EtcdConnection;
use leaderelection_kube::KubeConnection;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Result;
use crate::clocked::Moment;

/// What a contender's first argument is, on etcd or on a Lease, and never one of `leaderelect`.
pub const FIRST_FLAGS: [&str; 2] = [ETCD, KUBECONFIG];

const ETCD: &str = "--server";
const KUBECONFIG: &str = "--kubeconfig";

/// The program. It ends when its standard input does, so that it does not outlive who started it.
///
/// # Errors
/// When it cannot run.
pub fn contend(arguments: &[String]) -> Result<()> {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(1);
    });
    let flag = |name: &str| {
        let mut pairs = arguments.chunks_exact(2);
        let value = pairs.find_map(|pair| match pair {
            [flag, value] => (flag == name).then(|| value.clone()),
            _ => None,
        });
        value.ok_or_else(|| format!("{name} is required"))
    };
    let duration =
        |name: &str| humantime::parse_duration(&flag(name)?).map_err(|error| format!("{name}: {error}"));
    let timing = LeaseTiming::new(
        duration("--lease-duration")?,
        duration("--renew-deadline")?,
        duration("--retry-period")?,
    )?;
    let (name, identity) = (flag("--name")?, flag("--identity")?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let lock: Arc<dyn ResourceLock> = match flag(KUBECONFIG) {
            Ok(kubeconfig) => Arc::new(
                KubeConnection::from_kubeconfig(kubeconfig)
                    .await?
                    .lease(flag("--namespace")?, name)?,
            ),
            Err(_) => Arc::new(EtcdConnection::connect([flag(ETCD)?]).await?.lock(name)?),
        };
        elect(lock, &identity, timing).await
    })
}

async fn elect(lock: Arc<dyn ResourceLock>, identity: &str, timing: LeaseTiming) -> Result<()> {
    let mut asked = signal(SignalKind::terminate())?;
    let lock = Telling {
        lock,
        identity: identity.to_owned(),
    };
    let elector = LeaderElector::builder(lock, identity)
        .timing(timing)
        .on_new_leader(|leader| say("new_leader", &leader))
        .build()?;
    let stop = async {
        asked.recv().await;
        say("terminating", identity);
    };
    elector
        .run(stop, |leadership| async move {
            say("started_leading", identity);
            leadership.stop_requested().await;
            say("work_ended", identity);
        })
        .await?;
    Ok(())
}

/// Says one event, as Go's contenders do, at once.
fn say(event: &str, identity: &str) {
    let mut out = io::stdout().lock();
    let now = Moment::now();
    let line = json!({
        "event": event,
        "identity": identity,
        "unix_nanos": now.wall.timestamp_nanos_opt(),
        "monotonic_nanos": u64::try_from(now.monotonic.as_nanos()).unwrap_or(u64::MAX),
    });
    // Who reads this is gone, or nothing is wrong.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The lock, which says when a write is confirmed.
struct Telling {
    lock: Arc<dyn ResourceLock>,
    identity: String,
}

#[async_trait]
impl ResourceLock for Telling {
    async fn get(&self) -> std::result::Result<Observation, LockError> {
        self.lock.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> std::result::Result<Swap, LockError> {
        let swapped = self.lock.compare_and_swap(expected, record).await;
        if matches!(swapped, Ok(Swap::Done(_))) {
            say("renewed", &self.identity);
        }
        swapped
    }

    async fn watch(&self) -> std::result::Result<Option<ObservationStream>, LockError> {
        self.lock.watch().await
    }

    fn describe(&self) -> String {
        self.lock.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.lock.capabilities()
    }
}
