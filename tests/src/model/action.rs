//! What the adversary may do next.

use leaderelection::Expected;

use super::seat::Fate;
use super::setting::{SEATS, Setting};
use super::world::World;

/// One step of the adversary, or of the user, whom it also plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Time passes: each clock advances so many ticks, and each machine is woken at every one.
    Tick([u8; 2]),
    /// A watch shows the record as it was so many versions ago.
    Show {
        /// To whom.
        seat: usize,
        /// How many versions ago.
        ago: usize,
    },
    /// The read on its way is answered with the record as it was so many versions ago, which is not before it was sent.
    AnswerRead {
        /// Whose.
        seat: usize,
        /// How many versions ago.
        ago: usize,
    },
    /// The read on its way fails.
    FailRead {
        /// Whose.
        seat: usize,
    },
    /// A write reaches the store and is done.
    Land {
        /// Whose.
        seat: usize,
        /// Which.
        call: usize,
    },
    /// A write is answered. A reply that needs the store's state was given when it was sent.
    Answer {
        /// Whose.
        seat: usize,
        /// Which.
        call: usize,
        /// With what.
        reply: Reply,
    },
    /// A write will neither land nor be answered, or its answer is lost.
    Lose {
        /// Whose.
        seat: usize,
        /// Which.
        call: usize,
    },
    /// The work ends by itself.
    EndWork {
        /// Whose.
        seat: usize,
    },
    /// The user stops the candidate. When it has left, another takes its place.
    Stop {
        /// Whom.
        seat: usize,
    },
    /// The user asks the candidate to step down.
    StepDown {
        /// Whom.
        seat: usize,
    },
    /// The process of the candidate is killed, and another takes its place under the same name.
    Crash {
        /// Whose.
        seat: usize,
    },
}

/// How a write is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It was done.
    Done,
    /// It was not done; the state in the way is shown as it was so many versions ago, or not. Also said of a write that
    /// was done: a client's own retry may have met it (SAFETY 9).
    Conflict(Option<usize>),
    /// Nobody knows whether it was done or will be (SAFETY 9).
    Ambiguous,
    /// It was not done and never will be.
    Refused,
}

/// Everything that may happen next in `world`.
pub(super) fn enabled(setting: &Setting, world: &World, actions: &mut Vec<Action>) {
    let [lo, hi] = setting.rates;
    for first in lo..=hi {
        actions.extend((lo..=hi).map(|second| Action::Tick([first, second])));
    }
    for seat in SEATS {
        let Some(candidate) = world.seats.get(seat) else {
            continue;
        };
        for ago in world.store.remembered() {
            actions.push(Action::Show { seat, ago });
        }
        if setting.coarse {
            // A read says no more than a watch, except of an absence, which has no version.
            let absent = |ago: &usize| world.store.record(*ago).is_none();
            let answers = world.store.remembered().filter(absent);
            actions.extend(answers.map(|ago| Action::AnswerRead { seat, ago }));
        } else if let Some(read) = &candidate.read {
            let since = |ago: &usize| world.store.version(*ago) >= read.known;
            let answers = world.store.remembered().filter(since);
            actions.extend(answers.map(|ago| Action::AnswerRead { seat, ago }));
            actions.push(Action::FailRead { seat });
        }
        for call in 0..candidate.calls.len() {
            writes(world, seat, call, actions);
        }
        if candidate.election.is_at_work() {
            actions.push(Action::EndWork { seat });
            actions.push(Action::StepDown { seat });
        }
        actions.push(Action::Stop { seat });
        actions.push(Action::Crash { seat });
    }
}

fn writes(world: &World, seat: usize, call: usize, actions: &mut Vec<Action>) {
    let Some(of) = world.seats.get(seat).and_then(|seat| seat.calls.get(call)) else {
        return;
    };
    let mut answer = |reply| actions.push(Action::Answer { seat, call, reply });
    let expected = of.attempt.expected;
    let conflicts = |ago: &usize| match (of.fate, expected) {
        (Fate::Landed(version), _) => world.store.version(*ago) >= Some(version),
        (_, Expected::Version(version)) => world.store.version(*ago) > Some(version),
        (_, Expected::Absent) => world.store.record(*ago).is_some(),
    };
    match of.fate {
        Fate::Ghost => {}
        Fate::Beaten => answer(Reply::Conflict(None)),
        Fate::Sent if world.store.is(expected) => {
            answer(Reply::Ambiguous);
            answer(Reply::Refused);
        }
        Fate::Sent | Fate::Landed(_) => {
            if matches!(of.fate, Fate::Landed(_)) {
                answer(Reply::Done);
            }
            answer(Reply::Ambiguous);
            answer(Reply::Conflict(None));
            world
                .store
                .remembered()
                .filter(conflicts)
                .for_each(|ago| answer(Reply::Conflict(Some(ago))));
        }
    }
    if of.fate != Fate::Ghost || world.store.is(expected) {
        actions.push(Action::Lose { seat, call });
    }
    if matches!(of.fate, Fate::Sent | Fate::Ghost) && world.store.is(expected) {
        actions.push(Action::Land { seat, call });
    }
}
