//! What the acts measured, and whether it is what should have been seen.

use std::time::Duration;

use leaderelection::{FencingToken, LeaseTiming};

use super::monitor::Report;
use super::stage::short;

/// All that the demonstration is judged by.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) timing: LeaseTiming,
    pub(super) elected_after: Duration,
    /// From the end of the old leader's work to the start of the new one's.
    pub(super) step_down: Duration,
    pub(super) leaving: Duration,
    pub(super) crash: Crash,
    pub(super) partition: Partition,
    pub(super) free_at_the_end: bool,
    pub(super) report: Report,
}

#[derive(Debug, Clone)]
pub(super) struct Crash {
    pub(super) after_crash: Duration,
    /// From the send of the dead leader's last renewal to the start of the next one's work.
    pub(super) after_renewal: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Partition {
    /// From the send of the last renewal to the end of the work.
    pub(super) stopped_after: Duration,
    /// From the send of the last renewal to the start of the next one's work.
    pub(super) next_after: Duration,
    pub(super) old_token: FencingToken,
    pub(super) new_token: FencingToken,
    /// The old leader's write, arriving when the new one had written.
    pub(super) late_write_refused: bool,
    /// The mended candidate follows the new leader.
    pub(super) followed: bool,
}

/// One line of the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) seen: bool,
    pub(super) name: &'static str,
    pub(super) figures: String,
}

/// How late a candidate may start on a machine that is busy with other things, beyond its lease.
const BUSY_MACHINE: Duration = Duration::from_secs(1);

impl Facts {
    pub(super) fn verdict(&self) -> Vec<Check> {
        let (lease, deadline) = (self.timing.lease_duration(), self.timing.renew_deadline());
        let (grace, period) = (self.timing.stop_grace(), self.timing.retry_period());
        let Partition {
            stopped_after,
            next_after,
            old_token,
            new_token,
            ..
        } = self.partition;
        let check = |name, seen, figures| Check { seen, name, figures };
        vec![
            check(
                "election",
                !self.report.stints.is_empty(),
                format!("a leader {} after the start", short(self.elected_after)),
            ),
            check(
                "hand-over",
                self.step_down < period && self.leaving < period,
                format!(
                    "{} when the leader stepped down, {} when it left (a retry period is {})",
                    short(self.step_down),
                    short(self.leaving),
                    short(period)
                ),
            ),
            check(
                "crash",
                self.crash.after_renewal >= lease && self.crash.after_renewal <= lease + BUSY_MACHINE,
                format!(
                    "the next led {} after the dead leader's last renewal (lease {}), {} after the crash",
                    short(self.crash.after_renewal),
                    short(lease),
                    short(self.crash.after_crash)
                ),
            ),
            check(
                "partition",
                stopped_after <= deadline + grace && stopped_after < next_after && next_after >= lease,
                format!(
                    "work stopped {} after the last renewal (deadline {} + grace {}), {} before the next began",
                    short(stopped_after),
                    short(deadline),
                    short(grace),
                    short(next_after.saturating_sub(stopped_after))
                ),
            ),
            check(
                "return",
                self.partition.followed,
                "the one that had been cut off came back as a follower".to_owned(),
            ),
            check(
                "fencing",
                self.partition.late_write_refused && old_token < new_token,
                format!("a late write with token {old_token} was refused: {new_token} had been seen"),
            ),
            check(
                "tokens",
                self.tokens_grow(),
                format!(
                    "each of {} terms had a higher token than the one before",
                    self.report.stints.len()
                ),
            ),
            check(
                "release",
                self.free_at_the_end,
                "the last leader left a free record".to_owned(),
            ),
            check(
                "overlap",
                self.report.overlap.is_zero() && self.report.most_at_once == 1 && self.report.writes > 0,
                format!(
                    "{} with more than one at work; at most {} at once, {} writes",
                    short(self.report.overlap),
                    self.report.most_at_once,
                    self.report.writes
                ),
            ),
        ]
    }

    fn tokens_grow(&self) -> bool {
        let stints = &self.report.stints;
        stints
            .iter()
            .zip(stints.iter().skip(1))
            .all(|(before, after)| before.token < after.token)
    }
}

#[cfg(test)]
mod tests {
    use leaderelection::MonoTime;

    use super::*;
    use crate::demo::monitor::Stint;

    const SECOND: Duration = Duration::from_secs(1);

    fn stint(token: u64) -> Stint {
        Stint {
            who: "a".to_owned(),
            term: 1,
            token: FencingToken::new(token),
            from: MonoTime::ZERO,
            until: Some(MonoTime::ZERO.after(SECOND)),
        }
    }

    fn good() -> Facts {
        let timing = LeaseTiming::new(3 * SECOND, 2 * SECOND, SECOND / 2)
            .and_then(|timing| timing.with_stop_grace(SECOND / 2))
            .unwrap();
        Facts {
            timing,
            elected_after: SECOND / 1_000,
            step_down: SECOND / 1_000,
            leaving: SECOND / 1_000,
            crash: Crash {
                after_crash: 2 * SECOND,
                after_renewal: 3 * SECOND + SECOND / 100,
            },
            partition: Partition {
                stopped_after: 2 * SECOND + SECOND / 8,
                next_after: 3 * SECOND + SECOND / 100,
                old_token: FencingToken::new(7),
                new_token: FencingToken::new(9),
                late_write_refused: true,
                followed: true,
            },
            free_at_the_end: true,
            report: Report {
                most_at_once: 1,
                overlap: Duration::ZERO,
                stints: vec![stint(1), stint(5)],
                writes: 100,
            },
        }
    }

    fn missed(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
        let mut facts = good();
        change(&mut facts);
        let verdict = facts.verdict();
        verdict
            .iter()
            .filter(|check| !check.seen)
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn what_should_be_seen_passes() {
        assert_eq!(missed(|_| ()), [""; 0]);
    }

    #[test]
    fn each_thing_that_should_not_be_seen_fails_the_line_that_names_it() {
        assert_eq!(missed(|facts| facts.step_down = SECOND), ["hand-over"]);
        assert_eq!(missed(|facts| facts.leaving = SECOND), ["hand-over"]);
        assert_eq!(missed(|facts| facts.crash.after_renewal = 2 * SECOND), ["crash"]);
        assert_eq!(missed(|facts| facts.crash.after_renewal = 5 * SECOND), ["crash"]);
        assert_eq!(
            missed(|facts| facts.partition.stopped_after = 3 * SECOND),
            ["partition"]
        );
        assert_eq!(
            missed(|facts| facts.partition.next_after = 2 * SECOND),
            ["partition"]
        );
        assert_eq!(missed(|facts| facts.partition.followed = false), ["return"]);
        assert_eq!(
            missed(|facts| facts.partition.late_write_refused = false),
            ["fencing"]
        );
        assert_eq!(
            missed(|facts| facts.partition.new_token = FencingToken::new(7)),
            ["fencing"]
        );
        assert_eq!(
            missed(|facts| facts.report.stints = vec![stint(5), stint(5)]),
            ["tokens"]
        );
        assert_eq!(missed(|facts| facts.free_at_the_end = false), ["release"]);
        assert_eq!(
            missed(|facts| facts.report.overlap = Duration::from_nanos(1)),
            ["overlap"]
        );
        assert_eq!(missed(|facts| facts.report.most_at_once = 2), ["overlap"]);
        assert_eq!(missed(|facts| facts.report.writes = 0), ["overlap"]);
    }
}
