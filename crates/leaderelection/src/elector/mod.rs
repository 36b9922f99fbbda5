//! The async shell around the machine: [`LeaderElector`].

mod builder;
mod callbacks;
mod calls;
mod driver;
mod event;
mod handle;
mod leadership;
#[cfg(feature = "metrics")]
mod metrics;
mod observer;
mod panics;
mod shared;
mod story;
mod telemetry;
mod term;
mod tuning;
mod validity;
mod waking;
mod watched;
mod watching;

/// Where [`validity`] has its atomic from.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicI64, Ordering};
}

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_channel::mpsc;
use futures_util::FutureExt;

use self::builder::{OnNewLeader, OnStopped};
use self::callbacks::Callbacks;
use self::driver::Driver;
use self::event::Announcer;
use self::observer::Place;
use self::panics::AgainAfterPanic;
use self::shared::Shared;
use self::telemetry::Telemetry;
use self::term::Term;
use crate::clock::Clock;
use crate::election::{ElectionConfig, MissingRecord};
use crate::identity::{EmptyIdentity, Identity};
use crate::lock::ResourceLock;
use crate::timing::LeaseTiming;

pub use self::builder::LeaderElectorBuilder;
pub use self::event::{Event, Events, Operation, TermEnd};
pub use self::handle::ElectionHandle;
pub use self::leadership::{Leadership, LeadershipLost, LeadershipView, Risk};
pub use self::observer::{ElectionObserver, NotReady, Readiness, Unhealthy};
pub use self::tuning::{TimingAdvice, TimingVerdict};

/// One candidate of one election: campaigns, leads, renews, releases, and campaigns again.
///
/// [`run`](Self::run) polls the work in the caller's task, so that dropping it is synchronous and known before the
/// release. [`spawn`](Self::spawn) gives a handle instead, for work that lives elsewhere. Renewal is on a task of its own
/// either way.
///
/// An election ends only because the user ended it, or with an error that says why. No failure of the store ends it.
///
/// # For those who come from Go
///
/// | client-go | here |
/// |---|---|
/// | `RunOrDie(ctx, config)` | [`run(stop, work)`](Self::run) |
/// | `OnStartedLeading(ctx)` | the work; `ctx.Done()` is the work being dropped, or [`Leadership::lost`] |
/// | `OnStoppedLeading()` | [`on_stopped_leading(end)`](LeaderElectorBuilder::on_stopped_leading); only after a start |
/// | `OnNewLeader(identity)` | [`on_new_leader(identity)`](LeaderElectorBuilder::on_new_leader) |
/// | `IsLeader()`, `GetLeader()` | [`ElectionHandle::is_leader`], [`ElectionHandle::leader`]; in the work [`Leadership::check`] |
/// | `ReleaseOnCancel: true` | always, once the work has stopped |
/// | `Check(maxTolerableExpiredLease)` | [`ElectionObserver::health`], [`ElectionHandle::health`] |
/// | `LeaderElectionConfig.Name` | [`name`](LeaderElectorBuilder::name), the label of the metrics |
pub struct LeaderElector(Box<Setup>);

/// What an elector is made of; behind a pointer, so that it makes no future large that holds it.
struct Setup {
    lock: Arc<dyn ResourceLock>,
    config: ElectionConfig,
    clock: Arc<dyn Clock>,
    on_stopped: Option<OnStopped>,
    on_new_leader: Option<OnNewLeader>,
    events: Announcer,
    name: String,
    again_after_panic: Option<AgainAfterPanic>,
    place: Arc<Place>,
}

/// How an election ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended<T> {
    /// The work returned this while it led.
    Finished(T),
    /// `stop` came.
    Stopped,
}

/// Why there is no election, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElectionError {
    /// The identity is empty.
    #[error(transparent)]
    EmptyIdentity(#[from] EmptyIdentity),
    /// An elector was started outside a tokio runtime.
    #[error("an elector needs a tokio runtime with time enabled")]
    NoRuntime,
    /// The system gave no thread for the callbacks.
    #[error("no thread could be started for the callbacks")]
    NoThread,
    /// The work panicked. The lease was released.
    #[error("the work panicked: {0}")]
    WorkPanicked(String),
    /// The election was stopped.
    #[error("the election was stopped")]
    Stopped,
    /// The elector's task is gone: its runtime was shut down.
    #[error("the elector's task is gone: its runtime was shut down")]
    ElectorGone,
}

