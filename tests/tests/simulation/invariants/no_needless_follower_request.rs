//! In a healthy network a follower with a watch asks for nothing, and one without reads once a period; a leader does nothing
//! but renew (SAFETY 20).

use leaderelection_conformance::Operation;

use super::seconds;
use crate::history::{History, Life};

pub(super) fn judge(history: &History) -> Result<(), String> {
    let (from, end) = (history.phases.due, history.phases.end);
    for (index, life) in history
        .lives
        .iter()
        .enumerate()
        .filter(|(_, life)| life.to.is_none())
    {
        let leads = history
            .shifts
            .iter()
            .any(|shift| shift.life == index && shift.to.is_none());
        let calls: Vec<_> = history
            .calls_of(life)
            .filter(|call| call.start > from && !matches!(call.operation, Operation::Shown { .. }))
            .collect();
        // Labels get in a renewal's way, so that a leader may have to read.
        if leads && history.phases.labels {
            continue;
        }
        let needless = calls.iter().find(|call| match call.operation {
            Operation::CompareAndSwap { .. } => !leads,
            Operation::Get => leads || history.setup.watch,
            _ => true,
        });
        if let Some(call) = needless {
            return Err(format!(
                "{} ({}) asks at {}: {:?}",
                life.name,
                if leads { "leader" } else { "follower" },
                seconds(call.start),
                call.operation
            ));
        }
        let most = periods(history, life, end.since(from)) + 2;
        if calls.len() as u128 > most {
            return Err(format!(
                "{} asks {} times in {most} periods",
                life.name,
                calls.len()
            ));
        }
    }
    Ok(())
}

/// How many retry periods the candidate's own clock counts in so much true time.
fn periods(history: &History, life: &Life, time: std::time::Duration) -> u128 {
    let own = time.as_nanos() * history.clock(life).rate.unsigned_abs() as u128 / 1000;
    own / history.timing(life).retry_period().as_nanos()
}
