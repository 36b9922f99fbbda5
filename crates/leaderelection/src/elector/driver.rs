//! The only loop between a lock and the machine.
//!
//! ```text
//!    lock.get / compare_and_swap / watch                     commands
//!         |  results, with the read or attempt                  |
//!         v                                                     v
//!    select! --- handle(now, Input) ---> Election --- poll() ---> Get, Cas, RestartWatch: calls, made after `now`
//!         ^                                                       Term, Event:            shared
//!         `---------------------- WaitUntil ----------------------'
//! ```
//!
//! A call that takes long is not given up when the next one is sent: its late answer still tells something (SAFETY 9). An
//! answer that comes with the deadline is taken, always, so that a run on paused time depends on nothing else.

use std::future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::event::{Event, Operation, TermEnd};
use super::leadership::{Leadership, Term};
use super::shared::Shared;
use crate::election::{Attempt, Election, ElectionConfig, Input, LossReason, Output, Read, TermChange};
use crate::lock::{LockError, LockErrorKind, Observation, ObservationStream, ResourceLock, Swap};
use crate::moment::MonoTime;

/// What the user, or the end of the work, tells the driver.
#[derive(Debug)]
pub(super) enum Command {
    Stop,
    StepDown,
    WorkEnded,
}

/// An answer to a call.
enum Answer {
    Get(Read, Result<Observation, LockError>),
    Cas(Attempt, Result<Swap, LockError>),
}

enum Watch {
    Closed,
    Opening(BoxFuture<'static, Result<Option<ObservationStream>, LockError>>),
    Open(ObservationStream),
}

pub(super) struct Driver {
    lock: Arc<dyn ResourceLock>,
    config: ElectionConfig,
    election: Election,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
    calls: FuturesUnordered<BoxFuture<'static, Answer>>,
    watch: Watch,
    term: Option<Arc<Term>>,
}

/// When the driver is dropped before its end, because its runtime is shut down or something panicked, whoever waits
/// learns it, and no guard stays valid.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(term) = self.term.take() {
            term.set_lost(LossReason::ElectorGone, self.shared.clock().mono());
            term.set_dropped();
        }
        self.shared.gone();
    }
}

