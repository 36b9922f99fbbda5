//! Measures what many candidates on one lock cost when its leader falls silent: how long after its lease the next one leads, and how
//! often all of them write for that. On a real etcd, each with a connection of its own, in one run:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin take-over -- [ROUNDS [CANDIDATES...]]
//! ```
//!
//! The raw figures are written to `docs/performance/take-over.json`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LeaderElector, Leadership, LeaseTiming, LockError,
    MonoTime, Observation, ObservationStream, ResourceLock, Swap,
};
use leaderelection_etcd::{EtcdConnection, EtcdLock};
use leaderelection_tests::beside_go::row;
use leaderelection_tests::figures::keep;
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::time::{now, sleep, within};
use serde::Serialize;
use tokio::sync::mpsc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const LEASE: Duration = Duration::from_secs(3);
const RENEW_DEADLINE: Duration = Duration::from_secs(2);
const RETRY_PERIOD: Duration = Duration::from_millis(500);

/// A lock that counts writes, knows when the last one was confirmed, and falls silent when it is told to.
struct Counted {
    lock: EtcdLock,
    writes: Arc<AtomicUsize>,
    candidate: Candidate,
}

#[async_trait]
impl ResourceLock for Counted {
    async fn get(&self) -> std::result::Result<Observation, LockError> {
        self.speaks().await;
        self.lock.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> std::result::Result<Swap, LockError> {
        self.speaks().await;
        self.writes.fetch_add(1, Ordering::Relaxed);
        let swapped = self.lock.compare_and_swap(expected, record).await;
        if matches!(swapped, Ok(Swap::Done(_))) {
            *self
                .candidate
                .confirmed
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = now();
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

impl Counted {
    async fn speaks(&self) {
        if self.candidate.silent.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}

/// What is known of a candidate.
#[derive(Clone)]
struct Candidate {
    silent: Arc<AtomicBool>,
    confirmed: Arc<Mutex<MonoTime>>,
}

impl Default for Candidate {
    fn default() -> Self {
        Self {
            silent: Arc::default(),
            confirmed: Arc::new(Mutex::new(now())),
        }
    }
}

impl Candidate {
    /// When its last write was confirmed.
    fn confirmed(&self) -> MonoTime {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of so many candidates.
#[derive(Serialize)]
struct Measured {
    candidates: usize,
    /// From the end of the lease after the last renewal to the next start, in milliseconds. The lease counts from when the leader learnt
    /// of the renewal, and followers may be told a little before: then it is below zero.
    beyond_the_lease: Vec<f64>,
    /// By all who follow, in that time and in half a RetryPeriod after it.
    writes: Vec<usize>,
}

fn main() -> ExitCode {
    let numbers: std::result::Result<Vec<usize>, _> =
        std::env::args().skip(1).map(|number| number.parse()).collect();
    let measured = numbers.map_err(Into::into).and_then(|numbers| match *numbers {
        [] => measure(100, &[2, 10, 100]),
        [rounds] => measure(rounds, &[2, 10, 100]),
        [rounds, ref candidates @ ..] => measure(rounds, candidates),
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("take-over: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(rounds: usize, sizes: &[usize]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut all = Vec::new();
    for &candidates in sizes {
        let measured = runtime.block_on(play(rounds, candidates))?;
        println!(
            "{}",
            row(
                &format!("{candidates} candidates: beyond the lease"),
                measured.beyond_the_lease.iter().copied()
            )
        );
        let mut writes = measured.writes.clone();
        writes.sort_unstable();
        println!(
            "  writes by all: {:?} at the median, {:?} at most",
            writes.get(writes.len() / 2),
            writes.last()
        );
        all.push(measured);
    }
    Ok(keep("take-over", &all)?)
}

async fn play(rounds: usize, candidates: usize) -> Result<Measured> {
    let etcd = Etcd::start()?;
    let writes = Arc::new(AtomicUsize::new(0));
    let (starts, mut started) = mpsc::unbounded_channel();
    let mut all = vec![join(&etcd, 0, candidates, &writes, &starts).await?];
    let mut leader = next(&mut started, "the first").await?.index;
    for index in 1..candidates {
        all.push(join(&etcd, index, candidates, &writes, &starts).await?);
    }
    let mut measured = Measured {
        candidates,
        beyond_the_lease: Vec::new(),
        writes: Vec::new(),
    };
    for round in 0..rounds {
        // Until all follow, and at another moment between two renewals each time.
        sleep(RETRY_PERIOD * 3 + RETRY_PERIOD * u32::try_from(round * 37 % 100)? / 100).await;
        let old = all.get(leader).ok_or("a leader that nobody knows")?;
        old.silent.store(true, Ordering::Relaxed);
        // What was on its way has come.
        sleep(Duration::from_millis(50)).await;
        let before = writes.load(Ordering::Relaxed);
        let next = next(&mut started, "the next").await?;
        let lease_ends = old.confirmed().after(LEASE);
        measured
            .beyond_the_lease
            .push(milliseconds(next.at.as_nanos() - lease_ends.as_nanos()));
        // The new leader's first renewal is not a part of it, and comes after the RetryPeriod.
        sleep(RETRY_PERIOD / 2).await;
        measured.writes.push(writes.load(Ordering::Relaxed) - before);
        old.silent.store(false, Ordering::Relaxed);
        leader = next.index;
    }
    Ok(measured)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn milliseconds(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}

/// Somebody leads.
struct Start {
    index: usize,
    at: MonoTime,
}

async fn next(started: &mut mpsc::UnboundedReceiver<Start>, which: &str) -> Result<Start> {
    let start = within(LEASE * 3, which, started.recv()).await;
    start.ok_or_else(|| "all elections have ended".into())
}

async fn join(
    etcd: &Etcd,
    index: usize,
    candidates: usize,
    writes: &Arc<AtomicUsize>,
    starts: &mpsc::UnboundedSender<Start>,
) -> Result<Candidate> {
    let candidate = Candidate::default();
    let lock = Counted {
        lock: EtcdConnection::connect([etcd.endpoint()])
            .await?
            .lock("take-over")?,
        writes: Arc::clone(writes),
        candidate: candidate.clone(),
    };
    let timing = LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?
        .with_expected_candidates(u32::try_from(candidates)?);
    let elector = LeaderElector::builder(lock, format!("candidate-{index}"))
        .timing(timing)
        .build()?;
    let starts = starts.clone();
    let work = move |leadership: Leadership| {
        // Nobody listens any more at the end.
        let _ = starts.send(Start { index, at: now() });
        async move {
            leadership.lost().await;
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the runtime")]
    tokio::spawn(elector.run(std::future::pending::<()>(), work));
    Ok(candidate)
}
