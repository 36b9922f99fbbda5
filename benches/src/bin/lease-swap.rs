//! What a renewal by the lock costs on a kube-apiserver, beside the same patch by kube's client alone: in one run, each in turn. `kube-swap`
//! of the tests starts the server and runs it.

#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use leaderelection::{Expected, LeaderElectionRecord, ResourceLock as _, Swap, Version};
use leaderelection_kube::{KubeConnection, LeaseLock};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const NAME: &str = "cost";
/// Until connections and caches are warm.
const WARM_UP: usize = 300;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [kubeconfig, rounds] = arguments.as_slice() else {
        return Err("usage: lease-swap KUBECONFIG ROUNDS".into());
    };
    let rounds: usize = rounds.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let costs =
        runtime.block_on(async { Race::on(Path::new(kubeconfig)).await?.run(WARM_UP + rounds).await })?;
    println!("kube-apiserver: a renewal on a Lease, {rounds} by each in turn:");
    let [swap, late_swap] = show("LeaseLock::compare_and_swap", costs.lock);
    let [patch, late_patch] = show("kube's Api::patch alone", costs.client);
    println!(
        "  ratio                        p50 {:>8.3}      p99 {:>8.3}",
        swap / patch,
        late_swap / late_patch
    );
    Ok(())
}

fn show(name: &str, mut took: Vec<Duration>) -> [f64; 2] {
    took.drain(..WARM_UP.min(took.len()));
    took.sort();
    let at = |percent: usize| {
        let rank = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        took.get(rank).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6)
    };
    println!("  {name:<28} p50 {:>8.1} µs   p99 {:>8.1} µs", at(50), at(99));
    [at(50), at(99)]
}

/// The same write by both, in turn: each names the version that the other wrote, so that both do the same work.
struct Race {
    lock: LeaseLock,
    client: Api<Lease>,
    /// Of the record that there is.
    version: Version,
    record: LeaderElectionRecord,
}

/// How long each took, in order.
#[derive(Default)]
struct Costs {
    lock: Vec<Duration>,
    client: Vec<Duration>,
}

impl Race {
    /// Each on a connection of its own.
    async fn on(kubeconfig: &Path) -> Result<Self> {
        let lock = KubeConnection::from_kubeconfig(kubeconfig)
            .await?
            .lease("default", NAME)?;
        let config = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        let client = Api::namespaced(Client::try_from(config)?, "default");
        let acquired = DateTime::from_timestamp(1_800_000_000, 0);
        let record = LeaderElectionRecord {
            holder_identity: "a-host-of-some-name_d9b2d63d-a233-4123-847a-76a8e2b3a1f4".to_owned(),
            lease_duration_seconds: 15,
            acquire_time: acquired,
            renew_time: acquired,
            ..LeaderElectionRecord::default()
        };
        let Swap::Done(version) = lock.compare_and_swap(Expected::Absent, &record).await? else {
            return Err("a fresh server is not empty".into());
        };
        Ok(Self {
            lock,
            client,
            version,
            record,
        })
    }

    async fn run(mut self, rounds: usize) -> Result<Costs> {
        let mut costs = Costs::default();
        for round in 0..rounds {
            // Each begins half of the rounds.
            if round % 2 == 0 {
                costs.lock.push(self.by_the_lock().await?);
                costs.client.push(self.by_the_client().await?);
            } else {
                costs.client.push(self.by_the_client().await?);
                costs.lock.push(self.by_the_lock().await?);
            }
        }
        Ok(costs)
    }

    /// A second later: no two renewals are equal.
    fn renew(&mut self) {
        self.record.renew_time = self.record.renew_time.map(|time| time + TimeDelta::seconds(1));
    }

    async fn by_the_lock(&mut self) -> Result<Duration> {
        self.renew();
        let began = Instant::now();
        let swapped = self
            .lock
            .compare_and_swap(Expected::Version(self.version), &self.record)
            .await?;
        let took = began.elapsed();
        let Swap::Done(version) = swapped else {
            return Err(format!("somebody else writes: {swapped:?}").into());
        };
        self.version = version;
        Ok(took)
    }

    /// A client's user would write the record, too.
    async fn by_the_client(&mut self) -> Result<Duration> {
        self.renew();
        let began = Instant::now();
        let text = |time: Option<DateTime<chrono::Utc>>| {
            time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
        };
        let patch = json!({
            "metadata": {"resourceVersion": self.version.to_string()},
            "spec": {
                "holderIdentity": self.record.holder_identity,
                "leaseDurationSeconds": self.record.lease_duration_seconds,
                "acquireTime": text(self.record.acquire_time),
                "renewTime": text(self.record.renew_time),
                "leaseTransitions": self.record.leader_transitions,
            },
        });
        let params = PatchParams::default();
        let lease = self.client.patch(NAME, &params, &Patch::Merge(&patch)).await?;
        let took = began.elapsed();
        let version = lease.resource_version().ok_or("no version")?;
        self.version = Version::new(version.parse()?);
        Ok(took)
    }
}
