//! The numbers. Their names here are those of `--output json`, which stay as they are.

use std::time::Duration;

use leaderelection::{LeaseTiming, TimingError};
use serde::{Serialize, Serializer};

use super::args::PlanArgs;
use super::warnings::{self, Warning};
use crate::events;

/// For a busy node.
const RESERVE: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Facts {
    pub(super) timing: Timing,
    pub(super) tolerated_clock_rate_ratio: f64,
    pub(super) failover: Failover,
    pub(super) handover: Handover,
    pub(super) requests_per_minute: Requests,
    #[serde(rename = "outageSurvivedSeconds", serialize_with = "seconds")]
    pub(super) outage_survived: Duration,
    #[serde(rename = "outageLostSeconds", serialize_with = "seconds")]
    pub(super) outage_lost: Duration,
    pub(super) termination_grace_period_seconds: u64,
    pub(super) beside_go: Option<BesideGo>,
    pub(super) beside_lease_duration: Option<BesideLease>,
    pub(super) warnings: Vec<Warning>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Timing {
    #[serde(rename = "leaseDurationSeconds", serialize_with = "seconds")]
    pub(super) lease_duration: Duration,
    #[serde(rename = "renewDeadlineSeconds", serialize_with = "seconds")]
    pub(super) renew_deadline: Duration,
    #[serde(rename = "retryPeriodSeconds", serialize_with = "seconds")]
    pub(super) retry_period: Duration,
    #[serde(rename = "stopGraceSeconds", serialize_with = "seconds")]
    pub(super) stop_grace: Duration,
    #[serde(rename = "drainTimeoutSeconds", serialize_with = "seconds")]
    pub(super) drain_timeout: Duration,
    #[serde(rename = "attemptTimeoutSeconds", serialize_with = "seconds")]
    pub(super) attempt_timeout: Duration,
    #[serde(rename = "rivalMarginSeconds", serialize_with = "seconds")]
    pub(super) rival_margin: Duration,
    pub(super) candidates: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failover {
    #[serde(rename = "typicalSeconds", serialize_with = "seconds")]
    pub(super) typical: Duration,
    #[serde(rename = "worstSeconds", serialize_with = "seconds")]
    pub(super) worst: Duration,
    #[serde(rename = "worstWithSilentWatchSeconds", serialize_with = "seconds")]
    pub(super) worst_with_silent_watch: Duration,
    #[serde(rename = "worstWithoutWatchSeconds", serialize_with = "seconds")]
    pub(super) worst_without_watch: Duration,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Handover {
    #[serde(rename = "worstWithoutWatchSeconds", serialize_with = "seconds")]
    pub(super) worst_without_watch: Duration,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Requests {
    #[serde(serialize_with = "rounded")]
    pub(super) leader: f64,
    #[serde(serialize_with = "rounded")]
    pub(super) follower: f64,
    #[serde(serialize_with = "rounded")]
    pub(super) follower_without_watch: f64,
    #[serde(serialize_with = "rounded")]
    pub(super) all: f64,
    #[serde(serialize_with = "rounded")]
    pub(super) all_without_watch: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BesideGo {
    #[serde(rename = "leadsOnSeconds", serialize_with = "seconds")]
    pub(super) leads_on: Duration,
    #[serde(rename = "rivalMarginNeededSeconds", serialize_with = "seconds")]
    pub(super) rival_margin_needed: Duration,
    #[serde(rename = "worstHandoverSeconds", serialize_with = "seconds")]
    pub(super) worst_handover: Duration,
    /// Where they wait for their own lease duration.
    pub(super) tolerated_clock_rate_ratio: Option<f64>,
    #[serde(skip)]
    pub(super) lease_duration: Duration,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BesideLease {
    #[serde(rename = "leaseDurationSeconds", serialize_with = "seconds")]
    pub(super) lease_duration: Duration,
    pub(super) tolerated_clock_rate_ratio: f64,
}

impl Facts {
    /// What follows from the durations.
    ///
    /// # Errors
    /// When they are not safe together, as for `run`.
    pub(super) fn of(args: &PlanArgs) -> Result<Self, TimingError> {
        let timing = args.timing()?;
        let followers = f64::from(args.candidates() - 1);
        let (renewals, reads) = (
            timing.renewals_per_minute(),
            timing.reads_per_minute_without_watch(),
        );
        let mut facts = Self {
            timing: Timing::of(&timing, args.candidates()),
            tolerated_clock_rate_ratio: timing.tolerated_clock_rate_ratio(),
            failover: Failover {
                typical: timing.typical_failover(),
                worst: timing.worst_failover_with_watch(),
                worst_with_silent_watch: timing.worst_failover(),
                worst_without_watch: timing.worst_failover_without_watch(),
            },
            handover: Handover {
                worst_without_watch: timing.worst_handover_without_watch(),
            },
            requests_per_minute: Requests {
                leader: renewals,
                follower: 0.0,
                follower_without_watch: reads,
                all: renewals,
                all_without_watch: renewals + followers * reads,
            },
            outage_survived: timing.longest_outage_survived(),
            outage_lost: timing.renew_deadline(),
            termination_grace_period_seconds: termination_grace_period(&timing),
            beside_go: args.go().map(|go| BesideGo {
                leads_on: go.leader.leads_on(),
                rival_margin_needed: timing.rival_margin_beside(&go.leader),
                // It looks again after P and a draw of up to 1.2 P.
                worst_handover: go.leader.retry_period.saturating_mul(11) / 5,
                tolerated_clock_rate_ratio: go
                    .waits_for_its_own
                    .then(|| timing.tolerated_clock_rate_ratio_beside(go.leader.lease_duration)),
                lease_duration: go.leader.lease_duration,
            }),
            beside_lease_duration: args.beside_lease_duration.map(|lease_duration| BesideLease {
                lease_duration,
                tolerated_clock_rate_ratio: timing.tolerated_clock_rate_ratio_beside(lease_duration),
            }),
            warnings: Vec::new(),
        };
        facts.warnings = warnings::about(&facts);
        Ok(facts)
    }

    /// What `terminationGracePeriodSeconds` is made of: the drain, the stop grace, the release, the last Event, the reserve.
    pub(super) fn termination_parts(&self) -> [Duration; 5] {
        let timing = &self.timing;
        [
            timing.drain_timeout,
            timing.stop_grace,
            timing.attempt_timeout,
            events::LAST,
            RESERVE,
        ]
    }
}

impl Timing {
    fn of(timing: &LeaseTiming, candidates: u32) -> Self {
        Self {
            lease_duration: timing.lease_duration(),
            renew_deadline: timing.renew_deadline(),
            retry_period: timing.retry_period(),
            stop_grace: timing.stop_grace(),
            drain_timeout: timing.drain_timeout(),
            attempt_timeout: timing.attempt_timeout(),
            rival_margin: timing.rival_margin(),
            candidates,
        }
    }
}

/// What `leaderelect run` needs from SIGTERM to its end, in whole seconds, as deploy/deployment.yaml reckons.
fn termination_grace_period(timing: &LeaseTiming) -> u64 {
    let all = timing
        .longest_stop()
        .saturating_add(events::LAST)
        .saturating_add(RESERVE);
    all.as_secs() + u64::from(all.subsec_nanos() > 0)
}

/// For people: `0s` and not `0ns`.
pub(super) fn shown(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    format!("{duration:?}")
}

fn seconds<S: Serializer>(duration: &Duration, into: S) -> Result<S::Ok, S::Error> {
    into.serialize_f64(duration.as_secs_f64())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn rounded<S: Serializer>(number: &f64, into: S) -> Result<S::Ok, S::Error> {
    into.serialize_f64((number * 100.0).round() / 100.0)
}
