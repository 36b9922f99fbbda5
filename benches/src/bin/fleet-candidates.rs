//! Candidates of many elections in one process, to be measured from outside: what `fleet` of the tests runs.
//!
//! It connects, says that it is ready and waits for a line, so that what the client alone takes can be measured first. Then it starts the
//! candidates, and says once a second how many lead, how many follow somebody, and how many terms were lost. It ends with its
//! standard input. The program beside it, `benches/client-go`, takes the same arguments and says the same.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use leaderelection::{ElectionObserver, LeaderElector, LeaseTiming, ResourceLock};
use leaderelection_etcd::EtcdConnection;
use leaderelection_kube::KubeConnection;
use leaderelection_memory::MemoryLock;
use tokio::io::{AsyncBufReadExt as _, BufReader};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Options {
    /// Where the elections are.
    #[arg(long, value_enum)]
    store: Store,
    /// The endpoint of etcd, or the file of a kubeconfig. None for memory.
    #[arg(long, default_value = "")]
    server: String,
    /// In how many elections it takes part.
    #[arg(long)]
    elections: usize,
    /// How many candidates it has in each. More than one on one store in memory are a leader and its followers.
    #[arg(long, default_value_t = 1)]
    candidates: usize,
    /// Under which name.
    #[arg(long)]
    identity: String,
    /// LeaseDuration, RenewDeadline and RetryPeriod.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "15s")]
    lease_duration: Duration,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10s")]
    renew_deadline: Duration,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s")]
    retry_period: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Store {
    Memory,
    Etcd,
    Kube,
}

/// How many are at work, and how many terms were lost.
#[derive(Default)]
struct Counts {
    leading: AtomicUsize,
    lost: AtomicUsize,
}

/// Work ends by being dropped, and here never but for a lost term.
struct AtWork(Arc<Counts>);

impl AtWork {
    fn begin(counts: Arc<Counts>) -> Self {
        counts.leading.fetch_add(1, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.leading.fetch_sub(1, Ordering::Relaxed);
        self.0.lost.fetch_add(1, Ordering::Relaxed);
    }
}

enum Client {
    Memory,
    Etcd(EtcdConnection),
    Kube(KubeConnection),
}

impl Client {
    async fn connect(options: &Options) -> Result<Self> {
        let connected = match options.store {
            Store::Memory => Self::Memory,
            Store::Etcd => Self::Etcd(
                EtcdConnection::connect([options.server.as_str()])
                    .await?
                    .with_key_prefix("fleet/")
                    .with_shared_watch(),
            ),
            Store::Kube => Self::Kube(
                KubeConnection::from_kubeconfig(&options.server)
                    .await?
                    .with_shared_watches(),
            ),
        };
        // Connections are made with the first call.
        if let Some(lock) = connected.lock(usize::MAX)? {
            lock.get().await?;
        }
        Ok(connected)
    }

    /// The lock of an election; none in memory, where candidates share one.
    fn lock(&self, election: usize) -> Result<Option<Arc<dyn ResourceLock>>> {
        Ok(match self {
            Self::Memory => None,
            Self::Etcd(etcd) => Some(Arc::new(etcd.lock(election.to_string())?)),
            Self::Kube(kube) => Some(Arc::new(kube.lease("default", format!("fleet-{election}"))?)),
        })
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(take_part(options))
}

async fn take_part(options: Options) -> Result<()> {
    let timing = LeaseTiming::new(
        options.lease_duration,
        options.renew_deadline,
        options.retry_period,
    )?;
    let client = Client::connect(&options).await?;
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    say(r#"{"ready":true}"#)?;
    if input.next_line().await?.is_none() {
        return Ok(());
    }
    let counts = Arc::new(Counts::default());
    let mut observers = Vec::with_capacity(options.elections * options.candidates);
    for election in 0..options.elections {
        let shared = client.lock(election)?;
        let lock = shared.unwrap_or_else(|| Arc::new(MemoryLock::new()));
        for candidate in 0..options.candidates {
            let identity = format!("{}-{candidate}", options.identity);
            observers.push(campaign(Arc::clone(&lock), identity, timing.clone(), &counts)?);
        }
    }
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut following = 0;
    loop {
        tokio::select! {
            line = input.next_line() => if line?.is_none() { return Ok(()) },
            _ = second.tick() => {
                // Whoever follows once goes on.
                if following < observers.len() {
                    following = observers.iter().filter(|observer| observer.leader().is_some()).count();
                }
                let [leading, lost] = [&counts.leading, &counts.lost].map(|count| count.load(Ordering::Relaxed));
                say(&format!(r#"{{"leading":{leading},"following":{following},"lost":{lost}}}"#))?;
            }
        }
    }
}

fn campaign(
    lock: Arc<dyn ResourceLock>,
    identity: String,
    timing: LeaseTiming,
    counts: &Arc<Counts>,
) -> Result<ElectionObserver> {
    let elector = LeaderElector::builder(lock, identity).timing(timing).build()?;
    let observer = elector.observer();
    let counts = Arc::clone(counts);
    #[allow(
        clippy::disallowed_methods,
        reason = "nobody waits for it: it ends with the process"
    )]
    tokio::spawn(async move {
        let work = |leadership: leaderelection::Leadership| {
            let counts = Arc::clone(&counts);
            async move {
                let _at_work = AtWork::begin(counts);
                leadership.lost().await;
            }
        };
        elector.run(std::future::pending::<()>(), work).await
    });
    Ok(observer)
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
