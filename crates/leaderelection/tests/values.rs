//! Identities, versions, tokens and errors as values: what goes in comes out, and is shown.

#![allow(clippy::unwrap_used, reason = "tests speak by failing")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use leaderelection::{
    Capabilities, EmptyIdentity, Expected, FencingToken, Identity, LeaderElectionRecord, LockError,
    LockErrorKind, MonoTime, Observation, ObservationStream, ResourceLock, Swap, Version,
};

#[test]
fn a_name_is_an_identity_and_the_other_way_round() {
    let identity = Identity::new("node-1").unwrap();
    assert_eq!(identity.as_str(), "node-1");
    assert_eq!(identity.to_string(), "node-1");
    assert_eq!(Identity::try_from("node-1").unwrap(), identity);
    assert_eq!(Identity::try_from("node-1".to_owned()).unwrap(), identity);
    assert_eq!(String::from(identity), "node-1");
    assert_eq!(Identity::new(""), Err(EmptyIdentity));
}

/// SAFETY 16: only a name that was made for this life proves something.
#[test]
fn only_a_name_that_was_made_is_unique() {
    let (one, other) = (Identity::unique(), Identity::unique());
    assert!(one.is_unique() && other.is_unique());
    assert_ne!(one, other);
    assert!(!Identity::new(one.as_str()).unwrap().is_unique());
}

/// Unless a check knows it.
#[cfg(feature = "unsound-variants")]
#[test]
fn a_check_may_know_that_a_name_is_unique() {
    let known = Identity::known_unique("a").unwrap();
    assert_eq!((known.as_str(), known.is_unique()), ("a", true));
}

#[test]
fn versions_and_tokens_show_their_numbers() {
    let version = Version::new(1_234);
    assert_eq!((version.get(), version.to_string().as_str()), (1_234, "1234"));
    let token = FencingToken::from_version(version);
    assert_eq!((token.get(), token.to_string().as_str()), (1_234, "1234"));
    assert_eq!(FencingToken::new(1_234), token);
}

#[test]
fn moments_saturate() {
    let second = Duration::from_secs(1);
    assert_eq!(MonoTime::NEVER.after(second), MonoTime::NEVER);
    assert_eq!(MonoTime::PAST.before(Duration::MAX), MonoTime::PAST);
    assert_eq!(MonoTime::ZERO.after(Duration::MAX), MonoTime::NEVER);
    assert_eq!(MonoTime::ZERO.after(second).as_nanos(), 1_000_000_000);
    assert_eq!(MonoTime::ZERO.since(MonoTime::ZERO.after(second)), Duration::ZERO);
    assert_eq!(
        MonoTime::from_nanos(7).since(MonoTime::ZERO),
        Duration::from_nanos(7)
    );
}

/// Whoever logs an error sees the reason without walking the chain.
#[test]
fn an_error_tells_its_kind_its_message_and_its_cause() {
    use LockErrorKind::{Ambiguous, Denied, Invalid, Unavailable};
    let shown: Vec<String> = [Ambiguous, Unavailable, Denied, Invalid]
        .map(|kind| LockError::new(kind, "get of x").to_string())
        .into();
    assert_eq!(
        shown,
        [
            "ambiguous: get of x",
            "unavailable: get of x",
            "denied: get of x",
            "invalid: get of x"
        ]
    );
    let error = LockError::new(Unavailable, "get of x");
    assert!(error.source().is_none());
    assert_eq!((error.kind(), error.retry_after()), (Unavailable, None));
    let error = error
        .with_source(EmptyIdentity)
        .with_retry_after(Duration::from_secs(3));
    assert_eq!(
        error.to_string(),
        format!("unavailable: get of x: {EmptyIdentity}")
    );
    assert_eq!(error.source().unwrap().to_string(), EmptyIdentity.to_string());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

/// A lock whose every answer is known by something.
struct Marked;

#[async_trait]
impl ResourceLock for Marked {
    async fn get(&self) -> Result<Observation, LockError> {
        let as_of = Some(Version::new(3));
        Ok(Observation::Absent { as_of })
    }
    async fn compare_and_swap(&self, _: Expected, _: &LeaderElectionRecord) -> Result<Swap, LockError> {
        Ok(Swap::Done(Version::new(4)))
    }
    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        Err(LockError::new(LockErrorKind::Denied, "watch of marked"))
    }
    fn describe(&self) -> String {
        "marked".to_owned()
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST.with_watch()
    }
}

/// A lock behind an `Arc`, of whatever type, is that lock.
#[tokio::test]
async fn a_shared_lock_is_the_lock() {
    let shared: Arc<dyn ResourceLock> = Arc::new(Marked);
    let lock: &dyn ResourceLock = &shared;
    let as_of = Some(Version::new(3));
    assert_eq!(lock.get().await.unwrap(), Observation::Absent { as_of });
    let record = LeaderElectionRecord::default();
    let swap = lock.compare_and_swap(Expected::Absent, &record);
    assert_eq!(swap.await.unwrap(), Swap::Done(Version::new(4)));
    let refused = lock.watch().await.err().unwrap();
    assert_eq!(refused.to_string(), "denied: watch of marked");
    assert_eq!(lock.describe(), "marked");
    assert_eq!(lock.capabilities(), Capabilities::LEAST.with_watch());
    assert_ne!(Capabilities::LEAST.with_watch(), Capabilities::LEAST);
}
