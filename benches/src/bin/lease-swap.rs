//! What a renewal by the lock costs on a kube-apiserver, beside the same patch by kube's client alone: in one run, each in turn. `kube-swap`
//! of the tests starts the server and runs it.

#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use leaderelection::{LeaderElectionRecord, Version};
use leaderelection_benches::race::{Bare, Race};
use leaderelection_kube::KubeConnection;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const NAME: &str = "cost";

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [kubeconfig, rounds, raw] = arguments.as_slice() else {
        return Err("usage: lease-swap KUBECONFIG ROUNDS FILE".into());
    };
    let (kubeconfig, rounds) = (Path::new(kubeconfig), rounds.parse()?);
    let race = async {
        let connection = KubeConnection::from_kubeconfig(kubeconfig).await?;
        let config = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        // As the connection of the lock has it: the two have to send alike.
        (config.default_retry, config.read_timeout) = (false, None);
        let race = Race {
            lock: connection.lease("default", NAME)?,
            bare: Leases(Api::namespaced(Client::try_from(config)?, "default")),
            names: [
                "kube-apiserver, a Lease",
                "LeaseLock::compare_and_swap",
                "kube's Api::patch alone",
            ],
            warm_up: 300,
        };
        race.run(rounds, Path::new(raw)).await
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(race)
}

struct Leases(Api<Lease>);

impl Bare for Leases {
    async fn write(
        &mut self,
        version: Version,
        record: &LeaderElectionRecord,
    ) -> Result<(Duration, Version)> {
        let text =
            |time: Option<DateTime<Utc>>| time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true));
        let patch = json!({
            "metadata": {"resourceVersion": version.to_string()},
            "spec": {
                "holderIdentity": record.holder_identity,
                "leaseDurationSeconds": record.lease_duration_seconds,
                "acquireTime": text(record.acquire_time),
                "renewTime": text(record.renew_time),
                "leaseTransitions": record.leader_transitions,
            },
        });
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        // Composing what is sent is the lock's work, not the client's.
        let began = Instant::now();
        let lease = self.0.patch(NAME, &params, &patch).await?;
        let took = began.elapsed();
        let version = lease.resource_version().ok_or("no version")?;
        Ok((took, Version::new(version.parse()?)))
    }
}
