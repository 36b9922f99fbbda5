//! What a dashboard sees, through the `metrics` facade: whichever recorder the program has installed before its election starts.
//!
//! Two names are Go's (`component-base/metrics/prometheus/clientgo/leaderelection`), with Go's label; the rest goes on from there.
//! `deploy/` has alert rules and a dashboard for all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};

use super::event::Operation;
use crate::election::{LossReason, Purpose};
use crate::lock::LockErrorKind;

const MASTER: &str = "leader_election_master_status";
const SLOWPATH: &str = "leader_election_slowpath_total";
const TRANSITIONS: &str = "leader_election_transitions_total";
const RECORD_TRANSITIONS: &str = "leader_election_record_transitions";
const RENEWALS: &str = "leader_election_renewals_total";
const RENEWAL_DURATION: &str = "leader_election_renewal_duration_seconds";
const LEASE_REMAINING: &str = "leader_election_lease_remaining_seconds";
const OBSERVATION_AGE: &str = "leader_election_last_observation_age_seconds";
const TAKEOVER_DURATION: &str = "leader_election_takeover_duration_seconds";
const WATCH_RESTARTS: &str = "leader_election_watch_restarts_total";
const LOSSES: &str = "leader_election_losses_total";
const FAILURES: &str = "leader_election_call_failures_total";
const AT_RISK: &str = "leader_election_at_risk_total";

/// How a renewal went, as the label `outcome` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Conflict,
    Failed(LockErrorKind),
}

const OUTCOMES: [(Outcome, &str); 6] = [
    (Outcome::Success, "success"),
    (Outcome::Conflict, "conflict"),
    (Outcome::Failed(LockErrorKind::Ambiguous), "ambiguous"),
    (Outcome::Failed(LockErrorKind::Unavailable), "unavailable"),
    (Outcome::Failed(LockErrorKind::Denied), "denied"),
    (Outcome::Failed(LockErrorKind::Invalid), "invalid"),
];

const OPERATIONS: [(Operation, &str); 3] = [
    (Operation::Get, "get"),
    (Operation::CompareAndSwap, "compare_and_swap"),
    (Operation::Watch, "watch"),
];

/// Why terms can end against the will of their work, as the label `reason` says it.
const REASONS: [&str; 6] = [
    "deadline_exceeded",
    "taken",
    "record_gone",
    "record_unreadable",
    "store_went_back",
    "drain_timeout",
];

fn reason(reason: &LossReason) -> Option<&'static str> {
    let [deadline, taken, gone, unreadable, went_back, drain] = REASONS;
    match reason {
        LossReason::DeadlineExceeded => Some(deadline),
        LossReason::TakenBy(_) => Some(taken),
        LossReason::RecordGone => Some(gone),
        LossReason::RecordUnreadable => Some(unreadable),
        LossReason::StoreWentBack => Some(went_back),
        LossReason::DrainTimeout => Some(drain),
        // No losses: what a guard says when its term is over by will, or when there is nobody left to count.
        LossReason::WorkEnded | LossReason::ElectorGone => None,
    }
}

