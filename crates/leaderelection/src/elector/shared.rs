//! What the driver and the handles of one election share.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::mpsc;

use super::callbacks::Callbacks;
use super::driver::Command;
use super::event::{Announcer, Event, Events, Operation, TermEnd};
use super::leadership::{Leadership, WeakLeadership};
use super::observer::{NotReady, Readiness, Unhealthy};
use super::story::Failure;
use super::telemetry::Telemetry;
use super::term::Term;
use super::tuning::TimingAdvice;
use super::watched::Watched;
use crate::clock::Clock;
use crate::election::{Attempt, ElectionEvent};
use crate::identity::FencingToken;
use crate::lock::{LockError, LockErrorKind};
use crate::moment::MonoTime;

pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    lease_duration: Duration,
    commands: mpsc::UnboundedSender<Command>,
    events: Mutex<Option<Announcer>>,
    callbacks: Mutex<Option<Callbacks>>,
    state: Watched<State>,
    current: Mutex<Current>,
    panicked: Mutex<Option<String>>,
    telemetry: Telemetry,
    /// When something was heard of the lock last, in nanoseconds; [`NOTHING`] before that.
    heard: AtomicI64,
    #[cfg(feature = "metrics")]
    began: MonoTime,
}

const NOTHING: i64 = i64::MIN;

/// What handles wait for.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) leader: Option<String>,
    pub(super) end: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The user asked for it.
    Stopped,
    /// The work panicked, and nobody has chosen to campaign again after that.
    Panicked(String),
    /// The driver was dropped.
    Gone,
}

/// The term that this candidate leads, if it does.
#[derive(Default)]
struct Current {
    /// The leadership until somebody takes it: a term that nobody has taken has no work yet.
    untaken: Option<Leadership>,
    given: Option<WeakLeadership>,
    term: Option<Arc<Term>>,
}

