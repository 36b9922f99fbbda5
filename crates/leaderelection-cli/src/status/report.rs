//! What is said of a lock: the fields of `--output json`, from which the text is made, too.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use leaderelection::{Closed, Content, LeaderElectionRecord, Moment, Observation};
use serde::Serialize;
use serde_json::value::RawValue;

use super::problems::{self, Problem};
use super::seen::{Event, Seen, Token, Unreachable, Viewer, version_of};

/// As `--help` lists it. The names and their order are promised.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) lock: String,
    pub(super) at: String,
    pub(super) event: Option<&'static str>,
    pub(super) state: State,
    pub(super) reason: Option<&'static str>,
    pub(super) message: String,
    pub(super) holder_identity: Option<String>,
    pub(super) lease_duration_seconds: Option<i64>,
    pub(super) acquire_time: Option<String>,
    pub(super) renew_time: Option<String>,
    pub(super) leader_transitions: Option<i64>,
    pub(super) version: Option<u64>,
    pub(super) token: Option<u64>,
    pub(super) token_at_most: Option<u64>,
    pub(super) renewal_seen_seconds_ago: Option<f64>,
    pub(super) stood_still_seconds_at_least: Option<f64>,
    pub(super) lease_left_seconds_at_most: Option<f64>,
    pub(super) other_fields: BTreeMap<String, Box<RawValue>>,
    pub(super) problems: Vec<Problem>,
}

/// In which state the lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    Led,
    Free,
    Closed,
    Unreadable,
    Unreachable,
}

impl State {
    /// As `--help` promises it.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Led => 0,
            Self::Closed => 1,
            Self::Free => 3,
            Self::Unreadable => 4,
            Self::Unreachable => 5,
        }
    }
}

impl Report {
    /// What an observer knows, at this moment.
    pub(super) fn new(lock: &str, viewer: &Viewer, event: Option<Event>, now: Moment) -> Self {
        let blank = Self {
            lock: lock.to_owned(),
            at: now.wall.to_rfc3339_opts(SecondsFormat::Millis, true),
            event: event.map(Event::name),
            state: State::Unreachable,
            reason: None,
            message: String::new(),
            holder_identity: None,
            lease_duration_seconds: None,
            acquire_time: None,
            renew_time: None,
            leader_transitions: None,
            version: None,
            token: None,
            token_at_most: None,
            renewal_seen_seconds_ago: None,
            stood_still_seconds_at_least: None,
            lease_left_seconds_at_most: None,
            other_fields: BTreeMap::new(),
            problems: Vec::new(),
        };
        match viewer.current() {
            Ok(seen) => blank.of(seen, viewer, now),
            Err(why) => Self {
                reason: why.map(Unreachable::reason),
                message: why.map_or_else(|| "unreachable".to_owned(), |why| format!("unreachable: {why}")),
                ..blank
            },
        }
    }

    fn of(self, seen: &Seen, viewer: &Viewer, now: Moment) -> Self {
        let (state, reason, message) = judge(seen);
        let (token, token_at_most) = match seen.token {
            Some(Token::Exact(version)) => (Some(version.get()), Some(version.get())),
            Some(Token::AtMost(version)) => (None, Some(version.get())),
            None => (None, None),
        };
        let stood_still = now.mono.since(seen.since);
        let left = seen.lease().map(|lease| lease.saturating_sub(stood_still));
        let there = matches!(seen.observation, Observation::Present { .. });
        let report = Self {
            state,
            reason,
            message,
            version: version_of(&seen.observation)
                .map(|version| version.get())
                .filter(|_| there),
            token,
            token_at_most,
            renewal_seen_seconds_ago: (seen.changed_here && there).then(|| seconds(stood_still)),
            stood_still_seconds_at_least: there.then(|| seconds(stood_still)),
            lease_left_seconds_at_most: left.map(seconds_up),
            problems: problems::of(seen, viewer.higher_before(), now.wall),
            ..self
        };
        match seen.record() {
            Some(record) => report.with(record),
            None => report,
        }
    }

