//! The world: its time, its queue of what is still to happen, and the loop that lets it happen.

pub(crate) mod candidate;
mod durations;
mod event;
mod healing;
mod machine;
mod network;
mod people;
mod play;
pub(crate) mod random;
mod setup;
mod store;
mod story;

use std::collections::BinaryHeap;

use leaderelection::Content;
use leaderelection::election::Input;

use crate::invariants::{Author, Fact, Judge, Scene, Violation};
use candidate::Candidate;
use event::{Event, Scheduled};
use random::{MILLISECOND, Random};
use store::Store;

pub(crate) use durations::Kind;
pub(crate) use play::{Played, play};

/// How wall clocks behave. No rule of safety looks at them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Walls {
    True,
    /// Each jumps by up to 20 s either way, again and again.
    Jumping,
    /// Each is set back to where it began, again and again.
    SetBack,
}

/// What may happen in this world besides the candidates' own doing.
#[derive(Debug)]
pub(crate) struct Perils {
    /// The record, or its content, is deleted. Only in strict mode (SAFETY 18).
    pub(crate) deletions: bool,
    /// Something that is no record is written (SAFETY 17).
    pub(crate) garbage: bool,
    /// Somebody else's record is written (SAFETY 11).
    pub(crate) foreign: bool,
    /// Somebody writes a label: the version changes, the content does not (SAFETY 5).
    pub(crate) labels: bool,
    /// The lock has a watch.
    pub(crate) watches: bool,
    pub(crate) walls: Walls,
}

pub(crate) struct World {
    /// True time, in nanoseconds.
    pub(crate) time: i64,
    pub(crate) random: Random,
    pub(crate) store: Store,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) perils: Perils,
    /// The longest lease duration of all candidates, in nanoseconds: the scale of every delay.
    pub(crate) lease: i64,
    /// Until when things happen.
    end: i64,
    /// Since when the network is healthy.
    pub(crate) healthy_since: Option<i64>,
    /// How long something is on its way at most in a healthy network.
    healthy_delay: i64,
    /// From when to when somebody had led again after the healing.
    pub(crate) recovery: Option<Recovery>,
    /// What a store last asked of anybody, or whose work panicked of itself: to stay away until then at the latest.
    pub(crate) left_alone_until: i64,
    /// Who acquired too late stays away until then at the latest (SAFETY 22).
    pub(crate) too_late_until: i64,
    /// Terms that began.
    pub(crate) terms: u64,
    /// What went wrong in network, store and watch, and what people did.
    pub(crate) faults: u64,
    pub(crate) violations: Vec<Violation>,
    /// Loops that wait for nothing.
    pub(crate) busy: Vec<String>,
    judge: Judge,
    queue: BinaryHeap<Scheduled>,
    scheduled: u64,
    tells_story: bool,
}

/// How long it took until somebody led again, and how long it may take.
#[derive(Clone, Copy)]
pub(crate) struct Recovery {
    pub(crate) took: Option<i64>,
    pub(crate) bound: i64,
    /// The bound has room for somebody who stays away for a lease.
    waits_longer: bool,
}

impl World {
    pub(crate) fn new(
        random: Random,
        store: Store,
        candidates: Vec<Candidate>,
        perils: Perils,
        lease: i64,
        tells_story: bool,
    ) -> Self {
        Self {
            time: 0,
            random,
            store,
            perils,
            lease,
            end: i64::MAX,
            healthy_since: None,
            healthy_delay: 0,
            recovery: None,
            left_alone_until: 0,
            too_late_until: 0,
            terms: 0,
            faults: 0,
            violations: Vec::new(),
            busy: Vec::new(),
            judge: Judge::new(candidates.len()),
            candidates,
            queue: BinaryHeap::new(),
            scheduled: 0,
            tells_story,
        }
    }

    /// Lets everything happen: perils for forty leases, then health until somebody leads, or until enough went wrong.
    pub(crate) fn run(&mut self) {
        let (mut steps, mut steps_at_this_time) = (0, 0);
        while let Some(Scheduled { time, event, .. }) = self.queue.pop() {
            if time > self.end {
                break;
            }
            steps += 1;
            if time == self.time {
                steps_at_this_time += 1;
            } else {
                steps_at_this_time = 0;
            }
            if steps_at_this_time > 2000 {
                self.busy
                    .push(format!("{}: time stands still", story::seconds(time)));
                break;
            }
            if steps > 200_000 {
                self.busy.push("more than 200,000 events".into());
                break;
            }
            self.time = time;
            self.happen(event);
            if self.violations.len() > 3 || self.busy.len() > 3 {
                break;
            }
        }
    }

