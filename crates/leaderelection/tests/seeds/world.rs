//! The world: its time, its queue of what is still to happen, and the loop that lets it happen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use leaderelection::election::{Attempt, Input, Read};
use leaderelection::{Content, Observation};

use crate::candidate::Candidate;
use crate::random::{MILLISECOND, Random};
use crate::store::Store;
use crate::story;

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

/// What is still to happen. What is for a candidate names the life that it is for.
pub(crate) enum Event {
    Told {
        who: usize,
        life: u64,
        input: Input,
    },
    TimerFires {
        who: usize,
        life: u64,
        timer: u64,
    },
    ReadArrives {
        who: usize,
        life: u64,
        read: Read,
    },
    SwapArrives {
        who: usize,
        life: u64,
        attempt: Attempt,
        answered: bool,
    },
    WatchShows {
        who: usize,
        life: u64,
        watch: u64,
        observation: Observation,
    },
    LeaseIsOver {
        who: usize,
        life: u64,
        term: u64,
    },
    WorkEnds {
        who: usize,
        life: u64,
        term: u64,
    },
    ComesBack {
        who: usize,
        life: u64,
    },
    UserActs {
        who: usize,
    },
    OperatorActs,
    WallJumps {
        who: usize,
    },
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
    /// Terms that began.
    pub(crate) terms: u64,
    /// The greatest token of all terms so far.
    pub(crate) greatest_token: u64,
    /// Two at work, or a token that did not grow.
    pub(crate) violations: Vec<String>,
    /// Loops that wait for nothing.
    pub(crate) busy: Vec<String>,
    /// When, and in which order among those of the same time.
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    scheduled: u64,
    tells_story: bool,
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
            candidates,
            perils,
            lease,
            terms: 0,
            greatest_token: 0,
            violations: Vec::new(),
            busy: Vec::new(),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            scheduled: 0,
            tells_story,
        }
    }

    /// Lets everything happen, for forty leases or until enough went wrong.
    pub(crate) fn run(&mut self) {
        let end = self.lease * 40;
        let (mut steps, mut steps_at_this_time) = (0, 0);
        while let Some(Reverse((time, number))) = self.queue.pop() {
            if time > end {
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
            let event = self.events.remove(&number).unwrap();
            self.happen(event);
            if self.violations.len() > 3 || self.busy.len() > 3 {
                break;
            }
        }
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
        }
    }

    fn lives(&self, who: usize, life: u64) -> bool {
        self.candidates[who].life == life
    }

    /// Something is to happen at a time, or now if that is past.
    pub(crate) fn at(&mut self, time: i64, event: Event) {
        self.scheduled += 1;
        self.queue.push(Reverse((time.max(self.time), self.scheduled)));
        self.events.insert(self.scheduled, event);
    }

    /// The candidate in its present life is to be told something.
    pub(crate) fn tell_at(&mut self, time: i64, who: usize, life: u64, input: Input) {
        self.at(time, Event::Told { who, life, input });
    }

    /// How long something is on its way: mostly little, now and then for up to three leases.
    pub(crate) fn delay(&mut self) -> i64 {
        let lease = self.lease;
        match self.random.below(10) {
            0..=5 => self.random.time_below(50 * MILLISECOND),
            6 | 7 => self.random.time_below(lease / 4),
            8 => self.random.time_below(lease),
            _ => self.random.time_below(3 * lease),
        }
    }

    /// Replaces what the store holds, and lets every open watch see it, unless it skips this version.
    pub(crate) fn write(&mut self, content: Option<Content>) {
        self.store.replace(&mut self.random, content);
        let observation = self.store.observe();
        let version = self.store.version();
        self.note(|| format!("the store has v{version}: {}", story::observation(&observation)));
        for who in 0..self.candidates.len() {
            let Some(watch) = self.candidates[who].watch else {
                continue;
            };
            if self.random.chance(20) {
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
