//! The calls to a lock that are under way. A lock may panic, answer late, or never.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::shared::Shared;
use super::term::Term;
use super::watching::Watch;
use crate::crowd::{Caller, Urgency, called_by};
use crate::election::{Attempt, ElectionConfig, Purpose, Read};
use crate::lock::{LockError, LockErrorKind, Observation, ResourceLock, Swap};

/// An answer to a call.
pub(super) enum Answer {
    Get(Read, Result<Observation, LockError>),
    Cas(Attempt, Result<Swap, LockError>),
}

/// One lock, and what was asked of it.
pub(super) struct Calls {
    lock: Arc<dyn ResourceLock>,
    config: Arc<ElectionConfig>,
    shared: Arc<Shared>,
    under_way: FuturesUnordered<BoxFuture<'static, Answer>>,
}

impl Calls {
    pub(super) fn new(lock: Arc<dyn ResourceLock>, config: Arc<ElectionConfig>, shared: Arc<Shared>) -> Self {
        Self {
            lock,
            config,
            shared,
            under_way: FuturesUnordered::new(),
        }
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The answer that comes next; `None` where none is under way.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        self.under_way.next().await
    }

    pub(super) fn get(&self, read: Read, term: Option<&Term>) {
        // A term that is over keeps nothing.
        let urgency = term
            .filter(|term| term.left(read.sent).is_some())
            .map_or(Urgency::Asks(read.sent), |term| {
                Urgency::Holds(term.valid_until())
            });
        let caller = self.caller(urgency);
        let (lock, clock) = (Arc::clone(&self.lock), Arc::clone(self.shared.clock()));
        let until = read.sent.after(caller.may_take);
        self.under_way.push(Box::pin(async move {
            let result = tokio::select! {
                biased;
                result = caught(called_by(caller, lock.get())) => result,
                () = clock.sleep_until(until) => Err(unanswered(&*lock)),
            };
            Answer::Get(read, result)
        }));
    }

    /// The swap is waited for until its success could bring nothing any more. That it has not been answered is told when the next
    /// one is due.
    pub(super) fn swap(&self, attempt: Attempt, term: Option<Arc<Term>>) {
        let (lock, clock, shared) = (
            Arc::clone(&self.lock),
            Arc::clone(self.shared.clock()),
            Arc::clone(&self.shared),
        );
        let until = attempt.sent.after(self.config.timing.renew_deadline());
        let caller = self.caller(match (attempt.purpose, &term) {
            (Purpose::Acquire | Purpose::Claim, _) => Urgency::Wants(attempt.sent),
            (Purpose::Renew, Some(term)) => Urgency::Holds(term.valid_until()),
            // As one that was renewed a retry period ago, whose term is not known here: it is over, or is none yet.
            _ => Urgency::Holds(until.before(self.config.timing.retry_period())),
        });
        let patience = attempt.sent.after(caller.may_take);
        self.under_way.push(Box::pin(async move {
            let record = Arc::clone(&attempt.record);
            let swap = lock.compare_and_swap(attempt.expected, &record);
            let mut call = pin!(caught(called_by(caller, swap)));
            let in_time = tokio::select! {
                biased;
                result = &mut call => Some(result),
                () = clock.sleep_until(patience) => None,
            };
            let result = match in_time {
                Some(result) => result,
                None => {
                    shared.unanswered(&*lock, &attempt, term.as_deref());
                    tokio::select! {
                        biased;
                        result = &mut call => result,
                        () = clock.sleep_until(until) => Err(unanswered(&*lock)),
                    }
                }
            };
            Answer::Cas(attempt, result)
        }));
    }

    fn caller(&self, urgency: Urgency) -> Caller {
        Caller {
            may_take: self.config.timing.attempt_timeout(),
            urgency,
        }
    }

    /// A watch that is being opened.
    pub(super) fn open_watch(&self) -> Watch {
        let (lock, clock) = (Arc::clone(&self.lock), Arc::clone(self.shared.clock()));
        let now = clock.mono();
        let caller = self.caller(Urgency::Asks(now));
        let until = now.after(caller.may_take);
        let opening = Box::pin(async move {
            tokio::select! {
                biased;
                result = caught(called_by(caller, lock.watch())) => result,
                () = clock.sleep_until(until) => Err(unanswered(&*lock)),
            }
        });
        Watch::Opening(now, opening)
    }
}

/// A lock that panics is a lock that failed, and nobody knows how far it came.
pub(super) async fn caught<T>(call: impl Future<Output = Result<T, LockError>>) -> Result<T, LockError> {
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            Err(LockError::new(
                LockErrorKind::Ambiguous,
                format!("the lock panicked: {}", super::message_of(&*panic)),
            ))
        })
}

fn unanswered(lock: &dyn ResourceLock) -> LockError {
    LockError::new(
        LockErrorKind::Ambiguous,
        format!("{} did not answer in time", lock.describe()),
    )
}
