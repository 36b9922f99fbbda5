//! Faults of open watches.

use futures_util::{FutureExt, StreamExt};
use leaderelection::{LockErrorKind, Observation, ResourceLock, Version};
use leaderelection_conformance::WatchEnd;

use super::{MS, after, faulty, next, record, timed};

#[tokio::test(start_paused = true)]
async fn a_stalled_watch_is_silent_and_goes_on() {
    let (memory, lock, faults) = faulty();
    let mut watch = lock.watch().await.unwrap().unwrap();
    next(&mut watch).await.unwrap().unwrap();
    faults.stall_watches(true);
    memory.touch();
    assert_eq!(next(&mut watch).await, None);
    let mut later = lock.watch().await.unwrap().unwrap();
    assert_eq!(next(&mut later).await, None, "a watch opened meanwhile too");
    faults.stall_watches(false);
    assert_eq!(next(&mut watch).await, Some(Ok(memory.snapshot())));
    assert_eq!(next(&mut later).await, Some(Ok(memory.snapshot())));
}

#[tokio::test(start_paused = true)]
async fn a_watch_repeats() {
    let (memory, lock, faults) = faulty();
    faults.repeat_watches(true);
    let mut watch = lock.watch().await.unwrap().unwrap();
    let mut seen = Vec::new();
    for version in [1, 1, 2, 2] {
        if version == 2 && seen.len() == 2 {
            memory.touch();
        }
        seen.push(next(&mut watch).await.unwrap().unwrap());
    }
    let expected: Vec<_> = [1, 1, 2, 2]
        .map(|version| Observation::record(Version::new(version), record("a")))
        .into();
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_watch_reorders_what_comes_close_together() {
    let (memory, lock, faults) = faulty();
    faults.reorder_watches(Some(10 * MS));
    let mut watch = lock.watch().await.unwrap().unwrap();
    // The first state has been received when the second comes.
    assert!(watch.next().now_or_never().is_none());
    after(5 * MS).await;
    memory.touch();
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(next(&mut watch).await.unwrap().unwrap());
    }
    let expected: Vec<_> = [2, 1]
        .map(|version| Observation::record(Version::new(version), record("a")))
        .into();
    assert_eq!(seen, expected);
    memory.touch();
    assert_eq!(
        next(&mut watch).await,
        Some(Ok(memory.snapshot())),
        "what comes alone is shown"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_lags() {
    let (memory, lock, faults) = faulty();
    let mut watch = lock.watch().await.unwrap().unwrap();
    next(&mut watch).await.unwrap().unwrap();
    faults.lag_watches(300 * MS);
    memory.touch();
    let (seen, took) = timed(next(&mut watch)).await;
    assert_eq!((seen, took), (Some(Ok(memory.snapshot())), 300 * MS));
}

#[tokio::test(start_paused = true)]
async fn open_watches_end_quietly_or_with_an_error() {
    let (_, lock, faults) = faulty();
    let mut watch = lock.watch().await.unwrap().unwrap();
    next(&mut watch).await.unwrap().unwrap();
    faults.end_watches(WatchEnd::Quietly);
    assert!(watch.next().await.is_none());
    let mut watch = lock.watch().await.unwrap().unwrap();
    assert!(
        next(&mut watch).await.unwrap().is_ok(),
        "a later one is not concerned"
    );
    faults.end_watches(WatchEnd::With(LockErrorKind::Unavailable));
    assert_eq!(next(&mut watch).await, Some(Err(LockErrorKind::Unavailable)));
    assert!(watch.next().await.is_none());
}
