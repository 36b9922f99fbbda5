//! What a renewal by the lock costs on a real etcd, beside the same transaction by etcd's client alone: in one run, each in turn.
//!
//! Every argument is a number of rounds (the benchmark runner's own are passed over). The etcd is that of `tests/servers`.

#![allow(missing_docs, reason = "a benchmark")]
#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use etcd_client::{Client, Compare, CompareOp, ConnectOptions, KvClient, Txn, TxnOp};
use leaderelection::{Expected, LeaderElectionRecord, ResourceLock as _, Swap, Version};
use leaderelection_etcd::{EtcdConnection, EtcdLock};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 20_000;
/// Until connections and caches are warm.
const WARM_UP: usize = 1_000;

fn main() -> Result<()> {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let etcd = Etcd::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut costs =
        runtime.block_on(async { Race::on(&etcd.endpoint).await?.run(WARM_UP + rounds).await })?;
    println!("etcd: a renewal, {rounds} by each in turn:");
    let show = |name, took: &mut Vec<Duration>| {
        let mut took = took.split_off(WARM_UP);
        took.sort();
        let at = |percent: usize| {
            let rank = (took.len() * percent / 100).min(took.len().saturating_sub(1));
            took.get(rank).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6)
        };
        println!("  {name:<28} p50 {:>8.1} µs   p99 {:>8.1} µs", at(50), at(99));
        [at(50), at(99)]
    };
    let [swap, late_swap] = show("EtcdLock::compare_and_swap", &mut costs.swap);
    let [transaction, late_transaction] = show("etcd-client's txn alone", &mut costs.transaction);
    println!(
        "  ratio                        p50 {:>8.3}      p99 {:>8.3}",
        swap / transaction,
        late_swap / late_transaction
    );
    Ok(())
}

/// The same write by both, in turn: each names the version that the other wrote, so that both do the same work.
struct Race {
    lock: EtcdLock,
    client: KvClient,
    /// Of the record that there is.
    version: Version,
    record: LeaderElectionRecord,
}

/// How long each took, in order.
#[derive(Default)]
struct Costs {
    swap: Vec<Duration>,
    transaction: Vec<Duration>,
}

impl Race {
    /// Each on a connection of its own.
    async fn on(endpoint: &str) -> Result<Self> {
        let lock = EtcdConnection::connect([endpoint]).await?.lock("cost")?;
        // What the connection of the lock sets, too: the two have to send alike.
        let options = ConnectOptions::new()
            .with_require_leader(true)
            .with_connect_timeout(Duration::from_secs(2))
            .with_keep_alive(Duration::from_secs(6), Duration::from_secs(3))
            .with_keep_alive_while_idle(false)
            .with_tcp_keepalive(Duration::from_secs(6));
        let client = Client::connect([endpoint], Some(options)).await?.kv_client();
        let acquired = DateTime::from_timestamp(1_800_000_000, 0);
        let record = LeaderElectionRecord {
            holder_identity: "a-host-of-some-name_d9b2d63d-a233-4123-847a-76a8e2b3a1f4".to_owned(),
            lease_duration_seconds: 15,
            acquire_time: acquired,
            renew_time: acquired,
            ..LeaderElectionRecord::default()
        };
        let version = loop {
            match lock.compare_and_swap(Expected::Absent, &record).await {
                Ok(Swap::Done(version)) => break version,
                Ok(other) => return Err(format!("a fresh etcd is not empty: {other:?}").into()),
                // It starts.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
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
                costs.swap.push(self.swap().await?);
                costs.transaction.push(self.transaction().await?);
            } else {
                costs.transaction.push(self.transaction().await?);
                costs.swap.push(self.swap().await?);
            }
        }
        Ok(costs)
    }

    /// A second later: no two renewals are equal.
    fn renew(&mut self) {
        self.record.renew_time = self.record.renew_time.map(|time| time + TimeDelta::seconds(1));
    }

    async fn swap(&mut self) -> Result<Duration> {
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

    async fn transaction(&mut self) -> Result<Duration> {
        self.renew();
        let (key, revision) = (self.lock.key(), i64::try_from(self.version.get())?);
        // Writing the record as text is the lock's work, not the client's.
        let value = self.record.to_json();
        let began = Instant::now();
        let transaction = Txn::new()
            .when([Compare::mod_revision(key, CompareOp::Equal, revision)])
            .and_then([TxnOp::put(key, value, None)])
            .or_else([TxnOp::get(key, None)]);
        let answer = self.client.txn(transaction).await?;
        let took = began.elapsed();
        let header = answer.header().filter(|_| answer.succeeded());
        let revision = header.ok_or("somebody else writes")?.revision();
        self.version = Version::new(u64::try_from(revision)?);
        Ok(took)
    }
}

/// A real etcd, empty, which ends with this process.
struct Etcd {
    process: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl Etcd {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [clients, peers] = [free_port()?, free_port()?].map(|port| format!("http://127.0.0.1:{port}"));
        let process = Command::new(Path::new(&programs()?).join("etcd"))
            .arg("--data-dir")
            .arg(folder.path())
            // Or the disk is what is measured, and hides all else.
            .args(["--unsafe-no-fsync", "--log-level", "error"])
            .args([
                "--listen-client-urls",
                &clients,
                "--advertise-client-urls",
                &clients,
            ])
            .args(["--listen-peer-urls", &peers])
            .env("EXIT_WITH_STDIN", "1")
            .stdin(Stdio::piped())
            .spawn()?;
        Ok(Self {
            process,
            endpoint: clients.trim_start_matches("http://").to_owned(),
            _folder: folder,
        })
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Both fail only when it is already gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The folder of the servers' programs, which are built if they are not.
fn programs() -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/servers/build.sh");
    let built = Command::new(script).stderr(Stdio::inherit()).output()?;
    let folder = String::from_utf8(built.stdout)?;
    if !built.status.success() {
        return Err("the servers were not built".into());
    }
    Ok(folder.lines().last().unwrap_or_default().to_owned())
}
