//! The guard that work holds while it leads: valid by the clock at every question, never by a flag that a timer resets
//! (SAFETY 2).

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::driver::Command;
use super::validity::Validity;
use crate::clock::Clock;
use crate::election::LossReason;
use crate::identity::FencingToken;
use crate::moment::MonoTime;

/// The right to act, for as long as the lease holds. Cheap to clone, good on any thread.
///
/// The term's work counts as running until the last clone is dropped: only then does this process release the record,
/// and only then may it lead again (SAFETY 13). So give a clone to everything that acts, and keep none elsewhere; an
/// observer takes a [`LeadershipView`].
///
/// Work that blocks its thread cannot be stopped from outside. [`check`](Self::check) before every step is its only
/// guard, and the [`token`](Self::token) is the only one for a write that is already on its way.
#[derive(Clone)]
pub struct Leadership {
    term: Arc<Term>,
    _alive: Arc<Alive>,
}

/// Tells whether a term is valid, without keeping it alive.
#[derive(Clone)]
pub struct LeadershipView {
    term: Arc<Term>,
}

/// The leadership is no longer valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no longer leading (token {token}): {reason}")]
pub struct LeadershipLost {
    /// The token of the term that is over.
    pub token: FencingToken,
    /// Why it is over.
    pub reason: LossReason,
}

/// One term as the guard sees it. The driver writes it, everybody reads it.
pub(super) struct Term {
    clock: Arc<dyn Clock>,
    token: FencingToken,
    transitions: i64,
    /// From `valid_until` to the moment at which the work is dropped.
    grace: Duration,
    /// By how much that moment is armed early: timers fire late, never early.
    timer_lead: Duration,
    validity: Validity,
    /// Why it is over: told before it is over, or the deadline.
    lost: OnceLock<LossReason>,
    status: watch::Sender<Status>,
}

#[derive(Debug, Clone, Default)]
struct Status {
    at_risk: bool,
    draining: bool,
    drop_at: Option<MonoTime>,
    dropped: bool,
}

/// Dropped with the last clone of a term's leadership.
struct Alive {
    commands: mpsc::UnboundedSender<Command>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        // The driver may be gone; then nobody needs to know.
        let _ = self.commands.send(Command::WorkEnded);
    }
}

impl Leadership {
    pub(super) fn new(term: Arc<Term>, commands: mpsc::UnboundedSender<Command>) -> Self {
        Self {
            term,
            _alive: Arc::new(Alive { commands }),
        }
    }

    /// A handle on this leadership that does not keep it alive; `None` once all clones are gone.
    pub(super) fn downgrade(&self) -> WeakLeadership {
        WeakLeadership {
            term: Arc::clone(&self.term),
            alive: Arc::downgrade(&self._alive),
        }
    }

    pub(super) fn term(&self) -> &Arc<Term> {
        &self.term
    }

    /// The token, if the lease holds now.
    ///
    /// # Errors
    /// When it does not, with the reason. It never holds again: a new term has a new `Leadership`.
    pub fn check(&self) -> Result<FencingToken, LeadershipLost> {
        self.term.check()
    }

    /// Whether the lease holds now.
    pub fn is_valid(&self) -> bool {
        self.term.check().is_ok()
    }

    /// How long the lease holds from now on unless it is renewed; zero when it no longer does.
    pub fn remaining(&self) -> Duration {
        self.term.remaining()
    }

    /// Returns when the lease no longer holds: at `sent + R` of the last renewal, or at once when the record is taken or
    /// gone. The work is dropped σ later.
    pub async fn lost(&self) -> LossReason {
        self.term.until_lost().await
    }

    /// Returns when renewals fail and the lease nears its end, or it is lost: the time to save what can be saved.
    pub async fn at_risk(&self) {
        self.term.until(|status| status.at_risk).await;
    }

    /// Returns when a stop or a step-down was asked for, or the lease is lost: the work should finish. It is still
    /// renewed meanwhile, for at most the drain timeout (SAFETY 13).
    pub async fn stop_requested(&self) {
        self.term.until(|status| status.draining).await;
    }

    /// The term's fencing token, to be sent along with every write to another system (SAFETY 19).
    pub fn token(&self) -> FencingToken {
        self.term.token
    }

    /// The record's transitions when the term began: the term's number, where nobody deletes the record.
    pub fn transitions(&self) -> i64 {
        self.term.transitions
    }

    /// A view of this term that does not keep it alive.
    pub fn view(&self) -> LeadershipView {
        LeadershipView {
            term: Arc::clone(&self.term),
        }
    }
}

