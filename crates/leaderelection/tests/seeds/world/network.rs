//! The way to the store and back: what is refused, lost, late, or lands as a ghost.

use std::time::Duration;

use leaderelection::election::{Attempt, Input, Read};
use leaderelection::{Content, Expected, LockErrorKind, Observation, Swap};

use super::{Event, World};
use crate::invariants::Fact;

/// Nobody knows whether the swap landed, or will (SAFETY 9).
fn ambiguous(attempt: Attempt) -> Input {
    Input::SwapFailed {
        attempt,
        kind: LockErrorKind::Ambiguous,
        retry_after: None,
    }
}

impl World {
    pub(crate) fn send_read(&mut self, who: usize, read: Read) {
        let life = self.candidates[who].life;
        let arrives = self.time + self.delay();
        let cut_off = self.time < self.candidates[who].cut_off_until;
        self.faults += u64::from(cut_off);
        if !cut_off && !self.strikes(8) {
            self.at(arrives, Event::ReadArrives { who, life, read });
            return;
        }
        let candidate = &self.candidates[who];
        let given_up = candidate.time_of(read.sent) + candidate.read_timeout(1000);
        let time = if self.random.chance(50) { given_up } else { arrives };
        let failed = Input::ReadFailed {
            read,
            kind: LockErrorKind::Unavailable,
            retry_after: self.retry_after(who),
        };
        self.tell_at(time, who, life, failed);
    }

    pub(crate) fn read_arrives(&mut self, who: usize, life: u64, read: Read) {
        let observation = self.store.observe();
        let answered = self.time + self.delay();
        let candidate = &self.candidates[who];
        let given_up = candidate.time_of(read.sent) + candidate.read_timeout(candidate.clock.rate);
        if answered < given_up {
            self.tell_at(answered, who, life, Input::Read { read, observation });
        } else {
            let failed = Input::ReadFailed {
                read,
                kind: LockErrorKind::Ambiguous,
                retry_after: None,
            };
            self.tell_at(given_up, who, life, failed);
        }
    }

    pub(crate) fn send_swap(&mut self, who: usize, attempt: Attempt) {
        let candidate = &self.candidates[who];
        let (life, cut_off_until) = (candidate.life, candidate.cut_off_until);
        let given_up = candidate.swap_given_up(attempt.sent);
        let delay = self.delay();
        let arrives = self.time + delay;
        if self.healthy_since.is_some() {
            return self.swap_arrives_at(arrives, who, life, attempt, true);
        }
        let chance = self.random.below(100);
        let cut_off = self.time < cut_off_until;
        self.faults += u64::from(chance <= 19 || cut_off);
        match chance {
            // Refused: it did not land and never will.
            0..=4 => {
                let kind = self
                    .random
                    .pick(&[LockErrorKind::Unavailable, LockErrorKind::Denied]);
                let refused = Input::SwapFailed {
                    attempt,
                    kind,
                    retry_after: self.retry_after(who),
                };
                self.tell_at(arrives.min(given_up), who, life, refused);
            }
            // Lost on the way, which the candidate cannot know.
            5..=9 => {
                let noticed = if self.random.chance(50) {
                    given_up
                } else {
                    arrives.min(given_up)
                };
                self.tell_at(noticed, who, life, ambiguous(attempt));
            }
            // A ghost: the connection breaks first, and it lands afterwards.
            10..=19 => {
                let breaks = self.time + self.random.below(delay.max(1) as u64) as i64;
                self.tell_at(breaks.min(given_up), who, life, ambiguous(attempt.clone()));
                self.swap_arrives_at(arrives, who, life, attempt, false);
            }
            // Cut off: perhaps a ghost once the way is free again, be it leases later.
            _ if cut_off => {
                self.tell_at(given_up, who, life, ambiguous(attempt.clone()));
                if self.random.chance(50) {
                    self.swap_arrives_at(cut_off_until + delay, who, life, attempt, false);
                }
            }
            _ => self.swap_arrives_at(arrives, who, life, attempt, true),
        }
    }

    /// How long a store that refuses asks a candidate to be left alone, if it does.
    fn retry_after(&mut self, who: usize) -> Option<Duration> {
        let asked = self
            .random
            .chance(10)
            .then(|| Duration::from_millis(self.random.below(20_000)))?;
        // A candidate listens for its own lease duration at most, from when it is told: three leases from now at the latest.
        let most = self.candidates[who].config.timing.lease_duration().as_nanos() as i64;
        let until = self.time + 3 * self.lease + most.min(asked.as_nanos() as i64);
        self.left_alone_until = self.left_alone_until.max(until);
        Some(asked)
    }

    fn swap_arrives_at(&mut self, time: i64, who: usize, life: u64, attempt: Attempt, answered: bool) {
        self.at(
            time,
            Event::SwapArrives {
                who,
                life,
                attempt,
                answered,
            },
        );
    }

    /// The swap reaches the store, whether or not its sender still lives or still waits.
    pub(crate) fn swap_arrives(&mut self, who: usize, life: u64, attempt: Attempt, answered: bool) {
        let matches = self.store.matches(attempt.expected);
        let undone =
            self.store.undoes_writes() && attempt.expected != Expected::Absent && matches && self.strikes(5);
        let lands = matches && !undone;
        let mut swap = if undone {
            Swap::Done(self.store.version())
        } else if lands {
            if !self.store.would_ignore(&attempt) {
                let replaced = (self.store.author(), self.store.content().cloned());
                let author = (who, life);
                self.write(Some(Content::Record(attempt.record.clone())), Some(author));
                self.judge(&Fact::Landed {
                    author,
                    attempt: &attempt,
                    replaced,
                });
            }
            Swap::Done(self.store.version())
        } else {
            self.store.conflict(&mut self.random)
        };
        // The client's own retry finds its first try landed: a conflict that shows one's own record (SAFETY 9).
        if lands && self.strikes(5) {
            swap = Swap::Conflict(Some(self.store.observe()));
        }
        if !answered {
            return;
        }
        let arrives = self.time + self.delay();
        let given_up = self.candidates[who].swap_given_up(attempt.sent);
        let too_late = arrives >= given_up;
        if self.strikes(10) || too_late {
            // The answer is lost. That shows when the connection breaks, or when nobody waits any more.
            let silent = self.random.chance(50) || too_late;
            let noticed = if silent { given_up } else { arrives };
            self.tell_at(noticed, who, life, ambiguous(attempt));
        } else {
            self.tell_at(arrives, who, life, Input::Swapped { attempt, swap });
        }
    }

    /// A watch shows a version, however old by now, or ends instead.
    pub(crate) fn watch_shows(&mut self, who: usize, observation: Observation) {
        if self.strikes(3) {
            self.candidates[who].watch = None;
            self.tell(
                who,
                Input::WatchEnded {
                    kind: None,
                    retry_after: None,
                },
            );
        } else {
            self.tell(who, Input::Watched(observation));
        }
    }
}