    fn with(self, record: &LeaderElectionRecord) -> Self {
        Self {
            holder_identity: Some(record.holder_identity.clone()),
            lease_duration_seconds: Some(record.lease_duration_seconds),
            acquire_time: record.acquire_time.map(time),
            renew_time: record.renew_time.map(time),
            leader_transitions: Some(record.leader_transitions),
            other_fields: record
                .unknown_fields
                .iter()
                .filter_map(|(name, raw)| Some((name.clone(), on_one_line(raw)?)))
                .collect(),
            ..self
        }
    }
}

/// To the letter, but that it stands on one line: within a text JSON has no newline, so one is a blank between others.
fn on_one_line(raw: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(raw.replace(['\n', '\r'], " ")).ok()
}

fn judge(seen: &Seen) -> (State, Option<&'static str>, String) {
    let content = match &seen.observation {
        Observation::Absent { .. } => {
            return (
                State::Free,
                Some("noObject"),
                "free: there is no object, as before the first election, or when somebody has deleted it"
                    .to_owned(),
            );
        }
        Observation::Present { content, .. } => content,
    };
    match content {
        Content::Empty => (
            State::Free,
            Some("noRecord"),
            "free: there is an object, and no record in it".to_owned(),
        ),
        Content::Unreadable(unreadable) => (
            State::Unreadable,
            None,
            format!(
                "unreadable: {}; candidates wait for their own lease and take it over",
                unreadable.reason
            ),
        ),
        Content::Record(record) => judge_record(seen, record),
    }
}

fn judge_record(seen: &Seen, record: &LeaderElectionRecord) -> (State, Option<&'static str>, String) {
    let holder = &record.holder_identity;
    match record.closed() {
        Some(Closed::MovedTo(other)) => {
            let message = format!("closed: the election was moved to {other}; nobody leads by this lock");
            return (State::Closed, Some("movedTo"), message);
        }
        Some(Closed::NotBefore(other)) => {
            let message = format!(
                "closed: the election is to come here from {other}; nobody leads by this lock before"
            );
            return (State::Closed, Some("notBefore"), message);
        }
        None => {}
    }
    // As ours and Go's write a release.
    match (record.is_free(), record.lease_duration_seconds) {
        (true, 1) => (
            State::Free,
            Some("released"),
            "free: the last leader has released it".to_owned(),
        ),
        (true, _) => (
            State::Free,
            Some("holderEmptied"),
            "free: the record names no holder, and is no release as this project and client-go write it"
                .to_owned(),
        ),
        (false, seconds) if seen.ran_out => (
            State::Free,
            Some("leaseRanOut"),
            format!(
                "free: the lease of {holder:?} has run out: its record has stood still for {seconds}s, and candidates whose own \
                 lease is no longer take it over"
            ),
        ),
        (false, _) => (State::Led, None, format!("led by {holder:?}")),
    }
}

/// With what fraction of a second it was written.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn seconds(duration: Duration) -> f64 {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}

/// What is an upper bound stays one.
fn seconds_up(duration: Duration) -> f64 {
    seconds(duration.saturating_add(Duration::from_nanos(999_999)))
}

#[cfg(test)]
mod tests {
    use super::on_one_line;

    /// A field that was written over several lines does not break the one line that a report is, and a number stays what it is.
    #[test]
    fn a_field_stands_on_one_line() {
        for (written, said) in [
            ("{\n\"state\": \"led\"\r\n}", "{ \"state\": \"led\"  }"),
            (
                "[\n1e400,\n123456789012345678901234567890]",
                "[ 1e400, 123456789012345678901234567890]",
            ),
            (r#""a\nb""#, r#""a\nb""#),
        ] {
            assert_eq!(on_one_line(written).unwrap().get(), said);
        }
    }
}