impl LeadershipView {
    pub(super) fn of(term: Arc<Term>) -> Self {
        Self { term }
    }

    /// Whether the lease holds now.
    pub fn is_valid(&self) -> bool {
        self.term.check().is_ok()
    }

    /// How long the lease holds from now on unless it is renewed.
    pub fn remaining(&self) -> Duration {
        self.term.remaining()
    }

    /// The term's fencing token.
    pub fn token(&self) -> FencingToken {
        self.term.token
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership")
            .field("token", &self.term.token)
            .field("remaining", &self.remaining())
            .finish()
    }
}

impl fmt::Debug for LeadershipView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadershipView")
            .field("token", &self.term.token)
            .field("remaining", &self.remaining())
            .finish()
    }
}

/// What the elector keeps of a leadership that it has given away.
pub(super) struct WeakLeadership {
    term: Arc<Term>,
    alive: std::sync::Weak<Alive>,
}

impl WeakLeadership {
    /// The leadership again, if it is valid and its work has not ended.
    pub(super) fn upgrade(&self) -> Option<Leadership> {
        self.term.check().ok()?;
        Some(Leadership {
            term: Arc::clone(&self.term),
            _alive: self.alive.upgrade()?,
        })
    }
}

impl Term {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        token: FencingToken,
        transitions: i64,
        valid_until: MonoTime,
        grace: Duration,
        timer_lead: Duration,
    ) -> Self {
        Self {
            clock,
            token,
            transitions,
            grace,
            timer_lead,
            validity: Validity::new(valid_until),
            lost: OnceLock::new(),
            status: watch::Sender::default(),
        }
    }

    pub(super) fn token(&self) -> FencingToken {
        self.token
    }

    pub(super) fn valid_until(&self) -> MonoTime {
        self.validity.until()
    }

    fn check(&self) -> Result<FencingToken, LeadershipLost> {
        if self.validity.holds(self.clock.mono()) {
            return Ok(self.token);
        }
        let reason = self.lost.get_or_init(|| LossReason::DeadlineExceeded).clone();
        Err(LeadershipLost {
            token: self.token,
            reason,
        })
    }

    fn remaining(&self) -> Duration {
        let now = self.clock.mono();
        if self.validity.holds(now) {
            self.valid_until().since(now)
        } else {
            Duration::ZERO
        }
    }

    pub(super) fn extend(&self, valid_until: MonoTime) {
        if self.validity.extend(valid_until) {
            self.status.send_modify(|status| status.at_risk = false);
        }
    }

    pub(super) fn set_at_risk(&self) {
        self.status.send_modify(|status| status.at_risk = true);
    }

    pub(super) fn set_draining(&self) {
        self.status.send_modify(|status| status.draining = true);
    }

    pub(super) fn set_lost(&self, reason: LossReason, drop_at: MonoTime) {
        let _ = self.lost.set(reason);
        self.validity.end();
        self.status.send_modify(|status| status.drop_at = Some(drop_at));
    }

    pub(super) fn set_dropped(&self) {
        self.status.send_modify(|status| status.dropped = true);
    }

    /// Why the work may no longer act, by the clock or by what was seen; `None` while it may.
    pub(super) fn over(&self) -> Option<LossReason> {
        self.check().err().map(|lost| lost.reason)
    }

    async fn until_lost(&self) -> LossReason {
        let mut status = self.status.subscribe();
        loop {
            status.mark_unchanged();
            if let Err(lost) = self.check() {
                return lost.reason;
            }
            tokio::select! {
                // The sender lives in self, so a change is all that this can be.
                _ = status.changed() => {}
                () = self.clock.sleep_until(self.valid_until()) => {}
            }
        }
    }

    async fn until(&self, condition: impl Fn(&Status) -> bool) {
        let mut status = self.status.subscribe();
        tokio::select! {
            _ = status.wait_for(|status| condition(status)) => {}
            _ = self.until_lost() => {}
        }
    }

    /// Returns when the work must be gone: told so, or by the clock alone should the driver be late.
    pub(super) async fn until_gone(&self) {
        let mut status = self.status.subscribe();
        loop {
            let Status { drop_at, dropped, .. } = *status.borrow_and_update();
            let gone_at = self.valid_until().after(self.grace).before(self.timer_lead);
            let drop_at = drop_at.map_or(gone_at, |drop_at| drop_at.min(gone_at));
            if dropped || drop_at <= self.clock.mono() {
                return;
            }
            tokio::select! {
                _ = status.changed() => {}
                () = self.clock.sleep_until(drop_at) => {}
            }
        }
    }
}
