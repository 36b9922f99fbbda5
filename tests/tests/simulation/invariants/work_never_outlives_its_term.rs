//! Work is gone by `sent + R + σ` of the last write of its life that landed, by the candidate's own clock (SAFETY 1, 9
//! and 13).

use leaderelection::{Content, MonoTime};
use leaderelection_conformance::Operation;

use super::seconds;
use crate::history::{Change, History, Life};

pub(super) fn judge(history: &History) -> Result<(), String> {
    for shift in &history.shifts {
        let life = &history.lives[shift.life];
        let to = shift.to.unwrap_or(history.phases.end);
        let sent = history
            .writes
            .iter()
            .filter(|write| write.at <= to)
            .filter_map(|write| sent(history, life, write, to))
            .max();
        let Some(sent) = sent else {
            return Err(format!("{} works without having written anything", life.name));
        };
        let (timing, clock) = (history.timing(life), history.clock(life));
        let gone_by = clock
            .at(sent)
            .after(timing.renew_deadline())
            .after(timing.stop_grace());
        if clock.at(to) > gone_by {
            return Err(format!(
                "{} works until {}, {:?} too long after its write of {} (token {})",
                life.name,
                seconds(to),
                clock.at(to).since(gone_by),
                seconds(sent),
                shift.token
            ));
        }
    }
    Ok(())
}

/// When this life sent this write, if it holds the lease for it: in true time, and the last time if it was sent more often.
fn sent(history: &History, life: &Life, write: &Change, until: MonoTime) -> Option<MonoTime> {
    let (by, named) = write.by.as_ref()?;
    let Some(Content::Record(written)) = &write.content else {
        return None;
    };
    if *by != life.name || written.is_free() {
        return None;
    }
    let calls = history
        .calls_of(life)
        .filter(|call| call.start <= until.min(write.at));
    let sent = calls.filter(|call| match &call.operation {
        Operation::CompareAndSwap { expected, record } => expected == named && record == written,
        _ => false,
    });
    sent.map(|call| call.start).max()
}
