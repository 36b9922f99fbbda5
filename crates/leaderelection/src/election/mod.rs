//! The election as a pure state machine: no clock, no I/O, no runtime, no randomness but a seed.
//!
//! This is the product. The driver, the model checker and the simulator all run this very [`Election`].
//!
//! # The loop
//!
//! 1. Give it what happened: [`handle(now, input)`](Election::handle).
//! 2. Take what is to be done: [`poll()`](Election::poll), again and again, until it says [`Output::WaitUntil`].
//! 3. Do it, and wait for whatever comes first: an answer, an observation, the user, or that moment
//!    ([`Input::Wake`]). Go to 1.
//!
//! One invariant: **`poll` is drained to `WaitUntil` before the next `handle`.** Answers may come in any order, late, or
//! never; a call to the lock is made after the `now` with which its output was drained, never before.
//!
//! ```
//! use chrono::DateTime;
//! use leaderelection::election::{Election, ElectionConfig, Input, Output, TermChange};
//! use leaderelection::{Identity, Moment, MonoTime, Observation, Swap, Version};
//!
//! let now = Moment { mono: MonoTime::ZERO, wall: DateTime::UNIX_EPOCH };
//! let mut election = Election::new(ElectionConfig::new(Identity::new("a")?));
//! election.handle(now, Input::Wake);
//! assert_eq!(election.poll(), Output::RestartWatch);
//! let Output::Get(read) = election.poll() else { panic!("it asks for the record") };
//!
//! election.handle(now, Input::Read { read, observation: Observation::Absent { as_of: None } });
//! let attempt = loop {
//!     if let Output::Cas(attempt) = election.poll() { break attempt }
//! };
//! while !matches!(election.poll(), Output::WaitUntil(_)) {}
//!
//! election.handle(now, Input::Swapped { attempt, swap: Swap::Done(Version::new(1)) });
//! assert!(std::iter::from_fn(|| Some(election.poll()))
//!     .take_while(|output| !matches!(output, Output::WaitUntil(_)))
//!     .any(|output| matches!(output, Output::Term(TermChange::Start { .. }))));
//! # Ok::<(), leaderelection::EmptyIdentity>(())
//! ```
//!
//! # Where a rule lives
//!
//! | file | rules of SAFETY |
//! |---|---|
//! | `held.rs` | 1, 2, 13: one's own lease, counted from send |
//! | `observed.rs` | 1, 4, 5, 7, 9, 11, 15 to 17, 19: what is known, and the rival's lease, counted from receipt |
//! | `attempts.rs` | 8, 9: what is pending |
//! | `answers.rs` | 1, 6, 9, 19: what an answer means |
//! | `campaign.rs` | 10, 14, 16, 21, 22: acquiring |
//! | `claim.rs` | 18: strict mode |
//! | `compose.rs` | 6, 7, 12, 16: the records that are written |
//! | `ending.rs` | 12 to 14, 23: drain, release, step-down |
//! | `reading.rs` | 20: watch, reads, polling |

mod answers;
mod attempts;
mod campaign;
mod claim;
mod compose;
mod ending;
mod held;
mod io;
mod normalise;
mod observed;
mod reading;
mod seen;
mod variant;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::attempts::Attempts;
use self::ending::{Ending, Release};
use self::held::{Held, Work};
use self::observed::Source;
use self::reading::Reading;
use self::seen::Seen;
#[cfg(not(feature = "unsound-variants"))]
use self::variant::Variant;
use crate::identity::{Identity, Version};
use crate::moment::{Moment, MonoTime};
use crate::record::LeaderElectionRecord;
use crate::timing::LeaseTiming;

pub(crate) use self::held::at_risk_after;
pub use self::io::{Attempt, ElectionEvent, Input, LossReason, Output, Purpose, Read, TermChange};
pub use self::normalise::Shift;
#[cfg(feature = "unsound-variants")]
pub use self::variant::Variant;

