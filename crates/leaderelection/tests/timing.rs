//! Durations: what is accepted, what is refused with which numbers, and what follows from them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

use std::time::Duration;

use leaderelection::{GoLeader, LeaseTiming, TimingError};
use proptest::prelude::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn seconds(lease: u64, deadline: u64, period: u64) -> LeaseTiming {
    LeaseTiming::new(s(lease), s(deadline), s(period)).unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn the_default_is_that_of_kubernetes_components() {
    let timing = LeaseTiming::default();
    assert_eq!(
        (
            timing.lease_duration(),
            timing.renew_deadline(),
            timing.retry_period()
        ),
        (s(15), s(10), s(2))
    );
    assert_eq!((timing.stop_grace(), timing.rival_margin()), (s(0), s(0)));
    assert_eq!((timing.drain_timeout(), timing.attempt_timeout()), (s(10), s(5)));
    assert_eq!(timing.expected_candidates(), 8);
    assert_eq!(LeaseTiming::new(s(15), s(10), s(2)).unwrap(), timing);
}

#[test]
fn go_s_inequalities_are_kept_and_the_errors_carry_the_numbers() {
    for (lease, renew, retry, expected) in [
        (s(0), s(10), s(2), "lease_duration must be greater than 0"),
        (s(15), s(0), s(2), "renew_deadline must be greater than 0"),
        (s(15), s(10), s(0), "retry_period must be greater than 0"),
        (
            s(10),
            s(10),
            s(2),
            "lease_duration 10s must be greater than renew_deadline 10s",
        ),
        (
            s(15),
            s(10),
            s(9),
            "renew_deadline 10s must be greater than retry_period 9s x 1.2 = 10.8s",
        ),
        (
            s(15),
            s(12),
            s(10),
            "renew_deadline 12s must be greater than retry_period 10s x 1.2 = 12s",
        ),
        (
            s(1 << 31),
            s(10),
            s(2),
            "lease_duration 2147483648s must be at most 2147483647s",
        ),
        (Duration::MAX, s(10), s(2), "must be at most 2147483647s"),
    ] {
        let error = LeaseTiming::new(lease, renew, retry).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// The theorem at clocks of equal rate: `L ≥ R + σ`.
#[test]
fn the_stop_grace_must_fit_into_the_lease() {
    let timing = LeaseTiming::default();
    assert_eq!(timing.clone().with_stop_grace(s(5)).unwrap().stop_grace(), s(5));
    let error = timing.with_stop_grace(ms(5_001)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "lease_duration 15s must be at least renew_deadline 10s + stop_grace 5.001s = 15.001s"
    );
    assert!(matches!(error, TimingError::StopGraceTooLong { least, .. } if least == ms(15_001)));
}

#[test]
fn an_attempt_may_not_outlast_the_lease_that_it_renews() {
    let timing = LeaseTiming::default();
    assert_eq!(
        timing
            .clone()
            .with_attempt_timeout(s(11))
            .unwrap_err()
            .to_string(),
        "attempt_timeout 11s must be at most renew_deadline 10s"
    );
    assert_eq!(
        timing.clone().with_attempt_timeout(s(0)).unwrap_err(),
        TimingError::Zero {
            name: "attempt_timeout"
        }
    );
    assert_eq!(
        timing.with_attempt_timeout(s(10)).unwrap().attempt_timeout(),
        s(10)
    );
}

#[test]
fn the_tolerated_clock_rate_ratio_counts_the_stop_grace() {
    assert_eq!(LeaseTiming::default().tolerated_clock_rate_ratio(), 1.5);
    assert_eq!(
        LeaseTiming::default()
            .with_stop_grace(s(2))
            .unwrap()
            .tolerated_clock_rate_ratio(),
        1.25
    );
    assert_eq!(
        LeaseTiming::new(s(30), s(10), s(2))
            .unwrap()
            .tolerated_clock_rate_ratio(),
        3.0
    );
}

/// SAFETY 20: `L + 1.5 S`, `S = max(D / 3, min(3 P, 2 D / 3))`.
#[test]
fn the_worst_failover_counts_a_silent_watch_and_the_margin() {
    assert_eq!(LeaseTiming::default().worst_failover(), s(15 + 9));
    assert_eq!(
        LeaseTiming::default()
            .with_rival_margin(s(3))
            .unwrap()
            .worst_failover(),
        s(18 + 9)
    );
    assert_eq!(
        LeaseTiming::new(s(60), s(40), s(2)).unwrap().worst_failover(),
        s(60 + 30),
        "D / 3 is longer than 3 P"
    );
    let worst = LeaseTiming::new(ms(1_500), ms(1_000), ms(100))
        .unwrap()
        .worst_failover();
    assert!(
        worst.abs_diff(s(2 + 1)) < ms(1),
        "a record says whole seconds, and S is of what is waited out: {worst:?}"
    );
}

#[test]
fn what_a_fail_over_takes_counts_the_lease_as_it_is_written() {
    for (timing, typical, with_watch, without_watch) in [
        (seconds(15, 10, 2), s(14), s(15), ms(17_400)),
        (
            seconds(15, 10, 2).with_rival_margin(s(2)).unwrap(),
            s(16),
            s(17),
            ms(19_400),
        ),
        (
            LeaseTiming::new(ms(1_500), ms(1_000), ms(100)).unwrap(),
            ms(1_950),
            s(2),
            ms(2_120),
        ),
    ] {
        assert_eq!(timing.typical_failover(), typical);
        assert_eq!(timing.worst_failover_with_watch(), with_watch);
        assert_eq!(timing.worst_failover_without_watch(), without_watch);
    }
    assert_eq!(seconds(15, 10, 2).worst_handover_without_watch(), ms(2_400));
}

#[test]
fn what_is_sent_in_a_minute_is_by_the_retry_period() {
    let timing = seconds(15, 10, 2);
    assert_eq!(timing.renewals_per_minute(), 30.0);
    assert!((timing.reads_per_minute_without_watch() - 27.27).abs() < 0.01);
}

/// `R − P − max(P, attempt timeout)`, or the period at which a call can first be lost; tests of the whole elector play it.
#[test]
fn the_longest_outage_survived_leaves_time_for_one_more_renewal() {
    let with = |attempt_timeout| seconds(15, 10, 2).with_attempt_timeout(attempt_timeout).unwrap();
    for (timing, outage) in [
        (seconds(15, 10, 2), s(3)),
        (with(s(2)), s(6)),
        (with(ms(100)), s(6)),
        (with(s(7)), s(2)),
        (with(s(10)), s(0)),
        (seconds(15, 10, 4), s(4)),
        (seconds(15, 10, 8), s(0)),
        (seconds(60, 40, 5), s(15)),
    ] {
        assert_eq!(timing.longest_outage_survived(), outage, "{timing:?}");
    }
}

/// SAFETY 12 and 13: drain, stop grace, and the release.
#[test]
fn a_stop_takes_the_drain_the_grace_and_a_release() {
    let timing = seconds(15, 10, 2).with_stop_grace(s(2)).unwrap();
    assert_eq!(timing.longest_stop(), s(10 + 2 + 5));
    let timing = timing.with_drain_timeout(s(60)).unwrap();
    assert_eq!(timing.longest_stop(), s(60 + 2 + 5));
}

/// SAFETY 7: `P + R + D − L`, and a second more for what changes nothing; what is waited out anyway is not needed.
#[test]
fn the_margin_beside_go_is_what_its_leaders_lead_on_for() {
    let go = GoLeader::default();
    let quick = GoLeader {
        retry_period: ms(300),
        ..go
    };
    let odd = GoLeader {
        lease_duration: ms(15_900),
        ..go
    };
    let long = GoLeader {
        lease_duration: s(60),
        ..go
    };
    let timing = seconds(15, 10, 2);
    for (timing, leader, needed) in [
        (timing.clone(), go, s(2)),
        (timing.clone(), quick, ms(1_300)),
        (timing.clone(), odd, s(2)),
        (timing.clone(), long, s(0)),
        (seconds(16, 10, 2), go, s(1)),
        (seconds(20, 10, 2), go, s(0)),
        (seconds(5, 3, 1), go, s(2)),
        (timing.with_rival_margin(s(7)).unwrap(), go, s(2)),
        (LeaseTiming::new(ms(15_500), s(10), s(2)).unwrap(), go, s(1)),
    ] {
        assert_eq!(
            timing.rival_margin_beside(&leader),
            needed,
            "{timing:?} {leader:?}"
        );
    }
}

/// The longest that a record can say is not too long for one.
#[test]
fn the_longest_lease_is_that_of_the_record() {
    let longest = s(i32::MAX.unsigned_abs().into());
    let timing = LeaseTiming::new(longest, s(10), s(2)).unwrap();
    assert_eq!(timing.written_seconds(), i64::from(i32::MAX));
    let margin = timing.clone().with_rival_margin(longest).unwrap();
    assert_eq!(margin.rival_margin(), longest);
    assert!(timing.with_rival_margin(longest + ms(1)).is_err());
}

/// What the checks take to show an unsafe lease is what they get.
#[cfg(feature = "unsound-variants")]
#[test]
fn unchecked_durations_are_those_that_were_given() {
    let timing = LeaseTiming::unchecked(s(1), s(5), s(3), s(4));
    let three = (
        timing.lease_duration(),
        timing.renew_deadline(),
        timing.retry_period(),
    );
    assert_eq!(three, (s(1), s(5), s(3)));
    assert_eq!((timing.stop_grace(), timing.attempt_timeout()), (s(4), s(3)));
}

/// SAFETY 7: a lease is never written shorter than it is held.
#[test]
fn parts_of_seconds_are_written_rounded_up() {
    for (lease, written) in [(ms(1_500), 2), (ms(2_000), 2), (ms(2_001), 3), (s(15), 15)] {
        assert_eq!(
            LeaseTiming::new(lease, ms(1_000), ms(100))
                .unwrap()
                .written_seconds(),
            written
        );
    }
    assert_eq!(
        LeaseTiming::new(ms(300), ms(200), ms(50))
            .unwrap()
            .written_seconds(),
        1
    );
}

#[test]
fn nobody_expects_no_candidate() {
    assert_eq!(
        LeaseTiming::default()
            .with_expected_candidates(0)
            .expected_candidates(),
        1
    );
}

proptest! {
    /// Whatever is accepted keeps what the theorem needs, and nothing overflows.
    #[test]
    fn accepted_durations_keep_the_rules(
        lease in any::<u64>(), renew in any::<u64>(), retry in any::<u64>(), grace in any::<u64>(), scale in 0u32..40,
    ) {
        let nanos = |value: u64| Duration::from_nanos(value >> scale);
        let timing = LeaseTiming::new(nanos(lease), nanos(renew), nanos(retry))
            .and_then(|timing| timing.with_stop_grace(nanos(grace)));
        if let Ok(timing) = timing {
            prop_assert!(timing.lease_duration() >= timing.renew_deadline() + timing.stop_grace());
            prop_assert!(timing.renew_deadline() > timing.retry_period() * 6 / 5);
            prop_assert!(timing.tolerated_clock_rate_ratio() >= 1.0);
            prop_assert!(Duration::from_secs(timing.written_seconds().unsigned_abs()) >= timing.lease_duration());
            prop_assert!(timing.worst_failover() > timing.lease_duration());
            prop_assert!(timing.typical_failover() < timing.worst_failover_without_watch());
            prop_assert!(timing.longest_outage_survived() < timing.renew_deadline());
            prop_assert!(timing.longest_stop() > timing.drain_timeout());
            let leader = GoLeader {
                lease_duration: timing.lease_duration(),
                renew_deadline: timing.renew_deadline(),
                retry_period: timing.retry_period(),
                slowest_response: nanos(grace),
            };
            let margin = timing.rival_margin_beside(&leader);
            prop_assert!(margin.is_zero() || margin < leader.leads_on());
        }
    }
}

/// SAFETY 24: every leader of a roll-out stands beside candidates of the step before and of the step after, who wait for
/// their own lease.
#[test]
fn new_durations_are_rolled_out_by_raising_the_lease_first_and_lowering_it_last() {
    let bearable = |steps: &[LeaseTiming]| {
        steps.windows(2).all(|step| {
            let [before, after] = step else { return false };
            let beside = |leader: &LeaseTiming, waits: &LeaseTiming| {
                leader.tolerated_clock_rate_ratio_beside(waits.lease_duration())
            };
            beside(before, after) > 1.0 && beside(after, before) > 1.0
        })
    };
    let (short, long) = (seconds(15, 10, 2), seconds(60, 40, 2));
    let between = seconds(60, 10, 2);
    assert!(bearable(&[short.clone(), between.clone(), long.clone()]));
    assert!(bearable(&[long.clone(), between, short.clone()]));
    assert!(!bearable(&[short.clone(), long.clone()]), "both at once");
    assert!(!bearable(&[long, short]), "both at once");
}

/// The leader's own stop grace counts, and a lease that is as long as the leader's own gives the leader's own bound.
#[test]
fn the_bound_beside_others_is_that_of_the_leaders_deadline_and_their_lease() {
    let timing = seconds(15, 10, 2).with_stop_grace(s(2)).unwrap();
    assert_eq!(timing.tolerated_clock_rate_ratio_beside(s(6)), 0.5);
    assert_eq!(
        timing.tolerated_clock_rate_ratio_beside(s(15)),
        timing.tolerated_clock_rate_ratio()
    );
}
