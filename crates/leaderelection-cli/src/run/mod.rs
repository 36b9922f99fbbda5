//! `leaderelect run`: an elector whose work is a process group.
//!
//! ```text
//! mod.rs        the election, and what a term does with the group
//! children.rs   the group: started, signalled, killed, known to be dead
//! child.rs      between the fork and COMMAND: dies with its parent
//! guard.rs      a process that kills the group when the lease has run out or this process is gone
//! stops.rs      SIGTERM and SIGINT
//! health/       --health-listen
//! ```
//!
//! Everything happens on the main thread. That is no economy: Linux ends a child "with its parent" when the *thread* that
//! started it ends (prctl(2), `PR_SET_PDEATHSIG`), and the main thread is the one that ends only with the process. It also
//! means that a supervisor that cannot kill its child cannot renew either.

pub(crate) mod child;
mod children;
pub(crate) mod guard;
mod health;
mod stops;

use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use leaderelection::{
    Clock as _, ElectionError, Ended, Identity, LeaderElector, Leadership, LeaseTiming, SystemClock,
};

use self::children::{Children, GroupEnd, StartError};
use self::guard::GuardTime;
pub(crate) use self::health::HealthArgs;
use self::health::{Health, HealthError};
use self::stops::Stops;
use crate::args::{self, RunArgs};
use crate::etcd_args::EtcdAccess;
use crate::events::Recording;
use crate::lock_arg::Opened;
use crate::log;

/// Why there is no election, or none any more.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{0}")]
    Lock(String),
    #[error(transparent)]
    Election(#[from] ElectionError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("COMMAND was killed because the process that guards it is gone")]
    GuardGone,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs it, and answers with the exit code that `--help` promises.
pub(crate) fn run(args: RunArgs) -> ExitCode {
    let timing = match args.timing() {
        Ok(timing) => timing,
        Err(error) => args::refuse("run", error),
    };
    if args.events && !args.lock.has_events() {
        args::refuse(
            "run",
            "--events is for locks on Kubernetes: other stores have no Events",
        );
    }
    let etcd = match args.etcd() {
        Ok(etcd) => etcd,
        Err(error) => args::refuse("run", error),
    };
    log::to_stderr();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::from)
        .and_then(|runtime| {
            let ended = runtime.block_on(supervise(args, &etcd, timing));
            // Dropped, it would wait for a credential plugin or a name server that never answers.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error}");
            match error {
                RunError::Start(error) => ExitCode::from(error.exit_code()),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn supervise(args: RunArgs, etcd: &EtcdAccess, timing: LeaseTiming) -> Result<u8, RunError> {
    let children = Children::adopt()?;
    let stops = Stops::default();
    let reaping = children.reap()?;
    let mut listening = pin!(stops.listen()?);
    let health = Health::listen(&args.health, &stops)?;
    let mut serving = pin!(health.serve());
    // One that was made for this life stays known as such: an acquisition whose reply is lost is recognised (SAFETY 16).
    let identity = match args.identity {
        Some(name) => Identity::new(name).map_err(ElectionError::from)?,
        None => Identity::unique(),
    };
    // This may run a credential plugin, which may take its time.
    let Opened { lock, recorder } = tokio::select! {
        opened = args.lock.open(etcd) => opened.map_err(RunError::Lock)?,
        () = stops.first() => return Ok(0),
        never = &mut listening => match never {},
        never = &mut serving => match never {},
    };
    tracing::info!(%identity, lock = lock.describe(), "campaigning");
    let mut builder = LeaderElector::builder(lock, identity.clone())
        .timing(timing.clone())
        .missing_record(args.missing_record.into());
    if let Some(name) = &args.health.name {
        builder = builder.name(name);
    }
    let elector = builder.build()?;
    health.watch(&elector);
    let recorder = recorder.filter(|_| args.events);
    let recording = Recording::start(recorder, &elector).map_err(RunError::Lock)?;
    let office = Office {
        children: &children,
        stops: &stops,
        timing: &timing,
        identity: identity.as_str(),
        command: &args.command,
    };
    let ended = tokio::select! {
        // Whoever asks over HTTP, however often, comes last.
        biased;
        ended = elector.run(stops.first(), |leadership| office.lead(leadership)) => ended,
        never = reaping => match never {},
        never = listening => match never {},
        never = serving => match never {},
    };
    recording.finish().await;
    match ended? {
        Ended::Finished(code) => code,
        Ended::Stopped => Ok(0),
    }
}

/// What a leader is there for.
struct Office<'a> {
    children: &'a Children,
    stops: &'a Stops,
    timing: &'a LeaseTiming,
    identity: &'a str,
    command: &'a [OsString],
}

impl Office<'_> {
    /// One term. When the elector drops this, the group is killed at once; it lets the term go when it is dead.
    async fn lead(&self, leadership: Leadership) -> Result<u8, RunError> {
        let Some(kill_at) = self.kill_at(&leadership) else {
            // Nothing is started on a lease that is over; what is returned then does not count.
            return Ok(0);
        };
        let kill_at = Cell::new(kill_at);
        let guard_at = || kill_at.get().after(self.death_takes() / 2);
        let variables = [
            ("LEADERELECT_IDENTITY", self.identity.to_owned()),
            ("LEADERELECT_TOKEN", leadership.token().to_string()),
        ];
        let group = self
            .children
            .start(self.command, variables, leadership.clone(), guard_at())?;
        let mut ended = pin!(group.ended());
        let mut must_finish = pin!(leadership.stop_requested());
        let mut last_moment = pin!(async {
            self.follow_renewals(&leadership, |later| {
                kill_at.set(later);
                group.live_until(guard_at());
            })
            .await;
            kill_at.get().sleep().await;
        });
        let (mut finishing, mut killed) = (false, false);
        loop {
            tokio::select! {
                biased;
                end = &mut ended => return match end {
                    GroupEnd::Code(code) => Ok(code),
                    GroupEnd::GuardGone => Err(RunError::GuardGone),
                },
                () = &mut last_moment, if !killed => {
                    killed = true;
                    tracing::warn!("COMMAND has not finished within the stop grace: it is killed");
                    group.kill();
                }
                () = self.stops.second(), if !killed => {
                    killed = true;
                    group.kill();
                }
                () = &mut must_finish, if !finishing => {
                    finishing = true;
                    group.terminate();
                }
            }
        }
    }

    /// By how much SIGKILL is sent before the end, so that the group is dead at it.
    fn death_takes(&self) -> Duration {
        (self.timing.stop_grace() / 4).min(Duration::from_millis(10))
    }

    /// A little before `sent + R + σ` of the last renewal; `None` when the lease is over.
    fn kill_at(&self, leadership: &Leadership) -> Option<GuardTime> {
        // The clock first: the moment comes out early by what passes in between, never late.
        let now = GuardTime::now();
        let left = leadership.remaining();
        let grace = self.timing.stop_grace().saturating_sub(self.death_takes());
        (!left.is_zero()).then(|| now.after(left).after(grace))
    }

    /// Tells of renewals until the lease is over. What was told last is never later than the truth. It looks more often
    /// as the end comes near, so that a renewal at the last moment is told in time.
    async fn follow_renewals(&self, leadership: &Leadership, tell: impl Fn(GuardTime)) {
        while let Some(kill_at) = self.kill_at(leadership) {
            tell(kill_at);
            let pause = (leadership.remaining() / 4).min(self.timing.retry_period() / 2);
            let pause = pause.max(Duration::from_millis(10));
            SystemClock.sleep_until(SystemClock.mono().after(pause)).await;
        }
    }
}
