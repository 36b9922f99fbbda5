//! The guard that work holds while it leads: valid by the clock at every question, never by a flag that a timer resets
//! (SAFETY 2).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::mpsc;

use super::driver::Command;
use super::term::Term;
use crate::election::LossReason;
use crate::identity::FencingToken;

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

/// Renewals fail: for how long, and for how long the lease still holds. By the clock, at the moment of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Risk {
    /// Since the last renewal that succeeded was sent.
    pub unrenewed_for: Duration,
    /// Until the lease no longer holds, unless a renewal succeeds.
    pub remaining: Duration,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unrenewed_for,
            remaining,
        } = self;
        write!(
            f,
            "no renewal has succeeded for {unrenewed_for:.1?}, {remaining:.1?} left"
        )
    }
}

/// Dropped with the last clone of a term's leadership.
struct Alive {
    commands: mpsc::UnboundedSender<Command>,
    term: Arc<Term>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.term
                .set_panicked("its leadership was dropped by a panic".to_owned());
        }
        // The driver may be gone; then nobody needs to know.
        let _ = self.commands.unbounded_send(Command::WorkEnded);
    }
}

impl Leadership {
    pub(super) fn new(term: Arc<Term>, commands: mpsc::UnboundedSender<Command>) -> Self {
        let alive = Alive {
            commands,
            term: Arc::clone(&term),
        };
        Self {
            term,
            _alive: Arc::new(alive),
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
    ///
    /// That is when a renewal is late by a quarter of what is left then: `P + (R - P) / 4` after the last success was sent, 4 s at
    /// 10 s / 2 s, with 6 s left. It comes by the clock, whatever has become of the elector.
    pub async fn at_risk(&self) {
        self.term.until_at_risk().await;
    }

    /// Whether renewals fail now, and how much of the lease is left; `None` while all is well, and once it is lost.
    pub fn risk(&self) -> Option<Risk> {
        self.term.risk()
    }

    /// Returns when a stop or a step-down was asked for, or the lease is lost: the work should finish. It is still
    /// renewed meanwhile, for at most the drain timeout (SAFETY 13).
    pub async fn stop_requested(&self) {
        self.term.until_draining().await;
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

    /// Whether renewals fail now, and how much of the lease is left; `None` while all is well, and once it is lost.
    pub fn risk(&self) -> Option<Risk> {
        self.term.risk()
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
