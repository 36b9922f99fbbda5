//! What may go wrong with such durations, with the numbers.

use std::time::Duration;

use serde::Serialize;

use super::facts::Facts;

/// A ratio of rates this near to 1 is less than what clocks that are slewed differ by, with little to spare.
const LITTLE: f64 = 1.01;

#[derive(Debug, Serialize)]
pub(super) struct Warning {
    /// Stays as it is.
    about: &'static str,
    pub(super) says: String,
}

/// All of them.
pub(super) fn about(facts: &Facts) -> Vec<Warning> {
    [
        clocks(facts),
        outage(facts),
        margin(facts),
        go_to_0_26(facts),
        other_durations(facts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn clocks(facts: &Facts) -> Option<Warning> {
    let ratio = facts.tolerated_clock_rate_ratio;
    let differ = match ratio {
        ..=1.0 => "do not differ at all".to_owned(),
        ratio => format!("differ by less than {:.2} %", (ratio - 1.0) * 100.0),
    };
    (ratio < LITTLE).then(|| Warning {
        about: "clocks",
        says: format!(
            "that no two lead holds only while the rates of clocks {differ}: make the lease duration longer than the renew deadline and \
             the stop grace together (SAFETY, the theorem)"
        ),
    })
}

fn outage(facts: &Facts) -> Option<Warning> {
    facts.outage_survived.is_zero().then(|| Warning {
        about: "outage",
        says: format!(
            "one renewal that is not answered may cost the lead: within the renew deadline of {:?} there is no time for another after a \
             retry period of {:?} and {:?} without an answer",
            facts.timing.renew_deadline, facts.timing.retry_period, facts.timing.attempt_timeout
        ),
    })
}

fn margin(facts: &Facts) -> Option<Warning> {
    let go = facts.beside_go.as_ref()?;
    let (needed, given) = (go.rival_margin_needed, facts.timing.rival_margin);
    (given < needed).then(|| Warning {
        about: "rivalMargin",
        says: format!(
            "a leader that runs client-go leads on for {:?} after its last success, and is waited out for {:?}: two may lead for {:?}. Give \
             --rival-margin={} (SAFETY 7)",
            go.leads_on,
            go.leads_on.saturating_sub(needed).saturating_add(given),
            needed.saturating_sub(given),
            flag(needed)
        ),
    })
}

fn go_to_0_26(facts: &Facts) -> Option<Warning> {
    let go = facts.beside_go.as_ref()?;
    let ratio = go.tolerated_clock_rate_ratio?;
    (ratio < LITTLE).then(|| Warning {
        about: "goWaitsForItsOwnLease",
        says: format!(
            "client-go to 0.26 waits for its own {:?}, whatever the record says, and a leader of this timing leads for {:?} after its last \
             success: {}. Give all of them a lease duration above {:?} first (SAFETY 24)",
            go.lease_duration,
            leads_for(facts),
            harm(ratio),
            leads_for(facts)
        ),
    })
}

fn other_durations(facts: &Facts) -> Option<Warning> {
    let others = facts.beside_lease_duration.as_ref()?;
    let ratio = others.tolerated_clock_rate_ratio;
    (ratio < LITTLE).then(|| Warning {
        about: "leaseDurationsDiffer",
        says: format!(
            "candidates with a lease duration of {:?} that wait for their own (client-go to 0.26, Java, Python, C#, fabric8) stand beside a \
             leader that leads for {:?} after its last success: {}. Roll out in this order: raise the lease duration everywhere, then the \
             renew deadline; lower the renew deadline everywhere, then the lease duration (SAFETY 24)",
            others.lease_duration,
            leads_for(facts),
            harm(ratio)
        ),
    })
}

/// R + σ.
fn leads_for(facts: &Facts) -> Duration {
    facts
        .timing
        .renew_deadline
        .saturating_add(facts.timing.stop_grace)
}

fn harm(ratio: f64) -> String {
    if ratio < 1.0 {
        format!("the tolerated ratio of clock rates is {ratio:.3}, and below 1 they take over a live leader")
    } else {
        format!("the tolerated ratio of clock rates is {ratio:.3}")
    }
}

/// As a flag takes it.
fn flag(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}
