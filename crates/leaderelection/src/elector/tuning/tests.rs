//! Where one verdict ends and the next begins.

#![allow(clippy::unwrap_used, reason = "tests speak by failing")]

use super::*;
use crate::Identity;

const MINUTE: Duration = Duration::from_secs(60);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn config(timing: LeaseTiming) -> Arc<ElectionConfig> {
    let config = ElectionConfig::new(Identity::unique());
    Arc::new(ElectionConfig { timing, ..config })
}

/// Renewed ten times at once, the last time after so long without.
fn renewed(timing: LeaseTiming, unrenewed: Duration) -> Tuning {
    let mut tuning = Tuning::new(config(timing), MonoTime::ZERO);
    tuning.started(MonoTime::ZERO);
    for _ in 0..9 {
        tuning.renewed(MonoTime::ZERO, MonoTime::ZERO);
    }
    tuning.renewed(MonoTime::ZERO.after(unrenewed), MonoTime::ZERO.after(unrenewed));
    tuning
}

fn usual() -> LeaseTiming {
    LeaseTiming::default()
}

/// At risk so many times, each in a lease of its own.
fn at_risk(tuning: &mut Tuning, times: u32) {
    for _ in 0..times {
        tuning.at_risk = false;
        tuning.at_risk(MonoTime::ZERO, s(3));
    }
}

fn taken(tuning: &mut Tuning, times: u32) {
    for time in 0..=times {
        tuning.holder_changed(MonoTime::ZERO, Some(&time.to_string()));
    }
}

fn verdict(mut tuning: Tuning, after: Duration) -> TimingVerdict {
    tuning.advice(MonoTime::ZERO.after(after)).verdict
}

/// The reserve of 10 s / 2 s is 8 s.
#[test]
fn half_of_the_reserve_may_be_needed_and_no_more() {
    assert_eq!(verdict(renewed(usual(), s(6)), MINUTE), TimingVerdict::Fine);
    let more = renewed(usual(), s(6) + Duration::from_millis(1));
    assert_eq!(verdict(more, MINUTE), TimingVerdict::TooTight);
}

#[test]
fn a_lost_term_is_too_tight_whatever_else_was_seen() {
    let mut tuning = Tuning::new(config(usual()), MonoTime::ZERO);
    tuning.started(MonoTime::ZERO);
    tuning.lost(MonoTime::ZERO, &LossReason::DeadlineExceeded);
    assert_eq!(verdict(tuning, MINUTE), TimingVerdict::TooTight);
}

/// So many an hour; who has looked for more than one hour knows of two.
#[test]
fn what_is_often_depends_on_how_long_was_looked() {
    for (harm, acceptable) in [
        (at_risk as fn(&mut Tuning, u32), RISKS),
        (taken as fn(&mut Tuning, u32), ACCEPTABLE),
    ] {
        for (minutes, times, is_fine) in [
            (60, acceptable, true),
            (60, acceptable + 1, false),
            (90, acceptable * 2, true),
            (90, acceptable * 2 + 1, false),
        ] {
            let mut tuning = renewed(usual(), s(2));
            harm(&mut tuning, times);
            let expected = match is_fine {
                true => TimingVerdict::Fine,
                false => TimingVerdict::TooTight,
            };
            assert_eq!(
                verdict(tuning, MINUTE * minutes),
                expected,
                "{times} in {minutes} minutes"
            );
        }
    }
}

#[test]
fn two_hours_later_it_is_forgotten() {
    for (after, renewals) in [(HOUR * 2 - MINUTE, 10), (HOUR * 2, 0)] {
        let advice = renewed(usual(), s(2)).advice(MonoTime::ZERO.after(after));
        assert_eq!(advice.renewals, renewals, "after {after:?}");
    }
}

/// The suggested RenewDeadline.
fn suggested(tuning: &mut Tuning) -> Option<Duration> {
    let advice = tuning.advice(MonoTime::ZERO.after(HOUR));
    advice.suggestion.map(|timing| timing.renew_deadline())
}

/// Twice the reserve where others' changes alone say so, and exactly as often or as much as is acceptable says nothing.
#[test]
fn a_suggestion_has_the_reserve_that_its_cause_asks_for() {
    let mut tuning = renewed(usual(), s(6));
    taken(&mut tuning, ACCEPTABLE + 1);
    at_risk(&mut tuning, RISKS);
    assert_eq!(suggested(&mut tuning), Some(s(2 + 2 * 8)));
    at_risk(&mut tuning, 1);
    assert_eq!(suggested(&mut tuning), Some(s(2 + 5 * 4)), "at risk too often");
    let mut tuning = renewed(usual(), s(7));
    assert_eq!(
        suggested(&mut tuning),
        Some(s(15)),
        "2 s + 2.5 * 5 s, in whole seconds"
    );
}

/// It leaves room for a period and a half, and what is not shorter is no suggestion.
#[test]
fn what_is_needlessly_slow_could_be_shorter() {
    let timing = |lease, deadline| LeaseTiming::new(s(lease), s(deadline), s(30)).unwrap();
    let mut slow = renewed(timing(150, 100), s(30));
    assert_eq!(suggested(&mut slow), Some(s(45)));
    assert_eq!(verdict(slow, HOUR), TimingVerdict::NeedlesslySlow);
    assert_eq!(verdict(renewed(timing(70, 45), s(30)), HOUR), TimingVerdict::Fine);
}