/// What to do where there is no record: no object, or an object without one (SAFETY 18).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MissingRecord {
    /// Create it and lead at once, as Go does. If somebody deletes the record of a live leader, two may lead until the
    /// old one sees it: milliseconds with a watch, `R + σ` at worst.
    #[default]
    LeadAtOnce,
    /// Create it as a claim, which others respect, and lead when it has stood for a lease.
    ///
    /// A follower then waits anew at every new version of the record, be it that only somebody's label has changed. Under an
    /// [`Identity`] that others may have, too (neither [unique](Identity::unique) nor exclusive), a label costs a leader its
    /// term, and so does a renewal that a watch shows and whose answer is lost: both may be another's.
    ClaimThenLead,
}

/// What an election is told once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ElectionConfig {
    /// What this candidate writes as the holder.
    pub identity: Identity,
    /// The durations.
    pub timing: LeaseTiming,
    /// Nobody else ever uses the identity, so that the first record seen under it is an earlier life's, to be taken over
    /// at once (SAFETY 16).
    pub exclusive_identity: bool,
    /// What to do where there is no record.
    pub missing_record: MissingRecord,
    /// From which the stagger and the spread are drawn (SAFETY 20, SAFETY 21), and what tells apart two processes under one
    /// name (SAFETY 16): they should have two. 0 unless set; an elector draws its own.
    pub seed: u64,
    /// Whether take-overs are staggered and reads spread. A model turns it off: its adversary delays.
    pub stagger: bool,
    /// By how much the end of the work is armed early, because timers fire late, never early.
    pub timer_lead: Duration,
    /// The rule to drop.
    #[cfg(feature = "unsound-variants")]
    pub variant: Option<Variant>,
}

impl ElectionConfig {
    /// The defaults under an identity: 15 s / 10 s / 2 s, not exclusive, lead at once where there is no record.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            timing: LeaseTiming::default(),
            exclusive_identity: false,
            missing_record: MissingRecord::default(),
            seed: 0,
            stagger: true,
            timer_lead: Duration::from_millis(2),
            #[cfg(feature = "unsound-variants")]
            variant: None,
        }
    }

    /// A delay in `0 .. most`, drawn from (seed, version).
    fn spread(&self, most: Duration, version: Option<Version>) -> Duration {
        if !self.stagger {
            return Duration::ZERO;
        }
        let draw = campaign::mix(self.seed.rotate_left(32) ^ version.map_or(0, Version::get));
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(((u128::from(most) * u128::from(draw)) >> u64::BITS) as u64)
    }

    #[cfg(feature = "unsound-variants")]
    fn broken(&self, variant: Variant) -> bool {
        self.variant == Some(variant)
    }

    #[cfg(not(feature = "unsound-variants"))]
    #[expect(clippy::unused_self, reason = "the same signature as with the feature")]
    fn broken(&self, _variant: Variant) -> bool {
        false
    }
}

/// Places for outputs that are kept while there are none: every candidate has them. Hardly any step has more than one.
const USUAL_OUTPUTS: usize = 1;

/// One candidate of one election.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Election {
    config: Arc<ElectionConfig>,
    seen: Seen,
    attempts: Attempts,
    held: Option<Held>,
    work: Work,
    ending: Ending,
    /// In a box, as there hardly ever is one.
    release: Option<Box<Release>>,
    /// A release was begun since the last term: at the end it is not tried again.
    release_tried: bool,
    /// What was acquired under this name, as far as this life knows.
    written: Option<compose::Written>,
    /// Before which this candidate does not campaign (SAFETY 14, SAFETY 22).
    campaign_at: MonoTime,
    /// Before which it does not either, whoever holds meanwhile: its work has failed.
    away_until: MonoTime,
    /// Before which the next swap is not sent: P after the last one.
    write_at: MonoTime,
    /// Until when the last swap is waited for before another is sent.
    cas_busy_until: MonoTime,
    /// The last send-to-receipt time (SAFETY 21).
    round_trip: Duration,
    reading: Reading,
    out: VecDeque<Output>,
}

impl Election {
    /// A candidate that knows nothing yet. Its first [`handle`](Self::handle) is with [`Input::Wake`].
    pub fn new(config: impl Into<Arc<ElectionConfig>>) -> Self {
        Self {
            config: config.into(),
            seen: Seen::new(),
            attempts: Attempts::default(),
            held: None,
            work: Work::None,
            ending: Ending::No,
            release: None,
            release_tried: false,
            written: None,
            campaign_at: MonoTime::PAST,
            away_until: MonoTime::PAST,
            write_at: MonoTime::PAST,
            cas_busy_until: MonoTime::PAST,
            round_trip: Duration::ZERO,
            reading: Reading::new(),
            out: VecDeque::with_capacity(USUAL_OUTPUTS),
        }
    }

