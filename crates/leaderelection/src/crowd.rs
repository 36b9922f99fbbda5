//! [`Crowd`]: what keeps the elections of one process from calling a store all at once.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::{Clock as _, SystemClock};
use crate::lock::Expected;
use crate::record::LeaderElectionRecord;

/// For so long a call keeps its place. A store that is slow, or far away, or one of several that is dead, then costs memory and
/// connections, and nobody his turn.
const HOLDS: Duration = Duration::from_millis(250);
/// No renewal waits longer, however long its lease is: the deadline that counts is not the lease.
const LONGEST: Duration = Duration::from_secs(1);

/// For authors of locks: has the elections that share a client call one after another, a few at a time.
///
/// Thousands of elections that began together renew together, and each call that is under way takes memory, and over HTTP/1.1 a
/// connection. Where the store answers in milliseconds, it is none the faster for having them all at once. What a call has to wait here
/// counts as time since it was sent, so it is always on the safe side; and it is no longer than the call's patience, and less while
/// calls take less than 250 ms or are fewer than the places.
///
/// Only for what an elector waits for, a read or a swap: a call that nobody polls would keep its place.
#[derive(Debug)]
pub struct Crowd(Semaphore);

impl Crowd {
    /// So many calls are under way at once.
    pub fn new(at_once: usize) -> Self {
        Self(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)))
    }

    /// The patience of a read, which knows nothing of its election's durations.
    pub const READ: Duration = Duration::from_secs(2);

    /// The patience of a swap: a fifteenth of the lease, and a second at most; of a release, which declares no lease, that second. A
    /// create has three times as much, since no leader's term hangs on it.
    pub fn swap(expected: Expected, record: &LeaderElectionRecord) -> Duration {
        let lease = Duration::from_secs(u64::try_from(record.lease_duration_seconds).unwrap_or(0));
        let patience = if record.is_free() {
            LONGEST
        } else {
            LONGEST.min(lease / 15)
        };
        match expected {
            Expected::Version(_) => patience,
            Expected::Absent => patience * 3,
        }
    }

    /// Makes the call when there is room, or after that patience. Until then it takes next to no memory.
    pub async fn one_of<F: Future>(&self, patience: Duration, call: impl FnOnce() -> F) -> F::Output {
        let waits_until = SystemClock.mono().after(patience);
        let place = tokio::select! {
            biased;
            place = self.0.acquire() => place.ok(),
            () = SystemClock.sleep_until(waits_until) => None,
        };
        let mut call = Box::pin(call());
        if place.is_some() {
            let holds_until = SystemClock.mono().after(HOLDS);
            tokio::select! {
                biased;
                answer = &mut call => return answer,
                () = SystemClock.sleep_until(holds_until) => {}
            }
            drop(place);
        }
        call.await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::*;

    const AT_ONCE: usize = 3;
    const WAITS: Duration = Duration::from_secs(1);

    fn full(crowd: &Crowd) -> Vec<impl Future<Output = ()> + Unpin> {
        let mut under_way: Vec<_> = (0..AT_ONCE)
            .map(|_| Box::pin(crowd.one_of(WAITS, pending::<()>)))
            .collect();
        for call in &mut under_way {
            assert!(call.now_or_never().is_none());
        }
        under_way
    }

    #[tokio::test]
    async fn who_comes_late_waits_until_one_is_answered() {
        let crowd = Crowd::new(AT_ONCE);
        let mut under_way = full(&crowd);
        let mut late = Box::pin(crowd.one_of(WAITS, || ready(())));
        assert!((&mut late).now_or_never().is_none(), "there is no room");
        under_way.pop();
        assert!(late.now_or_never().is_some(), "one has left");
    }

    /// However long it takes itself.
    #[tokio::test]
    async fn or_until_one_takes_long() {
        let crowd = Crowd::new(AT_ONCE);
        let mut under_way = full(&crowd);
        let began = SystemClock.mono();
        let first = under_way.remove(0);
        tokio::select! {
            () = first => {}
            () = crowd.one_of(WAITS, || ready(())) => {}
        }
        assert!(SystemClock.mono().since(began) < WAITS / 2);
    }

    /// Those who have a place are not polled, so that none of them leaves.
    #[tokio::test]
    async fn or_for_its_patience() {
        let crowd = Crowd::new(AT_ONCE);
        let _under_way = full(&crowd);
        let began = SystemClock.mono();
        crowd.one_of(WAITS, || ready(())).await;
        assert!(SystemClock.mono().since(began) >= WAITS);
    }
    #[test]
    fn a_renewal_is_less_patient_than_who_has_nothing_to_lose() {
        let record = |holder: &str, seconds| LeaderElectionRecord {
            holder_identity: holder.to_owned(),
            lease_duration_seconds: seconds,
            ..LeaderElectionRecord::default()
        };
        let version = Expected::Version(crate::Version::new(7));
        for (expected, holder, seconds, millis) in [
            (version, "a", 15, 1_000),
            (version, "a", 3, 200),
            (version, "a", 60, 1_000),
            (version, "a", i64::MAX, 1_000),
            (version, "a", -1, 0),
            (version, "", 1, 1_000),
            (Expected::Absent, "a", 15, 3_000),
            (Expected::Absent, "a", 3, 600),
        ] {
            let patience = Crowd::swap(expected, &record(holder, seconds));
            assert_eq!(
                patience,
                Duration::from_millis(millis),
                "{expected:?} {holder:?} {seconds}"
            );
        }
    }
}
