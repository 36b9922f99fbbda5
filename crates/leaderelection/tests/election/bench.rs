//! Drives one `Election` and writes down, as people read it, what went in and everything that came out.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::DateTime;
use leaderelection::election::{Attempt, Election, ElectionConfig, Input, Output, Read, TermChange};
use leaderelection::{
    Content, Expected, Identity, LeaderElectionRecord, LeaseTiming, LockErrorKind, Moment, MonoTime,
    Observation, Swap, Version,
};

/// A candidate `a` at 15 s / 10 s / 2 s on a bench: time is in seconds, the wall clock shows the same second unless it is
/// held, and nothing is staggered or armed early.
pub(crate) struct Bench {
    election: Election,
    now: f64,
    wall: Option<i64>,
    reads: Vec<Read>,
    attempts: Vec<Attempt>,
    transcript: String,
}

/// The candidate's name, made for this life alone; it reads `a` in transcripts, and `a` in a record means it.
fn own_name() -> &'static Identity {
    static NAME: OnceLock<Identity> = OnceLock::new();
    NAME.get_or_init(Identity::unique)
}

pub(crate) fn config() -> ElectionConfig {
    ElectionConfig {
        stagger: false,
        timer_lead: Duration::ZERO,
        ..ElectionConfig::new(own_name().clone())
    }
}

pub(crate) fn timing(lease: u64, renew: u64, retry: u64) -> LeaseTiming {
    let s = Duration::from_secs;
    LeaseTiming::new(s(lease), s(renew), s(retry)).unwrap()
}

fn mono(seconds: f64) -> MonoTime {
    MonoTime::ZERO.after(Duration::from_secs_f64(seconds))
}

fn shown(time: MonoTime) -> String {
    match time {
        MonoTime::NEVER => "never".to_owned(),
        time => format!("{}s", time.as_nanos() as f64 / 1e9),
    }
}

/// `holder/duration@renewed#transitions`
pub(crate) fn record(text: &str) -> LeaderElectionRecord {
    let (holder, rest) = text.split_once('/').unwrap();
    let (duration, rest) = rest.split_once('@').unwrap();
    let (renewed, transitions) = rest.split_once('#').unwrap();
    LeaderElectionRecord {
        holder_identity: if holder == "a" {
            own_name().as_str().to_owned()
        } else {
            holder.to_owned()
        },
        lease_duration_seconds: duration.parse().unwrap(),
        acquire_time: DateTime::from_timestamp(0, 0),
        renew_time: DateTime::from_timestamp(renewed.parse().unwrap(), 0),
        leader_transitions: transitions.parse().unwrap(),
        unknown_fields: Vec::new(),
    }
}

pub(crate) fn present(version: u64, text: &str) -> Observation {
    Observation::record(Version::new(version), record(text))
}

pub(crate) fn empty(version: u64) -> Observation {
    Observation::Present {
        version: Version::new(version),
        content: Content::Empty,
    }
}

pub(crate) fn unreadable(version: u64) -> Observation {
    Observation::from_json(Version::new(version), b"not a record")
}

pub(crate) fn absent(as_of: impl Into<Option<u64>>) -> Observation {
    Observation::Absent {
        as_of: as_of.into().map(Version::new),
    }
}

impl Bench {
    pub(crate) fn new(config: ElectionConfig) -> Self {
        Self {
            election: Election::new(config),
            now: 0.0,
            wall: None,
            reads: Vec::new(),
            attempts: Vec::new(),
            transcript: String::new(),
        }
    }

    /// A candidate whose watch is open and whose first two reads showed `observation` at 0 s. Its transcript is empty.
    pub(crate) fn knowing(config: ElectionConfig, observation: Observation) -> Self {
        let mut bench = Self::new(config);
        bench.at(0.0, Input::Wake);
        bench.read(0.0, observation.clone());
        bench.at(0.0, Input::WatchStarted);
        bench.read(0.0, observation);
        bench.transcript.clear();
        bench
    }

    /// A candidate that created the record at 0 s and leads by version 1. Its transcript is empty.
    pub(crate) fn leading(config: ElectionConfig) -> Self {
        let mut bench = Self::knowing(config, absent(None));
        bench.done(0.0, 1);
        bench.transcript.clear();
        bench
    }

    pub(crate) fn hold_wall(&mut self, seconds: i64) {
        self.wall = Some(seconds);
    }

    pub(crate) fn at(&mut self, seconds: f64, input: Input) {
        self.say(seconds, &describe(&input), input);
    }

    pub(crate) fn wake(&mut self, seconds: f64) {
        self.at(seconds, Input::Wake);
    }

    pub(crate) fn watch(&mut self, seconds: f64, observation: Observation) {
        self.at(seconds, Input::Watched(observation));
    }

    /// Answers the oldest read that has no answer.
    pub(crate) fn read(&mut self, seconds: f64, observation: Observation) {
        let read = self.reads.remove(0);
        self.at(seconds, Input::Read { read, observation });
    }

    pub(crate) fn read_fails(&mut self, seconds: f64, kind: LockErrorKind) {
        self.read_fails_for(seconds, kind, None);
    }

    pub(crate) fn read_fails_for(
        &mut self,
        seconds: f64,
        kind: LockErrorKind,
        retry_after: Option<Duration>,
    ) {
        let read = self.reads.remove(0);
        self.at(
            seconds,
            Input::ReadFailed {
                read,
                kind,
                retry_after,
            },
        );
    }

    /// Answers the oldest swap that has no answer.
    pub(crate) fn done(&mut self, seconds: f64, version: u64) {
        let attempt = self.attempts.remove(0);
        self.at(
            seconds,
            Input::Swapped {
                attempt,
                swap: Swap::Done(Version::new(version)),
            },
        );
    }

