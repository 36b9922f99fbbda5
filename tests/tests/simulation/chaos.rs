//! The schedule: what goes wrong, what people do, and the healing.

use std::rc::Rc;
use std::time::Duration;

use chrono::DateTime;
use leaderelection::{LeaderElectionRecord, LockErrorKind, MonoTime, Observation};
use leaderelection_conformance::{Fault, Faults, Op, Partition, WatchEnd};

use crate::candidate::{Candidate, Common, Order};
use crate::history::{Change, Phases};
use crate::random::{MILLISECOND, Random, SECOND};

/// For how many leases things go wrong.
const PERILS_LAST: u32 = 40;
/// What was sent by then has landed so many leases later: no request is later than two, and its answer half of one.
const LAST_ARRIVAL: u32 = 3;
/// For how many leases a leader must stay once it is due.
const LEADER_STAYS: u32 = 5;

pub(crate) struct Chaos {
    pub(crate) common: Rc<Common>,
    pub(crate) candidates: Vec<Rc<Candidate>>,
    pub(crate) random: Random,
    /// What people did.
    pub(crate) acts: Vec<(MonoTime, String)>,
    /// What an operator wrote.
    pub(crate) written: Vec<Change>,
}

impl Chaos {
    /// The whole schedule.
    pub(crate) async fn unfold(&mut self) -> Phases {
        let lease = self.common.setup.lease;
        let heals = self.common.now().after(lease * PERILS_LAST);
        while self.common.now() < heals {
            let pause = self.below(lease / 2);
            self.common.sleep(pause).await;
            self.something_happens();
        }
        self.heal();
        self.common.sleep(lease * LAST_ARRIVAL).await;
        let healthy = self.common.now();
        if self.random.chance(60) {
            self.the_leader_dies();
        }
        let due = healthy.after(self.bound());
        let end = due.after(lease * LEADER_STAYS);
        let labels = !self.common.setup.is_strict() && self.random.chance(30);
        while labels && self.common.now() < end {
            self.common.sleep(lease / 8).await;
            let touched = self.common.memory.touch().is_some();
            self.wrote(touched);
        }
        self.common.truth_until(end).await;
        Phases {
            healthy,
            due,
            end,
            labels,
        }
    }

    fn below(&mut self, limit: Duration) -> Duration {
        Duration::from_nanos(self.random.time_below(limit.as_nanos() as i64) as u64)
    }

    fn acts(&mut self, what: String) {
        self.acts.push((self.common.now(), what));
    }

    fn something_happens(&mut self) {
        let who = self.random.below(self.candidates.len() as u64) as usize;
        let candidate = Rc::clone(&self.candidates[who]);
        let order = match self.random.below(24) {
            0 => Order::Kill { for_good: false },
            1 => Order::Drop,
            2 => Order::Stop,
            3 | 4 => Order::StepDown,
            5..=7 => return self.operator_acts(),
            _ => {
                // Between its lives there is nothing that a fault could meet.
                if let Some(faults) = candidate.faults() {
                    let what = self.a_fault(&faults);
                    self.acts(format!("c{who}: {what}"));
                }
                return;
            }
        };
        self.acts(format!("c{who}: {order:?}"));
        candidate.order(order);
    }

    fn a_fault(&mut self, faults: &Faults) -> String {
        let lease = self.common.setup.lease;
        let op = self.random.pick(&Op::ALL);
        match self.random.below(12) {
            0 => {
                let partition = self
                    .random
                    .pick(&[Partition::Full, Partition::Full, Partition::Replies]);
                faults.partition(partition);
                format!("{partition:?} partition")
            }
            1 | 2 => {
                faults.partition(Partition::None);
                "no partition".into()
            }
            3 => {
                let ways = [Duration::ZERO, Duration::from_millis(50), lease / 20, lease / 6];
                let (there, back) = (self.random.pick(&ways), self.random.pick(&ways));
                faults.latency(op, there, back);
                format!("{op:?} takes {there:?} and {back:?}")
            }
            4 => {
                let jitter = self.below(lease / 6);
                faults.jitter(op, jitter);
                format!("{op:?} takes up to {jitter:?} more each way")
            }
            5 | 6 => {
                let among = self.some_faults(op);
                let what = format!("a third of {op:?} meets {among:?}");
                faults.random(op, 330, among);
                what
            }
            7 => {
                faults.clear(op);
                format!("{op:?} is well")
            }
            8 => {
                let on = self.random.chance(60);
                faults.stall_watches(on);
                format!("watches stall: {on}")
            }
            9 => {
                let end = self
                    .random
                    .pick(&[WatchEnd::Quietly, WatchEnd::With(LockErrorKind::Unavailable)]);
                faults.end_watches(end);
                format!("watches end: {end:?}")
            }
            10 => {
                let lag = self.below(lease / 2);
                faults.lag_watches(lag);
                format!("watches lag {lag:?}")
            }
            _ => {
                let (twice, within) = (self.random.chance(50), self.below(lease / 4));
                faults.repeat_watches(twice);
                faults.reorder_watches(Some(within));
                format!("watches repeat: {twice}, reorder within {within:?}")
            }
        }
    }

