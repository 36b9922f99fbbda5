//! The only loop between a lock and the machine.
//!
//! ```text
//!    lock.get / compare_and_swap / watch                     commands
//!         |  results, with the read or attempt                  |
//!         v                                                     v
//!    waking  --- handle(now, Input) ---> Election --- poll() ---> Get, Cas, RestartWatch: calls, made after `now`
//!         ^                                                       Term, Event:            shared
//!         `---------------------- WaitUntil ----------------------'
//! ```
//!
//! A call that takes long is not given up when the next one is sent: its late answer still tells something (SAFETY 9). An
//! answer that comes with the deadline is taken, always, so that a run on paused time depends on nothing else.

use std::sync::Arc;
use std::time::Duration;

use futures_channel::mpsc;

use super::calls::{Answer, Calls};
use super::event::{Event, Operation, TermEnd};
use super::leadership::{Leadership, Risk};
use super::panics::{AfterWork, AgainAfterPanic, Panics};
use super::shared::Shared;
use super::story::Failure;
use super::term::{Term, TermTimes};
use super::waking::{Waking, Woken};
use super::watching::{Watch, WatchEvent};
use crate::election::{
    Attempt, Election, ElectionConfig, Input, LossReason, Output, Purpose, TermChange, at_risk_after,
};
use crate::identity::FencingToken;
use crate::lock::{LockError, LockErrorKind, ResourceLock, Swap};
use crate::moment::MonoTime;

/// What the user, or the end of the work, tells the driver.
#[derive(Debug)]
pub(super) enum Command {
    Stop,
    StepDown,
    WorkEnded,
}

pub(super) struct Driver {
    election: Election,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
    calls: Calls,
    watch: Watch,
    /// Whether a watch was opened before.
    watched: bool,
    term: Option<(Arc<Term>, MonoTime)>,
    /// Whether it was told that this term is lost.
    loss_told: bool,
    panics: Panics,
    /// When this candidate could take the lock that it is about to take, as far as it knew.
    takeable_at: MonoTime,
}

/// When the driver is dropped before its end, because its runtime is shut down or something panicked, whoever waits
/// learns it, and no guard stays valid.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some((term, _)) = self.term.take() {
            term.set_lost(LossReason::ElectorGone, self.shared.clock().mono());
            term.set_dropped();
        }
        self.shared.gone();
    }
}

impl Driver {
    pub(super) fn new(
        lock: Arc<dyn ResourceLock>,
        config: Arc<ElectionConfig>,
        shared: Arc<Shared>,
        commands: mpsc::UnboundedReceiver<Command>,
        again: Option<AgainAfterPanic>,
    ) -> Self {
        Self {
            election: Election::new(Arc::clone(&config)),
            calls: Calls::new(lock, config, Arc::clone(&shared)),
            takeable_at: shared.clock().mono(),
            shared,
            commands,
            watch: Watch::Closed,
            watched: false,
            term: None,
            loss_told: false,
            panics: Panics::new(again),
        }
    }

    /// Runs until the election has ended.
    pub(super) async fn run(&mut self) {
        let mut input = Input::Wake;
        loop {
            let Some(deadline) = self.handle(input) else {
                self.shared.ended();
                return;
            };
            #[cfg(feature = "metrics")]
            {
                self.shared
                    .telemetry()
                    .transitions(self.election.leader_transitions());
                self.shared.refresh_metrics();
            }
            let woken = self.woken(deadline).await;
            input = self.input(woken);
        }
    }

    /// Tells the machine, and does what it says. Until when it then waits; `None`: the election has ended.
    fn handle(&mut self, input: Input) -> Option<MonoTime> {
        self.election.handle(self.shared.clock().now(), input);
        loop {
            match self.election.poll() {
                Output::WaitUntil(deadline) => return Some(deadline),
                Output::Ended => return None,
                output => self.carry_out(output),
            }
        }
    }

    /// Waits for whatever comes first.
    fn woken(&mut self, deadline: MonoTime) -> impl Future<Output = Woken> + Send {
        let waking = Waking {
            due: self.shared.clock().sleep_until(deadline),
            commands: &mut self.commands,
            calls: &mut self.calls,
            watch: &mut self.watch,
        };
        waking.first()
    }

