//! What the adversary may do next.

use leaderelection::Expected;

use super::seat::Fate;
use super::setting::{MOST_SEATS, Setting};
use super::world::World;

/// One step of the adversary, or of the user, whom it also plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Time passes: each clock advances so many ticks, and each machine is woken at every one.
    Tick([u8; MOST_SEATS]),
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
    /// Somebody else writes to the lock.
    Meddle(Meddling),
}

/// What somebody else writes to the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meddling {
    /// A label: the version moves, the record does not.
    Label,
    /// Another holder, with so many seconds.
    Rewrite(i64),
    /// No holder.
    Empty,
    /// Nothing is left.
    Delete,
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
    /// It was not done and never will be. Also said of a write that was done, by a client whose own retry was refused (SAFETY 9).
    Refused,
    /// Success, with the version that it named: it would have changed nothing (SAFETY 6).
    Nothing,
}

/// Everything that may happen next in `world`.
pub(super) fn enabled(setting: &Setting, world: &World, actions: &mut Vec<Action>) {
    let on_its_way = world.seats.iter().any(|seat| !seat.calls.is_empty());
    if !(setting.prompt_writes && on_its_way) {
        ticks(setting.rates, world.seats.len(), actions);
    }
    let powers = &setting.powers;
    for (seat, candidate) in world.seats.iter().enumerate() {
        let known = candidate.election.known_version();
        if setting.watches {
            let shown = world
                .store
                .remembered()
                .filter(|ago| *ago <= setting.oldest_shown);
            actions.extend(shown.map(|ago| Action::Show { seat, ago }));
        }
        if setting.coarse {
            // A read says no more than a watch, except of an absence, which it shows without a version.
            let asked = |ago: &usize| powers.slow_reads || world.store.record(*ago).is_none();
            let news =
                |ago: &usize| *ago <= setting.oldest_shown && asked(ago) && world.store.version(*ago) > known;
            let answers = world.store.remembered().filter(news);
            actions.extend(answers.map(|ago| Action::AnswerRead { seat, ago }));
        } else if let Some(read) = &candidate.read {
            let since = |ago: &usize| *ago <= setting.oldest_shown && world.store.version(*ago) >= read.known;
            let answers = world.store.remembered().filter(since);
            actions.extend(answers.map(|ago| Action::AnswerRead { seat, ago }));
            actions.push(Action::FailRead { seat });
        }
        for call in 0..candidate.calls.len() {
            writes(setting, world, seat, call, actions);
        }
        if powers.people {
            if candidate.election.is_at_work() {
                actions.push(Action::EndWork { seat });
                actions.push(Action::StepDown { seat });
            }
            actions.push(Action::Stop { seat });
        }
        if powers.crashes {
            actions.push(Action::Crash { seat });
        }
    }
    meddling(setting, world, actions);
}

/// Every rate for every clock.
pub(super) fn ticks([lo, hi]: [u8; 2], seats: usize, actions: &mut Vec<Action>) {
    let mut all = vec![[0; MOST_SEATS]];
    for seat in 0..seats {
        let with = |ticks: &[u8; MOST_SEATS], rate| {
            let mut ticks = *ticks;
            ticks.iter_mut().skip(seat).take(1).for_each(|tick| *tick = rate);
            ticks
        };
        let before = std::mem::take(&mut all);
        all.extend((lo..=hi).flat_map(|rate| before.iter().map(move |ticks| with(ticks, rate))));
    }
    actions.extend(all.into_iter().map(Action::Tick));
}

fn meddling(setting: &Setting, world: &World, actions: &mut Vec<Action>) {
    let powers = &setting.powers;
    let Some(record) = world.store.record(0) else {
        return;
    };
    let mut meddle = |meddling| actions.push(Action::Meddle(meddling));
    if powers.labels {
        meddle(Meddling::Label);
    }
    if powers.rewrites {
        meddle(Meddling::Rewrite(0));
        meddle(Meddling::Rewrite(1));
    }
    let newest = world.store.version(0);
    let known = || {
        world
            .seats
            .iter()
            .all(|seat| seat.election.known_version() == newest)
    };
    let dead = || {
        world
            .seats
            .iter()
            .all(|seat| !seat.election.is_at_work() && seat.calls.is_empty())
    };
    if world.store.deletions > 0 && (!powers.deletes_known || known()) && (!powers.deletes_dead || dead()) {
        meddle(Meddling::Delete);
        if powers.empties && !record.is_free() {
            meddle(Meddling::Empty);
        }
    }
}

fn writes(setting: &Setting, world: &World, seat: usize, call: usize, actions: &mut Vec<Action>) {
    let Some(of) = world.seats.get(seat).and_then(|seat| seat.calls.get(call)) else {
        return;
    };
    let powers = &setting.powers;
    let mut answer = |reply| actions.push(Action::Answer { seat, call, reply });
    let expected = of.attempt.expected;
    let conflicts = |ago: &usize| match (of.fate, expected) {
        (Fate::Landed(version), _) => world.store.version(*ago) >= Some(version),
        (_, Expected::Version(version)) => world.store.version(*ago) > Some(version),
        (_, Expected::Absent) => {
            world.store.record(*ago).is_some() && world.store.version(*ago) > of.attempt.known
        }
    };
    match of.fate {
        Fate::Ghost => {}
        Fate::Beaten => answer(Reply::Conflict(None)),
        Fate::Sent if world.store.is(expected) => {
            if powers.misleads {
                answer(Reply::Ambiguous);
                answer(Reply::Refused);
            }
            if powers.mute && expected != Expected::Absent {
                answer(Reply::Nothing);
            }
        }
        Fate::Sent | Fate::Landed(_) => {
            let landed = matches!(of.fate, Fate::Landed(_));
            if landed {
                answer(Reply::Done);
            }
            if powers.misleads {
                answer(Reply::Ambiguous);
            }
            if powers.misleads && landed {
                answer(Reply::Refused);
            }
            if powers.misleads || !landed {
                answer(Reply::Conflict(None));
                world
                    .store
                    .remembered()
                    .filter(conflicts)
                    .for_each(|ago| answer(Reply::Conflict(Some(ago))));
            }
        }
    }
    if of.fate != Fate::Ghost || world.store.is(expected) {
        actions.push(Action::Lose { seat, call });
    }
    if matches!(of.fate, Fate::Sent | Fate::Ghost) && world.store.is(expected) {
        actions.push(Action::Land { seat, call });
    }
}