    fn some_faults(&mut self, op: Op) -> Vec<Fault> {
        use LockErrorKind::{Ambiguous, Denied, Unavailable};
        let kinds = [Ambiguous, Denied, Unavailable];
        let error = Fault::Error(self.random.pick(&kinds));
        if op != Op::Cas {
            return vec![error, Fault::LostReply, Fault::Hang { lands: false }];
        }
        let late = self.below(self.common.setup.lease * 2);
        let all = [
            error,
            Fault::LostRequest,
            Fault::LostReply,
            Fault::LateRequest(late),
            Fault::Hang { lands: true },
            Fault::Hang { lands: false },
            Fault::Conflict,
            Fault::LandsThenConflict,
        ];
        all.into_iter().filter(|_| self.random.chance(50)).collect()
    }

    /// Somebody goes behind the election's back. Nothing is ever written twice to the letter (SAFETY 5).
    fn operator_acts(&mut self) {
        let common = Rc::clone(&self.common);
        // Only what exists is changed: what an operator creates is another candidate's business.
        if !matches!(common.memory.snapshot(), Observation::Present { .. }) {
            return;
        }
        let number = common.now().as_nanos() / MILLISECOND;
        let what = match self.random.below(6) {
            0 | 1 => {
                common.memory.touch();
                "a label"
            }
            2 if common.setup.deletions => {
                common.memory.delete();
                "a deletion"
            }
            3 if common.setup.deletions => {
                common.memory.put_empty();
                "an emptied object"
            }
            4 if common.setup.garbage => {
                common.memory.put_raw(format!("garbage {number}").as_bytes());
                "garbage"
            }
            5 if common.setup.foreign => {
                common.memory.put_record(&LeaderElectionRecord {
                    holder_identity: "op".into(),
                    lease_duration_seconds: self.random.pick(&[-1, 0, 1, 5, 30]),
                    leader_transitions: self.random.below(1000) as i64,
                    renew_time: DateTime::from_timestamp(number, 0),
                    ..LeaderElectionRecord::default()
                });
                "another's record"
            }
            _ => return,
        };
        self.acts(format!("an operator writes {what}"));
        self.wrote(true);
    }

    fn wrote(&mut self, changed: bool) {
        let (version, content) = match self.common.memory.snapshot() {
            _ if !changed => return,
            Observation::Present { version, content } => (version, Some(content)),
            Observation::Absent { as_of } => (as_of.unwrap(), None),
        };
        self.written.push(Change {
            version: version.get(),
            at: self.common.now(),
            by: None,
            content,
        });
    }

    /// Nothing goes wrong any more. What is on its way still arrives.
    fn heal(&mut self) {
        self.acts("the network is healthy".into());
        *self.common.is_calm.borrow_mut() = true;
        for candidate in &self.candidates {
            if let Some(faults) = candidate.faults() {
                faults.clear_all();
            }
        }
    }

    fn the_leader_dies(&mut self) {
        let shifts = self.common.shifts.borrow();
        let leader = shifts
            .iter()
            .find(|shift| shift.to.is_none())
            .map(|shift| shift.life);
        drop(shifts);
        let Some(life) = leader else { return };
        let who = self.common.lives.borrow()[life].who;
        self.acts(format!("c{who} dies"));
        self.candidates[who].order(Order::Kill { for_good: true });
    }

    /// `D + 1.5 S` of SAFETY 20, and for a claim, which has to stand, another `D` (SAFETY 18).
    fn bound(&self) -> Duration {
        let setup = &self.common.setup;
        let seconds = setup.lease.as_nanos().div_ceil(SECOND as u128) as u64;
        let declared = if setup.foreign { 30 } else { 0 };
        let waited_out = Duration::from_secs(seconds.max(declared));
        let periods = setup.timings.iter().map(|timing| timing.retry_period());
        let period = periods.max().unwrap_or_default();
        let silence = (waited_out / 3).max((period * 3).min(waited_out / 3 * 2));
        let claim = if setup.is_strict() {
            waited_out
        } else {
            Duration::ZERO
        };
        waited_out + silence * 3 / 2 + period * 2 + claim + Duration::from_millis(100)
    }
}

impl Common {
    async fn truth_until(&self, moment: MonoTime) {
        self.sleep(moment.since(self.now())).await;
    }
}
