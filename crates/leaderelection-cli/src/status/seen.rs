//! What was seen of a lock, and what it means that something else is seen now. Knows no clock and no store: it is told the time.

use std::time::Duration;

use leaderelection::{
    Content, LeaderElectionRecord, LockError, LockErrorKind, MonoTime, Observation, Version,
};

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Seen,
    Acquired,
    Renewed,
    Freed,
    LeaseRanOut,
    Closed,
    Unreadable,
    Rewritten,
    Touched,
    Unreachable,
    Reachable,
}

impl Event {
    /// As --output json has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Acquired => "acquired",
            Self::Renewed => "renewed",
            Self::Freed => "freed",
            Self::LeaseRanOut => "leaseRanOut",
            Self::Closed => "closed",
            Self::Unreadable => "unreadable",
            Self::Rewritten => "rewritten",
            Self::Touched => "touched",
            Self::Unreachable => "unreachable",
            Self::Reachable => "reachable",
        }
    }
}

/// Why a store could not be asked.
#[derive(Debug, Clone)]
pub(super) enum Unreachable {
    Failed(LockError),
    TimedOut { what: &'static str, after: Duration },
}

impl Unreachable {
    /// As --output json has it.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } => "timedOut",
            Self::Failed(error) => match error.kind() {
                LockErrorKind::Denied => "denied",
                LockErrorKind::Invalid => "invalid",
                _ => "unavailable",
            },
        }
    }
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut { what, after } => {
                write!(
                    f,
                    "no answer to a {what} within {}",
                    humantime::format_duration(*after)
                )
            }
        }
    }
}

/// The fencing token of a term, as far as it is known from outside (SAFETY 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// The write that acquired the lease was seen.
    Exact(Version),
    /// It was not: this is the oldest version in which the term was seen.
    AtMost(Version),
}

/// A state of the lock.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) observation: Observation,
    /// When its content was first seen. A version alone starts nothing anew (SAFETY 5).
    pub(super) since: MonoTime,
    /// Whether another content had been seen before, so that it changed at that moment and not at some time before.
    pub(super) changed_here: bool,
    pub(super) token: Option<Token>,
    pub(super) ran_out: bool,
}

/// What an observer knows.
#[derive(Debug, Default)]
pub(super) struct Viewer {
    seen: Option<Seen>,
    unreachable: Option<Unreachable>,
    /// The highest version that an answer has shown.
    highest: Option<Version>,
    /// What the open watch has shown last.
    streamed: Option<Observation>,
    /// What was read when it had been opened: it shows every later change.
    read_behind_it: Option<Observation>,
    /// The last acquisition that a watch has shown as it happened.
    acquired: Option<(Observation, Version)>,
}

/// What a watch has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    News(Event),
    Nothing,
    /// It says of no version what it shows: only an answer is believed (SAFETY 4).
    AskAgain,
}

impl Viewer {
    /// What was seen last, unless the store cannot be asked.
    pub(super) fn current(&self) -> Result<&Seen, Option<&Unreachable>> {
        match (&self.unreachable, &self.seen) {
            (None, Some(seen)) => Ok(seen),
            (unreachable, _) => Err(unreachable.as_ref()),
        }
    }

    /// That of what is there, if it is.
    pub(super) fn version(&self) -> Option<Version> {
        match &self.seen.as_ref()?.observation {
            Observation::Present { version, .. } => Some(*version),
            Observation::Absent { .. } => None,
        }
    }

    /// A higher version than the current one that the store has shown before (SAFETY 19).
    pub(super) fn higher_before(&self) -> Option<Version> {
        let current = self
            .seen
            .as_ref()
            .and_then(|seen| version_of(&seen.observation))?;
        self.highest.filter(|highest| *highest > current)
    }

    /// A watch was opened; what was read before it tells nothing about what it leaves out.
    pub(super) fn opened(&mut self) {
        self.streamed = None;
        self.read_behind_it = None;
    }

    /// The answer to a read that was sent when everything else that is known had come: it is what there is.
    pub(super) fn read(&mut self, now: MonoTime, observation: Observation) -> Option<Event> {
        if self.streamed.is_none() && self.read_behind_it.is_none() {
            self.read_behind_it = Some(observation.clone());
        }
        let back = self.unreachable.take().is_some() && self.seen.is_some();
        let event = self.adopt(now, observation);
        if back { Some(Event::Reachable) } else { event }
    }

    /// What a watch has shown: only what is newer counts (SAFETY 4).
    pub(super) fn streamed(&mut self, now: MonoTime, observation: Observation) -> Shown {
        let Some(version) = version_of(&observation) else {
            return Shown::AskAgain;
        };
        if self.is_acquisition(&observation, version) {
            self.acquired = Some((observation.clone(), version));
        }
        self.streamed = Some(observation.clone());
        let Some(known) = self.seen.as_ref().and_then(|seen| version_of(&seen.observation)) else {
            return Shown::AskAgain;
        };
        if version > known {
            let event = self.adopt(now, observation);
            return event.map_or(Shown::Nothing, Shown::News);
        }
        // A read was faster, and the watch shows how it came to it.
        let token = self.exact_token(&observation);
        if let Some(seen) = &mut self.seen
            && same_term(&seen.observation, &observation)
        {
            seen.token = token.or(seen.token);
        }
        Shown::Nothing
    }

    /// The store could not be asked. `None`: that is known.
    pub(super) fn failed(&mut self, why: Unreachable) -> Option<Event> {
        let known = self
            .unreachable
            .as_ref()
            .is_some_and(|known| known.reason() == why.reason());
        self.unreachable = Some(why);
        (!known).then_some(Event::Unreachable)
    }

