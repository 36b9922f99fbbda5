//! What an elector tells those who watch it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::leadership::Risk;
use super::tuning::TimingAdvice;
use crate::election::{ElectionEvent, LossReason};
use crate::identity::FencingToken;
use crate::lock::LockError;

/// How many events a slow reader may be behind before it misses some.
const EVENTS_KEPT: usize = 128;

/// Something happened in an election, as seen by one candidate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// This candidate leads.
    Started {
        /// The term's fencing token.
        token: FencingToken,
        /// The record's transitions when the term began.
        transitions: i64,
    },
    /// The lease was renewed.
    Renewed {
        /// From the send of the renewal until its answer was taken.
        took: Duration,
        /// How long it holds from now on.
        remaining: Duration,
    },
    /// Renewals fail, and the lease nears its end.
    AtRisk(Risk),
    /// A stop or a step-down was asked for: the work may finish, still renewed, within this time.
    Draining {
        /// The drain timeout.
        within: Duration,
    },
    /// This candidate no longer leads; its work is being stopped.
    Lost {
        /// The token of the term that is over.
        token: FencingToken,
        /// Why it is over.
        reason: LossReason,
    },
    /// The work of a term has stopped.
    Stopped {
        /// The token of the term that is over.
        token: FencingToken,
        /// How it ended.
        end: TermEnd,
    },
    /// A call to the lock failed. It is tried again; no such failure ends an election.
    CallFailed {
        /// What was asked of the lock.
        operation: Operation,
        /// Why it failed.
        error: LockError,
        /// From its send until it failed or was no longer waited for; `None` for a watch that was open.
        took: Option<Duration>,
        /// How long the lease still holds, for a leader.
        remaining: Option<Duration>,
    },
    /// Something that was seen in the store, or decided by the machine.
    Noticed(ElectionEvent),
    /// The verdict on the durations is another than before.
    Advice(Box<TimingAdvice>),
    /// So many events were missed because this stream was not read in time.
    Missed(u64),
}

/// How a term ended, as `on_stopped_leading` is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TermEnd {
    /// The lease was lost.
    Lost(LossReason),
    /// The work panicked with this message.
    Panicked(String),
    /// The work ended, or stopped because it was asked to, while the lease held.
    Finished,
}

impl fmt::Display for TermEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(reason) => reason.fmt(f),
            Self::Panicked(message) => write!(f, "the work panicked: {message}"),
            Self::Finished => f.write_str("the work ended"),
        }
    }
}

/// A call to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`ResourceLock::get`](crate::ResourceLock::get).
    Get,
    /// [`ResourceLock::compare_and_swap`](crate::ResourceLock::compare_and_swap).
    CompareAndSwap,
    /// [`ResourceLock::watch`](crate::ResourceLock::watch), or the stream that it returned.
    Watch,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::CompareAndSwap => "compare-and-swap",
            Self::Watch => "watch",
        })
    }
}

/// Where events are told. Its channel is made when somebody listens: it takes more memory than all else of an election. The last clone
/// that is dropped ends the streams.
#[derive(Clone, Default)]
pub(super) struct Announcer(Arc<OnceLock<broadcast::Sender<Event>>>);

impl Announcer {
    pub(super) fn listen(&self) -> Events {
        let channel = self.0.get_or_init(|| broadcast::Sender::new(EVENTS_KEPT));
        Events::new(channel.subscribe())
    }

    pub(super) fn tell(&self, event: Event) {
        if let Some(channel) = self.0.get() {
            // Whoever listened may be gone.
            let _ = channel.send(event);
        }
    }
}

/// The events of one election from the moment it was asked for. Ends with the election.
#[derive(Debug)]
pub struct Events(BroadcastStream<Event>);

impl Events {
    fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self(BroadcastStream::new(receiver))
    }

    /// Of an election that is over.
    pub(super) fn none() -> Self {
        Self::new(broadcast::channel(1).1)
    }

    /// The next event; `None` when the election is over.
    pub async fn recv(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        Pin::new(&mut self.0).poll_next(context).map(|item| {
            item.map(|event| match event {
                Ok(event) => event,
                Err(BroadcastStreamRecvError::Lagged(missed)) => Event::Missed(missed),
            })
        })
    }
}
