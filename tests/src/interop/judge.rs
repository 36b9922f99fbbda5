//! What must not be.

use super::{Held, LONG, SHORT, Way};
use crate::beside_go::Change;

/// Two at work at once, a lease that was not waited out, or a release that was not taken.
pub(super) fn changes(way: Way, changes: &[Change]) -> Vec<String> {
    let mut problems = Vec::new();
    for change in changes {
        if change.without_work <= 0.0 {
            problems.push(format!("two at work: {change:?}"));
        }
        let [lease, ..] = SHORT.map(|duration| duration.as_secs_f64() * 1e3);
        if way == Way::Kill && change.from_renewal < lease {
            problems.push(format!("before the lease had run out: {change:?}"));
        }
        // At the signal the last renewal was a retry period old, at most: who waits the lease out takes longer than this.
        let [lease, _, retry] = LONG.map(|duration| duration.as_secs_f64() * 1e3);
        if way == Way::Release && change.from_signal >= lease - retry && !change.release_lost {
            problems.push(format!("as if nothing had been released: {change:?}"));
        }
    }
    problems
}

/// A holder that was robbed, or did not renew.
pub(super) fn rounds(rounds: &[Held]) -> Vec<String> {
    let mut problems = Vec::new();
    for held in rounds {
        if !held.robbed_by.is_empty() {
            problems.push(format!("robbed: {held:?}"));
        }
        if held.renewals < held.least_renewals {
            problems.push(format!("not renewed: {held:?}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beside_go::Side;

    const SOUND: Change = Change {
        from: Side::Ours,
        to: Side::Go,
        from_signal: 4_000.0,
        without_work: 3_990.0,
        from_renewal: 4_100.0,
        release_lost: false,
    };

    fn problem(way: Way, change: Change) -> Option<String> {
        changes(way, &[SOUND, change]).pop()
    }

    #[test]
    fn what_must_not_be_is_seen() {
        for way in [Way::Release, Way::Kill] {
            assert_eq!(problem(way, SOUND), None);
            let both = Change {
                without_work: -0.1,
                ..SOUND
            };
            assert!(problem(way, both).is_some_and(|problem| problem.starts_with("two at work")));
        }
        let early = Change {
            from_renewal: 3_999.0,
            ..SOUND
        };
        assert!(problem(Way::Kill, early).is_some_and(|problem| problem.starts_with("before the lease")));
        assert_eq!(problem(Way::Release, early), None);
        let late = Change {
            from_signal: 7_000.0,
            ..SOUND
        };
        assert!(problem(Way::Release, late).is_some_and(|problem| problem.starts_with("as if nothing")));
        assert_eq!(problem(Way::Kill, late), None);
        let lost = Change {
            release_lost: true,
            ..late
        };
        assert_eq!(problem(Way::Release, lost), None, "its own flaw");
    }

    #[test]
    fn who_is_robbed_or_does_not_renew_is_seen() {
        let held = Held {
            by: Side::Go,
            milliseconds: 12_500.0,
            renewals: 6,
            least_renewals: 6,
            robbed_by: Vec::new(),
        };
        assert!(rounds(std::slice::from_ref(&held)).is_empty());
        let idle = Held {
            renewals: 5,
            ..held.clone()
        };
        let robbed = Held {
            robbed_by: vec!["ours-1".to_owned()],
            ..held.clone()
        };
        let problems = rounds(&[held, idle, robbed]);
        assert!(
            matches!(&*problems, [first, second] if first.starts_with("not renewed") && second.starts_with("robbed")),
            "{problems:?}"
        );
    }
}
