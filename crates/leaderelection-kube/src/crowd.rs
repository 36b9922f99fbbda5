//! How many writes the elections of one process have under way at once. Over HTTP/1.1, the only one that kube's client speaks, each of
//! them takes a connection, and they may all renew at once.

use std::future::Future;
use std::time::Duration;

use leaderelection::{Clock as _, SystemClock};
use tokio::sync::Semaphore;

const AT_ONCE: usize = 24;

/// For so long a write holds its place. What takes longer goes on without: an apiserver that is slow, or one of several that is dead,
/// then costs more connections, and no election its turn.
const HOLDS: Duration = Duration::from_millis(100);

pub(crate) struct Crowd(Semaphore);

impl Default for Crowd {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Crowd {
    /// Makes the call when there is room. Until then it takes next to no memory.
    pub(crate) async fn one_of<F: Future>(&self, call: impl FnOnce() -> F) -> F::Output {
        let place = self.0.acquire().await;
        let mut call = Box::pin(call());
        let held = tokio::select! {
            biased;
            answer = &mut call => return answer,
            () = SystemClock.sleep_until(SystemClock.mono().after(HOLDS)) => place,
        };
        drop(held);
        call.await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_comes_late_waits_until_one_is_answered_or_takes_long() {
        let crowd = Crowd::default();
        let mut under_way: Vec<_> = (0..AT_ONCE)
            .map(|_| Box::pin(crowd.one_of(pending::<()>)))
            .collect();
        assert!(under_way.iter_mut().all(|call| call.now_or_never().is_none()));
        let mut late = Box::pin(crowd.one_of(|| ready(())));
        assert!((&mut late).now_or_never().is_none(), "there is no room");
        under_way.pop();
        assert!(late.now_or_never().is_some(), "one has left");

        under_way.push(Box::pin(crowd.one_of(pending::<()>)));
        assert!(under_way.iter_mut().all(|call| call.now_or_never().is_none()));
        let first = &mut under_way[0];
        tokio::select! {
            () = first => {}
            () = crowd.one_of(|| ready(())) => {}
        }
    }
}
