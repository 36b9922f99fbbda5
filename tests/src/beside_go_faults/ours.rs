//! Our elector in a run: as it ships, on tokio's paused time.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use leaderelection::{
    Clock, Content, ElectionError, Expected, LeaderElectionRecord, LeaderElector, Leadership, LeaseTiming,
    MonoTime, Observation, PausedClock, Swap,
};
use leaderelection_conformance::{CallResult, FaultLock, History, Operation, RecordingLock};
use leaderelection_memory::MemoryLock;

use super::Result;
use super::judge::{Account, Shift, Stretch};
use super::process::{ItsLock, Process};
use super::rows::{Fault, Run};

pub(super) fn simulate(run: &Run) -> Result<Account> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(elections(run))
}

/// Who is at work. It counts time from the start of the run to its end.
#[derive(Clone)]
struct Stage {
    began: MonoTime,
    shifts: Arc<Mutex<Vec<(Shift, bool)>>>,
}

impl Stage {
    fn at(&self, moment: MonoTime) -> u64 {
        u64::try_from(moment.since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        self.at(PausedClock.mono())
    }

    fn shifts(&self) -> MutexGuard<'_, Vec<(Shift, bool)>> {
        self.shifts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, who: &'static str) -> OnStage {
        let mut shifts = self.shifts();
        let (from, to, acts) = (self.now(), 0, Vec::new());
        let who = who.to_owned();
        shifts.push((Shift { who, from, to, acts }, true));
        OnStage {
            stage: self.clone(),
            number: shifts.len() - 1,
        }
    }
}

/// At work until dropped.
struct OnStage {
    stage: Stage,
    number: usize,
}

impl OnStage {
    fn act(&self) {
        let now = self.stage.now();
        if let Some((shift, _)) = self.stage.shifts().get_mut(self.number) {
            shift.acts.push(now);
        }
    }
}

impl Drop for OnStage {
    fn drop(&mut self) {
        let now = self.stage.now();
        if let Some((shift, open)) = self.stage.shifts().get_mut(self.number) {
            (shift.to, *open) = (now, false);
        }
    }
}

async fn elections(run: &Run) -> Result<Account> {
    let stage = Stage {
        began: PausedClock.mono(),
        shifts: Arc::default(),
    };
    // As a kube-apiserver.
    let memory = MemoryLock::builder()
        .with_equal_write_noop()
        .without_versioned_absence()
        .without_conflict_state()
        .build();
    let history = History::new(PausedClock);
    let timing = LeaseTiming::new(run.lease_duration.0, run.renew_deadline.0, run.retry_period.0)?;

    let mut processes = Vec::new();
    let mut candidates = Vec::new();
    for candidate in &run.candidates {
        let recorded = RecordingLock::new(memory.clone(), candidate.name, history.clone());
        let inner = FaultLock::new(recorded);
        let process = Process::new(inner.faults(), candidate, run.call_limit.0);
        processes.push(process.clone());
        let lock = ItsLock {
            inner,
            process: process.clone(),
        };
        let elector = LeaderElector::builder(lock, candidate.name)
            .timing(timing.clone())
            // Another for each, or they read at the same instants, in no order.
            .seed(candidate.name.bytes().map(u64::from).sum())
            .clock(process.clone())
            .build()?;
        let (stage, name, start) = (stage.clone(), candidate.name, candidate.start.0);
        candidates.push(async move {
            process.sleep(start).await;
            let work = |leadership| work(leadership, stage.enter(name), process.clone(), run.act_every.0);
            elector.run(pending::<()>(), work).await?;
            Ok::<(), ElectionError>(())
        });
    }

    let until = |moment: Duration| PausedClock.sleep_until(stage.began.after(moment));
    let story = async {
        until(run.fault_at.0).await;
        let (process, candidate) = (processes.first(), run.candidates.first());
        let (process, candidate) = process.zip(candidate).ok_or("no candidate")?;
        match &run.fault {
            Fault::Partition => process.cut(),
            Fault::LateReplyThenPartition { by } => process.delay_replies_then_cut(candidate, by.0),
            Fault::Freeze { by } => process.freeze_at_next_renewal(by.0),
            Fault::Overwrite { holder } => overwrite(&memory, holder)?,
        }
        until(run.end.0).await;
        Result::Ok(())
    };
    tokio::select! {
        biased;
        ended = try_join_all(candidates) => return Err(format!("all elections are over: {ended:?}").into()),
        done = story => done?,
    }

    let end = stage.now();
    let shifts = stage.shifts().clone().into_iter();
    let candidates = run.candidates.iter().zip(&processes);
    Ok(Account {
        shifts: shifts
            .map(|(shift, open)| if open { Shift { to: end, ..shift } } else { shift })
            .collect(),
        frozen: candidates
            .filter_map(|(candidate, process)| {
                let (from, to) = process.frozen()?;
                Some(Stretch {
                    who: candidate.name.to_owned(),
                    from: stage.at(from),
                    to: stage.at(to),
                })
            })
            .collect(),
        wiped: wiped(&history),
    })
}

/// Acts again and again, each time after it has asked whether it may.
async fn work(leadership: Leadership, on_stage: OnStage, process: Process, act_every: Duration) {
    while leadership.check().is_ok() {
        on_stage.act();
        process.sleep(act_every).await;
    }
}

/// An operator with an editor: another holder, all else as it was.
fn overwrite(memory: &MemoryLock, holder: &str) -> Result<()> {
    let Observation::Present {
        content: Content::Record(record),
        ..
    } = memory.snapshot()
    else {
        return Err("nothing to overwrite".into());
    };
    memory.put_record(&LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        ..(*record).clone()
    });
    Ok(())
}

/// How often somebody's free record took the place of another's.
fn wiped(history: &History) -> u64 {
    let mut holders = BTreeMap::new();
    let mut wiped = 0;
    for entry in history.entries() {
        let (Operation::CompareAndSwap { expected, record }, Some(CallResult::Swapped(Swap::Done(version)))) =
            (entry.operation, entry.result)
        else {
            continue;
        };
        let before = match expected {
            Expected::Version(version) => holders.get(&version),
            Expected::Absent => None,
        };
        let anothers = before.is_some_and(|holder: &String| !holder.is_empty() && **holder != *entry.client);
        if record.is_free() && anothers {
            wiped += 1;
        }
        holders.insert(version, record.holder_identity.clone());
    }
    wiped
}
