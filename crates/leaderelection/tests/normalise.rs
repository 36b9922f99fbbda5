//! Normalising a machine changes nothing: what a model makes of it, so that its states are finite, behaves like the
//! machine itself. Random inputs go to a machine and, shifted, to its twin, which is normalised after every input; their
//! outputs are the same, shifted.

#![allow(clippy::unwrap_used, reason = "tests speak by failing")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use leaderelection::election::{
    Attempt, Election, ElectionConfig, ElectionEvent, Input, MissingRecord, Output, Read, Shift, TermChange,
};
use leaderelection::{
    Content, FencingToken, Identity, LeaderElectionRecord, LeaseTiming, LockErrorKind, Moment, MonoTime,
    Observation, Swap, Unreadable, Version,
};
use proptest::prelude::*;

/// Below these no version, second or transition is ever shown: by so much everything is shifted.
const VERSIONS: u64 = 100;
const SECONDS: i64 = 1_000;
const TRANSITIONS: i64 = 10;

/// What happens. A number names one of the calls that the machine has asked for.
#[derive(Debug, Clone)]
enum Happens {
    Wake,
    Watch(Look),
    WatchStarted,
    WatchEnded,
    Read(usize, Look),
    ReadFailed(usize),
    Done(usize, u64),
    Conflict(usize, Option<Look>),
    Failed(usize, LockErrorKind),
    WorkEnded,
    /// So many seconds are stayed away, or it leaves.
    WorkPanicked(Option<u64>),
    Stop,
    StepDown,
}

/// What is seen of the lock, at a version; 0 is the next after the newest so far.
#[derive(Debug, Clone)]
enum Look {
    Absent(Option<u64>),
    Empty(u64),
    Unreadable(u64),
    Record(u64, LeaderElectionRecord),
    /// What a write on its way would write.
    Own(u64, usize),
}

fn version() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..12u64]
}

fn look() -> impl Strategy<Value = Look> {
    let version = version().boxed();
    let record = (
        prop::sample::select(vec!["a", "b", "", " "]),
        0..5i64,
        0..4i64,
        0..4i64,
    );
    let record = record.prop_map(|(holder, duration, second, transitions)| LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        lease_duration_seconds: duration,
        acquire_time: Some(wall(SECONDS + second)),
        renew_time: Some(wall(SECONDS + second)),
        leader_transitions: TRANSITIONS + transitions,
        ..LeaderElectionRecord::default()
    });
    prop_oneof![
        3 => prop::option::of(version.clone()).prop_map(Look::Absent),
        1 => version.clone().prop_map(Look::Empty),
        1 => version.clone().prop_map(Look::Unreadable),
        6 => (version.clone(), record).prop_map(|(version, record)| Look::Record(version, record)),
        6 => (version, 0..4usize).prop_map(|(version, which)| Look::Own(version, which)),
    ]
}

fn happens() -> impl Strategy<Value = Happens> {
    // Mostly the oldest call, so that claims are kept until they are ripe.
    let which = prop_oneof![3 => Just(0), 1 => 0..4usize].boxed();
    let kind = prop::sample::select(vec![
        LockErrorKind::Ambiguous,
        LockErrorKind::Unavailable,
        LockErrorKind::Denied,
    ]);
    prop_oneof![
        4 => Just(Happens::Wake),
        4 => look().prop_map(Happens::Watch),
        1 => Just(Happens::WatchStarted),
        1 => Just(Happens::WatchEnded),
        3 => (which.clone(), look()).prop_map(|(which, look)| Happens::Read(which, look)),
        1 => which.clone().prop_map(Happens::ReadFailed),
        8 => (which.clone(), version()).prop_map(|(which, version)| Happens::Done(which, version)),
        2 => (which.clone(), prop::option::of(look())).prop_map(|(which, look)| Happens::Conflict(which, look)),
        2 => (which, kind).prop_map(|(which, kind)| Happens::Failed(which, kind)),
        1 => Just(Happens::WorkEnded),
        1 => prop::option::weighted(0.8, 0..6u64).prop_map(Happens::WorkPanicked),
        1 => Just(Happens::Stop),
        1 => Just(Happens::StepDown),
    ]
}

/// Whether a write may come of it whose transitions do not follow from a record.
fn creates(happens: &Happens) -> bool {
    match happens {
        Happens::Watch(look) | Happens::Read(_, look) | Happens::Conflict(_, Some(look)) => {
            matches!(look, Look::Absent(_) | Look::Empty(_) | Look::Unreadable(_))
        }
        _ => false,
    }
}

