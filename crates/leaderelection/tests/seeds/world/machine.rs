//! The driver's part: feeds one machine, does what it says, and checks what it must never say.

use std::collections::VecDeque;
use std::time::Duration;

use leaderelection::election::{ElectionEvent, Input, Output, TermChange};
use leaderelection::{FencingToken, LockErrorKind, MonoTime};

use super::candidate::Work;
use super::random::{MILLISECOND, SECOND};
use super::story;
use super::{Event, World};
use crate::invariants::Fact;

impl World {
    /// Tells a machine something, and does all that it asks for.
    pub(crate) fn tell(&mut self, who: usize, input: Input) {
        if self.candidates[who].ended {
            return;
        }
        self.note(|| format!("c{who} <- {}", story::input(&input)));
        let now = self.candidates[who].moment(self.time);
        let last = self.candidates[who].last_told.replace(now.mono);
        assert!(
            last <= Some(now.mono),
            "the simulation turned the clock of c{who} back"
        );
        // What follows at once from an output is told after the outputs are drained, as the machine demands.
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mono = now.mono;
            self.judge(&Fact::Told {
                who,
                now: mono,
                input: &input,
            });
            self.candidates[who].election.handle(now, input);
            let mut outputs = 0;
            loop {
                outputs += 1;
                assert!(outputs < 1000, "c{who} has something to do without end");
                let output = self.candidates[who].election.poll();
                if let Output::WaitUntil(until) = output {
                    self.wait(who, mono, until);
                    break;
                }
                self.note(|| format!("   c{who} -> {}", story::output(&output)));
                self.judge(&Fact::Said {
                    who,
                    now: mono,
                    output: &output,
                });
                self.obey(who, output, &mut inputs);
            }
            self.judge(&Fact::Drained { who, now: mono });
        }
    }

    /// Arms the timer. Timers fire late, never early: by up to 2 ms, and at times by up to 3 s or an eighth of a lease.
    fn wait(&mut self, who: usize, now: MonoTime, until: MonoTime) {
        if until < now {
            let time = story::seconds(self.time);
            self.busy.push(format!(
                "{time}: c{who} waits until {until:?}, and now is {now:?}"
            ));
        }
        self.candidates[who].timer += 1;
        if until == MonoTime::NEVER {
            return;
        }
        let late = if self.strikes(5) {
            self.random.time_below((3 * SECOND).max(self.lease / 8))
        } else {
            self.random.time_below(3 * MILLISECOND)
        };
        let candidate = &self.candidates[who];
        let (life, timer) = (candidate.life, candidate.timer);
        let time = candidate.time_of(until).max(self.time) + late;
        if time < i64::MAX / 8 {
            self.at(time, Event::TimerFires { who, life, timer });
        }
    }

    fn obey(&mut self, who: usize, output: Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::Get(read) => self.send_read(who, read),
            Output::Cas(attempt) => self.send_swap(who, attempt),
            Output::RestartWatch => self.restart_watch(who, inputs),
            Output::Term(TermChange::Start {
                token, valid_until, ..
            }) => self.start(who, token, valid_until),
            Output::Term(TermChange::ValidUntil(valid_until)) => {
                let Some(work) = &mut self.candidates[who].work else {
                    panic!("c{who} renews a term whose work is gone");
                };
                assert!(
                    valid_until > work.valid_until,
                    "a renewal shortens the term of c{who}"
                );
                work.valid_until = valid_until;
                self.arm_lease(who);
            }
            // Some work hears that it should stop; other work goes on until it is dropped.
            Output::Term(TermChange::Drain(_) | TermChange::Lost { .. }) => {
                self.candidates[who].is_told_to_stop = true;
                if self.random.chance(60) {
                    self.work_ends_within(who, self.lease);
                }
            }
            Output::Term(TermChange::Drop) => {
                if self.candidates[who].work.take().is_some() {
                    inputs.push_back(Input::WorkEnded);
                }
            }
            Output::Ended => {
                assert!(self.candidates[who].work.is_none(), "c{who} ends at work");
                self.candidates[who].ended = true;
                let time = self.time + self.delay();
                let life = self.candidates[who].life;
                self.at(time, Event::ComesBack { who, life });
            }
            Output::Event(ElectionEvent::AcquiredTooLate) => self.acquired_too_late(),
            Output::Term(TermChange::AtRisk(_)) | Output::Event(_) | Output::WaitUntil(_) => {}
        }
    }

    fn restart_watch(&mut self, who: usize, inputs: &mut VecDeque<Input>) {
        self.candidates[who].watch = None;
        self.candidates[who].watches += 1;
        if !self.perils.watches {
            inputs.push_back(Input::WatchUnsupported);
        } else if self.strikes(25) {
            let time = self.time + self.delay();
            let refused = Input::WatchEnded {
                kind: Some(LockErrorKind::Unavailable),
                retry_after: None,
            };
            self.tell_at(time, who, self.candidates[who].life, refused);
        } else {
            let candidate = &mut self.candidates[who];
            candidate.watch = Some(candidate.watches);
            inputs.push_back(Input::WatchStarted);
        }
    }

    fn start(&mut self, who: usize, token: FencingToken, valid_until: MonoTime) {
        self.terms += 1;
        self.candidates[who].term += 1;
        self.candidates[who].is_told_to_stop = false;
        self.candidates[who].work = Some(Work {
            token: token.get(),
            valid_until,
        });
        self.recovered();
        self.arm_lease(who);
        if self.healthy_since.is_none() && self.random.chance(30) {
            self.work_ends_within(who, 4 * self.lease);
        }
    }

    fn arm_lease(&mut self, who: usize) {
        let candidate = &self.candidates[who];
        let (life, term) = (candidate.life, candidate.term);
        let time = candidate.time_of(candidate.gone_by(candidate.work.unwrap()));
        self.at(time, Event::LeaseIsOver { who, life, term });
    }

    fn work_ends_within(&mut self, who: usize, limit: i64) {
        let time = self.time + self.random.time_below(limit);
        let candidate = &self.candidates[who];
        let (life, term) = (candidate.life, candidate.term);
        self.at(time, Event::WorkEnds { who, life, term });
    }

    /// The driver drops the work by the clock, whether or not the machine was woken in time (SAFETY 2, SAFETY 13).
    pub(crate) fn lease_is_over(&mut self, who: usize) {
        let candidate = &mut self.candidates[who];
        let Some(work) = candidate.work else { return };
        if candidate.moment(self.time).mono >= candidate.gone_by(work) {
            candidate.work = None;
            self.note(|| format!("c{who}'s work is dropped by the clock"));
            self.tell(who, Input::WorkEnded);
        }
    }

    pub(crate) fn work_ends(&mut self, who: usize) {
        if self.candidates[who].work.take().is_none() {
            return;
        }
        self.note(|| format!("c{who}'s work ends"));
        let how = if self.strikes(15) {
            self.panic(who)
        } else {
            Input::WorkEnded
        };
        self.tell(who, how);
    }

    /// Who panics stays away for at most a lease, or leaves; then its process comes up again, as after a stop.
    fn panic(&mut self, who: usize) -> Input {
        if self.random.chance(25) {
            return Input::WorkPanicked(None);
        }
        let true_time = self.random.time_below(self.lease);
        let candidate = &self.candidates[who];
        let by_its_clock = true_time * candidate.clock.rate / 1000;
        self.left_alone_until = self.left_alone_until.max(self.time + self.lease);
        Input::WorkPanicked(Some(Duration::from_nanos(by_its_clock as u64)))
    }

    pub(crate) fn restart(&mut self, who: usize) {
        self.candidates[who].restart();
        self.judge(&Fact::Killed { who });
        self.note(|| format!("c{who} restarts"));
        self.tell(who, Input::Wake);
    }
}
