//! Each fault of a FaultLock, on paused time.

mod calls;
mod watches;

use std::time::Duration;

use futures_util::StreamExt;
use leaderelection::{
    Clock, Content, Expected, LeaderElectionRecord, LockError, LockErrorKind, Observation, ObservationStream,
    PausedClock, Version,
};
use leaderelection_conformance::{FaultLock, Faults};
use leaderelection_memory::MemoryLock;

const MS: Duration = Duration::from_millis(1);
const FIRST: Expected = Expected::Version(Version::new(1));

fn record(holder: &str) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.into(),
        ..Default::default()
    }
}

/// A lock that holds a record of `a` as version 1.
fn faulty() -> (MemoryLock, FaultLock<MemoryLock>, Faults) {
    let memory = MemoryLock::new();
    memory.put_record(&record("a"));
    let lock = FaultLock::new(memory.clone());
    let faults = lock.faults();
    (memory, lock, faults)
}

fn holder(observation: &Observation) -> String {
    match observation {
        Observation::Present {
            content: Content::Record(record),
            ..
        } => record.holder_identity.clone(),
        other => format!("{other:?}"),
    }
}

#[expect(
    clippy::unwrap_used,
    reason = "a test that expects a failure fails where there is none"
)]
fn kind<T: std::fmt::Debug>(answer: Result<T, LockError>) -> LockErrorKind {
    answer.unwrap_err().kind()
}

/// How long it took.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let start = PausedClock.mono();
    let answer = call.await;
    (answer, PausedClock.mono().since(start))
}

async fn after(by: Duration) {
    PausedClock.sleep_until(PausedClock.mono().after(by)).await;
}

/// What becomes of a call within a day.
async fn within_a_day<T>(call: impl Future<Output = T>) -> Option<T> {
    tokio::select! { answer = call => Some(answer), () = after(86_400_000 * MS) => None }
}

/// What a watch shows within a second.
async fn next(watch: &mut ObservationStream) -> Option<Result<Observation, LockErrorKind>> {
    let item = tokio::select! { item = watch.next() => item, () = after(1000 * MS) => return None };
    Some(match item {
        Some(item) => item.map_err(|error| error.kind()),
        None => Err(LockErrorKind::Invalid),
    })
}