/// An [`Identity`] is one already.
impl From<Infallible> for ElectionError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl LeaderElector {
    /// Starts to set up an elector that runs for `lock` under `identity`.
    ///
    /// Two live candidates must never share an identity. [`Identity::unique`] makes one that nobody else has or ever had,
    /// and is the better choice where a name of one's own is not needed: an acquisition whose reply was lost is then
    /// recognised by its record, while under any other name it has to be waited out (SAFETY 16).
    pub fn builder<I>(lock: impl ResourceLock + 'static, identity: I) -> LeaderElectorBuilder
    where
        I: TryInto<Identity>,
        ElectionError: From<I::Error>,
    {
        LeaderElectorBuilder::new(Arc::new(lock), identity.try_into().map_err(ElectionError::from))
    }

    /// Campaigns, and runs `work` whenever this candidate leads, until `stop` comes or the work returns while it leads.
    ///
    /// * When the lease is lost, the work is told ([`Leadership::lost`]) at `sent + R` of the last renewal and dropped by
    ///   `sent + R + σ`; then a new campaign begins. A value that it returns after the loss is dropped.
    /// * When `stop` comes, the work is told ([`Leadership::stop_requested`]) and may finish, still renewed, for at most
    ///   the drain timeout (SAFETY 13). When it has stopped, the lease is released (SAFETY 12). A drain timeout of zero
    ///   drops it at once.
    /// * The work has stopped when its future is gone *and* the last clone of its [`Leadership`] is dropped; nothing is released
    ///   before that, and this does not return (SAFETY 13). Keep no clone beyond the work; an observer takes a view.
    /// * Work that blocks its thread cannot be dropped: [`Leadership::check`] is its only guard.
    ///
    /// `stop` is any future: `tokio::signal::ctrl_c()`, `token.cancelled()`, [`std::future::pending()`]. Dropping the
    /// returned future is a clean stop too.
    ///
    /// # Errors
    /// When there is no runtime, when the work panicked (the lease is released first; see
    /// [`campaign_again_after_panic`](LeaderElectorBuilder::campaign_again_after_panic)), or when the elector's task is gone.
    pub async fn run<S, F, Fut>(self, stop: S, mut work: F) -> Result<Ended<Fut::Output>, ElectionError>
    where
        S: Future,
        F: FnMut(Leadership) -> Fut,
        Fut: Future,
    {
        let again = self.0.again_after_panic.is_some();
        let handle = self.spawn()?;
        let mut stop = pin!(stop.fuse());
        let mut stopped = false;
        loop {
            let leadership = tokio::select! {
                biased;
                _ = &mut stop => {
                    // A term that begins meanwhile has no work, so it is released at once.
                    handle.stop();
                    handle.ended().await?;
                    return Ok(Ended::Stopped);
                }
                leadership = handle.new_leadership() => leadership?,
            };
            let term = Arc::clone(leadership.term());
            // In a box, so that who follows has no room for the work of a term.
            let end = Box::pin(async {
                // Dropped at the end of this block: the work first, then this function's own clone of the leadership.
                let _own = leadership.clone();
                let mut work = pin!(AssertUnwindSafe(async { work(leadership).await }).catch_unwind());
                loop {
                    tokio::select! {
                        biased;
                        () = term.until_gone() => break Term::ended(&term, None),
                        _ = &mut stop, if !stopped => {
                            stopped = true;
                            handle.stop();
                        }
                        result = &mut work => {
                            if let Err(panic) = &result {
                                term.set_panicked(message_of(&**panic));
                            }
                            break Term::ended(&term, Some(result));
                        }
                    }
                }
            })
            .await;
            match end {
                Some(Ok(value)) if !stopped => {
                    handle.stop();
                    handle.ended().await?;
                    return Ok(Ended::Finished(value));
                }
                // The driver knows of the panic when the last clone of the leadership is dropped. Whoever has one still is asked to
                // finish, and may no longer act after the drain timeout.
                Some(Err(_)) if !again => {
                    handle.stop();
                    handle.ended().await?;
                    return Ok(Ended::Stopped);
                }
                Some(_) | None if stopped => {
                    handle.ended().await?;
                    return Ok(Ended::Stopped);
                }
                Some(Err(_)) => handle.step_down(),
                Some(_) | None => {}
            }
        }
    }

    /// What of it can run more than once: everything but the callbacks, and what follows a panic of its work, of which it has none.
    pub(crate) fn into_candidacy(self) -> Candidacy {
        let setup = *self.0;
        Candidacy {
            lock: setup.lock,
            config: setup.config,
            clock: setup.clock,
            events: setup.events,
            name: setup.name,
            place: setup.place,
        }
    }

    /// Under which name it runs.
    pub fn identity(&self) -> &Identity {
        &self.0.config.identity
    }

    /// For those who watch the election without a part in it, such as probes: from now on, while it runs, and after it.
    pub fn observer(&self) -> ElectionObserver {
        ElectionObserver::new(Arc::clone(&self.0.place))
    }

    /// What happens in this election from its very start. A handle gives the same from when it is asked.
    pub fn events(&self) -> Events {
        self.0.events.listen()
    }

    /// Starts the election on a task of its own.
    ///
    /// # Errors
    /// When there is no runtime.
    #[allow(clippy::disallowed_methods, reason = "the driver is a task")]
    pub fn spawn(self) -> Result<ElectionHandle, ElectionError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| ElectionError::NoRuntime)?;
        let setup = *self.0;
        let (sender, receiver) = mpsc::unbounded();
        let callbacks =
            Callbacks::start(setup.on_stopped, setup.on_new_leader).map_err(|_| ElectionError::NoThread)?;
        let (callbacks, called) = callbacks.unzip();
        let config = Arc::new(setup.config);
        let lease_duration = config.timing.lease_duration();
        let telemetry = Telemetry::new(
            &setup.name,
            setup.lock.describe(),
            Arc::clone(&config),
            setup.clock.mono(),
        );
        let shared = Arc::new(Shared::new(
            telemetry,
            setup.clock,
            lease_duration,
            sender,
            setup.events,
            callbacks,
        ));
        setup.place.put(&shared);
        let mut driver = Driver::new(
            setup.lock,
            config,
            Arc::clone(&shared),
            receiver,
            setup.again_after_panic,
        );
        // Borrowed by its own future, which would otherwise keep it twice.
        runtime.spawn(async move { driver.run().await });
        Ok(ElectionHandle::new(shared, called))
    }
}

