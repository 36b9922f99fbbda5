//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use leaderelection::{LeaseTiming, MissingRecord, TimingError};

use crate::duration;
use crate::etcd_args::{EtcdAccess, EtcdArgs};
use crate::lock_arg::LockArg;
use crate::plan::PlanArgs;
use crate::run::HealthArgs;
use crate::status::StatusArgs;

/// Leader election for any command.
#[derive(Debug, Parser)]
#[command(name = "leaderelect", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Run(Box<RunArgs>),
    Move(Box<MoveArgs>),
    Plan(PlanArgs),
    Status(Box<StatusArgs>),
    #[command(name = "__child", hide = true)]
    Child(ChildArgs),
    #[command(name = "__guard", hide = true)]
    Guard,
}

/// Shows an election: hand-over, crash and partition, in this process, without a server
///
/// Several candidates elect a leader on a lock in memory. The leader steps down, leaves, crashes, and is cut off; each
/// time another takes over, and it is measured that no two were at work at once. Takes less than a minute.
///
/// Exits with 0 if everything was seen that should be, else with 1 and what was not.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Shorter leases, shorter pauses: done within 10 seconds
    #[arg(long)]
    pub(crate) fast: bool,
}

/// Runs COMMAND only while leading
///
/// Campaigns for the lock, and starts COMMAND when it is won, with LEADERELECT_IDENTITY and LEADERELECT_TOKEN (the
/// fencing token, which grows with every term) in its environment. COMMAND runs in a process group of its own, which
/// never outlives the lease: SIGTERM when leadership ends, SIGKILL at the latest when the renew deadline and the stop
/// grace have passed since the last renewal was sent. After a loss it campaigns again. The group also dies when this
/// program is killed.
///
/// SIGTERM or SIGINT: COMMAND gets SIGTERM and may finish while the lease is still renewed, then the lease is released.
/// A second one kills COMMAND at once.
///
/// When COMMAND ends by itself, what it left in its group is killed and the lease is released.
#[derive(Debug, clap::Args)]
#[command(after_help = RUN_AFTER_HELP)]
pub(crate) struct RunArgs {
    /// The lock, one for all candidates: etcd://HOST:PORT[,HOST:PORT…]/KEY (with TLS etcds://), or leases:, configmaps: or endpoints:NAMESPACE/NAME
    ///
    /// An object of Kubernetes is that of the cluster which KUBECONFIG, ~/.kube/config or, in a pod, the service account names.
    #[arg(long)]
    pub(crate) lock: LockArg,

    /// Who this candidate is; no two may share it [default: the host name and a random part]
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) identity: Option<String>,

    #[command(flatten)]
    lease: LeaseArgs,

    /// How long COMMAND may take from SIGTERM to SIGKILL when the lease is lost
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::positive, allow_hyphen_values = true)]
    stop_grace: Duration,

    /// How long COMMAND may take to finish when this program is told to stop [default: the renew deadline]
    #[arg(long, value_name = "DURATION", value_parser = duration::any, allow_hyphen_values = true)]
    drain_timeout: Option<Duration>,

    /// How much longer a rival's lease is waited out; beside candidates in Go at least P + R + D - L, see below
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::any, allow_hyphen_values = true)]
    rival_margin: Duration,

    /// What to do where there is no record, as in a new election
    #[arg(long, value_name = "HOW", default_value = "lead-at-once")]
    pub(crate) missing_record: Missing,

    /// Write Kubernetes Events "ID became leader" and "ID stopped leading" onto the lock's object
    ///
    /// This needs the permission to create events in its namespace. The election never waits for them; one that cannot be
    /// written is logged. The end of this program waits for the last one, for a second at most.
    #[arg(long)]
    pub(crate) events: bool,

    /// What to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,

    // Behind the others: its heading is that of what follows.
    #[command(flatten)]
    etcd: EtcdArgs,

    #[command(flatten)]
    pub(crate) health: HealthArgs,
}

/// [`MissingRecord`] as a flag.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Missing {
    /// Create it and lead, as client-go does
    LeadAtOnce,
    /// Create it and lead when it has stood for a lease: no two lead when somebody deletes a live leader's record
    ClaimThenLead,
}

impl From<Missing> for MissingRecord {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::LeadAtOnce => Self::LeadAtOnce,
            Missing::ClaimThenLead => Self::ClaimThenLead,
        }
    }
}

const RUN_AFTER_HELP: &str = "\
Durations are written as 15s, 1m30s or 500ms. The lease duration must be at least the renew deadline and the stop grace
together, and the renew deadline more than 1.2 retry periods.

Go's client-go leads on until P + R + D after its last success: its retry period, its renew deadline, and its slowest answer
(5s at its defaults, where it gives up a request). Beside it, give at least what that is longer than its lease duration L as
the rival margin: 2s at its defaults. Where its retry period is below a second, add one: its records tell only whole seconds
apart.

Exit codes:
  0    stopped by SIGTERM or SIGINT, and the lease released
  N    COMMAND ended by itself with N; 128 + S if signal S killed it
  1    the election could not be run, or COMMAND not be guarded
  2    the arguments are wrong
  126  COMMAND cannot be executed
  127  COMMAND was not found