    /// When the lease will have run out if nothing changes.
    pub(super) fn runs_out_at(&self) -> MonoTime {
        match &self.seen {
            Some(seen) if !seen.ran_out => seen
                .lease()
                .map_or(MonoTime::NEVER, |lease| seen.since.after(lease)),
            _ => MonoTime::NEVER,
        }
    }

    /// After a read: whether the lease has run out, if that is news.
    pub(super) fn look_at_the_clock(&mut self, now: MonoTime) -> Option<Event> {
        let due = self.unreachable.is_none() && now >= self.runs_out_at();
        let seen = self.seen.as_mut().filter(|_| due)?;
        seen.ran_out = true;
        Some(Event::LeaseRanOut)
    }

    fn adopt(&mut self, now: MonoTime, observation: Observation) -> Option<Event> {
        let version = version_of(&observation);
        self.highest = self.highest.max(version);
        let before = self.seen.take();
        let event = match &before {
            None => Some(Event::Seen),
            Some(before) => change(&before.observation, &observation),
        };
        let token = self.exact_token(&observation).or_else(|| {
            let known = before
                .as_ref()
                .filter(|before| same_term(&before.observation, &observation));
            let first = || holder(&observation).and(version).map(Token::AtMost);
            known.and_then(|known| known.token).or_else(first)
        });
        self.seen = Some(match before {
            Some(before) if same_content(&before.observation, &observation) => Seen {
                observation,
                token,
                ..before
            },
            before => Seen {
                observation,
                since: now,
                changed_here: before.is_some(),
                token,
                ran_out: false,
            },
        });
        event
    }

    /// Whether what a watch shows is the write that acquired a lease. Such a record carries one time twice (SAFETY 6); and it is
    /// known what was before it, so that nobody has written a label in between.
    fn is_acquisition(&self, observation: &Observation, version: Version) -> bool {
        let begins = held(observation)
            .is_some_and(|record| record.acquire_time.is_some() && record.acquire_time == record.renew_time);
        let before = self.streamed.as_ref().or_else(|| {
            let read = self.read_behind_it.as_ref();
            read.filter(|read| version_of(read).is_none_or(|read| version > read))
        });
        begins && before.is_some_and(|before| !same_term(before, observation))
    }

    fn exact_token(&self, observation: &Observation) -> Option<Token> {
        let acquired = self.acquired.as_ref();
        acquired
            .filter(|(acquired, _)| same_term(acquired, observation))
            .map(|(_, version)| Token::Exact(*version))
    }
}

impl Seen {
    pub(super) fn record(&self) -> Option<&LeaderElectionRecord> {
        record(&self.observation)
    }

    /// The declared duration of a lease that runs; `None` where it has none that could run out.
    pub(super) fn lease(&self) -> Option<Duration> {
        let record = held(&self.observation)?;
        let seconds = u64::try_from(record.lease_duration_seconds).ok()?;
        (seconds > 0).then_some(Duration::from_secs(seconds))
    }
}

/// Of what is there, or as of which nothing is.
pub(super) fn version_of(observation: &Observation) -> Option<Version> {
    match observation {
        Observation::Present { version, .. } => Some(*version),
        Observation::Absent { as_of } => *as_of,
    }
}

fn record(observation: &Observation) -> Option<&LeaderElectionRecord> {
    match observation {
        Observation::Present {
            content: Content::Record(record),
            ..
        } => Some(record),
        _ => None,
    }
}

/// The record of somebody who leads: one that is not free, nor closed by a move.
fn held(observation: &Observation) -> Option<&LeaderElectionRecord> {
    record(observation).filter(|record| !record.is_free() && record.closed().is_none())
}

fn holder(observation: &Observation) -> Option<&str> {
    held(observation).map(|record| record.holder_identity.as_str())
}

/// Whether both are of one term. Every acquisition adds one to the transitions (SAFETY 16); the renewals of clients of 2016 reset
/// them.
fn same_term(before: &Observation, after: &Observation) -> bool {
    match (held(before), held(after)) {
        (Some(before), Some(after)) => {
            before.holder_identity == after.holder_identity
                && before.acquire_time == after.acquire_time
                && after.leader_transitions <= before.leader_transitions
        }
        _ => false,
    }
}

fn same_content(before: &Observation, after: &Observation) -> bool {
    match (before, after) {
        (Observation::Present { content: before, .. }, Observation::Present { content: after, .. }) => {
            before == after
        }
        (Observation::Absent { .. }, Observation::Absent { .. }) => true,
        _ => false,
    }
}

/// What has happened between two states, if anything.
fn change(before: &Observation, after: &Observation) -> Option<Event> {
    if same_content(before, after) {
        // The version as of which there is nothing is the whole store's.
        let touched = matches!(after, Observation::Present { .. }) && version_of(before) != version_of(after);
        return touched.then_some(Event::Touched);
    }
    if let Observation::Present {
        content: Content::Unreadable(_),
        ..
    } = after
    {
        return Some(Event::Unreadable);
    }
    if record(after).is_some_and(|record| record.closed().is_some()) {
        return Some(Event::Closed);
    }
    let Some(now) = held(after) else {
        let was_free = match before {
            Observation::Present {
                content: Content::Unreadable(_),
                ..
            } => false,
            before => record(before).is_none_or(LeaderElectionRecord::is_free),
        };
        return Some(if was_free { Event::Rewritten } else { Event::Freed });
    };
    Some(if !same_term(before, after) {
        Event::Acquired
    } else if record(before).is_some_and(|before| before.renew_time != now.renew_time) {
        Event::Renewed
    } else {
        Event::Rewritten
    })
}
