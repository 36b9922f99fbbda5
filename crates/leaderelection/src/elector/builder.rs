//! Setting up an elector.

use std::sync::Arc;
use std::time::Duration;

use super::event::{Announcer, TermEnd};
use super::panics::AgainAfterPanic;
use super::{ElectionError, LeaderElector, Setup};
use crate::clock::{Clock, SystemClock};
use crate::election::{ElectionConfig, MissingRecord};
use crate::identity::Identity;
use crate::lock::ResourceLock;
use crate::timing::LeaseTiming;

/// A callback that is told how a term ended.
pub(super) type OnStopped = Box<dyn FnMut(TermEnd) + Send>;
/// A callback that is told who leads now.
pub(super) type OnNewLeader = Box<dyn FnMut(String) + Send>;

/// Sets up a [`LeaderElector`]. Made by [`LeaderElector::builder`].
#[must_use]
pub struct LeaderElectorBuilder {
    lock: Arc<dyn ResourceLock>,
    identity: Result<Identity, ElectionError>,
    timing: LeaseTiming,
    exclusive_identity: bool,
    missing_record: MissingRecord,
    seed: Option<u64>,
    clock: Arc<dyn Clock>,
    on_stopped: Option<OnStopped>,
    on_new_leader: Option<OnNewLeader>,
    name: Option<String>,
    again_after_panic: Option<AgainAfterPanic>,
    #[cfg(feature = "unsound-variants")]
    variant: Option<crate::election::Variant>,
}

impl LeaderElectorBuilder {
    pub(super) fn new(lock: Arc<dyn ResourceLock>, identity: Result<Identity, ElectionError>) -> Self {
        Self {
            lock,
            identity,
            timing: LeaseTiming::default(),
            exclusive_identity: false,
            missing_record: MissingRecord::default(),
            seed: None,
            clock: SystemClock::shared(),
            on_stopped: None,
            on_new_leader: None,
            name: None,
            again_after_panic: None,
            #[cfg(feature = "unsound-variants")]
            variant: None,
        }
    }

    /// Breaks the election in a way that the project's own checks must catch.
    #[cfg(feature = "unsound-variants")]
    #[doc(hidden)]
    pub fn variant(mut self, variant: Option<crate::election::Variant>) -> Self {
        self.variant = variant;
        self
    }

    /// The durations; 15 s / 10 s / 2 s unless set.
    pub fn timing(mut self, timing: LeaseTiming) -> Self {
        self.timing = timing;
        self
    }

    /// Promises that no other process ever uses the identity while this one may live, such as a StatefulSet's pod name.
    /// Then a record of an earlier life is taken over at once instead of being waited out (SAFETY 16).
    pub fn exclusive_identity(mut self) -> Self {
        self.exclusive_identity = true;
        self
    }

    /// What to do where there is no record; lead at once unless set (SAFETY 18).
    pub fn missing_record(mut self, missing_record: MissingRecord) -> Self {
        self.missing_record = missing_record;
        self
    }

    /// From which the stagger of take-overs is drawn, and what tells apart two processes under one name (SAFETY 16, SAFETY 21).
    /// Two candidates should have two. Unless set it is drawn anew by every call of [`build`](Self::build).
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The clock; the machine's own unless set. Tests under tokio's paused time give [`PausedClock`](crate::PausedClock).
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Called after the work of a term has stopped, so only after a start. Go's `OnStoppedLeading`.
    ///
    /// The callbacks run on a thread of their own, in order, never at once, and never hold up a renewal. All have been called
    /// when [`run`](LeaderElector::run) or [`shutdown`](super::ElectionHandle::shutdown) returns. One that panics is logged, and
    /// called again next time.
    pub fn on_stopped_leading(mut self, call: impl FnMut(TermEnd) + Send + 'static) -> Self {
        self.on_stopped = Some(Box::new(call));
        self
    }

    /// Called with every new holder that is seen, this candidate included. Go's `OnNewLeader`.
    pub fn on_new_leader(mut self, call: impl FnMut(String) + Send + 'static) -> Self {
        self.on_new_leader = Some(Box::new(call));
        self
    }

    /// What the election is called in metrics, as the label `name`: Go's `LeaderElectionConfig.Name`. Unless set, the lock's own
    /// description.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// After a panic of the work, campaigns again. Unless this is chosen, a panic ends the election
    /// ([`WorkPanicked`](ElectionError::WorkPanicked)): what panics for one candidate may panic for the next, and only a person
    /// knows whether trying again is harmless.
    ///
    /// Either way the lease is released first, so that another may take it at once. This candidate then stays away for `first`, and
    /// for at least P; after each further panic in a row for twice as long, up to `most`. Work that lasted longer than `most`, or
    /// ended otherwise, ends the row. The panic is told as [`TermEnd::Panicked`] and logged as an error.
    pub fn campaign_again_after_panic(mut self, first: Duration, most: Duration) -> Self {
        self.again_after_panic = Some(AgainAfterPanic { first, most });
        self
    }

    /// Makes the elector.
    ///
    /// # Errors
    /// When the identity is empty.
    pub fn build(self) -> Result<LeaderElector, ElectionError> {
        let identity = self.identity?;
        let config = ElectionConfig {
            // Never more than a tenth of the deadline: short leases are for tests, but they work.
            timer_lead: TIMER_LEAD.min(self.timing.renew_deadline() / 10),
            timing: self.timing,
            exclusive_identity: self.exclusive_identity,
            missing_record: self.missing_record,
            seed: self.seed.unwrap_or_else(drawn_seed),
            #[cfg(feature = "unsound-variants")]
            variant: self.variant,
            ..ElectionConfig::new(identity)
        };
        Ok(LeaderElector(Box::new(Setup {
            name: self.name.unwrap_or_else(|| self.lock.describe()),
            again_after_panic: self.again_after_panic,
            place: Arc::default(),
            lock: self.lock,
            config,
            clock: self.clock,
            on_stopped: self.on_stopped,
            on_new_leader: self.on_new_leader,
            events: Announcer::default(),
        })))
    }
}

/// By how much the end of the work is armed early.
const TIMER_LEAD: Duration = Duration::from_millis(2);

/// A name does not serve: two processes may share one.
fn drawn_seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}
