//! [`Crowd`]: what keeps the elections of one process from calling a store all at once.

mod line;
mod places;

use std::fmt;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use self::line::{Line, Place, Rank, Turn};
use self::places::Places;
use crate::clock::{Clock, SystemClock};
use crate::lock::{LockError, LockErrorKind};
use crate::moment::MonoTime;

/// Where nobody has said how long the call may take: what an elector gives it at the usual durations.
const USUALLY: Duration = Duration::from_secs(5);

/// What the elector knows of the call that it makes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    /// How long it may take.
    pub(crate) may_take: Duration,
    pub(crate) urgency: Urgency,
}

/// Who is let in first. Nothing here is a moment: the elector's clock may be another than the crowd's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Who holds a lease, which is lost if the call comes later than so long from now.
    Holds(Duration),
    /// Who wants to hold something.
    Wants,
    /// Who only asks.
    Asks,
}

tokio::task_local! {
    static CALLER: Caller;
}

/// A call of which that is known, if it has to wait in a [`Crowd`].
pub(crate) fn called_by<F: Future>(caller: Caller, call: F) -> impl Future<Output = F::Output> {
    CALLER.scope(caller, call)
}

/// For authors of locks: has the elections that share a client call one after another, a few at a time.
///
/// Thousands of elections that began together renew together, and each call that is under way takes memory, and over HTTP/1.1 a
/// connection. Where the store answers in milliseconds, it is none the faster for having them all at once; and where it has more to do
/// than it can, it and its client are slower for that, until nothing is in time any more. What a call has to wait here counts as time
/// since it was sent, so it is always on the safe side.
///
/// Who leads is let in before those who want to, the one first whose lease is over first; and these before those who only ask. So where
/// there is too little of everything, what is held is kept, and what is not held has to wait.
///
/// How many are under way follows what comes of it. Where calls wait for more than a tenth of the elector's attempt timeout, half a second
/// of the usual five, it is counted for as long how long they take, and then four times as many are tried. That stays where they take less
/// than twice as long then, as with a store that is far away, and else goes back, as where the processor is what there is too little of,
/// or where what is too much for a store is refused. A call that takes more than that tenth gives its place up, but no more than as many
/// as there are places: one of several stores that hangs then costs memory and connections, and nobody his turn.
///
/// Only for what an elector waits for, a read or a swap, and in the elector's own task, or how urgent the call is and how long it may take
/// is not known: it only asks then, and has five seconds. It has the machine's clock, whatever that of its electors is.
pub struct Crowd {
    state: Mutex<State>,
    clock: Box<dyn Clock>,
}

#[derive(Debug)]
struct State {
    places: Places,
    line: Line,
}

impl Crowd {
    /// So many calls are under way at once, but at least one, and more only where that helps.
    pub fn new(at_once: usize) -> Self {
        Self::with_clock(at_once, SystemClock)
    }

    /// The same by another clock than the machine's. For tests.
    pub fn with_clock(at_once: usize, clock: impl Clock + 'static) -> Self {
        Self {
            state: Mutex::new(State {
                places: Places::new(at_once.max(1)),
                line: Line::default(),
            }),
            clock: Box::new(clock),
        }
    }

    /// Makes the call when there is room. Until then it takes next to no memory.
    ///
    /// # Errors
    /// The call's own; and [`Unavailable`](LockErrorKind::Unavailable) where there is no room within three fifths of what the call may
    /// take, or before what the caller holds is lost: it was not made, then.
    pub async fn one_of<T, F>(&self, call: impl FnOnce() -> F) -> Result<T, LockError>
    where
        F: Future<Output = Result<T, LockError>>,
    {
        let came = self.clock.mono();
        let caller = CALLER.try_with(|caller| *caller).unwrap_or(Caller {
            may_take: USUALLY,
            urgency: Urgency::Asks,
        });
        let (mut place, began, had_waited) = match self.enter() {
            Some(place) => (place, came, false),
            None => (self.wait(caller, came).await?, self.clock.mono(), true),
        };
        let mut call = Box::pin(call());
        let mut gives_up = began;
        let answer = loop {
            // Time passes between two tries, however little the call may take.
            gives_up = gives_up.after((caller.may_take / 10).max(Duration::from_millis(1)));
            tokio::select! {
                biased;
                answer = &mut call => break answer,
                () = self.clock.sleep_until(gives_up) => {}
            }
            // Where too many are beside already, he tries again.
            if place.give_up() {
                break call.await;
            }
        };
        let now = self.clock.mono();
        self.change(|places| places.ended(now, began, had_waited, answer.is_ok()));
        answer
    }

    /// A place, where there is one that nobody waits for.
    fn enter(&self) -> Option<Place<'_>> {
        let mut state = self.state();
        let at_once = state.places.now();
        state.line.enter(at_once).then(|| Place::of(self))
    }

    /// Who stands there is let in at once if there is room by now.
    fn stand(&self, rank: Rank) -> (Turn, oneshot::Receiver<()>) {
        let mut state = self.state();
        let at_once = state.places.now();
        let stands = state.line.stand(rank);
        state.line.serve(at_once);
        stands
    }

    async fn wait(&self, caller: Caller, came: MonoTime) -> Result<Place<'_>, LockError> {
        let long = caller.may_take / 10;
        let mut too_long = came.after(caller.may_take / 5 * 3);
        let rank = match caller.urgency {
            Urgency::Holds(left) => Rank::Holds(came.after(left)),
            Urgency::Wants => Rank::Wants,
            Urgency::Asks => Rank::Asks,
        };
        if let Rank::Holds(until) = rank {
            too_long = too_long.min(until);
        }
        let mut turn = pin!(line::turn(self, rank));
        let mut looks = came.after(long);
        loop {
            tokio::select! {
                biased;
                place = &mut turn => return Ok(place),
                () = self.clock.sleep_until(looks.min(too_long)) => {}
            }
            let now = self.clock.mono();
            if now >= too_long {
                return Err(self.no_room(now.since(came)));
            }
            self.change(|places| places.waited(now, long));
            looks = now.after(long);
        }
    }

    fn no_room(&self, waited: Duration) -> LockError {
        let under_way = self.state().places.now();
        let text = format!(
            "nothing was asked: the call has waited {waited:.1?} for those of other elections on the client, of which {under_way} are \
             made at once"
        );
        LockError::new(LockErrorKind::Unavailable, text)
    }

    /// After which there may be more places, or fewer.
    fn change(&self, how: impl FnOnce(&mut Places)) {
        let mut state = self.state();
        let State { places, line } = &mut *state;
        let before = places.now();
        how(places);
        let now = places.now();
        line.serve(now);
        drop(state);
        if now != before {
            tracing::debug!(now, before, "as many calls as that may be under way at once");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd")
            .field("state", &*self.state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