    /// The time is read after waking, so an answer never looks earlier than it came.
    fn input(&mut self, woken: Woken) -> Input {
        match woken {
            Woken::Told(Some(Command::StepDown)) => Input::StepDown,
            Woken::Told(Some(Command::WorkEnded)) => self.work_ended(),
            Woken::Told(Some(Command::Stop) | None) => Input::Stop,
            Woken::Answered(answer) => self.answered(answer),
            Woken::Due => Input::Wake,
            Woken::Watched(event) => self.watched(event),
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Get(read) => self.calls.get(read, self.term.as_ref().map(|(term, _)| &**term)),
            Output::Cas(attempt) => {
                if matches!(attempt.purpose, Purpose::Acquire | Purpose::Claim) {
                    self.takeable_at = self.election.takeable_at().max(self.takeable_at);
                }
                self.calls
                    .swap(attempt, self.term.as_ref().map(|(term, _)| Arc::clone(term)));
            }
            Output::RestartWatch => {
                if std::mem::replace(&mut self.watched, true) {
                    self.shared.telemetry().watch_restarted();
                }
                self.watch = self.calls.open_watch();
            }
            Output::Term(change) => self.term_changed(change),
            Output::Event(event) => self.shared.noticed(event),
            Output::Ended | Output::WaitUntil(_) => {}
        }
    }

    fn answered(&mut self, answer: Answer) -> Input {
        let now = self.shared.clock().mono();
        match answer {
            Answer::Get(read, Ok(observation)) => {
                self.heard(now, Operation::Get);
                Input::Read { read, observation }
            }
            Answer::Get(read, Err(error)) => {
                let (kind, retry_after) =
                    self.failed(Operation::Get, error, Some(now.since(read.sent)), None);
                Input::ReadFailed {
                    read,
                    kind,
                    retry_after,
                }
            }
            Answer::Cas(attempt, result) => {
                self.shared.telemetry().swapped(now, &attempt, &result);
                match result {
                    Ok(swap) => {
                        self.swapped(now, &attempt, &swap);
                        Input::Swapped { attempt, swap }
                    }
                    Err(error) => {
                        let took = now.since(attempt.sent);
                        let (kind, retry_after) = self.failed(
                            Operation::CompareAndSwap,
                            error,
                            Some(took),
                            Some(attempt.purpose),
                        );
                        Input::SwapFailed {
                            attempt,
                            kind,
                            retry_after,
                        }
                    }
                }
            }
        }
    }

    fn watched(&mut self, event: WatchEvent) -> Input {
        let now = self.shared.clock().mono();
        match event {
            WatchEvent::Opened(_, Ok(Some(stream))) => {
                self.watch = Watch::Open(stream);
                self.shared.telemetry().answered(now, Operation::Watch);
                Input::WatchStarted
            }
            WatchEvent::Opened(_, Ok(None)) => {
                self.watch = Watch::Closed;
                Input::WatchUnsupported
            }
            WatchEvent::Shown(observation) => {
                self.shared.heard(now);
                Input::Watched(observation)
            }
            WatchEvent::Opened(since, Err(error)) => self.watch_failed(error, Some(now.since(since))),
            WatchEvent::Failed(error) => self.watch_failed(error, None),
            WatchEvent::Ended => {
                self.watch = Watch::Closed;
                Input::WatchEnded {
                    kind: None,
                    retry_after: None,
                }
            }
        }
    }

    fn watch_failed(&mut self, error: LockError, took: Option<Duration>) -> Input {
        self.watch = Watch::Closed;
        let (kind, retry_after) = self.failed(Operation::Watch, error, took, None);
        Input::WatchEnded {
            kind: Some(kind),
            retry_after,
        }
    }

    fn heard(&self, now: MonoTime, by: Operation) {
        self.shared.heard(now);
        self.shared.telemetry().answered(now, by);
    }

    fn swapped(&self, now: MonoTime, attempt: &Attempt, swap: &Swap) {
        self.shared.heard(now);
        self.shared.telemetry().answered(now, Operation::CompareAndSwap);
        // Who campaigns and is not the first has lost nothing.
        if matches!(swap, Swap::Conflict(_)) && attempt.purpose == Purpose::Renew {
            let conflict = Failure {
                operation: Operation::CompareAndSwap,
                error: &"the record was at another version: somebody has written to it, or an earlier write has landed",
                took: Some(now.since(attempt.sent)),
                remaining: self.remaining(now),
                purpose: Some(attempt.purpose),
                pending: false,
                conflict: true,
            };
            self.shared.telemetry().failed(now, &conflict);
        }
    }

    /// How long the lease still holds, of who leads.
    fn remaining(&self, now: MonoTime) -> Option<Duration> {
        self.term.as_ref().and_then(|(term, _)| term.left(now))
    }

