//! What a swap names is what was there when it landed, and the newest that its life had been shown when it was sent: a
//! version, or an absence that holds as of the newest version (SAFETY 4, 8 and 9).

use leaderelection::{Expected, MonoTime, Observation, Swap};
use leaderelection_conformance::{CallResult, Entry, Operation};

use super::seconds;
use crate::history::History;

pub(super) fn judge(history: &History) -> Result<(), String> {
    let mut there = Expected::Absent;
    for write in &history.writes {
        if let Some((by, named)) = &write.by
            && *named != there
        {
            return Err(format!(
                "v{} by {by} names {named:?}, but there was {there:?}",
                write.version
            ));
        }
        there = match write.content {
            Some(_) => Expected::Version(leaderelection::Version::new(write.version)),
            None => Expected::Absent,
        };
    }
    for life in &history.lives {
        let calls: Vec<_> = history.calls_of(life).collect();
        for call in &calls {
            let Operation::CompareAndSwap { expected, .. } = &call.operation else {
                continue;
            };
            if !justified(&calls, call, *expected) {
                return Err(format!(
                    "{} swaps at {} on {expected:?}, which is not the newest that it was shown",
                    life.name,
                    seconds(call.start)
                ));
            }
        }
    }
    Ok(())
}

/// The version that a result shows, and whether there is nothing.
fn shown(entry: &Entry) -> Option<(Option<u64>, bool)> {
    match entry.result.as_ref()? {
        CallResult::Observed(observation) | CallResult::Swapped(Swap::Conflict(Some(observation))) => {
            Some(match observation {
                Observation::Present { version, .. } => (Some(version.get()), false),
                Observation::Absent { as_of } => (as_of.map(|version| version.get()), true),
            })
        }
        CallResult::Swapped(Swap::Done(version)) => Some((Some(version.get()), false)),
        _ => None,
    }
}

/// The newest version that was shown strictly before a moment. What came at that very moment may have been told later.
fn newest_before(calls: &[&Entry], moment: MonoTime) -> Option<u64> {
    let before = calls
        .iter()
        .filter(|entry| entry.end.is_some_and(|end| end < moment));
    before.filter_map(|entry| shown(entry)?.0).max()
}

fn justified(calls: &[&Entry], call: &Entry, expected: Expected) -> bool {
    let told = |entry: &&&Entry| entry.end_step.is_some_and(|step| step < call.start_step);
    let mut told = calls.iter().filter(told);
    let newest = newest_before(calls, call.start);
    match expected {
        Expected::Version(version) => {
            newest <= Some(version.get())
                && told.any(|entry| shown(entry).is_some_and(|it| it.0 == Some(version.get())))
        }
        Expected::Absent => told.any(|entry| match shown(entry) {
            Some((Some(as_of), true)) => newest <= Some(as_of),
            // Nothing newer was shown since it was asked, but for what came at that very moment.
            Some((None, true)) => {
                let asked = entry.start.after(std::time::Duration::from_nanos(1));
                !matches!(entry.operation, Operation::Shown { .. }) && newest <= newest_before(calls, asked)
            }
            _ => false,
        }),
    }
}
