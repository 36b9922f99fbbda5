//! What is odd about a record.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use leaderelection::{LeaderElectionRecord, Version};
use serde::Serialize;

use super::report::time;
use super::seen::{Seen, version_of};

/// Something that a person may want to know. The code is promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// A lease longer than this is absurd (SAFETY 20).
const ABSURD: Duration = Duration::from_secs(24 * 60 * 60);

/// By how much a holder's clock may be ahead of this machine's before it is worth a word.
const AHEAD: TimeDelta = TimeDelta::seconds(10);

/// What is odd about what was seen, where the store may have shown a higher version before.
pub(super) fn of(seen: &Seen, higher_before: Option<Version>, wall: DateTime<Utc>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let (Some(higher), Some(version)) = (higher_before, version_of(&seen.observation)) {
        problems.push(Problem {
            code: "storeWentBack",
            message: format!(
                "the store has shown version {higher} before, and now {version}: was it restored from a backup? Candidates lead again \
                 when versions have passed the highest"
            ),
        });
    }
    if let Some(record) = seen.record().filter(|record| record.closed().is_none()) {
        in_record(record, wall, &mut |code, message| {
            problems.push(Problem { code, message })
        });
    }
    problems
}

fn in_record(record: &LeaderElectionRecord, wall: DateTime<Utc>, say: &mut impl FnMut(&'static str, String)) {
    let transitions = record.leader_transitions;
    if !(0..=i64::from(i32::MAX)).contains(&transitions) {
        say(
            "oddTransitions",
            format!("{transitions} transitions: there are 0 to {}", i32::MAX),
        );
    }
    let times = (record.acquire_time, record.renew_time);
    if let (Some(acquired), Some(renewed)) = times
        && renewed < acquired
    {
        say(
            "renewedBeforeAcquired",
            format!(
                "renewed at {}, before it was acquired at {}: the holder's clock was set back",
                time(renewed),
                time(acquired)
            ),
        );
    }
    if record.is_free() {
        return;
    }
    let holder = &record.holder_identity;
    if holder.trim().is_empty() {
        say(
            "blankHolder",
            format!("the holder {holder:?} is blank, and holds all the same"),
        );
    }
    let declared = record.lease_duration_seconds;
    if declared <= 0 {
        say(
            "missingDuration",
            format!("a duration of {declared}s: each candidate waits for its own lease instead"),
        );
    } else if declared.unsigned_abs() > ABSURD.as_secs() {
        say(
            "absurdDuration",
            format!("a duration of {declared}s: if the holder dies, that is how long nobody leads"),
        );
    }
    for (code, what, when) in [
        ("missingAcquireTime", "acquired", times.0),
        ("missingRenewTime", "renewed", times.1),
    ] {
        if when.is_none() {
            say(code, format!("the record does not say when it was {what}"));
        }
    }
    // No election minds; but who reads logs of both machines will.
    let latest = times.0.max(times.1);
    if let Some(latest) = latest.filter(|latest| *latest - wall > AHEAD) {
        say(
            "inTheFuture",
            format!(
                "it is dated {}, which is to come by the clock of this machine: this clock or the holder's is wrong. No election \
                 depends on it",
                time(latest)
            ),
        );
    }
    let finer_than_micros = |time: DateTime<Utc>| !time.timestamp_subsec_nanos().is_multiple_of(1000);
    if times.0.is_some_and(finer_than_micros) || times.1.is_some_and(finer_than_micros) {
        say(
            "formOf2016",
            "times in nanoseconds, as clients of 2016 write them: these wait for their own lease and not for the record's, and their \
             renewals may reset the transitions"
                .to_owned(),
        );
    }
}