/// An elector that can be made again and again.
pub(crate) struct Candidacy {
    pub(crate) lock: Arc<dyn ResourceLock>,
    config: ElectionConfig,
    pub(crate) clock: Arc<dyn Clock>,
    events: Announcer,
    name: String,
    place: Arc<Place>,
}

impl Candidacy {
    pub(crate) fn elector(&self) -> LeaderElector {
        LeaderElector(Box::new(Setup {
            lock: Arc::clone(&self.lock),
            config: self.config.clone(),
            clock: Arc::clone(&self.clock),
            on_stopped: None,
            on_new_leader: None,
            events: self.events.clone(),
            name: self.name.clone(),
            again_after_panic: None,
            place: Arc::clone(&self.place),
        }))
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.config.identity
    }

    /// In strict mode, whatever was set (SAFETY 18).
    pub(crate) fn strict_elector(&self) -> LeaderElector {
        let mut elector = self.elector();
        elector.0.config.missing_record = MissingRecord::ClaimThenLead;
        elector
    }

    pub(crate) fn timing(&self) -> &LeaseTiming {
        &self.config.timing
    }
}

type Panic = Box<dyn Any + Send>;

impl Term {
    /// What the end of the work means: nothing where the term was over first, whatever the work returned.
    fn ended<T>(term: &Arc<Self>, result: Option<Result<T, Panic>>) -> Option<Result<T, Panic>> {
        match result {
            Some(Ok(_)) if term.over().is_some() => None,
            result => result,
        }
    }
}

/// What a panic said.
fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned())
}