impl Shared {
    pub(super) fn new(
        telemetry: Telemetry,
        clock: Arc<dyn Clock>,
        lease_duration: Duration,
        commands: mpsc::UnboundedSender<Command>,
        events: Announcer,
        callbacks: Option<Callbacks>,
    ) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            began: clock.mono(),
            telemetry,
            clock,
            lease_duration,
            heard: AtomicI64::new(NOTHING),
            commands,
            events: Mutex::new(Some(events)),
            callbacks: Mutex::new(callbacks),
            state: Watched::default(),
            current: Mutex::default(),
            panicked: Mutex::default(),
        }
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn commands(&self) -> mpsc::UnboundedSender<Command> {
        self.commands.clone()
    }

    pub(super) fn command(&self, command: Command) {
        // The driver may have ended; then the command has nothing left to change.
        let _ = self.commands.unbounded_send(command);
    }

    /// How it has ended, if it has.
    pub(super) fn ending(&self) -> Option<End> {
        self.state.look().end.clone()
    }

    pub(super) fn state(&self) -> &Watched<State> {
        &self.state
    }

    /// The events from now on; none when the election is over.
    pub(super) fn events(&self) -> Events {
        lock(&self.events)
            .as_ref()
            .map_or_else(Events::none, Announcer::listen)
    }

    pub(super) fn term(&self) -> Option<Arc<Term>> {
        lock(&self.current).term.clone()
    }

    /// The leadership of a term that nobody has taken yet.
    pub(super) fn take_new(&self) -> Option<Leadership> {
        let leadership = lock(&self.current).untaken.take()?;
        // Its lease may have run out while it lay here.
        leadership.is_valid().then_some(leadership)
    }

    /// The leadership of the current term, taken or not.
    pub(super) fn take(&self) -> Option<Leadership> {
        self.take_new()
            .or_else(|| lock(&self.current).given.as_ref()?.upgrade())
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub(super) fn tell(&self, event: Event) {
        let advice = self.telemetry.tell(self.clock.mono(), &event);
        self.send(event);
        if let Some(advice) = advice {
            let event = Event::Advice(Box::new(advice));
            self.telemetry.tell(self.clock.mono(), &event);
            self.send(event);
        }
    }

    fn send(&self, event: Event) {
        if let Some(callbacks) = &*lock(&self.callbacks) {
            callbacks.tell(&event);
        }
        if let Some(events) = &*lock(&self.events) {
            events.tell(event);
        }
    }

    pub(super) fn noticed(&self, event: ElectionEvent) {
        if let ElectionEvent::HolderChanged(holder) = &event {
            self.state.change(|state| state.leader.clone_from(holder));
        }
        self.tell(Event::Noticed(event));
    }

    pub(super) fn started(&self, leadership: Leadership) {
        let event = Event::Started {
            token: leadership.token(),
            transitions: leadership.transitions(),
        };
        *lock(&self.current) = Current {
            given: Some(leadership.downgrade()),
            term: Some(Arc::clone(leadership.term())),
            untaken: Some(leadership),
        };
        self.tell(event);
        // Whoever waits for a term looks again.
        self.state.tell();
    }

    /// A leadership that nobody has taken has no work to wait for.
    pub(super) fn withdraw(&self) {
        let untaken = lock(&self.current).untaken.take();
        drop(untaken);
    }

    pub(super) fn stopped(&self, token: FencingToken, end: TermEnd) {
        let before = std::mem::take(&mut *lock(&self.current));
        drop(before);
        self.tell(Event::Stopped { token, end });
    }

    /// What the lock calls itself.
    pub(super) fn lock_name(&self) -> &str {
        self.telemetry.lock_name()
    }

    /// A swap has had no answer when the next one is due. It may still have one.
    pub(super) fn unanswered(&self, attempt: &Attempt, term: Option<&Term>) {
        let error = LockError::new(
            LockErrorKind::Ambiguous,
            format!("{} has not answered yet", self.lock_name()),
        );
        let now = self.clock.mono();
        let failure = Failure {
            operation: Operation::CompareAndSwap,
            error: &error,
            took: Some(now.since(attempt.sent)),
            remaining: term.and_then(|term| term.left(now)),
            purpose: Some(attempt.purpose),
            pending: true,
            conflict: false,
        };
        self.telemetry.failed(now, &failure);
    }

    /// Something was heard of the lock now.
    pub(super) fn heard(&self, now: MonoTime) {
        self.heard.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Go's health check: see [`ElectionObserver::health`](super::ElectionObserver::health).
    pub(super) fn health(&self, tolerance: Duration) -> Result<(), Unhealthy> {
        let Some(term) = self.term() else {
            return Ok(());
        };
        let limit = term.renewed_at().after(self.lease_duration).after(tolerance);
        let now = self.clock.mono();
        if now < limit {
            Ok(())
        } else {
            Err(Unhealthy {
                overdue: now.since(limit),
            })
        }
    }

    /// See [`ElectionObserver::ready`](super::ElectionObserver::ready).
    pub(super) fn ready(&self, readiness: Readiness) -> Result<(), NotReady> {
        let State { leader, end } = self.state.look().clone();
        if end.is_some() {
            return Err(NotReady::NotRunning);
        }
        match readiness {
            Readiness::Anyone if self.heard.load(Ordering::Relaxed) == NOTHING => Err(NotReady::NothingSeen),
            Readiness::Anyone => Ok(()),
            Readiness::LeaderOnly if self.leads() => Ok(()),
            Readiness::LeaderOnly => Err(NotReady::NotLeading { leader }),
        }
    }

    fn leads(&self) -> bool {
        self.term().is_some_and(|term| term.over().is_none())
    }

    pub(super) fn advice(&self) -> TimingAdvice {
        self.telemetry.advice(self.clock.mono())
    }

    #[cfg(feature = "metrics")]
    pub(super) fn refresh_metrics(&self) {
        let now = self.clock.mono();
        let remaining = self.term().and_then(|term| term.left(now)).unwrap_or_default();
        let heard = self.heard.load(Ordering::Relaxed);
        let age = match heard {
            // Who never sees its lock is as blind as who no longer does.
            NOTHING => now.since(self.began),
            heard => now.since(MonoTime::from_nanos(heard)),
        };
        self.telemetry.ages(self.leads(), remaining, age);
        // It may have ended meanwhile.
        self.told_that_it_ended();
    }

    /// The metrics of an election that is over, however it ended; of another nothing.
    fn told_that_it_ended(&self) {
        let Some(end) = self.ending() else { return };
        // A recorder that panics is no reason to abort the program: this may be called because it has.
        let ended = AssertUnwindSafe(|| self.telemetry.ended(end != End::Gone));
        let _ = std::panic::catch_unwind(ended);
    }

    /// The work panicked, and the election ends for it.
    pub(super) fn panicked(&self, message: String) {
        *lock(&self.panicked) = Some(message);
    }

    pub(super) fn ended(&self) {
        let panicked = lock(&self.panicked).take();
        self.end(panicked.map_or(End::Stopped, End::Panicked));
    }

    /// The driver was dropped; after an orderly end this changes nothing.
    pub(super) fn gone(&self) {
        self.end(End::Gone);
    }

    fn end(&self, end: End) {
        let before = std::mem::take(&mut *lock(&self.current));
        drop(before);
        self.state.change(|state| {
            state.end.get_or_insert(end);
        });
        // Streams of events end with the channel, and callbacks with theirs.
        lock(&self.events).take();
        lock(&self.callbacks).take();
        self.told_that_it_ended();
    }
}

/// Nothing here panics while it holds a lock, so a poisoned one has nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
