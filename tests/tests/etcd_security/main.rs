//! Elections on a real etcd that does not let everybody in: TLS, certificates of clients, users whose tokens end.

#![expect(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

mod command;
mod members;
mod tls;
mod users;

use std::error::Error;
use std::time::Duration;

use leaderelection::{
    Expected, LeaderElectionRecord, LockErrorKind, Observation, ResourceLock, Swap, Version,
};
use leaderelection_etcd::{EtcdConnection, EtcdConnectionBuilder, EtcdLock};
use leaderelection_tests::servers::{Authority, Etcd, EtcdSettings};

type TestResult = Result<(), Box<dyn Error>>;

const SOON: Duration = Duration::from_secs(10);
const KEY: &str = "leader";

fn record(holder: &str) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        lease_duration_seconds: 15,
        ..LeaderElectionRecord::default()
    }
}

async fn lock(connection: EtcdConnectionBuilder) -> Result<EtcdLock, Box<dyn Error>> {
    Ok(connection.connect().await?.lock(KEY)?)
}

async fn swap(lock: &EtcdLock, expected: Expected, holder: &str) -> Result<Version, Box<dyn Error>> {
    match lock.compare_and_swap(expected, &record(holder)).await? {
        Swap::Done(version) => Ok(version),
        conflict => Err(format!("{conflict:?}").into()),
    }
}

/// A refused swap has not been executed, and says so and why (clause 9).
async fn refused(lock: &EtcdLock, kind: LockErrorKind, parts: &[&str]) -> Result<(), Box<dyn Error>> {
    let error = lock
        .compare_and_swap(Expected::Absent, &record("a"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let said = error.to_string();
    assert!(
        parts.iter().all(|part| said.contains(part)),
        "{parts:?} in: {said}"
    );
    Ok(())
}
