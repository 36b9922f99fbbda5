//! The numbers, for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::facts::{Facts, shown};

/// All of it.
pub(super) fn of(facts: &Facts) -> String {
    let mut text = String::new();
    let mut said = |label: &str, line: String| {
        // A String takes everything.
        let _ = writeln!(text, "{label:11}{line}");
    };
    timing(facts, &mut said);
    elections(facts, &mut said);
    outages(facts, &mut said);
    fleet(facts, &mut said);
    for warning in &facts.warnings {
        let _ = write!(text, "\nwarning: {}\n", warning.says);
    }
    text
}

fn timing(facts: &Facts, said: &mut impl FnMut(&str, String)) {
    let timing = &facts.timing;
    said(
        "durations",
        format!(
            "lease {}, renew deadline {}, retry period {}, stop grace {}, drain timeout {}, rival margin {}",
            shown(timing.lease_duration),
            shown(timing.renew_deadline),
            shown(timing.retry_period),
            shown(timing.stop_grace),
            shown(timing.drain_timeout),
            shown(timing.rival_margin)
        ),
    );
    said(
        "clocks",
        format!(
            "no two lead while the rates of any two clocks differ by a factor of at most {}; what they show does not matter",
            number(at_most(facts.tolerated_clock_rate_ratio), 3)
        ),
    );
}

fn elections(facts: &Facts, said: &mut impl FnMut(&str, String)) {
    let failover = &facts.failover;
    said(
        "fail-over",
        format!(
            "after a crash {:?} on average, {:?} at worst; {:?} where the follower's watch has silently lost the last renewal",
            failover.typical, failover.worst, failover.worst_with_silent_watch
        ),
    );
    said(
        "",
        format!("without a watch {:?} at worst", failover.worst_without_watch),
    );
    said(
        "hand-over",
        format!(
            "after a release at once, by the watch; without one within {:?}",
            facts.handover.worst_without_watch
        ),
    );
    let requests = &facts.requests_per_minute;
    said(
        "requests",
        format!(
            "in a minute {} by the leader, {} by each follower: {} by {} candidates",
            number(requests.leader, 1),
            number(requests.follower, 1),
            number(requests.all, 1),
            facts.timing.candidates
        ),
    );
    said(
        "",
        format!(
            "without a watch {} by each follower: {}",
            number(requests.follower_without_watch, 1),
            number(requests.all_without_watch, 1)
        ),
    );
}

fn outages(facts: &Facts, said: &mut impl FnMut(&str, String)) {
    let timing = &facts.timing;
    let hangs = timing.retry_period.max(timing.attempt_timeout);
    let certain = match facts.outage_survived {
        Duration::ZERO => "none is survived for certain".to_owned(),
        outage => format!("of up to {} is survived for certain", shown(outage)),
    };
    said(
        "API outage",
        format!(
            "{certain}, of {} never, between by luck",
            shown(facts.outage_lost)
        ),
    );
    said(
        "",
        format!(
            "a leader leads for {:?} from when it sent its last success, which may be {:?} old when the outage begins;",
            timing.renew_deadline, timing.retry_period
        ),
    );
    said(
        "",
        format!(
            "the last call of the outage may hang, and the next follows {hangs:?} after it, and has to come in time"
        ),
    );
    let [drain, grace, release, event, reserve] = facts.termination_parts().map(shown);
    said(
        "pod",
        format!(
            "terminationGracePeriodSeconds: {} = drain {drain} + stop grace {grace} + release {release} + last Event {event} + reserve \
             {reserve}",
            facts.termination_grace_period_seconds
        ),
    );
}

fn fleet(facts: &Facts, said: &mut impl FnMut(&str, String)) {
    if let Some(go) = &facts.beside_go {
        said(
            "beside Go",
            format!(
                "its leader leads on for {} after its last success; the rival margin has to be at least {}, and is {}",
                shown(go.leads_on),
                shown(go.rival_margin_needed),
                shown(facts.timing.rival_margin)
            ),
        );
        said(
            "",
            format!(
                "it takes over what is released within {:?}, when it looks again",
                go.worst_handover
            ),
        );
        if let Some(ratio) = go.tolerated_clock_rate_ratio {
            said("", own_lease(go.lease_duration, ratio));
        }
    }
    if let Some(others) = &facts.beside_lease_duration {
        said(
            "others",
            own_lease(others.lease_duration, others.tolerated_clock_rate_ratio),
        );
        said(
            "",
            "candidates of this library and of client-go from 0.27 on wait for what the record says"
                .to_owned(),
        );
    }
}

fn own_lease(lease_duration: Duration, ratio: f64) -> String {
    format!(
        "beside who waits for a lease duration of its own, {lease_duration:?}, rates may differ by a factor of {}",
        number(at_most(ratio), 3)
    )
}

/// A bound is rounded down: what is said is safe.
fn at_most(bound: f64) -> f64 {
    // But for what arithmetic with fractions loses.
    (bound * 1e3 + 1e-6).floor() / 1e3
}

/// With so many digits behind the point at most.
fn number(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 15 / 9 is less than 1.667: clocks that differ by that much are not tolerated.
    #[test]
    fn a_bound_is_never_said_larger_than_it_is() {
        for (bound, said) in [
            (15.0 / 9.0, "1.666"),
            (1.25, "1.25"),
            (1.5, "1.5"),
            (1.1, "1.1"),
            (15.0 / 12.0, "1.25"),
            (0.9999, "0.999"),
        ] {
            assert_eq!(number(at_most(bound), 3), said, "{bound}");
        }
    }
}
