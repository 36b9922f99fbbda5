//! What the driver waits for, whichever comes first.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use futures_channel::mpsc::UnboundedReceiver;
use futures_core::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::task::coop;

use super::calls::{Answer, Calls};
use super::driver::Command;
use super::watching::{Watch, WatchEvent};

pub(super) enum Woken {
    /// `None`: all who could command are gone.
    Told(Option<Command>),
    Answered(Answer),
    Due,
    Watched(WatchEvent),
}

/// Everything that can wake a driver.
pub(super) struct Waking<'a> {
    pub(super) commands: &'a mut UnboundedReceiver<Command>,
    pub(super) calls: &'a mut Calls,
    pub(super) watch: &'a mut Watch,
    pub(super) due: BoxFuture<'a, ()>,
}

impl Waking<'_> {
    /// By hand, as `select!` keeps a future for each of the four, and every candidate waits here.
    pub(super) fn first(mut self) -> impl Future<Output = Woken> + Send {
        poll_fn(move |cx| {
            // A watch that never rests must not keep its thread for itself.
            let turn = ready!(coop::poll_proceed(cx));
            let first = self.poll_first(cx);
            if first.is_ready() {
                turn.made_progress();
            }
            first
        })
    }

    /// The user first: a stop must not wait behind a watch that never rests. And an answer before the deadline with which it comes.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Woken> {
        if let Poll::Ready(command) = self.commands.poll_next_unpin(cx) {
            return Poll::Ready(Woken::Told(command));
        }
        if let Poll::Ready(answer) = self.calls.poll_next(cx) {
            return Poll::Ready(Woken::Answered(answer));
        }
        if self.due.poll_unpin(cx).is_ready() {
            return Poll::Ready(Woken::Due);
        }
        self.watch.poll_next(cx).map(Woken::Watched)
    }
}
