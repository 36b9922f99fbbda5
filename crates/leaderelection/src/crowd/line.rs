//! Who has a place and who waits for one, in the order of their urgency.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;

use tokio::sync::oneshot;

use super::Crowd;
use crate::moment::MonoTime;

/// Who is let in first, by the crowd's clock, and among equals who came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Who holds a lease, which is over then.
    Holds(MonoTime),
    Wants,
    Asks,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    /// How many have a place.
    under_way: usize,
    /// How many have given theirs up, and go on.
    beside: usize,
    waiting: BTreeMap<Turn, oneshot::Sender<()>>,
    /// How many have stood here.
    came: u64,
}

/// Where somebody stands.
pub(super) type Turn = (Rank, u64);

impl Line {
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.under_way + self.beside
    }

    /// Takes a place, if there is one. Who waits has one already, if there is.
    pub(super) fn enter(&mut self, at_once: usize) -> bool {
        let room = self.under_way < at_once;
        self.under_way += usize::from(room);
        room
    }

    pub(super) fn stand(&mut self, rank: Rank) -> (Turn, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        self.came += 1;
        let turn = (rank, self.came);
        self.waiting.insert(turn, sender);
        (turn, receiver)
    }

    /// Lets in as many as there are places.
    pub(super) fn serve(&mut self, at_once: usize) {
        while self.under_way < at_once
            && let Some((_, next)) = self.waiting.pop_first()
        {
            self.under_way += 1;
            // Who is about to go finds himself out of the line, and gives the place back.
            let _ = next.send(());
        }
    }
}

/// Waits for a place. Dropped before, it leaves the line.
pub(super) async fn turn(crowd: &Crowd, rank: Rank) -> Place<'_> {
    let (turn, receiver) = crowd.stand(rank);
    let waiting = Waiting { crowd, turn };
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
pub(super) struct Place<'a> {
    crowd: &'a Crowd,
    given_up: bool,
}

impl<'a> Place<'a> {
    /// One that was taken already.
    pub(super) fn of(crowd: &'a Crowd) -> Self {
        Self {
            crowd,
            given_up: false,
        }
    }

    /// Lets the next one in, and goes on beside: but only as many as there are places. Tells whether that is so.
    pub(super) fn give_up(&mut self) -> bool {
        let mut state = self.crowd.state();
        let at_once = state.places.now();
        if state.line.beside < at_once && !self.given_up {
            self.given_up = true;
            state.line.beside += 1;
            state.line.under_way -= 1;
            state.line.serve(at_once);
        }
        self.given_up
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.crowd.state();
        let at_once = state.places.now();
        if self.given_up {
            state.line.beside -= 1;
        } else {
            state.line.under_way -= 1;
            state.line.serve(at_once);
        }
    }
}