    fn failed(
        &self,
        operation: Operation,
        error: LockError,
        took: Option<Duration>,
        purpose: Option<Purpose>,
    ) -> (LockErrorKind, Option<Duration>) {
        let told = (error.kind(), error.retry_after());
        let now = self.shared.clock().mono();
        let remaining = self.remaining(now);
        let failure = Failure {
            operation,
            error: &error,
            took,
            remaining,
            purpose,
            pending: false,
            conflict: false,
        };
        self.shared.telemetry().failed(now, &failure);
        self.shared.tell(Event::CallFailed {
            operation,
            error,
            took,
            remaining,
        });
        told
    }

    fn work_ended(&mut self) -> Input {
        let now = self.shared.clock().mono();
        if self.term.as_ref().is_some_and(|(term, _)| term.ends(now)) {
            // Work that leaves with its lease has lost it, whoever is first to wake at that moment. An election does not end while there
            // is work.
            self.handle(Input::Wake);
        }
        let Some((term, began)) = self.term.take() else {
            return Input::WorkEnded;
        };
        let end = match (term.panicked(), term.over()) {
            (Some(message), _) => TermEnd::Panicked(message.to_owned()),
            (None, Some(reason)) => TermEnd::Lost(reason),
            (None, None) => TermEnd::Finished,
        };
        if let TermEnd::Lost(reason) = &end
            && !self.loss_told
        {
            self.lost(term.token(), reason.clone());
        }
        if let Some(risk) = term.risk() {
            self.shared.telemetry().left_at_risk(now, risk.unrenewed_for);
        }
        // The term is over for good, whatever clones of views are about.
        term.set_lost(LossReason::WorkEnded, now);
        self.takeable_at = now;
        let after = self.panics.work_ended(began, now, term.panicked().is_some());
        if let (AfterWork::End, TermEnd::Panicked(message)) = (&after, &end) {
            self.shared.panicked(message.clone());
        }
        self.shared.stopped(term.token(), end);
        match after {
            AfterWork::GoOn => Input::WorkEnded,
            AfterWork::StayAway(for_long) => {
                self.takeable_at = now.after(for_long);
                Input::WorkPanicked(Some(for_long))
            }
            AfterWork::End => Input::WorkPanicked(None),
        }
    }

    /// Told once of a term, by whoever is first: the machine, or work that has seen by the clock that its term is over.
    fn lost(&mut self, token: FencingToken, reason: LossReason) {
        self.loss_told = true;
        self.shared.tell(Event::Lost { token, reason });
    }

    fn term_changed(&mut self, change: TermChange) {
        let now = self.shared.clock().mono();
        let config = self.calls.config();
        let timing = &config.timing;
        match (change, self.term.as_ref().map(|(term, _)| term)) {
            (
                TermChange::Start {
                    token,
                    valid_until,
                    transitions,
                },
                _,
            ) => {
                let times = TermTimes {
                    renew_deadline: timing.renew_deadline(),
                    at_risk_after: at_risk_after(config),
                    grace: timing.stop_grace(),
                    timer_lead: config.timer_lead,
                };
                let clock = Arc::clone(self.shared.clock());
                let term = Arc::new(Term::new(clock, token, transitions, valid_until, times));
                let takeover = now.since(self.takeable_at);
                self.shared.telemetry().started(term.renewed_at(), takeover);
                self.loss_told = false;
                self.term = Some((Arc::clone(&term), now));
                self.shared.started(Leadership::new(term, self.shared.commands()));
            }
            (TermChange::ValidUntil(valid_until), Some(term)) => {
                term.extend(valid_until);
                let sent = valid_until.before(timing.renew_deadline());
                self.shared.telemetry().renewed(now, sent);
                self.shared.tell(Event::Renewed {
                    took: now.since(sent),
                    remaining: valid_until.since(now),
                });
            }
            (TermChange::AtRisk(valid_until), Some(_)) => {
                let sent = valid_until.before(timing.renew_deadline());
                self.shared.tell(Event::AtRisk(Risk {
                    unrenewed_for: now.since(sent),
                    remaining: valid_until.since(now),
                }));
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
                let token = term.token();
                self.lost(token, reason);
                self.shared.withdraw();
            }
            (TermChange::Drop, Some(term)) => term.set_dropped(),
            // All clones are gone already, and their end is on its way.
            (_, None) => {}
        }
    }
}
