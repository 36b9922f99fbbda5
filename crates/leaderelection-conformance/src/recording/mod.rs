//! A lock in front of any lock, that writes down every call.

mod history;
mod json;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream, ResourceLock,
    Swap,
};

pub use history::{CallResult, Entry, History, Operation};

/// Any lock, recorded: each call with its start, its end, its arguments and its result, into a [`History`] that the
/// clients of one lock share.
pub struct RecordingLock<L> {
    inner: L,
    client: Arc<str>,
    history: History,
}

impl<L: ResourceLock> RecordingLock<L> {
    /// Records what `client` does to `inner`.
    pub fn new(inner: L, client: &str, history: History) -> Self {
        Self {
            inner,
            client: client.into(),
            history,
        }
    }

    /// Where it is recorded.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The lock behind.
    pub fn inner(&self) -> &L {
        &self.inner
    }
}

#[async_trait]
impl<L: ResourceLock> ResourceLock for RecordingLock<L> {
    async fn get(&self) -> Result<Observation, LockError> {
        let call = self.history.begin(&self.client, Operation::Get);
        let answer = self.inner.get().await;
        call.end(match &answer {
            Ok(observation) => CallResult::Observed(observation.clone()),
            Err(error) => CallResult::failed(error),
        });
        answer
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let operation = Operation::CompareAndSwap {
            expected,
            record: Arc::new(record.clone()),
        };
        let call = self.history.begin(&self.client, operation);
        let answer = self.inner.compare_and_swap(expected, record).await;
        call.end(match &answer {
            Ok(swap) => CallResult::Swapped(swap.clone()),
            Err(error) => CallResult::failed(error),
        });
        answer
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        let call = self.history.begin(&self.client, Operation::Watch);
        let id = call.id();
        let answer = self.inner.watch().await;
        call.end(match &answer {
            Ok(stream) => CallResult::Watching(stream.is_some()),
            Err(error) => CallResult::failed(error),
        });
        let (client, history) = (Arc::clone(&self.client), self.history.clone());
        let record = move |item: &Result<Observation, LockError>| {
            history
                .begin(&client, Operation::Shown { watch: id })
                .end(match item {
                    Ok(observation) => CallResult::Observed(observation.clone()),
                    Err(error) => CallResult::failed(error),
                });
        };
        Ok(answer?.map(|stream| -> ObservationStream { Box::pin(stream.inspect(record)) }))
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
