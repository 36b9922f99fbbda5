//! Who has a place and who waits for one, in the order of their urgency.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;

use tokio::sync::oneshot;

use super::{Crowd, Urgency};

#[derive(Debug, Default)]
pub(super) struct Line {
    under_way: usize,
    waiting: BTreeMap<Turn, oneshot::Sender<()>>,
    /// How many have come.
    came: u64,
}

/// Where somebody stands.
pub(super) type Turn = (Urgency, u64);

impl Line {
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Takes a place, if there is one. Who waits has one already, if there is.
    pub(super) fn enter(&mut self, at_once: usize) -> bool {
        let room = self.under_way < at_once;
        self.under_way += usize::from(room);
        room
    }

    pub(super) fn stand(&mut self, urgency: Urgency) -> (Turn, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        self.came += 1;
        let turn = (urgency, self.came);
        self.waiting.insert(turn, sender);
        (turn, receiver)
    }

    /// Lets in as many as there are places.
    pub(super) fn serve(&mut self, at_once: usize) {
        while self.under_way < at_once
            && let Some((_, next)) = self.waiting.pop_first()
        {
            // Who has gone is no longer in the line.
            if next.send(()).is_ok() {
                self.under_way += 1;
            }
        }
    }
}

/// Waits for a place. Dropped before, it leaves the line.
pub(super) async fn turn(crowd: &Crowd, urgency: Urgency) -> Place<'_> {
    let (turn, receiver) = crowd.stand(urgency);
    let waiting = Waiting { crowd, turn };
    // The other half is not dropped but by `Waiting`.
    let _ = receiver.await;
    let waiting = ManuallyDrop::new(waiting);
    Place::of(waiting.crowd)
}

struct Waiting<'a> {
    crowd: &'a Crowd,
    turn: Turn,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waits = self.crowd.state().line.waiting.remove(&self.turn).is_some();
        if !waits {
            // It was let in, and has not learnt of it.
            drop(Place::of(self.crowd));
        }
    }
}

/// Left when it is dropped, for the next one.
pub(super) struct Place<'a>(&'a Crowd);

impl<'a> Place<'a> {
    /// One that was taken already.
    pub(super) fn of(crowd: &'a Crowd) -> Self {
        Self(crowd)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let at_once = state.places.now();
        state.line.under_way = state.line.under_way.saturating_sub(1);
        state.line.serve(at_once);
    }
}
