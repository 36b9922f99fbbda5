//! The calls to a lock that are under way. A lock may panic, answer late, or never.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use futures_util::FutureExt;

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
    /// In the order in which they were made. There is hardly ever more than one.
    under_way: Vec<BoxFuture<'static, Answer>>,
}

impl Calls {
    pub(super) fn new(lock: Arc<dyn ResourceLock>, config: Arc<ElectionConfig>, shared: Arc<Shared>) -> Self {
        Self {
            lock,
            config,
            shared,
            under_way: Vec::new(),
        }
    }

    pub(super) fn config(&self) -> &ElectionConfig {
        &self.config
    }

    /// The answer that comes next. All calls are looked at each time: so few need no waker of their own each, which would take more
    /// memory than they do.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut calls = self.under_way.iter_mut().enumerate();
        let answered = calls.find_map(|(place, call)| match call.poll_unpin(cx) {
            Poll::Ready(answer) => Some((place, answer)),
            Poll::Pending => None,
        });
        let Some((place, answer)) = answered else {
            return Poll::Pending;
        };
        drop(self.under_way.remove(place));
        Poll::Ready(answer)
    }

    fn wait_for(&mut self, call: impl Future<Output = Answer> + Send + 'static) {
        self.under_way.reserve_exact(1);
        self.under_way.push(Box::pin(call));
    }

    pub(super) fn get(&mut self, read: Read, term: Option<&Term>) {
        // A term that is over keeps nothing.
        let left = term.and_then(|term| term.left(read.sent));
        let urgency = left.map_or(Urgency::Asks, Urgency::Holds);
        let caller = self.caller(urgency);
        let (lock, shared) = (Arc::clone(&self.lock), Arc::clone(&self.shared));
        let until = read.sent.after(caller.may_take);
        self.wait_for(async move {
            let result = tokio::select! {
                biased;
                result = caught(called_by(caller, lock.get())) => result,
                () = shared.clock().sleep_until(until) => Err(unanswered(&shared)),
            };
            Answer::Get(read, result)
        });
    }

    /// The swap is waited for until its success could bring nothing any more. That it has not been answered is told when the next
    /// one is due.
    pub(super) fn swap(&mut self, attempt: Attempt, term: Option<Arc<Term>>) {
        let (lock, shared) = (Arc::clone(&self.lock), Arc::clone(&self.shared));
        let timing = &self.config.timing;
        let until = attempt.sent.after(timing.renew_deadline());
        let caller = self.caller(match (attempt.purpose, &term) {
            (Purpose::Acquire | Purpose::Claim, _) => Urgency::Wants,
            (Purpose::Renew, Some(term)) => Urgency::Holds(term.valid_until().since(attempt.sent)),
            // As one that was renewed a retry period ago, whose term is not known here: it is over, or is none yet.
            _ => Urgency::Holds(timing.renew_deadline().saturating_sub(timing.retry_period())),
        });
        let patience = attempt.sent.after(caller.may_take);
        self.wait_for(async move {
            let record = Arc::clone(&attempt.record);
            let swap = lock.compare_and_swap(attempt.expected, &record);
            let mut call = pin!(caught(called_by(caller, swap)));
            let in_time = tokio::select! {
                biased;
                result = &mut call => Some(result),
                () = shared.clock().sleep_until(patience) => None,
            };
            let result = match in_time {
                Some(result) => result,
                None => {
                    shared.unanswered(&attempt, term.as_deref());
                    tokio::select! {
                        biased;
                        result = &mut call => result,
                        () = shared.clock().sleep_until(until) => Err(unanswered(&shared)),
                    }
                }
            };
            Answer::Cas(attempt, result)
        });
    }

    fn caller(&self, urgency: Urgency) -> Caller {
        Caller {
            may_take: self.config.timing.attempt_timeout(),
            urgency,
        }
    }

    /// A watch that is being opened.
    pub(super) fn open_watch(&self) -> Watch {
        let (lock, shared) = (Arc::clone(&self.lock), Arc::clone(&self.shared));
        let now = shared.clock().mono();
        let caller = self.caller(Urgency::Asks);
        let until = now.after(caller.may_take);
        let opening = Box::pin(async move {
            tokio::select! {
                biased;
                result = caught(called_by(caller, lock.watch())) => result,
                () = shared.clock().sleep_until(until) => Err(unanswered(&shared)),
            }
        });
        Watch::Opening(now, opening)
    }
}

/// A lock that panics is a lock that failed, and nobody knows how far it came.
async fn caught<T>(call: impl Future<Output = Result<T, LockError>>) -> Result<T, LockError> {
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(panicked(&*panic)))
}

pub(super) fn panicked(panic: &(dyn Any + Send)) -> LockError {
    LockError::new(
        LockErrorKind::Ambiguous,
        format!("the lock panicked: {}", super::message_of(panic)),
    )
}

fn unanswered(shared: &Shared) -> LockError {
    LockError::new(
        LockErrorKind::Ambiguous,
        format!("{} did not answer in time", shared.lock_name()),
    )
}
