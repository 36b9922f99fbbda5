//! [`Crowd`]: what keeps the elections of one process from calling a store all at once.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::{Clock as _, SystemClock};

/// Where nobody has said how long the call may take.
const PATIENCE: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// How long the call that is made may take.
    static MAY_TAKE: Duration;
}

/// A call that may take so long: who has to wait in a [`Crowd`] knows how long he can.
pub(crate) fn may_take<F: Future>(attempt_timeout: Duration, call: F) -> impl Future<Output = F::Output> {
    MAY_TAKE.scope(attempt_timeout, call)
}

/// For authors of locks: has the elections that share a client call one after another, a few at a time.
///
/// Thousands of elections that began together renew together, and each call that is under way takes memory, and over HTTP/1.1 a
/// connection. Where the store answers in milliseconds, it is none the faster for having them all at once; and where it has more to do
/// than it can, it and its client are slower for that, until nothing is in time any more. What a call has to wait here counts as time
/// since it was sent, so it is always on the safe side.
///
/// Nobody waits longer than for three fifths of the elector's attempt timeout, three of the usual five seconds, or a second where no
/// elector calls; then the call is made beside those that have a place. And a call that takes more than a fifth of that gives its place
/// up: a store that is slow, or far away, or one of several that is dead, then costs memory and connections, and nobody his turn.
///
/// Only for what an elector waits for, a read or a swap: a call that nobody polls would keep its place. And in the elector's own task,
/// or how long the call may take is not known.
#[derive(Debug)]
pub struct Crowd(Semaphore);

impl Crowd {
    /// So many calls are under way at once.
    pub fn new(at_once: usize) -> Self {
        Self(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)))
    }

    /// Makes the call when there is room, or after that patience. Until then it takes next to no memory.
    pub async fn one_of<F: Future>(&self, call: impl FnOnce() -> F) -> F::Output {
        let patience = MAY_TAKE
            .try_with(|may_take| *may_take / 5 * 3)
            .unwrap_or(PATIENCE);
        let waits_until = SystemClock.mono().after(patience);
        let place = tokio::select! {
            biased;
            place = self.0.acquire() => place.ok(),
            () = SystemClock.sleep_until(waits_until) => None,
        };
        let mut call = Box::pin(call());
        if place.is_some() {
            let holds_until = SystemClock.mono().after(patience / 5);
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

    fn full(crowd: &Crowd) -> Vec<impl Future<Output = ()> + Unpin> {
        let mut under_way: Vec<_> = (0..AT_ONCE)
            .map(|_| Box::pin(crowd.one_of(pending::<()>)))
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
        let mut late = Box::pin(crowd.one_of(|| ready(())));
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
            () = crowd.one_of(|| ready(())) => {}
        }
        assert!(SystemClock.mono().since(began) < PATIENCE / 2);
    }

    /// Those who have a place are not polled, so that none of them leaves.
    #[tokio::test]
    async fn or_for_its_patience() {
        let crowd = Crowd::new(AT_ONCE);
        let _under_way = full(&crowd);
        let began = SystemClock.mono();
        crowd.one_of(|| ready(())).await;
        assert!(SystemClock.mono().since(began) >= PATIENCE);
    }

    /// Before the elector gives the call up.
    #[tokio::test]
    async fn or_for_three_fifths_of_what_the_call_may_take() {
        let crowd = Crowd::new(AT_ONCE);
        let _under_way = full(&crowd);
        let began = SystemClock.mono();
        may_take(Duration::from_millis(500), crowd.one_of(|| ready(()))).await;
        let waited = SystemClock.mono().since(began);
        assert!(waited >= Duration::from_millis(300), "{waited:?}");
        assert!(waited < PATIENCE, "{waited:?}");
    }
}
