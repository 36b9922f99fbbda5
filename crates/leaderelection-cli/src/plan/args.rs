//! What `plan` is asked.

use std::time::Duration;

use clap::ArgGroup;
use leaderelection::{GoLeader, LeaseTiming, TimingError};

use crate::args::LeaseArgs;
use crate::duration;

/// Says what follows from durations
///
/// Takes the durations of `run`, and says, without any server, what clocks are tolerated, what a fail-over and a hand-over take, what is
/// asked of the API, which outage of it a leader survives, and how long a pod must be given to end. What is told about the rest of
/// the fleet adds what follows for a mixed one.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, group = ArgGroup::new("go").multiple(true).args(["beside_go", "beside_go_2016"]))]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    lease: LeaseArgs,

    /// How long COMMAND may take from SIGTERM to SIGKILL when the lease is lost
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::any, allow_hyphen_values = true)]
    stop_grace: Duration,

    /// How long COMMAND may take to finish when it is told to stop [default: the renew deadline]
    #[arg(long, value_name = "DURATION", value_parser = duration::any, allow_hyphen_values = true)]
    drain_timeout: Option<Duration>,

    /// How much longer a rival's lease is waited out
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::any, allow_hyphen_values = true)]
    rival_margin: Duration,

    /// How many candidates there are, with the leader
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    candidates: u32,

    /// How to say it
    #[arg(long, value_name = "HOW", default_value = "text")]
    pub(super) output: PlanOutput,

    /// There are candidates that run client-go
    #[arg(long, help_heading = FLEET)]
    beside_go: bool,

    /// Theirs is client-go to 0.26, such as that of 2016: it judges a rival by its own lease duration, whatever his record says
    #[arg(long, help_heading = FLEET)]
    beside_go_2016: bool,

    /// The lease duration of the candidates that run client-go
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration::positive, allow_hyphen_values = true, requires = "go", help_heading = FLEET)]
    go_lease_duration: Duration,

    /// Their renew deadline
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::positive, allow_hyphen_values = true, requires = "go", help_heading = FLEET)]
    go_renew_deadline: Duration,

    /// Their retry period
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::positive, allow_hyphen_values = true, requires = "go", help_heading = FLEET)]
    go_retry_period: Duration,

    /// The slowest answer that they wait for [default: half their renew deadline, 1s at least, as Kubernetes' components]
    #[arg(long, value_name = "DURATION", value_parser = duration::any, allow_hyphen_values = true, requires = "go", help_heading = FLEET)]
    go_slowest_answer: Option<Duration>,

    /// There are candidates with this lease duration, as while new durations are rolled out
    #[arg(long, value_name = "DURATION", value_parser = duration::positive, allow_hyphen_values = true, help_heading = FLEET)]
    pub(super) beside_lease_duration: Option<Duration>,
}

const FLEET: &str = "The rest of the fleet";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum PlanOutput {
    /// For people
    Text,
    /// For programs; names stay as they are, times are in seconds
    Json,
}

/// Candidates that run client-go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Go {
    pub(super) leader: GoLeader,
    /// They wait for their own lease duration.
    pub(super) waits_for_its_own: bool,
}

impl PlanArgs {
    /// The durations, if they are safe together.
    pub(super) fn timing(&self) -> Result<LeaseTiming, TimingError> {
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

    /// What client-go itself refuses of the durations given for it.
    pub(super) fn problem_of_go(&self) -> Option<TimingError> {
        self.go()?;
        let (lease, renew, retry) = (
            self.go_lease_duration,
            self.go_renew_deadline,
            self.go_retry_period,
        );
        LeaseTiming::new(lease, renew, retry).err()
    }

    pub(super) fn candidates(&self) -> u32 {
        self.candidates
    }

    pub(super) fn go(&self) -> Option<Go> {
        let half = (self.go_renew_deadline / 2).max(Duration::from_secs(1));
        (self.beside_go || self.beside_go_2016).then_some(Go {
            leader: GoLeader {
                lease_duration: self.go_lease_duration,
                renew_deadline: self.go_renew_deadline,
                retry_period: self.go_retry_period,
                slowest_response: self.go_slowest_answer.unwrap_or(half),
            },
            waits_for_its_own: self.beside_go_2016,
        })
    }
}

const AFTER_HELP: &str = "\
Nothing is contacted. The numbers are those of a healthy network; what a round trip takes comes on top.

Output as JSON is one object. Its names:
  timing                         the durations, and candidates
  toleratedClockRateRatio        the largest ratio between the rates of two clocks at which no two lead at once
  failover                       from a leader's crash to the next one's write: typicalSeconds, worstSeconds,
                                 worstWithSilentWatchSeconds (its watch has lost the last renewal), worstWithoutWatchSeconds
  handover                       from a release to the next one's write: worstWithoutWatchSeconds; with a watch at once
  requestsPerMinute              leader, follower, followerWithoutWatch, all, allWithoutWatch
  outageSurvivedSeconds          the longest outage of the API that a leader survives for certain
  outageLostSeconds              one of this length no leader survives
  terminationGracePeriodSeconds  for the pod
  besideGo                       leadsOnSeconds, rivalMarginNeededSeconds, worstHandoverSeconds, toleratedClockRateRatio
                                 (null but for client-go to 0.26); null without such candidates
  besideLeaseDuration            leaseDurationSeconds, toleratedClockRateRatio; null without --beside-lease-duration
  warnings                       a list of: about (clocks, outage, rivalMargin, goWaitsForItsOwnLease,
                                 leaseDurationsDiffer), says

Exit codes:
  0    said, with warnings or without
  2    the arguments are wrong, or the durations are not safe";