    /// Takes note of what happened at `now`, which must not be before the `now` of the last call.
    pub fn handle(&mut self, now: Moment, input: Input) {
        if self.ending == Ending::Ended {
            return;
        }
        self.expire(now);
        match input {
            Input::Wake => {}
            Input::Read { read, observation } => self.read(now, &read, observation),
            Input::ReadFailed {
                read, retry_after, ..
            } => self.read_failed(now, &read, retry_after),
            Input::Swapped { attempt, swap } => self.swapped(now, attempt, swap),
            Input::SwapFailed {
                attempt,
                kind,
                retry_after,
            } => self.swap_failed(now, &attempt, kind, retry_after),
            Input::WatchStarted => self.watch_started(now),
            Input::Watched(observation) => {
                self.observe(now, observation, Source::Watch);
            }
            Input::WatchEnded { kind, retry_after } => self.watch_ended(now, kind, retry_after),
            Input::WatchUnsupported => self.watch_unsupported(),
            Input::WorkEnded => self.work_ended(now),
            Input::Stop => self.stop(now),
            Input::StepDown => self.step_down(now),
            Input::WorkPanicked(away) => self.work_panicked(now, away),
        }
        self.drain(now);
        self.advance_term(now);
        self.advance_release(now);
        self.renew(now);
        self.campaign(now);
        self.finish(now);
        self.advance_reading(now);
    }

    /// The next thing to do, and [`Output::WaitUntil`] when there is nothing more for now.
    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        if self.out.capacity() > USUAL_OUTPUTS {
            self.out.shrink_to(USUAL_OUTPUTS);
        }
        Output::WaitUntil(self.deadline())
    }

    fn deadline(&self) -> MonoTime {
        if self.ending == Ending::Ended {
            return MonoTime::NEVER;
        }
        [
            self.term_deadline(),
            self.renew_at(),
            self.acquire_at(),
            self.ending_deadline(),
            self.reading_deadline(),
        ]
        .into_iter()
        .fold(MonoTime::NEVER, MonoTime::min)
    }

    /// Whether work may be running by this election's knowledge: from a term's start until the work has ended.
    pub fn is_at_work(&self) -> bool {
        self.work != Work::None
    }

    /// From when on this candidate may take the lock, as far as it knows: that of the record it would replace.
    pub(crate) fn takeable_at(&self) -> MonoTime {
        self.seen.takeable_at
    }

    /// How often the lead has changed, as the record that stands says it.
    #[cfg(feature = "metrics")]
    pub(crate) fn leader_transitions(&self) -> Option<i64> {
        self.seen.record().map(|record| record.leader_transitions)
    }

    /// What this candidate writes as the holder.
    pub fn identity(&self) -> &Identity {
        &self.config.identity
    }

    /// The newest version known. A model asks, to forget what this machine cannot learn from any more.
    pub fn known_version(&self) -> Option<Version> {
        self.seen.version
    }

    /// Sends a swap on the newest state known, and notes it as pending.
    fn send(&mut self, now: Moment, purpose: Purpose, record: Arc<LeaderElectionRecord>) {
        let Some(expected) = self.expected() else { return };
        let timing = &self.config.timing;
        let valid_until = now.mono.after(timing.renew_deadline());
        self.write_at = now.mono.after(timing.retry_period());
        match self
            .attempts
            .note(now.mono, purpose, expected, record, valid_until)
        {
            Some(record) => {
                self.cas_busy_until = now.mono.after(timing.attempt_timeout());
                let known = self.seen.version;
                self.out.push_back(Output::Cas(Attempt {
                    sent: now.mono,
                    purpose,
                    known,
                    expected,
                    record,
                }));
            }
            // Too much is pending to add to it: a read tells.
            None => self.reading.want(now.mono),
        }
    }

    fn term(&mut self, change: TermChange) {
        self.out.push_back(Output::Term(change));
    }

    fn event(&mut self, event: ElectionEvent) {
        self.out.push_back(Output::Event(event));
    }

    fn broken(&self, variant: Variant) -> bool {
        self.config.broken(variant)
    }
}