/// The metrics of one election.
pub(super) struct Metrics {
    master: Gauge,
    slowpath: Counter,
    transitions: Counter,
    /// Whether a holder was seen.
    holder_seen: AtomicBool,
    record_transitions: Gauge,
    /// Whether a renewal has failed since the store was last heard.
    renewal_failed: AtomicBool,
    renewals: [(Outcome, Counter); 6],
    renewal_duration: Histogram,
    lease_remaining: Gauge,
    observation_age: Gauge,
    takeover_duration: Histogram,
    watch_restarts: Counter,
    at_risk: Counter,
    losses: [(&'static str, Counter); 6],
    failures: [(Operation, Counter); 3],
}

impl Metrics {
    /// All of them begin at 0, also on a candidate that never leads: of a series that begins with 1 Prometheus sees no increase.
    pub(super) fn new(name: &str) -> Self {
        describe();
        let name = name.to_owned();
        let counter = |metric| metrics::counter!(metric, "name" => name.clone());
        let labelled =
            |metric, label, value| metrics::counter!(metric, "name" => name.clone(), label => value);
        let gauge = |metric| {
            let gauge = metrics::gauge!(metric, "name" => name.clone());
            gauge.set(0.0);
            gauge
        };
        let histogram = |metric| metrics::histogram!(metric, "name" => name.clone());
        Self {
            master: gauge(MASTER),
            slowpath: counter(SLOWPATH),
            transitions: counter(TRANSITIONS),
            holder_seen: AtomicBool::new(false),
            renewal_failed: AtomicBool::new(false),
            record_transitions: gauge(RECORD_TRANSITIONS),
            renewals: OUTCOMES.map(|(outcome, label)| (outcome, labelled(RENEWALS, "outcome", label))),
            renewal_duration: histogram(RENEWAL_DURATION),
            lease_remaining: gauge(LEASE_REMAINING),
            observation_age: gauge(OBSERVATION_AGE),
            takeover_duration: histogram(TAKEOVER_DURATION),
            watch_restarts: counter(WATCH_RESTARTS),
            at_risk: counter(AT_RISK),
            losses: REASONS.map(|reason| (reason, labelled(LOSSES, "reason", reason))),
            failures: OPERATIONS
                .map(|(operation, label)| (operation, labelled(FAILURES, "operation", label))),
        }
    }

    /// A term begins: so long after the lock could be taken, as far as this candidate knew.
    pub(super) fn started(&self, takeover: Duration) {
        self.master.set(1.0);
        self.takeover_duration.record(takeover);
    }

    /// A term is over, or the election is.
    pub(super) fn stopped(&self) {
        self.master.set(0.0);
        self.lease_remaining.set(0.0);
    }

    /// Nobody looks at the lock any more, and nobody is to worry about that.
    pub(super) fn ended(&self) {
        self.stopped();
        self.observation_age.set(0.0);
        self.record_transitions.set(0.0);
    }

    pub(super) fn lost(&self, lost: &LossReason) {
        self.master.set(0.0);
        if let Some(reason) = reason(lost) {
            count(&self.losses, reason);
        }
    }

    /// Another holder than before. The first that is seen follows nobody: else each restart of a candidate would count as one.
    pub(super) fn another_holder(&self) {
        if self.holder_seen.swap(true, Ordering::Relaxed) {
            self.transitions.increment(1);
        }
    }

    /// As the record says it: the same on every candidate, and it outlives them.
    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    pub(super) fn of_the_record(&self, transitions: i64) {
        self.record_transitions.set(transitions as f64);
    }

    pub(super) fn at_risk(&self) {
        self.at_risk.increment(1);
    }

    /// The store has answered a read or a write. Go's slow path is a renewal that failed before a read that succeeds; in an outage
    /// there is none.
    pub(super) fn answered(&self) {
        if self.renewal_failed.swap(false, Ordering::Relaxed) {
            self.slowpath.increment(1);
        }
    }

    /// A swap was answered, or is no longer waited for.
    pub(super) fn swapped(&self, purpose: Purpose, outcome: Outcome, took: Duration) {
        if !matches!(purpose, Purpose::Renew | Purpose::RenewClaim) {
            return;
        }
        if outcome != Outcome::Success {
            self.renewal_failed.store(true, Ordering::Relaxed);
        }
        self.renewal_duration.record(took);
        count(&self.renewals, outcome);
    }

    pub(super) fn failed(&self, operation: Operation) {
        count(&self.failures, operation);
    }

    pub(super) fn watch_restarted(&self) {
        self.watch_restarts.increment(1);
    }

    /// What changes with time alone.
    pub(super) fn ages(&self, leads: bool, remaining: Duration, observation: Duration) {
        self.master.set(if leads { 1.0 } else { 0.0 });
        self.lease_remaining.set(remaining);
        self.observation_age.set(observation);
    }
}

/// One more of those with the label.
fn count<L: PartialEq>(counters: &[(L, Counter)], label: L) {
    if let Some((_, counter)) = counters.iter().find(|(of, _)| *of == label) {
        counter.increment(1);
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    // Go's own words.
    describe_gauge!(
        MASTER,
        "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the \
         string used to identify the lease. Please make sure to group by name."
    );
    describe_counter!(
        SLOWPATH,
        "Total number of slow path exercised in renewing leader leases. 'name' is the string used to identify the lease. Please \
         make sure to group by name."
    );
    describe_counter!(
        TRANSITIONS,
        "How often this candidate has seen another holder than before; the first it saw does not count."
    );
    describe_gauge!(
        RECORD_TRANSITIONS,
        "How often the lead has changed, as the record says it."
    );
    describe_counter!(
        RENEWALS,
        "Renewals by outcome: success, conflict, ambiguous, unavailable, denied, invalid."
    );
    describe_histogram!(
        RENEWAL_DURATION,
        Unit::Seconds,
        "From the send of a renewal until it was answered, failed, or was no longer waited for."
    );
    describe_gauge!(
        LEASE_REMAINING,
        Unit::Seconds,
        "How long the lease of this candidate holds unless it is renewed; 0 where it does not lead."
    );
    describe_gauge!(
        OBSERVATION_AGE,
        Unit::Seconds,
        "How long ago this candidate last heard of the lock."
    );
    describe_histogram!(
        TAKEOVER_DURATION,
        Unit::Seconds,
        "From the moment at which this candidate could take the lock until it led."
    );
    describe_counter!(WATCH_RESTARTS, "How often the watch was opened again.");
    describe_counter!(
        LOSSES,
        "Terms that ended against the will of their work, by reason."
    );
    describe_counter!(FAILURES, "Calls to the lock that failed, by operation.");
    describe_counter!(
        AT_RISK,
        "How often renewals failed until the lease neared its end."
    );
}
