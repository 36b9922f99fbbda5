//! What goes into the machine and what comes out of it.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::{FencingToken, Version};
use crate::lock::{Expected, LockErrorKind, Observation, Swap};
use crate::moment::MonoTime;
use crate::record::LeaderElectionRecord;

/// What happened. Given to [`Election::handle`](super::Election::handle).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Nothing but time: a deadline that [`Output::WaitUntil`] named has come.
    Wake,
    /// A read was answered.
    Read {
        /// The read, as it was asked for.
        read: Read,
        /// What it showed.
        observation: Observation,
    },
    /// A read failed.
    ReadFailed {
        /// The read, as it was asked for.
        read: Read,
        /// What may be concluded.
        kind: LockErrorKind,
        /// How long the store asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// A swap was answered.
    Swapped {
        /// The attempt, as it was asked for.
        attempt: Attempt,
        /// What it did.
        swap: Swap,
    },
    /// A swap failed, or its answer is no longer waited for ([`LockErrorKind::Ambiguous`]).
    SwapFailed {
        /// The attempt, as it was asked for.
        attempt: Attempt,
        /// What may be concluded.
        kind: LockErrorKind,
        /// How long the store asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The watch that was asked for is open.
    WatchStarted,
    /// The watch showed something.
    Watched(Observation),
    /// The watch could not be opened, failed, or ended.
    WatchEnded {
        /// What may be concluded; `None`: it just ended.
        kind: Option<LockErrorKind>,
        /// How long the store asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// This lock has no watch.
    WatchUnsupported,
    /// The work of the term has truly stopped: its future is gone, and so is the last clone of its `Leadership`.
    WorkEnded,
    /// The user wants to leave the election.
    Stop,
    /// The user wants somebody else to lead.
    StepDown,
    /// The work has truly stopped, because it panicked. This candidate stays away for so long, as others may have more luck; `None`: it
    /// leaves the election. Either way the record is released, also that of a term that was lost before.
    WorkPanicked(Option<Duration>),
}

/// What is to be done. Taken from [`Election::poll`](super::Election::poll).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Output {
    /// Read the lock.
    Get(Read),
    /// Swap. The attempt comes back with the answer.
    Cas(Attempt),
    /// Open a watch; an open one is given up.
    RestartWatch,
    /// Something about one's own term.
    Term(TermChange),
    /// Something that a person may want to know.
    Event(ElectionEvent),
    /// The election is over: the user asked for it, and nothing is left to be done.
    Ended,
    /// Nothing more to do until this moment, or until something happens.
    WaitUntil(MonoTime),
}

/// A read on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Read {
    /// When it was sent, by the candidate's clock.
    pub sent: MonoTime,
    /// The newest version that was known then: an absence without a version counts only against it (SAFETY 4).
    pub known: Option<Version>,
    /// Whether it verifies a silent watch (SAFETY 20).
    pub verifies_watch: bool,
}

/// A swap on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// When it was sent, by the candidate's clock: the lease that it brings counts from here (SAFETY 1).
    pub sent: MonoTime,
    /// What it is for.
    pub purpose: Purpose,
    /// The newest version that was known then.
    pub known: Option<Version>,
    /// The state that it names.
    pub expected: Expected,
    /// What it writes.
    pub record: Arc<LeaderElectionRecord>,
}

/// What a swap is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To start a term.
    Acquire,
    /// To start a claim, which becomes a term only after it has stood for a lease (SAFETY 18).
    Claim,
    /// To extend one's own term.
    Renew,
    /// To extend one's own claim.
    RenewClaim,
    /// To let others lead at once (SAFETY 12 and 23).
    Release,
}

/// A change of one's own term.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TermChange {
    /// It begins: the work may start.
    Start {
        /// The version of the acquiring write (SAFETY 19).
        token: FencingToken,
        /// The lease's end unless it is renewed: `sent + R` (SAFETY 1).
        valid_until: MonoTime,
        /// The transitions in the record that began it.
        transitions: i64,
    },
    /// It was renewed: the lease's new end.
    ValidUntil(MonoTime),
    /// Renewals fail; the lease ends at this moment unless one succeeds.
    AtRisk(MonoTime),
    /// A stop or a step-down was asked for: the work may finish until this moment, still renewed (SAFETY 13).
    Drain(MonoTime),
    /// It is over: the work must stop, and is dropped at the given moment at the latest.
    Lost {
        /// Why.
        reason: LossReason,
        /// When [`TermChange::Drop`] follows unless the work has ended.
        drop_at: MonoTime,
    },
    /// The work must be gone now.
    Drop,
}

/// Why a term ended against the will of its work.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LossReason {
    /// No renewal succeeded within the renew deadline.
    #[error("no renewal succeeded within the renew deadline")]
    DeadlineExceeded,
    /// A newer record is not one's own (SAFETY 11).
    #[error("{}", if .0.is_empty() { "the holder was taken out of the record".to_owned() } else { format!("the record was taken by {:?}", .0) })]
    TakenBy(String),
    /// The record is gone (SAFETY 11).
    #[error("the record was deleted")]
    RecordGone,
    /// The record can no longer be read (SAFETY 11).
    #[error("the record was overwritten by something that is not a record")]
    RecordUnreadable,
    /// The store shows an older state than it has shown before (SAFETY 19).
    #[error("the store went back to an older version")]
    StoreWentBack,
    /// The work did not end within the drain timeout after a stop or a step-down was asked for (SAFETY 13).
    #[error("the work did not end within the drain timeout")]
    DrainTimeout,
    /// The work has ended, and with it the term.
    #[error("the work has ended")]
    WorkEnded,
    /// The elector itself is gone: its runtime was shut down.
    #[error("the elector is gone")]
    ElectorGone,
}

/// What a person may want to know of an election.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElectionEvent {
    /// Another holder is seen than before; `None`: nobody holds.
    HolderChanged(Option<String>),
    /// Content that is not a record holds the lock; it is waited out (SAFETY 17).
    Unreadable {
        /// Why it cannot be read.
        reason: String,
        /// For how long it must stand unchanged before it is replaced.
        waited_out: Duration,
    },
    /// A record declares a duration that is longer than a day; it is respected (SAFETY 7).
    LongLease {
        /// The holder.
        holder: String,
        /// Seconds, as declared.
        seconds: i64,
    },
    /// A record stands under one's own identity that this process did not write (SAFETY 16); it is waited out.
    SameIdentity {
        /// Another process certainly uses the identity now: it is not a record of an earlier life.
        twin: bool,
    },
    /// The store shows an older state than it has shown before. This candidate does not lead until versions pass the
    /// highest that it has seen, or it is restarted (SAFETY 19).
    StoreWentBack {
        /// The highest version seen.
        highest: Version,
        /// The version shown now; `None` where a success reported one that is not newer.
        shown: Option<Version>,
    },
    /// The store reported success with the version that it was given: nothing was renewed (SAFETY 6).
    NothingWritten(Version),
    /// An acquisition succeeded too late to lead by it; it is released, and the candidate backs off (SAFETY 22).
    AcquiredTooLate,
    /// A claim was made on a missing record; it becomes a term when it has stood for this long (SAFETY 18).
    Claimed(Duration),
    /// A claim ran out or was taken before it became a term.
    ClaimLapsed,
    /// One's own record was released.
    Released,
    /// A release was not confirmed in time; others wait for the lease instead.
    ReleaseUnconfirmed,
}
