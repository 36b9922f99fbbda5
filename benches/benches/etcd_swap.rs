//! What a renewal by the lock costs on a real etcd, beside the same transaction by etcd's client alone: in one run, each in turn.
//!
//! Every argument is a number of rounds (the benchmark runner's own are passed over). The etcd is that of `tests/servers`. The raw
//! figures are written to `docs/performance/swap-etcd.json`.

#![allow(missing_docs, reason = "a benchmark")]
#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use etcd_client::{Client, Compare, CompareOp, ConnectOptions, KvClient, Txn, TxnOp};
use leaderelection::{LeaderElectionRecord, Version};
use leaderelection_benches::race::{Bare, Race};
use leaderelection_etcd::EtcdConnection;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 20_000;
const KEY: &str = "cost";

fn main() -> Result<()> {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok());
    let etcd = Etcd::start()?;
    let raw = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance/swap-etcd.json");
    let race = async {
        let race = Race {
            lock: EtcdConnection::connect([&etcd.endpoint]).await?.lock(KEY)?,
            bare: bare(&etcd.endpoint).await?,
            names: ["etcd", "EtcdLock::compare_and_swap", "etcd-client's txn alone"],
            warm_up: 1_000,
        };
        race.run(rounds.unwrap_or(ROUNDS), &raw).await
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(race)
}

async fn bare(endpoint: &str) -> Result<Transaction> {
    // What the connection of the lock sets, too: the two have to send alike.
    let options = ConnectOptions::new()
        .with_require_leader(true)
        .with_connect_timeout(Duration::from_secs(2))
        .with_keep_alive(Duration::from_secs(6), Duration::from_secs(3))
        .with_keep_alive_while_idle(false)
        .with_tcp_keepalive(Duration::from_secs(6));
    let client = Client::connect([endpoint], Some(options)).await?;
    Ok(Transaction(client.kv_client()))
}

/// What the lock sends: the same compare, the same put, the same read where it fails.
struct Transaction(KvClient);

impl Bare for Transaction {
    async fn write(
        &mut self,
        version: Version,
        record: &LeaderElectionRecord,
    ) -> Result<(Duration, Version)> {
        let revision = i64::try_from(version.get())?;
        // Writing the record as text is the lock's work, not the client's.
        let value = record.to_json();
        let began = Instant::now();
        let transaction = Txn::new()
            .when([Compare::mod_revision(KEY, CompareOp::Equal, revision)])
            .and_then([TxnOp::put(KEY, value, None)])
            .or_else([TxnOp::get(KEY, None)]);
        let answer = self.0.txn(transaction).await?;
        let took = began.elapsed();
        let header = answer.header().filter(|_| answer.succeeded());
        let revision = header.ok_or("somebody else writes")?.revision();
        Ok((took, Version::new(u64::try_from(revision)?)))
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
