//! The controls that tests of elections rely on. The contract itself is shown by the suite in
//! `leaderelection-conformance`, which this crate cannot depend on.

use futures_util::StreamExt;
use leaderelection::{
    Content, Expected, LeaderElectionRecord, LockErrorKind, Observation, ResourceLock, Swap, Version,
};
use leaderelection_memory::MemoryLock;

fn record(holder: &str) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.into(),
        lease_duration_seconds: 15,
        ..Default::default()
    }
}

/// Swaps, and answers the version, or 0 where there was a conflict.
async fn done(lock: &MemoryLock, expected: Expected, holder: &str) -> Version {
    match lock.compare_and_swap(expected, &record(holder)).await {
        Ok(Swap::Done(version)) => version,
        _ => Version::new(0),
    }
}

#[tokio::test]
async fn every_control_is_one_change_with_a_version_of_its_own() {
    let lock = MemoryLock::new();
    assert_eq!(
        lock.delete(),
        Version::new(0),
        "nothing to delete, nothing changes"
    );
    assert_eq!(lock.touch(), None, "nothing to touch");
    let created = done(&lock, Expected::Absent, "a").await;
    assert_eq!(created, Version::new(1));
    assert_eq!(lock.touch(), Some(Version::new(2)));
    assert_eq!(lock.snapshot(), Observation::record(Version::new(2), record("a")));
    assert_eq!(lock.put_record(&record("b")), Version::new(3));
    assert_eq!(lock.snapshot(), Observation::record(Version::new(3), record("b")));
    assert_eq!(lock.put_raw(b"?"), Version::new(4));
    assert!(matches!(
        lock.snapshot(),
        Observation::Present {
            content: Content::Unreadable(_),
            ..
        }
    ));
    assert_eq!(lock.put_empty(), Version::new(5));
    assert_eq!(lock.delete(), Version::new(6));
    assert_eq!(
        lock.get().await.unwrap(),
        Observation::Absent {
            as_of: Some(Version::new(6))
        }
    );
    assert_eq!(done(&lock, Expected::Absent, "c").await, Version::new(7));
}

#[tokio::test]
async fn a_restored_store_goes_back() {
    let lock = MemoryLock::new();
    let first = done(&lock, Expected::Absent, "a").await;
    let backup = lock.snapshot();
    done(&lock, Expected::Version(first), "b").await;
    lock.restore(backup.clone());
    assert_eq!(lock.get().await.unwrap(), backup);
    assert_eq!(
        done(&lock, Expected::Version(first), "c").await,
        Version::new(2),
        "the version is used again"
    );
}

#[tokio::test]
async fn it_imitates_stores_that_tell_less() {
    let lock = MemoryLock::builder()
        .without_watch()
        .without_versioned_absence()
        .without_conflict_state()
        .name("n")
        .build();
    assert_eq!(lock.describe(), "memory://n");
    assert!(lock.watch().await.unwrap().is_none());
    assert_eq!(lock.get().await.unwrap(), Observation::Absent { as_of: None });
    assert_eq!(
        lock.snapshot(),
        Observation::Absent {
            as_of: Some(Version::new(0))
        }
    );
    let swap = lock
        .compare_and_swap(Expected::Version(Version::new(1)), &record("a"))
        .await
        .unwrap();
    assert_eq!(swap, Swap::Conflict(None));
}

#[tokio::test]
async fn an_oversized_record_is_invalid_and_not_written() {
    let lock = MemoryLock::builder().with_max_bytes(200).build();
    let error = lock
        .compare_and_swap(Expected::Absent, &record(&"x".repeat(200)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), LockErrorKind::Invalid);
    assert!(error.to_string().contains("the limit is 200"), "{error}");
    assert_eq!(
        lock.snapshot(),
        Observation::Absent {
            as_of: Some(Version::new(0))
        }
    );
}

#[tokio::test]
async fn a_watch_starts_with_the_state_and_ends_with_the_last_clone() {
    let lock = MemoryLock::new();
    let mut watch = lock.watch().await.unwrap().unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        Observation::Absent {
            as_of: Some(Version::new(0))
        }
    );
    done(&lock, Expected::Absent, "a").await;
    lock.touch();
    let newest = lock.snapshot();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        newest,
        "coalesced to the newest"
    );
    drop(lock);
    assert!(watch.next().await.is_none());
}