/// A machine, or its twin, with the calls that it has asked for.
struct Side {
    election: Election,
    reads: VecDeque<Read>,
    attempts: VecDeque<Attempt>,
    /// The newest version so far.
    newest: u64,
    /// By how much what it is shown is shifted.
    by: Shift,
}

impl Side {
    fn new(config: &ElectionConfig, by: Shift) -> Self {
        Self {
            election: Election::new(config.clone()),
            reads: VecDeque::new(),
            attempts: VecDeque::new(),
            newest: 0,
            by,
        }
    }

    /// Gives an input, or just the time where it would answer something that was not asked, and returns all that comes out.
    fn feed(&mut self, mono: MonoTime, second: i64, happens: &Happens) -> Vec<Output> {
        let wall = wall(second - self.by.seconds);
        let input = self.input(happens).unwrap_or(Input::Wake);
        self.election.handle(Moment { mono, wall }, input);
        let mut outputs = Vec::new();
        loop {
            let output = self.election.poll();
            match &output {
                Output::Get(read) => self.reads.push_back(*read),
                Output::Cas(attempt) => self.attempts.push_back(attempt.clone()),
                _ => {}
            }
            let last = matches!(output, Output::WaitUntil(_));
            outputs.push(output);
            if last {
                return outputs;
            }
        }
    }

    fn input(&mut self, happens: &Happens) -> Option<Input> {
        Some(match happens {
            Happens::Wake => Input::Wake,
            Happens::Watch(look) => Input::Watched(self.observation(look)?),
            Happens::WatchStarted => Input::WatchStarted,
            Happens::WatchEnded => Input::WatchEnded {
                kind: None,
                retry_after: None,
            },
            Happens::Read(which, look) => {
                let observation = self.observation(look)?;
                let read = self.reads.remove(*which)?;
                Input::Read { read, observation }
            }
            Happens::ReadFailed(which) => Input::ReadFailed {
                read: self.reads.remove(*which)?,
                kind: LockErrorKind::Unavailable,
                retry_after: None,
            },
            Happens::Done(which, version) => {
                let attempt = self.attempts.remove(*which)?;
                let swap = Swap::Done(self.version(*version));
                Input::Swapped { attempt, swap }
            }
            Happens::Conflict(which, look) => {
                let shown = look.as_ref().and_then(|look| self.observation(look));
                let attempt = self.attempts.remove(*which)?;
                let swap = Swap::Conflict(shown);
                Input::Swapped { attempt, swap }
            }
            Happens::Failed(which, kind) => Input::SwapFailed {
                attempt: self.attempts.remove(*which)?,
                kind: *kind,
                retry_after: (*kind == LockErrorKind::Denied).then(|| Duration::from_secs(3)),
            },
            Happens::WorkEnded => Input::WorkEnded,
            Happens::WorkPanicked(away) => Input::WorkPanicked(away.map(Duration::from_secs)),
            Happens::Stop => Input::Stop,
            Happens::StepDown => Input::StepDown,
        })
    }

    fn observation(&mut self, look: &Look) -> Option<Observation> {
        let (version, content) = match look {
            Look::Absent(as_of) => {
                let as_of = as_of.map(|version| self.version(version));
                return Some(Observation::Absent { as_of });
            }
            Look::Empty(version) => (version, Content::Empty),
            Look::Unreadable(version) => {
                let (raw, reason) = (b"?".to_vec(), "not JSON".to_owned());
                (version, Content::Unreadable(Arc::new(Unreadable { raw, reason })))
            }
            Look::Record(version, record) => (version, Content::Record(Arc::new(self.by.record(record)))),
            Look::Own(version, which) => {
                let attempt = self.attempts.get(*which)?;
                (version, Content::Record(Arc::clone(&attempt.record)))
            }
        };
        let version = self.version(*version);
        Some(Observation::Present { version, content })
    }

    fn version(&mut self, version: u64) -> Version {
        let version = if version == 0 { self.newest + 1 } else { version };
        self.newest = self.newest.max(version);
        Version::new(VERSIONS + version - self.by.version)
    }
}

fn wall(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap_or_default()
}

