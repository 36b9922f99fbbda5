//! One candidate in the world: its machine, its work, and its calls on their way.

use std::sync::Arc;

use leaderelection::election::{Attempt, Election, Input, Output, Purpose, Read, Shift, TermChange};
use leaderelection::{Expected, Moment, MonoTime, Version};

use super::setting::Spans;
use super::store::{NEWEST, Store};

/// What has become of a write that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It has not reached the store, and its sender waits for the answer.
    Sent,
    /// It has not reached the store and cannot land any more, and its sender waits for the answer. Where the world is
    /// coarse, what it would have written is forgotten.
    Beaten,
    /// It was done, as this version, and its sender waits for the answer.
    Landed(Version),
    /// It has not reached the store, and nobody waits for an answer any more. It may still land.
    Ghost,
}

/// A write on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// As the machine asked for it.
    pub attempt: Attempt,
    /// What has become of it.
    pub fate: Fate,
}

/// What came of an input, beside what the seat shows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fed {
    /// The candidate has left the election.
    pub(super) ended: bool,
    /// Its term was lost.
    pub(super) lost: bool,
}

/// One candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The shipped machine.
    pub election: Election,
    /// Whether work truly runs: from a term's start until it ends by itself, is dropped, or its process crashes.
    pub working: bool,
    /// The read on its way. A newer one replaces it: the older answer is lost.
    pub read: Option<Read>,
    /// The writes on their way, oldest first.
    pub calls: Vec<Call>,
}

impl Seat {
    pub(super) fn new(fresh: Election) -> Self {
        Self {
            election: fresh,
            working: false,
            read: None,
            calls: Vec::new(),
        }
    }

    /// Gives the machine an input and does what it asks for.
    pub(super) fn feed(&mut self, now: Moment, input: Input, on_their_way: usize) -> Fed {
        let mut inputs = vec![input];
        let mut fed = Fed::default();
        while let Some(input) = inputs.pop() {
            self.election.handle(now, input);
            loop {
                match self.election.poll() {
                    Output::WaitUntil(_) => break,
                    Output::Get(read) => self.read = Some(read),
                    Output::Cas(attempt) => self.send(attempt, on_their_way),
                    // A watch opens at once and stays: what it shows, and when, is the adversary's choice anyway.
                    Output::RestartWatch => inputs.push(Input::WatchStarted),
                    Output::Term(TermChange::Start { .. }) => self.working = true,
                    Output::Term(TermChange::Drop) => {
                        self.working = false;
                        inputs.push(Input::WorkEnded);
                    }
                    Output::Term(TermChange::Lost { .. }) => fed.lost = true,
                    Output::Term(_) | Output::Event(_) => {}
                    Output::Ended => fed.ended = true,
                }
            }
        }
        fed
    }

    fn send(&mut self, attempt: Attempt, on_their_way: usize) {
        if self.calls.len() < on_their_way {
            let fate = Fate::Sent;
            self.calls.push(Call { attempt, fate });
        }
    }

    /// The process is gone, and another takes its place. What was sent may still land.
    pub(super) fn crash(&mut self, fresh: Election) {
        self.election = fresh;
        self.working = false;
        self.read = None;
        self.calls
            .retain(|call| matches!(call.fate, Fate::Sent | Fate::Ghost));
        for call in &mut self.calls {
            call.fate = Fate::Ghost;
        }
    }

    /// Shifts everything of this candidate, and forgets what can no longer matter.
    pub(super) fn normalise(&mut self, by: &Shift, spans: Spans, store: &Store) {
        self.election.normalise(by);
        if let Some(read) = &mut self.read {
            by.read(read, spans.oldest);
        }
        if by.coarse.is_some() {
            self.read = None;
        }
        for call in &mut self.calls {
            by.attempt(&mut call.attempt, spans.oldest);
            match &mut call.fate {
                Fate::Landed(version) => *version = Version::new(version.get().saturating_sub(by.version)),
                Fate::Ghost => forget_sender(&mut call.attempt),
                Fate::Sent | Fate::Beaten => {}
            }
            if by.coarse.is_none() && call.fate == Fate::Sent && names_old(call) {
                call.fate = Fate::Beaten;
            }
        }
        self.calls.retain(|call| matters(call, store));
        if by.coarse.is_some() {
            self.forget_impatience(spans, store);
        }
        // Their order means nothing, and two equal ghosts are one: only one of them could land.
        self.calls.sort_by_key(|call| {
            (
                rank(call.fate),
                call.attempt.sent,
                call.attempt.record.renew_time,
                call.attempt.record.is_free(),
                call.attempt.record.leader_transitions,
                call.attempt.record.acquire_time,
            )
        });
        self.calls.dedup();
    }

    /// A sender that has waited long enough has gone on: then the answer says no more than a look at the store, which it
    /// is shown anyway; but for an answer that somebody's label came before (docs/PROOF.md, "What the model leaves out").
    fn forget_impatience(&mut self, spans: Spans, store: &Store) {
        let known = self.election.known_version();
        self.calls.retain_mut(|call| {
            let waits = call.attempt.sent.after(spans.patience) > MonoTime::ZERO;
            if !waits && call.attempt.purpose == Purpose::Release {
                call.attempt.sent = MonoTime::ZERO.before(spans.oldest);
            }
            match call.fate {
                Fate::Sent if !store.may_be(call.attempt.expected) => {
                    call.fate = Fate::Beaten;
                    forget_write(&mut call.attempt);
                    waits
                }
                Fate::Beaten => waits,
                Fate::Landed(version) => waits || known <= Some(version),
                Fate::Sent | Fate::Ghost => true,
            }
        });
    }
}

fn rank(fate: Fate) -> u64 {
    match fate {
        Fate::Ghost => 0,
        Fate::Beaten => 1,
        Fate::Sent => 2,
        Fate::Landed(version) => 3 + version.get(),
    }
}

fn forget_write(attempt: &mut Attempt) {
    attempt.known = None;
    attempt.expected = Expected::Version(Version::new(0));
    attempt.purpose = Purpose::Acquire;
    attempt.record = Arc::default();
}

/// Nobody hears of a ghost: only what it would write still matters.
fn forget_sender(attempt: &mut Attempt) {
    attempt.sent = MonoTime::ZERO;
    attempt.known = None;
    attempt.purpose = Purpose::Acquire;
}

/// Whether what it names is forgotten.
fn names_old(call: &Call) -> bool {
    matches!(call.attempt.expected, Expected::Version(version) if too_old(version))
}

fn too_old(version: Version) -> bool {
    version.get() + 2 < NEWEST
}

fn matters(call: &Call, store: &Store) -> bool {
    match call.fate {
        Fate::Beaten => true,
        Fate::Ghost => store.may_be(call.attempt.expected),
        Fate::Landed(version) => !too_old(version),
        Fate::Sent => match call.attempt.expected {
            Expected::Version(version) => !too_old(version),
            Expected::Absent => {
                store.deletions > 0 || store.remembered().any(|ago| store.record(ago).is_none())
            }
        },
    }
}