    pub(crate) fn conflict(&mut self, seconds: f64, observation: impl Into<Option<Observation>>) {
        let attempt = self.attempts.remove(0);
        self.at(
            seconds,
            Input::Swapped {
                attempt,
                swap: Swap::Conflict(observation.into()),
            },
        );
    }

    pub(crate) fn swap_fails(&mut self, seconds: f64, kind: LockErrorKind) {
        self.swap_fails_for(seconds, kind, None);
    }

    pub(crate) fn swap_fails_for(
        &mut self,
        seconds: f64,
        kind: LockErrorKind,
        retry_after: Option<Duration>,
    ) {
        let attempt = self.attempts.remove(0);
        self.at(
            seconds,
            Input::SwapFailed {
                attempt,
                kind,
                retry_after,
            },
        );
    }

    /// The record of the oldest swap that has no answer, as the store would show it at a version.
    pub(crate) fn pending(&self, version: u64) -> Observation {
        Observation::Present {
            version: Version::new(version),
            content: Content::Record(Arc::clone(&self.attempts[0].record)),
        }
    }

    /// The record of the oldest swap that has no answer.
    pub(crate) fn sent_record(&self) -> &LeaderElectionRecord {
        &self.attempts[0].record
    }

    pub(crate) fn election(&self) -> &Election {
        &self.election
    }

    pub(crate) fn take_transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript).replace(own_name().as_str(), "a")
    }

    fn say(&mut self, seconds: f64, input_text: &str, input: Input) {
        assert!(seconds >= self.now, "time does not step back");
        self.now = seconds;
        #[allow(clippy::cast_possible_truncation)]
        let wall = self.wall.unwrap_or(seconds as i64);
        let now = Moment {
            mono: mono(seconds),
            wall: DateTime::from_timestamp(wall, 0).unwrap(),
        };
        self.transcript += &format!("{seconds}s: {input_text}\n");
        self.election.handle(now, input);
        loop {
            let output = self.election.poll();
            self.transcript += &format!("    {}\n", output_text(&output));
            match output {
                Output::Get(read) => self.reads.push(read),
                Output::Cas(attempt) => self.attempts.push(attempt),
                Output::WaitUntil(_) => return,
                _ => {}
            }
        }
    }
}

fn record_text(record: &LeaderElectionRecord) -> String {
    format!(
        "{}/{}@{}#{}",
        record.holder_identity,
        record.lease_duration_seconds,
        record.renew_time.map_or(0, |time| time.timestamp()),
        record.leader_transitions
    )
}

fn observation_text(observation: &Observation) -> String {
    match observation {
        Observation::Present {
            version,
            content: Content::Record(record),
        } => {
            format!("v{version} {}", record_text(record))
        }
        Observation::Present {
            version,
            content: Content::Empty,
        } => format!("v{version} empty"),
        Observation::Present {
            version,
            content: Content::Unreadable(_),
        } => format!("v{version} unreadable"),
        Observation::Absent { as_of: Some(version) } => format!("absent as of v{version}"),
        Observation::Absent { as_of: None } => "absent".to_owned(),
    }
}

fn describe(input: &Input) -> String {
    match input {
        Input::Wake => "wake".to_owned(),
        Input::Read { observation, .. } => format!("read {}", observation_text(observation)),
        Input::ReadFailed { kind, .. } => format!("read failed, {kind}"),
        Input::Swapped {
            attempt,
            swap: Swap::Done(version),
        } => format!("{:?} done, v{version}", attempt.purpose),
        Input::Swapped {
            attempt,
            swap: Swap::Conflict(None),
        } => format!("{:?} in conflict", attempt.purpose),
        Input::Swapped {
            attempt,
            swap: Swap::Conflict(Some(observation)),
        } => {
            format!(
                "{:?} in conflict with {}",
                attempt.purpose,
                observation_text(observation)
            )
        }
        Input::SwapFailed { attempt, kind, .. } => format!("{:?} failed, {kind}", attempt.purpose),
        Input::Watched(observation) => format!("watch shows {}", observation_text(observation)),
        Input::WatchEnded { kind, .. } => format!("WatchEnded({kind:?})"),
        other => format!("{other:?}"),
    }
}

fn output_text(output: &Output) -> String {
    match output {
        Output::Get(read) if read.verifies_watch => "-> get, to verify the watch".to_owned(),
        Output::Get(_) => "-> get".to_owned(),
        Output::Cas(attempt) => {
            let expected = match attempt.expected {
                Expected::Absent => "absent".to_owned(),
                Expected::Version(version) => format!("v{version}"),
            };
            format!(
                "-> swap {expected} to {}, to {:?}",
                record_text(&attempt.record),
                attempt.purpose
            )
        }
        Output::RestartWatch => "-> watch".to_owned(),
        Output::Term(TermChange::Start {
            token, valid_until, ..
        }) => {
            format!("START token {token}, valid until {}", shown(*valid_until))
        }
        Output::Term(TermChange::ValidUntil(until)) => format!("valid until {}", shown(*until)),
        Output::Term(TermChange::AtRisk(until)) => format!("AT RISK, valid until {}", shown(*until)),
        Output::Term(TermChange::Drain(until)) => format!("DRAIN until {}", shown(*until)),
        Output::Term(TermChange::Lost { reason, drop_at }) => {
            format!("LOST: {reason}; gone by {}", shown(*drop_at))
        }
        Output::Term(TermChange::Drop) => "DROP".to_owned(),
        Output::Event(event) => format!("({event:?})"),
        Output::Ended => "ENDED".to_owned(),
        Output::WaitUntil(until) => format!("wait until {}", shown(*until)),
    }
}
