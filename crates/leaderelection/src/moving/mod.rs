//! Moving a live election from one lock to another: [`Move`].
//!
//! ```text
//!   TO                     FROM                        who may be at work
//!   -                      the election                who leads by FROM
//!   not before FROM        the election                who leads by FROM       candidates of TO wait
//!   not before FROM        held by the mover           nobody                  by the theorem
//!   not before FROM        moved to TO                 nobody                  candidates of FROM wait, for ever
//!   free: the election     moved to TO                 who leads by TO
//! ```
//!
//! Each line comes from the one above by one swap that names the version it replaces. Movers keep nothing in memory that matters:
//! each looks at both locks and does what they call for ([`step`]). So any number of them may run, and die, at any moment.
//!
//! **Never both open.** A lock is opened only by a swap from a `not before` at a version that was read *before* the other lock
//! was read as `moved to` it. The other cannot have been opened since: that would take the first to be `moved to`, and it stood
//! still. That holds for movers in opposite directions too, since a way back makes the `moved to` a `not before` first. A swap
//! that lands late names the same version, and finds it standing still or does nothing (SAFETY 9).

mod guard;
mod step;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use self::step::{Act, Seen, Standing};
use crate::clock::Clock;
use crate::closed::{self, Closed};
use crate::crowd::{Caller, Urgency, called_by};
use crate::election::ElectionEvent;
use crate::elector::{Candidacy, ElectionError, Ended, Event, Events, LeaderElector, Leadership};
use crate::lock::{Expected, LockError, LockErrorKind, ResourceLock, Swap};
use crate::record::LeaderElectionRecord;

/// Moves a live election from one lock to another, while candidates of both are deployed: those that know only the old lock,
/// those that move first, and those that know only the new one. No two of them are at work at once.
///
/// A mover is no candidate: it leads the old lock for a moment, when its leaders have gone, closes it for good
/// ([`Closed::MovedTo`]), opens the new one, and is done. What was done already it leaves as it is, so every copy of a program
/// may start with it, and may be killed in it:
///
/// ```no_run
/// # async fn main_of(old: impl leaderelection::ResourceLock + 'static, new: std::sync::Arc<dyn leaderelection::ResourceLock>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use std::future::pending;
/// use leaderelection::{Identity, LeaderElector, Move};
///
/// let mover = LeaderElector::builder(old, Identity::unique()).build()?;
/// Move::new(mover, new.clone()).run(pending::<()>()).await?;
/// // From here on this is a candidate of the new lock like any other.
/// LeaderElector::builder(new, Identity::unique()).build()?
///     .run(pending::<()>(), |leadership| async move { leadership.stop_requested().await })
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// The new lock is closed too until then ([`Closed::NotBefore`]), from the first mover's first moment on. Only then may
/// candidates be started that know the new lock alone.
///
/// docs/MOVING.md says who may be at once, which clients of other libraries respect a closed lock, and what can go wrong.
#[must_use = "it moves nothing until it runs"]
pub struct Move {
    candidacy: Candidacy,
    from: Side,
    to: Side,
    even_if_in_use: bool,
}