/// What a machine whose everything is shifted down asks for where the other asks for `output`.
fn shifted(output: Output, by: &Shift) -> Output {
    let time = |at: MonoTime| match at {
        MonoTime::NEVER => at,
        at => MonoTime::from_nanos(at.as_nanos().saturating_sub(by.now.as_nanos())),
    };
    let version = |version: Version| Version::new(version.get() - by.version);
    match output {
        Output::Get(mut read) => {
            by.read(&mut read, Duration::MAX);
            Output::Get(read)
        }
        Output::Cas(mut attempt) => {
            by.attempt(&mut attempt, Duration::MAX);
            Output::Cas(attempt)
        }
        Output::Term(change) => Output::Term(match change {
            TermChange::Start {
                token,
                valid_until,
                transitions,
            } => TermChange::Start {
                token: FencingToken::new(token.get() - by.version),
                valid_until: time(valid_until),
                transitions: (transitions - by.transitions).max(0),
            },
            TermChange::ValidUntil(at) => TermChange::ValidUntil(time(at)),
            TermChange::AtRisk(at) => TermChange::AtRisk(time(at)),
            TermChange::Drain(at) => TermChange::Drain(time(at)),
            TermChange::Lost { reason, drop_at } => TermChange::Lost {
                reason,
                drop_at: time(drop_at),
            },
            TermChange::Drop => TermChange::Drop,
        }),
        Output::Event(event) => Output::Event(match event {
            ElectionEvent::StoreWentBack { highest, shown } => ElectionEvent::StoreWentBack {
                highest: version(highest),
                shown: shown.map(version),
            },
            ElectionEvent::NothingWritten(at) => ElectionEvent::NothingWritten(version(at)),
            event => event,
        }),
        // A moment that has passed is now.
        Output::WaitUntil(at) => Output::WaitUntil(time(at).max(MonoTime::ZERO)),
        output => output,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn normalise_changes_nothing(
        (deadline, more, grace) in (2..5u64, 2..5u64, 0..=2u64),
        [exclusive_identity, strict, unique, early, no_creates] in any::<[bool; 5]>(),
        steps in prop::collection::vec((0..5u64, happens()), 1..60),
        later in 0..60usize,
    ) {
        let [lease, deadline, grace, second] = [deadline + more, deadline, grace, 1].map(Duration::from_secs);
        let timing = LeaseTiming::new(lease, deadline, second).unwrap().with_stop_grace(grace).unwrap();
        let config = ElectionConfig {
            timing,
            exclusive_identity,
            missing_record: if strict { MissingRecord::ClaimThenLead } else { MissingRecord::LeadAtOnce },
            stagger: false,
            timer_lead: Duration::from_millis(if early { 2 } else { 0 }),
            ..ElectionConfig::new(if unique { Identity::unique() } else { Identity::new("a").unwrap() })
        };
        let start = MonoTime::from_nanos(5_000_000_000_000);
        let nothing = Shift { now: MonoTime::ZERO, version: 0, seconds: 0, transitions: 0, coarse: None, deletes: false };
        // A create writes transitions 0, so that they can be shifted only where there is none.
        let transitions = if no_creates { TRANSITIONS } else { 0 };
        // Half of it is taken off from the beginning, and half in the middle of all that the machine remembers by then.
        let half = Shift { now: MonoTime::ZERO, version: VERSIONS / 2, seconds: SECONDS / 2, transitions: transitions / 2, ..nothing };
        let by = Shift { now: start, ..half };
        let (mut machine, mut twin) = (Side::new(&config, nothing), Side::new(&config, by));
        let mut now = start;
        for (step, (quarters, happens)) in steps.into_iter().enumerate() {
            if no_creates && creates(&happens) {
                continue;
            }
            let passed = Duration::from_millis(250 * quarters);
            now = now.after(passed);
            // The wall clock goes its own way, back and forth.
            let seconds = SECONDS + now.as_nanos() / 700_000_000 % 5;
            let outputs = machine.feed(now, seconds, &happens);
            let mono = MonoTime::ZERO.after(passed);
            let twins = twin.feed(mono, seconds, &happens);
            let outputs: Vec<_> = outputs.into_iter().map(|output| shifted(output, &twin.by)).collect();
            // What the twin says is shifted by its last input, and what the machine says to where the twin's clock began.
            let twins: Vec<_> = twins.into_iter().map(|output| shifted(output, &nothing)).collect();
            prop_assert_eq!(outputs, twins);

            // The twin's clock begins anew after every input.
            let again = if step == later { Shift { now: mono, ..half } } else { Shift { now: mono, ..nothing } };
            twin.by.version += again.version;
            twin.by.seconds += again.seconds;
            twin.by.transitions += again.transitions;
            twin.election.normalise(&again);
            twin.reads.iter_mut().for_each(|read| again.read(read, deadline));
            twin.attempts.iter_mut().for_each(|attempt| again.attempt(attempt, deadline));
            twin.by.now = now;
        }
    }
}
