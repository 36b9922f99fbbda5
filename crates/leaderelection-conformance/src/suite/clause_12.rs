//! Clause 12: a future may be dropped at any time.

use std::time::Duration;

use leaderelection::{Expected, LeaderElectionRecord, Observation, Swap, Version};

use super::context::{Context, Stop, brief, check, fail};
use super::samples::record;

/// How long a call is under way before it is dropped: from one poll to longer than a fast store needs.
const DROPPED_AFTER: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(2),
    Duration::from_millis(10),
];

/// Polls a call until it answers or the time is over, then drops it.
async fn abandon<T>(cx: &Context<'_>, after: Duration, call: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = cx.sleep(after) => None,
    }
}

/// Clause 12, SAFETY 9: a dropped swap was done or was not, once; it may land later, but only on the state that it named.
pub(super) async fn clause_12_a_dropped_swap_writes_once_at_most(cx: &Context<'_>) -> Result<(), Stop> {
    let mut newest = cx.create(&record("a", 0)).await?;
    for (round, after) in (1..).zip(DROPPED_AFTER) {
        let dropped = record("dropped", round);
        let call = cx.lock().compare_and_swap(Expected::Version(newest), &dropped);
        let answer = abandon(cx, after, call).await;
        let next = record("next", round);
        newest = settle(cx, newest, &dropped, &next).await?;
        if let Some(Ok(Swap::Done(version))) = answer {
            check!(
                version < newest,
                "a swap was done as {version}, and the next one, on it, as {newest}"
            );
        }
        cx.sleep(Duration::from_millis(100)).await;
        let seen = cx.get().await?;
        let right = seen == Observation::record(newest, next);
        check!(
            right,
            "a swap dropped after {after:?} landed on a state that it did not name: {}",
            brief(&seen)
        );
    }
    Ok(())
}

/// Writes `next` on whatever is there, which is the base or the dropped write on it. The latter may still be landing, so
/// that a conflict or two is no wonder.
async fn settle(
    cx: &Context<'_>,
    base: Version,
    dropped: &LeaderElectionRecord,
    next: &LeaderElectionRecord,
) -> Result<Version, Stop> {
    for _ in 0..3 {
        let seen = cx.get().await?;
        let Observation::Present { version, .. } = seen else {
            fail!("after a dropped swap on {base} there is {}", brief(&seen));
        };
        let landed = version > base && seen == Observation::record(version, dropped.clone());
        check!(
            version == base || landed,
            "after a dropped swap on {base} there is {}",
            brief(&seen)
        );
        match cx.swap(Expected::Version(version), next).await? {
            Ok(Swap::Done(version)) => return Ok(version),
            Ok(Swap::Conflict(_)) => {}
            Err(error) => fail!("after a dropped swap on {base}, a swap on {version} failed: {error}"),
        }
    }
    fail!("after a dropped swap on {base}, three swaps on the state just read met a conflict")
}

/// Clause 12, SAFETY 9: dropping a read or the opening of a watch changes nothing, and the lock serves on.
pub(super) async fn clause_12_a_dropped_read_or_watch_leaves_no_trace(cx: &Context<'_>) -> Result<(), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    for after in DROPPED_AFTER {
        // Answered or not: what counts is that the lock does not mind.
        let _read = abandon(cx, after, cx.lock().get()).await;
        let _watch = abandon(cx, after, cx.lock().watch()).await;
        let seen = cx.get().await?;
        let right = seen == Observation::record(first, record("a", 0));
        check!(
            right,
            "after a read and a watch dropped after {after:?} there is {}",
            brief(&seen)
        );
    }
    cx.done(Expected::Version(first), &record("a", 1)).await?;
    Ok(())
}