impl Driver {
    pub(super) fn new(
        lock: Arc<dyn ResourceLock>,
        config: ElectionConfig,
        shared: Arc<Shared>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            lock,
            election: Election::new(config.clone()),
            config,
            shared,
            commands,
            calls: FuturesUnordered::new(),
            watch: Watch::Closed,
            term: None,
        }
    }

    /// Runs until the election has ended.
    pub(super) async fn run(mut self) {
        let mut input = Input::Wake;
        loop {
            self.election.handle(self.shared.clock().now(), input);
            let deadline = loop {
                match self.election.poll() {
                    Output::WaitUntil(deadline) => break deadline,
                    Output::Ended => {
                        self.shared.ended();
                        return;
                    }
                    output => self.carry_out(output),
                }
            };
            input = self.next(deadline).await;
        }
    }

    /// Waits for whatever comes first. The time is read after that, so an answer never looks earlier than it came.
    async fn next(&mut self, deadline: MonoTime) -> Input {
        let clock = Arc::clone(self.shared.clock());
        tokio::select! {
            // The user first: a stop must not wait behind a watch that never rests.
            biased;
            command = self.commands.recv() => match command {
                Some(Command::StepDown) => Input::StepDown,
                Some(Command::WorkEnded) => self.work_ended(),
                Some(Command::Stop) | None => Input::Stop,
            },
            Some(answer) = self.calls.next(), if !self.calls.is_empty() => self.answered(answer),
            () = clock.sleep_until(deadline) => Input::Wake,
            event = next_of(&mut self.watch) => self.watched(event),
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Get(read) => self.get(read),
            Output::Cas(attempt) => self.swap(attempt),
            Output::RestartWatch => self.open_watch(),
            Output::Term(change) => self.term_changed(change),
            Output::Event(event) => self.shared.noticed(event),
            Output::Ended | Output::WaitUntil(_) => {}
        }
    }

    fn get(&mut self, read: Read) {
        let (lock, clock) = (Arc::clone(&self.lock), Arc::clone(self.shared.clock()));
        let until = read.sent.after(self.config.timing.attempt_timeout());
        self.calls.push(Box::pin(async move {
            let result = tokio::select! {
                biased;
                result = caught(lock.get()) => result,
                () = clock.sleep_until(until) => Err(unanswered(&*lock)),
            };
            Answer::Get(read, result)
        }));
    }

    /// The swap is waited for until its success could bring nothing any more.
    fn swap(&mut self, attempt: Attempt) {
        let (lock, clock) = (Arc::clone(&self.lock), Arc::clone(self.shared.clock()));
        let until = attempt.sent.after(self.config.timing.renew_deadline());
        self.calls.push(Box::pin(async move {
            let result = tokio::select! {
                biased;
                result = caught(lock.compare_and_swap(attempt.expected, &attempt.record)) => result,
                () = clock.sleep_until(until) => Err(unanswered(&*lock)),
            };
            Answer::Cas(attempt, result)
        }));
    }

    fn open_watch(&mut self) {
        let (lock, clock) = (Arc::clone(&self.lock), Arc::clone(self.shared.clock()));
        let until = clock.mono().after(self.config.timing.attempt_timeout());
        self.watch = Watch::Opening(Box::pin(async move {
            tokio::select! {
                biased;
                result = caught(lock.watch()) => result,
                () = clock.sleep_until(until) => Err(unanswered(&*lock)),
            }
        }));
    }

    fn answered(&mut self, answer: Answer) -> Input {
        match answer {
            Answer::Get(read, Ok(observation)) => {
                self.shared.answered(Operation::Get);
                Input::Read { read, observation }
            }
            Answer::Get(read, Err(error)) => {
                let (kind, retry_after) = self.failed(Operation::Get, error);
                Input::ReadFailed {
                    read,
                    kind,
                    retry_after,
                }
            }
            Answer::Cas(attempt, Ok(swap)) => {
                self.shared.answered(Operation::CompareAndSwap);
                Input::Swapped { attempt, swap }
            }
            Answer::Cas(attempt, Err(error)) => {
                let (kind, retry_after) = self.failed(Operation::CompareAndSwap, error);
                Input::SwapFailed {
                    attempt,
                    kind,
                    retry_after,
                }
            }
        }
    }

    fn watched(&mut self, event: WatchEvent) -> Input {
        match event {
            WatchEvent::Opened(Ok(Some(stream))) => {
                self.watch = Watch::Open(stream);
                self.shared.answered(Operation::Watch);
                Input::WatchStarted
            }
            WatchEvent::Opened(Ok(None)) => {
                self.watch = Watch::Closed;
                Input::WatchUnsupported
            }
            WatchEvent::Shown(observation) => Input::Watched(observation),
            WatchEvent::Opened(Err(error)) | WatchEvent::Failed(error) => {
                self.watch = Watch::Closed;
                let (kind, retry_after) = self.failed(Operation::Watch, error);
                Input::WatchEnded {
                    kind: Some(kind),
                    retry_after,
                }
            }
            WatchEvent::Ended => {
                self.watch = Watch::Closed;
                Input::WatchEnded {
                    kind: None,
                    retry_after: None,
                }
            }
        }
    }

    fn failed(&self, operation: Operation, error: LockError) -> (LockErrorKind, Option<std::time::Duration>) {
        let told = (error.kind(), error.retry_after());
        let now = self.shared.clock().mono();
        let remaining = self.term.as_ref().map(|term| term.valid_until().since(now));
        self.shared.failed(operation, error, remaining);
        told
    }

    fn work_ended(&mut self) -> Input {
        if let Some(term) = self.term.take() {
            let end = term.over().map_or(TermEnd::Finished, TermEnd::Lost);
            // The term is over for good, whatever clones of views are about.
            term.set_lost(LossReason::WorkEnded, self.shared.clock().mono());
            self.shared.stopped(term.token(), end);
        }
        Input::WorkEnded
    }

    fn term_changed(&mut self, change: TermChange) {
        let now = self.shared.clock().mono();
        match (change, &self.term) {
            (
                TermChange::Start {
                    token,
                    valid_until,
                    transitions,
                },
                _,
            ) => {
                let term = Arc::new(Term::new(
                    Arc::clone(self.shared.clock()),
                    token,
                    transitions,
                    valid_until,
                    self.config.timing.stop_grace(),
                    self.config.timer_lead,
                ));
                self.term = Some(Arc::clone(&term));
                self.shared.started(Leadership::new(term, self.shared.commands()));
            }
            (TermChange::ValidUntil(valid_until), Some(term)) => {
                term.extend(valid_until);
                self.shared.tell(Event::Renewed {
                    remaining: valid_until.since(now),
                });
            }
            (TermChange::AtRisk(valid_until), Some(term)) => {
                term.set_at_risk();
                self.shared.tell(Event::AtRisk {
                    remaining: valid_until.since(now),
                });
            }
            (TermChange::Drain(until), Some(term)) => {
                term.set_draining();
                self.shared.tell(Event::Draining {
                    within: until.since(now),
                });
                self.shared.withdraw();
            }
            (TermChange::Lost { reason, drop_at }, Some(term)) => {
                term.set_lost(reason.clone(), drop_at);
                self.shared.tell(Event::Lost {
                    token: term.token(),
                    reason,
                });
                self.shared.withdraw();
            }
            (TermChange::Drop, Some(term)) => term.set_dropped(),
            // All clones are gone already, and their end is on its way.
            (_, None) => {}
        }
    }
}

enum WatchEvent {
    Opened(Result<Option<ObservationStream>, LockError>),
    Shown(Observation),
    Failed(LockError),
    Ended,
}

async fn next_of(watch: &mut Watch) -> WatchEvent {
    match watch {
        Watch::Closed => future::pending().await,
        Watch::Opening(opening) => WatchEvent::Opened(opening.await),
        Watch::Open(stream) => match caught(async { Ok(stream.next().await) }).await {
            Ok(Some(Ok(observation))) => WatchEvent::Shown(observation),
            Ok(Some(Err(error))) | Err(error) => WatchEvent::Failed(error),
            Ok(None) => WatchEvent::Ended,
        },
    }
}

/// A lock that panics is a lock that failed, and nobody knows how far it came.
async fn caught<T>(call: impl Future<Output = Result<T, LockError>>) -> Result<T, LockError> {
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