Standard output is COMMAND's alone. The log goes to standard error; RUST_LOG chooses what (default: info).";

/// Go's three durations.
#[derive(Debug, clap::Args)]
pub(crate) struct LeaseArgs {
    /// How long others see the lease stand still before they take over
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration::positive, allow_hyphen_values = true)]
    lease_duration: Duration,

    /// How long a leader leads after its last successful renewal was sent
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::positive, allow_hyphen_values = true)]
    renew_deadline: Duration,

    /// How often the lease is renewed
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::positive, allow_hyphen_values = true)]
    retry_period: Duration,
}

impl LeaseArgs {
    pub(crate) fn timing(&self) -> Result<LeaseTiming, TimingError> {
        LeaseTiming::new(self.lease_duration, self.renew_deadline, self.retry_period)
    }
}

/// Moves a live election from one lock to another
///
/// Closes the lock TO at once, so that candidates of it may be deployed and wait. Then campaigns for FROM, and when its
/// leaders have gone, closes it for good and opens TO. No two candidates are at work at once, whichever lock they know. It may run many times
/// at once, be killed at any moment, and be started again: what is done is done. So every copy of a program may begin with it:
///
/// leaderelect move --from endpoints:ns/job --to leases:ns/job && leaderelect run --lock leases:ns/job -- …
///
/// SIGTERM or SIGINT stop it; the election is where it was, or between both locks until another goes on.
///
/// With --guard it stays when the election is moved, and closes FROM again when somebody has opened it, for as long as old candidates may
/// be left.
#[derive(Debug, clap::Args)]
#[command(after_help = MOVE_AFTER_HELP)]
pub(crate) struct MoveArgs {
    /// The lock that the candidates have until now, written as for run --lock
    #[arg(long, value_name = "LOCK")]
    pub(crate) from: LockArg,

    /// The lock that they are to have
    #[arg(long, value_name = "LOCK")]
    pub(crate) to: LockArg,

    /// Close FROM also where somebody leads by TO already, to put right what was opened by mistake
    #[arg(long)]
    pub(crate) even_if_in_use: bool,

    /// Stay after the move and keep FROM closed, until SIGTERM or SIGINT or a move back
    #[arg(long)]
    pub(crate) guard: bool,

    #[command(flatten)]
    lease: LeaseArgs,

    /// How much longer a rival's lease is waited out; beside candidates in Go at least P + R + D - L, see below
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::any, allow_hyphen_values = true)]
    rival_margin: Duration,

    #[command(flatten)]
    etcd: EtcdArgs,
}

impl MoveArgs {
    /// How to reach what of it is in etcd.
    pub(crate) fn etcd(&self) -> Result<EtcdAccess, String> {
        self.etcd
            .access(&[&self.from, &self.to], self.lease.lease_duration, |name| {
                std::env::var_os(name)
            })
    }

    /// The durations, if they are safe together.
    pub(crate) fn timing(&self) -> Result<LeaseTiming, TimingError> {
        self.lease.timing()?.with_rival_margin(self.rival_margin)
    }
}

const MOVE_AFTER_HELP: &str = "\
The durations are those of the candidates of FROM. Candidates in Go lead on until P + R + D after their last success (retry
period, renew deadline, slowest answer): what that is longer than their lease duration L is the rival margin. Where P is below a
second, add one.

Exit codes:
  0    the election is moved; with --guard: it was, and then this was told to stop, or the election was moved back
  1    something has to be decided first; the log says what
  2    the arguments are wrong
  143  stopped by SIGTERM or SIGINT before it was moved

What was done is logged to standard error; RUST_LOG chooses what (default: info).";

impl RunArgs {
    /// How to reach the lock, if it is in etcd.
    pub(crate) fn etcd(&self) -> Result<EtcdAccess, String> {
        self.etcd
            .access(&[&self.lock], self.lease.lease_duration, |name| {
                std::env::var_os(name)
            })
    }

    /// The durations, if they are safe together.
    pub(crate) fn timing(&self) -> Result<LeaseTiming, TimingError> {
        let timing = self
            .lease
            .timing()?
            .with_stop_grace(self.stop_grace)?
            .with_rival_margin(self.rival_margin)?;
        match self.drain_timeout {
            Some(drain_timeout) => timing.with_drain_timeout(drain_timeout),
            None => Ok(timing),
        }
    }
}

/// Ends the program over arguments that do not go together, such as durations that are not safe, as it ends over every
/// wrong one.
pub(crate) fn refuse(subcommand: &str, error: impl std::fmt::Display) -> ! {
    let mut command = Args::command();
    command.build();
    let named = command.find_subcommand_mut(subcommand).cloned();
    named
        .unwrap_or(command)
        .clone()
        .error(clap::error::ErrorKind::ValueValidation, error)
        .exit()
}

/// What stands between the fork and COMMAND.
#[derive(Debug, clap::Args)]
pub(crate) struct ChildArgs {
    /// The process that must be the parent
    pub(crate) parent: u32,

    /// What to become
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}