/// Why an election was not moved. It is where it was, or between both locks with nobody at work; a later mover goes on.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// Both locks are one.
    #[error("{name} cannot be moved to itself")]
    Same {
        /// Its name.
        name: String,
    },
    /// A lock is closed, but in favour of a third.
    #[error("{lock} is closed: {text}, and not {other}")]
    Elsewhere {
        /// The lock that is closed.
        lock: String,
        /// What its record says.
        text: String,
        /// The other lock of this move.
        other: String,
    },
    /// Candidates lead by the new lock before the move, or after somebody opened the old one again. Stop them and delete the
    /// new lock's record, or see [`Move::even_if_in_use`].
    #[error("{to} is in use by {holder} although {from} is not closed: two may be at work")]
    InUse {
        /// The old lock.
        from: String,
        /// The new lock.
        to: String,
        /// Who holds the new lock.
        holder: String,
    },
    /// What the new lock holds is no record.
    #[error("{lock} holds something that is not a record: {reason}")]
    Unreadable {
        /// The new lock.
        lock: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// The store does not accept what is asked of it, now or later ([`LockErrorKind::Invalid`]).
    #[error("{lock}: {error}")]
    Invalid {
        /// The lock.
        lock: String,
        /// What the store says.
        error: LockError,
    },
    /// There is no election by the old lock.
    #[error(transparent)]
    Election(#[from] ElectionError),
}

/// One of the two locks.
struct Side {
    lock: Arc<dyn ResourceLock>,
    name: String,
}

impl Move {
    /// From the lock of this elector to another. The elector campaigns for the old lock as every candidate of it does, so it has
    /// their timing, their `rival_margin` beside Go (SAFETY 7), and an identity of its own
    /// ([`Identity::unique`](crate::Identity::unique)). Its events are told; its callbacks are not called, for it does no work.
    ///
    /// Where the old lock has no record it leads only when its own has stood for a lease, whatever was set: somebody may have
    /// deleted that of a live leader ([`MissingRecord::ClaimThenLead`](crate::election::MissingRecord), SAFETY 18).
    pub fn new(from: LeaderElector, to: impl ResourceLock + 'static) -> Self {
        let side = |lock: Arc<dyn ResourceLock>| Side {
            name: lock.describe(),
            lock,
        };
        let candidacy = from.into_candidacy();
        Self {
            from: side(Arc::clone(&candidacy.lock)),
            to: side(Arc::new(to)),
            candidacy,
            even_if_in_use: false,
        }
    }

    /// The names that the locks have in one another's records; what they [describe](ResourceLock::describe) themselves as, unless
    /// set. All movers of one election must use the same, so set them where a description differs from process to process, such
    /// as etcd's, which tells the endpoints.
    pub fn named(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        (self.from.name, self.to.name) = (from.into(), to.into());
        self
    }

    /// Closes the old lock also where somebody leads by the new one already. To put right what [`MoveError::InUse`] tells of:
    /// two may be at work until the old lock's leader has gone.
    pub fn even_if_in_use(mut self) -> Self {
        self.even_if_in_use = true;
        self
    }

    /// Moves the election, and returns when the old lock is closed and the new one is open. That takes as long as others lead by
    /// the old lock: nobody is driven out. What it does is logged.
    ///
    /// When `stop` comes first, or this is dropped, the election is where it was, or between both locks with nobody at work until
    /// another mover goes on. Failures of a store are logged and tried again, every retry period.
    ///
    /// # Errors
    /// When something has to be decided by a person first, as each [`MoveError`] says.
    pub async fn run<S: Future>(self, stop: S) -> Result<Ended<()>, MoveError> {
        self.names_differ()?;
        let mut stop = pin!(stop.fuse());
        loop {
            let beside = tokio::select! {
                biased;
                _ = &mut stop => return Ok(Ended::Stopped),
                settled = self.settle() => match settled? {
                    Settled::Moved => return Ok(Ended::Finished(())),
                    Settled::FromIsOpen { to_in_use: true } => Beside::Anything,
                    Settled::FromIsOpen { to_in_use: false } => Beside::Waiting,
                },
            };
            tracing::info!(
                lock = self.from.name,
                to = self.to.name,
                "campaigning, to move the election"
            );
            let elector = self.candidacy.strict_elector();
            let events = elector.events();
            let mut stopped = false;
            let enough = async {
                tokio::select! {
                    biased;
                    _ = &mut stop => stopped = true,
                    () = self.closed_by_another(events) => {}
                }
            };
            let ended = elector
                .run(enough, |leadership| self.close(leadership, beside))
                .await?;
            if let Ended::Finished(closed) = ended {
                closed?;
            }
            if stopped {
                return Ok(Ended::Stopped);
            }
        }
    }

    /// Does what needs no lead by the old lock, until that is needed or nothing is left to do.
    async fn settle(&self) -> Result<Settled, MoveError> {
        loop {
            let to = self.look(&self.to).await?;
            // After the other: see the module's proof.
            let from = self.look(&self.from).await?;
            let side = |side: &Side| side.name.clone();
            let act = step::next(&from, &to, self.even_if_in_use)
                .map_err(|refusal| refusal.named(side(&self.from), side(&self.to)))?;
            let wall = self.candidacy.clock.wall();
            match act {
                Act::Done => return Ok(Settled::Moved),
                Act::Campaign { to_in_use } => return Ok(Settled::FromIsOpen { to_in_use }),
                Act::Prepare => {
                    let record = Closed::NotBefore(&self.from.name).record(to.record.as_deref(), wall);
                    self.swap(&self.to, to.expected, &record).await?;
                }
                Act::Shut => {
                    let record = Closed::MovedTo(&self.to.name).record(from.record.as_deref(), wall);
                    self.swap(&self.from, from.expected, &record).await?;
                }
                Act::Open => {
                    let closed = to.record.as_deref().cloned().unwrap_or_default();
                    self.swap(&self.to, to.expected, &closed::opened(&closed, wall))
                        .await?;
                }
            }
        }
    }

    /// The work of a term on the old lock: nobody is at work by it (the theorem), and its record gives way to the closed one.
    /// Returns when it is closed, or something else has to be done first.
    async fn close(&self, leadership: Leadership, beside: Beside) -> Result<(), MoveError> {
        loop {
            if beside != Beside::Anything {
                let to = self.look(&self.to).await?;
                let fits = match to.standing {
                    Standing::Waits => beside == Beside::Waiting,
                    Standing::Free | Standing::Held(_) => beside == Beside::Open,
                    _ => false,
                };
                if !fits {
                    return Ok(());
                }
            }
            let from = self.look(&self.from).await?;
            let own =
                |record: &&LeaderElectionRecord| record.holder_identity == self.candidacy.identity().as_str();
            match from.record.as_deref().filter(own) {
                // Still valid after the answer: what was read is this term's own record, and no twin's.
                Some(record) if leadership.check().is_ok() => {
                    let wall = self.candidacy.clock.wall();
                    let closed = Closed::MovedTo(&self.to.name).record(Some(record), wall);
                    // A renewal of one's own may be in the way; the next look tells.
                    self.swap(&self.from, from.expected, &closed).await?;
                }
                _ if from.standing == Standing::Moved => return Ok(()),
                // The elector will see it too, and end the term.
                _ => self.pause(None).await,
            }
        }
    }

    /// Waits until the old lock is closed, by whomever.
    async fn closed_by_another(&self, mut events: Events) {
        loop {
            // The elector's watch tells at once; a look each lease makes sure.
            let patience = self.sleep(self.candidacy.timing().lease_duration());
            let mut patience = pin!(patience);
            loop {
                tokio::select! {
                    biased;
                    () = &mut patience => break,
                    event = events.recv() => match event {
                        Some(Event::Noticed(ElectionEvent::HolderChanged(Some(holder)))) => {
                            if Closed::parse(&holder).is_some() {
                                // With an elector that has not seen it: if it is deleted, this one would wait for its 68 years.
                                return;
                            }
                        }
                        Some(Event::Missed(_)) => break,
                        Some(_) => {}
                        None => std::future::pending().await,
                    },
                }
            }
            match self.look(&self.from).await {
                Ok(seen)
                    if !matches!(
                        seen.standing,
                        Standing::Moved | Standing::Waits | Standing::Third(_)
                    ) => {}
                // What is wrong shows at the next step.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Reads a lock, for as long as it takes.
    async fn look(&self, side: &Side) -> Result<Seen, MoveError> {
        let other = if std::ptr::eq(side, &self.from) {
            &self.to
        } else {
            &self.from
        };
        loop {
            match self.answered(side, side.lock.get()).await {
                Ok(observation) => return Ok(Seen::of(observation, &other.name)),
                Err(error) => self.failed(side, error).await?,
            }
        }
    }

    /// One swap. Whatever became of it, the next look tells.
    async fn swap(
        &self,
        side: &Side,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<(), MoveError> {
        match self
            .answered(side, side.lock.compare_and_swap(expected, record))
            .await
        {
            Ok(Swap::Done(_)) => {
                let what = record
                    .closed()
                    .map_or_else(|| "open".to_owned(), |closed| format!("closed: {closed}"));
                tracing::info!(lock = side.name, "{what}");
                Ok(())
            }
            Ok(Swap::Conflict(_)) => Ok(()),
            Err(error) => self.failed(side, error).await,
        }
    }

    async fn answered<T>(
        &self,
        side: &Side,
        call: impl Future<Output = Result<T, LockError>>,
    ) -> Result<T, LockError> {
        let may_take = self.candidacy.timing().attempt_timeout();
        let caller = Caller {
            may_take,
            urgency: Urgency::Wants,
        };
        tokio::select! {
            biased;
            answer = called_by(caller, call) => answer,
            () = self.sleep(may_take) => {
                Err(LockError::new(LockErrorKind::Ambiguous, format!("{} did not answer in time", side.name)))
            }
        }
    }

    async fn failed(&self, side: &Side, error: LockError) -> Result<(), MoveError> {
        if error.kind() == LockErrorKind::Invalid {
            let lock = side.name.clone();
            return Err(MoveError::Invalid { lock, error });
        }
        tracing::warn!(lock = side.name, %error, "failed; it is tried again");
        // Whoever asks for more asks for it of nobody in particular; while FROM is closed nobody is at work.
        let longest = self.candidacy.timing().lease_duration();
        self.pause(error.retry_after().map(|asked| asked.min(longest)))
            .await;
        Ok(())
    }

    async fn pause(&self, at_least: Option<Duration>) {
        let period = self.candidacy.timing().retry_period();
        self.sleep(period.max(at_least.unwrap_or_default())).await;
    }

    async fn sleep(&self, duration: Duration) {
        let clock: &dyn Clock = &*self.candidacy.clock;
        clock.sleep_until(clock.mono().after(duration)).await;
    }
}

/// How TO has to be while FROM is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Waiting,
    Open,
    Anything,
}

enum Settled {
    Moved,
    FromIsOpen { to_in_use: bool },
}
