//! What the driver and the handles of one election share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};

use super::callbacks::Callbacks;
use super::driver::Command;
use super::event::{Event, Operation, TermEnd};
use super::leadership::{Leadership, Term, WeakLeadership};
use crate::clock::Clock;
use crate::election::ElectionEvent;
use crate::identity::FencingToken;
use crate::lock::LockError;

pub(super) struct Shared {
    name: String,
    clock: Arc<dyn Clock>,
    commands: mpsc::UnboundedSender<Command>,
    events: Mutex<Option<broadcast::Sender<Event>>>,
    callbacks: Mutex<Option<Callbacks>>,
    state: watch::Sender<State>,
    current: Mutex<Current>,
    failing: Mutex<Vec<Operation>>,
}

/// What handles wait for.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) leader: Option<String>,
    pub(super) end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The user asked for it.
    Stopped,
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
        name: String,
        clock: Arc<dyn Clock>,
        commands: mpsc::UnboundedSender<Command>,
        events: broadcast::Sender<Event>,
        callbacks: Option<Callbacks>,
    ) -> Self {
        Self {
            name,
            clock,
            commands,
            events: Mutex::new(Some(events)),
            callbacks: Mutex::new(callbacks),
            state: watch::Sender::default(),
            current: Mutex::default(),
            failing: Mutex::default(),
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
        let _ = self.commands.send(command);
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// A receiver of the events from now on; of a channel that is closed when the election is over.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        lock(&self.events)
            .as_ref()
            .map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe)
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

    pub(super) fn tell(&self, event: Event) {
        match &event {
            Event::Renewed { remaining } => tracing::trace!(lock = self.name, ?remaining, "renewed"),
            Event::AtRisk { remaining } => tracing::warn!(lock = self.name, ?remaining, "renewals fail"),
            Event::Draining { within } => tracing::info!(lock = self.name, ?within, "draining"),
            Event::Lost { token, reason } => {
                tracing::warn!(lock = self.name, %token, %reason, "lost the lease")
            }
            Event::Stopped { token, end } => {
                tracing::info!(lock = self.name, %token, %end, "stopped leading")
            }
            Event::Started { token, .. } => tracing::info!(lock = self.name, %token, "started leading"),
            Event::Noticed(ElectionEvent::HolderChanged(holder)) => {
                tracing::info!(lock = self.name, ?holder, "the holder changed");
            }
            // Somebody has to do something about it (SAFETY 19).
            Event::Noticed(ElectionEvent::StoreWentBack { highest, shown }) => tracing::warn!(
                lock = self.name,
                %highest,
                shown = shown.map(tracing::field::display),
                "the store went back: it has shown a higher version before"
            ),
            Event::Noticed(event) => tracing::info!(lock = self.name, ?event, "noticed"),
            // Told by `failed`, which knows whether it is news.
            Event::CallFailed { .. } | Event::Missed(_) => {}
        }
        if let Some(callbacks) = &*lock(&self.callbacks) {
            callbacks.tell(&event);
        }
        if let Some(events) = &*lock(&self.events) {
            // Nobody may be listening.
            let _ = events.send(event);
        }
    }

    pub(super) fn noticed(&self, event: ElectionEvent) {
        if let ElectionEvent::HolderChanged(holder) = &event {
            self.state.send_modify(|state| state.leader.clone_from(holder));
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
        self.state.send_modify(|_| {});
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

    /// Only the first failure of a kind of call is worth a person's attention until one succeeds.
    pub(super) fn failed(&self, operation: Operation, error: LockError, remaining: Option<Duration>) {
        let mut failing = lock(&self.failing);
        if failing.contains(&operation) {
            tracing::debug!(lock = self.name, %operation, %error, ?remaining, "still failing");
        } else {
            failing.push(operation);
            tracing::warn!(lock = self.name, %operation, %error, ?remaining, "failed; it is tried again");
        }
        drop(failing);
        self.tell(Event::CallFailed {
            operation,
            error,
            remaining,
        });
    }

    pub(super) fn answered(&self, operation: Operation) {
        let mut failing = lock(&self.failing);
        if let Some(at) = failing.iter().position(|failed| *failed == operation) {
            failing.remove(at);
            tracing::info!(lock = self.name, %operation, "answers again");
        }
    }

    pub(super) fn ended(&self) {
        self.end(End::Stopped);
    }

    /// The driver was dropped; after an orderly end this changes nothing.
    pub(super) fn gone(&self) {
        self.end(End::Gone);
    }

    fn end(&self, end: End) {
        let before = std::mem::take(&mut *lock(&self.current));
        drop(before);
        self.state.send_if_modified(|state| {
            let first = state.end.is_none();
            state.end.get_or_insert(end);
            first
        });
        // Streams of events end with the channel, and callbacks with theirs.
        lock(&self.events).take();
        lock(&self.callbacks).take();
    }
}

/// Nothing here panics while it holds a lock, so a poisoned one has nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
