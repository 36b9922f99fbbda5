//! A lock over a line that can be cut: while it is, calls go unanswered and a watch is silent. When it is mended, what
//! hung fails, as connections do.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use leaderelection::{
    Capabilities, Clock as _, Expected, LeaderElectionRecord, LockError, LockErrorKind, MonoTime,
    Observation, ObservationStream, ResourceLock, Swap, SystemClock,
};
use tokio::sync::watch;

/// One candidate's line to the lock. Clones are the same line.
#[derive(Clone)]
pub(super) struct Line {
    cut: watch::Sender<bool>,
    last_success: Arc<Mutex<MonoTime>>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            cut: watch::Sender::new(false),
            last_success: Arc::new(Mutex::new(MonoTime::PAST)),
        }
    }

    pub(super) fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub(super) fn mend(&self) {
        self.cut.send_replace(false);
    }

    /// When the last swap that succeeded was sent.
    pub(super) fn last_success(&self) -> MonoTime {
        *self.last_success.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until(&self, cut: bool) {
        // The sender lives in self, so the condition is all that ends this.
        let _ = self.cut.subscribe().wait_for(|now| *now == cut).await;
    }

    async fn until_mended<T>(&self) -> Result<T, LockError> {
        self.until(false).await;
        Err(LockError::new(
            LockErrorKind::Ambiguous,
            "the connection was reset",
        ))
    }

    async fn over<T>(&self, call: impl Future<Output = Result<T, LockError>>) -> Result<T, LockError> {
        tokio::select! {
            biased;
            () = self.until(true) => self.until_mended().await,
            result = call => result,
        }
    }
}

pub(super) struct Flaky<L> {
    pub(super) lock: L,
    pub(super) line: Line,
}

#[async_trait]
impl<L: ResourceLock> ResourceLock for Flaky<L> {
    async fn get(&self) -> Result<Observation, LockError> {
        self.line.over(self.lock.get()).await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let sent = SystemClock.mono();
        let swap = self
            .line
            .over(self.lock.compare_and_swap(expected, record))
            .await?;
        if matches!(swap, Swap::Done(_)) {
            *self
                .line
                .last_success
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = sent;
        }
        Ok(swap)
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        let watch = self.line.over(self.lock.watch()).await?;
        Ok(watch.map(|shown| -> ObservationStream {
            let (line, mended) = (self.line.clone(), self.line.clone());
            let cut = async move { line.until(true).await }.boxed();
            let reset = async move { mended.until_mended().await };
            Box::pin(shown.take_until(cut).chain(stream::once(reset)))
        }))
    }

    fn describe(&self) -> String {
        self.lock.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.lock.capabilities()
    }
}

#[cfg(test)]
mod tests {
    use leaderelection_memory::MemoryLock;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_cut_line_answers_nothing_and_a_mended_one_resets_what_hung() {
        let line = Line::new();
        let lock = Flaky {
            lock: MemoryLock::new(),
            line: line.clone(),
        };
        let mut watch = lock.watch().await.unwrap().unwrap();
        assert!(lock.get().await.is_ok() && watch.next().await.unwrap().is_ok());

        line.cut();
        let mut hanging = Box::pin(lock.get());
        lock.lock.put_empty();
        assert!(hanging.as_mut().now_or_never().is_none());
        assert!(
            watch.next().now_or_never().is_none(),
            "the watch shows what happened meanwhile"
        );

        line.mend();
        assert!(hanging.await.is_err());
        assert!(watch.next().await.unwrap().is_err());
        assert!(lock.get().await.is_ok());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_was_cut_off_was_not_sent() {
        let line = Line::new();
        let lock = Flaky {
            lock: MemoryLock::new(),
            line: line.clone(),
        };
        line.cut();
        let record = LeaderElectionRecord::default();
        assert!(
            lock.compare_and_swap(Expected::Absent, &record)
                .now_or_never()
                .is_none()
        );
        assert!(matches!(lock.lock.snapshot(), Observation::Absent { .. }));
        assert_eq!(line.last_success(), MonoTime::PAST);
    }
}
