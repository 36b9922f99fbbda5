//! What people do: users stop, step down, kill and cut off candidates; an operator writes into the store.

use std::sync::Arc;

use chrono::DateTime;
use leaderelection::election::Input;
use leaderelection::{Content, LeaderElectionRecord, Unreadable};

use super::random::{MILLISECOND, SECOND};
use super::story;
use super::{Event, Walls, World};

/// Another's record. It names a holder: one that names none does the harm of a deletion (SAFETY 18).
pub(crate) fn foreign_record() -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: "op".into(),
        ..LeaderElectionRecord::default()
    }
}

impl World {
    pub(crate) fn user_acts(&mut self, who: usize) {
        if self.healthy_since.is_some() {
            return;
        }
        self.faults += 1;
        match self.random.below(8) {
            0 | 1 => self.tell(who, Input::Stop),
            2 | 3 => self.tell(who, Input::StepDown),
            4 => self.restart(who),
            _ => {
                let until = self.time + self.random.time_below(2 * self.lease);
                self.candidates[who].cut_off_until = until;
                self.note(|| format!("c{who} is cut off until {}", story::seconds(until)));
            }
        }
        let next = self.time + self.random.time_below(4 * self.lease);
        self.at(next, Event::UserActs { who });
    }

    pub(crate) fn operator_acts(&mut self) {
        if self.healthy_since.is_some() {
            return;
        }
        let next = self.time + self.random.time_below(3 * self.lease);
        self.at(next, Event::OperatorActs);
        let act = self.random.below(6);
        // Only what exists is changed: what an operator creates is another candidate's business.
        let Some(content) = self.store.content().cloned() else {
            return;
        };
        let version = self.store.version();
        match act {
            0 | 1 if self.perils.labels => self.write(Some(content), self.store.author()),
            2 if self.perils.deletions => self.write(None, None),
            3 if self.perils.garbage => {
                // Never the same twice: A-B-A is excluded (SAFETY 5).
                let garbage = Unreadable {
                    raw: self.scheduled().to_le_bytes().to_vec(),
                    reason: "garbage".into(),
                };
                self.write(Some(Content::Unreadable(Arc::new(garbage))), None);
            }
            4 if self.perils.foreign => {
                let record = LeaderElectionRecord {
                    lease_duration_seconds: self.random.pick(&[-1, 0, 1, 5, 30]),
                    leader_transitions: self.random.below(1000) as i64,
                    // A second for every millisecond, so that no two are the same.
                    renew_time: DateTime::from_timestamp(self.time / MILLISECOND, 0),
                    ..foreign_record()
                };
                self.write(Some(Content::Record(Arc::new(record))), None);
            }
            5 if self.perils.deletions && self.perils.garbage => self.write(Some(Content::Empty), None),
            _ => {}
        }
        self.faults += u64::from(self.store.version() != version);
    }

    pub(crate) fn wall_jumps(&mut self, who: usize) {
        let next = self.time + self.random.time_below(2 * self.lease);
        self.at(next, Event::WallJumps { who });
        self.candidates[who].clock.wall_offset = match self.perils.walls {
            Walls::True => 0,
            Walls::Jumping => self.random.below(40) as i64 - 20,
            Walls::SetBack => -self.time / SECOND,
        };
    }
}