    /// Something happened that the invariants are about.
    pub(crate) fn judge(&mut self, fact: &Fact<'_>) {
        let scene = Scene {
            time: self.time,
            candidates: &self.candidates,
        };
        for violation in self.judge.judge(&scene, fact) {
            let how = format!("{}: {}", story::seconds(self.time), violation.how);
            self.note(|| format!("VIOLATION of {}: {how}", violation.of));
            self.violations.push(Violation { how, ..violation });
        }
    }

    /// Whether something goes wrong now: so many times in a hundred, and never in a healthy network.
    pub(crate) fn strikes(&mut self, percent: u64) -> bool {
        let strikes = self.healthy_since.is_none() && self.random.chance(percent);
        self.faults += u64::from(strikes);
        strikes
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Told { who, life, input } => {
                if self.lives(who, life) {
                    self.tell(who, input);
                }
            }
            Event::TimerFires { who, life, timer } => {
                if self.lives(who, life) && self.candidates[who].timer == timer {
                    self.tell(who, Input::Wake);
                }
            }
            Event::ReadArrives { who, life, read } => self.read_arrives(who, life, read),
            Event::SwapArrives {
                who,
                life,
                attempt,
                answered,
            } => self.swap_arrives(who, life, attempt, answered),
            Event::WatchShows {
                who,
                life,
                watch,
                observation,
            } => {
                if self.lives(who, life) && self.candidates[who].watch == Some(watch) {
                    self.watch_shows(who, observation);
                }
            }
            Event::LeaseIsOver { who, life, term } => {
                if self.lives(who, life) && self.candidates[who].term == term {
                    self.lease_is_over(who);
                }
            }
            Event::WorkEnds { who, life, term } => {
                if self.lives(who, life) && self.candidates[who].term == term {
                    self.work_ends(who);
                }
            }
            Event::ComesBack { who, life } => {
                if self.lives(who, life) {
                    self.restart(who);
                }
            }
            Event::UserActs { who } => self.user_acts(who),
            Event::OperatorActs => self.operator_acts(),
            Event::WallJumps { who } => self.wall_jumps(who),
            Event::Heals => self.heal(),
            Event::LabelWritten => self.label_written(),
            Event::LeaderIsDue { bound } => {
                if self.recovery.is_some_and(|recovery| recovery.bound == bound) {
                    self.judge(&Fact::LeaderIsDue);
                }
            }
        }
    }

    fn lives(&self, who: usize, life: u64) -> bool {
        self.candidates[who].life == life
    }

    /// Something is to happen at a time, or now if that is past.
    pub(crate) fn at(&mut self, time: i64, event: Event) {
        self.scheduled += 1;
        self.queue.push(Scheduled {
            time: time.max(self.time),
            number: self.scheduled,
            event,
        });
    }

    /// The candidate in its present life is to be told something.
    pub(crate) fn tell_at(&mut self, time: i64, who: usize, life: u64, input: Input) {
        self.at(time, Event::Told { who, life, input });
    }

    /// How long something is on its way: mostly little, now and then for up to three leases.
    pub(crate) fn delay(&mut self) -> i64 {
        let lease = self.lease;
        if self.healthy_since.is_some() {
            return self.random.time_below(self.healthy_delay);
        }
        match self.random.below(10) {
            0..=5 => self.random.time_below(50 * MILLISECOND),
            6 | 7 => self.random.time_below(lease / 4),
            8 => self.random.time_below(lease),
            _ => self.random.time_below(3 * lease),
        }
    }

    /// Replaces what the store holds, and lets every open watch see it, unless it skips this version.
    pub(crate) fn write(&mut self, content: Option<Content>, author: Option<Author>) {
        self.store.replace(&mut self.random, content, author);
        let observation = self.store.observe();
        let version = self.store.version();
        self.note(|| format!("the store has v{version}: {}", story::observation(&observation)));
        for who in 0..self.candidates.len() {
            let Some(watch) = self.candidates[who].watch else {
                continue;
            };
            if self.strikes(20) {
                continue;
            }
            let shown = self.time + self.delay();
            let candidate = &self.candidates[who];
            let (life, shown) = (candidate.life, shown.max(candidate.cut_off_until));
            let observation = observation.clone();
            self.at(
                shown,
                Event::WatchShows {
                    who,
                    life,
                    watch,
                    observation,
                },
            );
        }
    }

    /// A number that no two garbage writes share.
    pub(crate) fn scheduled(&self) -> u64 {
        self.scheduled
    }

    /// A line of the story. It is printed at once, so that it is there when an assertion fails.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        if self.tells_story {
            println!("{}: {}", story::seconds(self.time), line());
        }
    }
}
