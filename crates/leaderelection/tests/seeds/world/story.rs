//! How a story reads: records, inputs and outputs, each on one line.

use leaderelection::election::{Input, Output};
use leaderelection::{Content, LeaderElectionRecord, Observation, Swap};

pub(crate) fn seconds(time: i64) -> String {
    format!("{:.3}", time as f64 / 1e9)
}

/// `holder/seconds@renewed#transitions`. Of the holder the end, which tells unique names apart; of the time the end, too.
fn record(record: &LeaderElectionRecord) -> String {
    let holder = &record.holder_identity;
    let skipped = holder.chars().count().saturating_sub(6);
    format!(
        "{}/{}@{}#{}",
        holder.chars().skip(skipped).collect::<String>(),
        record.lease_duration_seconds,
        record.renew_time.map_or(0, |time| time.timestamp() % 100_000),
        record.leader_transitions
    )
}

pub(crate) fn observation(observation: &Observation) -> String {
    match observation {
        Observation::Present { version, content } => {
            let content = match content {
                Content::Record(content) => record(content),
                Content::Empty => "empty".into(),
                Content::Unreadable(_) => "unreadable".into(),
            };
            format!("v{version} {content}")
        }
        Observation::Absent { as_of } => format!("absent as of {as_of:?}"),
    }
}

pub(crate) fn input(input: &Input) -> String {
    match input {
        Input::Read {
            read,
            observation: shown,
        } => format!("read shows {}, known {:?}", observation(shown), read.known),
        Input::Swapped { attempt, swap } => format!(
            "{:?} sent {} {}",
            attempt.purpose,
            seconds(attempt.sent.as_nanos()),
            match swap {
                Swap::Done(version) => format!("done v{version}"),
                Swap::Conflict(shown) => format!("conflict {:?}", shown.as_ref().map(observation)),
            }
        ),
        Input::SwapFailed { attempt, kind, .. } => {
            format!(
                "{:?} failed: {kind}: {}",
                attempt.purpose,
                record(&attempt.record)
            )
        }
        Input::Watched(shown) => format!("watch shows {}", observation(shown)),
        other => format!("{other:?}").chars().take(60).collect(),
    }
}

pub(crate) fn output(output: &Output) -> String {
    match output {
        Output::Cas(attempt) => format!(
            "swap {:?} on {:?}: {}",
            attempt.purpose,
            attempt.expected,
            record(&attempt.record)
        ),
        Output::Get(_) => "read".into(),
        other => format!("{other:?}"),
    }
}
