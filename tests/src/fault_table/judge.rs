//! What came of a fault, and what must not.

use std::time::Duration;

use super::{Fault, LIMIT, Result};
use crate::beats::Beats;

/// Without a sign of life for so long, nobody works.
const DEAD: Duration = Duration::from_millis(500);

/// What came of one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// For how long two were at work at once, all such times together.
    pub overlap: Duration,
    /// From the beginning of the fault until another term's work ran; `None` where the leader kept its lead.
    pub next: Option<Duration>,
    /// Whether that was another candidate than the one that led when it struck.
    pub another: bool,
    /// What the log of the struck leader said of it, each once.
    pub told: Vec<String>,
}

/// The first run of the work of a later term than that of the struck leader.
pub(super) fn next(runs: &[Beats], struck: Duration) -> Option<&Beats> {
    let before = struck_one(runs, struck)?;
    runs.iter()
        .find(|run| run.began() > struck && run.token > before.token)
}

/// The work of the leader that was struck.
fn struck_one(runs: &[Beats], struck: Duration) -> Option<&Beats> {
    runs.iter()
        .filter(|run| run.began() <= struck)
        .max_by_key(|run| run.token)
}

/// Puts together what happened from `struck` to `end`.
pub(super) fn round<F: Fault>(
    row: F,
    runs: &[Beats],
    struck: Duration,
    end: Duration,
    log: &[String],
    names: &[(&str, &str)],
) -> Result<Round> {
    let next = next(runs, struck);
    let another =
        next.is_some_and(|next| struck_one(runs, struck).is_some_and(|one| one.identity != next.identity));
    let next = next.map(|run| run.began() - struck);
    let alive = runs.iter().any(|run| run.ended() + DEAD > end);
    if !alive {
        return Err(format!("nobody is at work in the end: {row}").into());
    }
    let mut told = Vec::new();
    for line in log.iter().filter_map(|line| essence(line, names)) {
        if !told.contains(&line) {
            told.push(line);
        }
    }
    let overlap = overlap(runs);
    Ok(Round {
        overlap,
        next,
        another,
        told,
    })
}

/// For how long a run went on when a later one had begun, whose ever it was.
fn overlap(runs: &[Beats]) -> Duration {
    let mut sum = Duration::ZERO;
    for (at, later) in runs.iter().enumerate() {
        let earlier = runs.iter().take(at);
        sum += earlier.map(|run| run.ran_after(later.began())).sum::<Duration>();
    }
    sum
}

/// A warning of the log without its time and the lock's name, and with names in place of addresses.
fn essence(line: &str, names: &[(&str, &str)]) -> Option<String> {
    let (_, said) = line.split_once(" WARN ")?;
    let mut said = said.trim().to_owned();
    for (from, to) in names {
        said = said.replace(from, to);
    }
    // `lock="…"` is said of every one.
    let (before, rest) = said.split_once("lock=\"")?;
    let (_, after) = rest.split_once('"')?;
    let after = after.trim();
    // How long something took, and how much is left of a lease, differs from run to run; these stand at the end.
    let said = [" took=", " unrenewed_for=", " remaining=", " advice="];
    let padded = format!(" {after}");
    let end = said.iter().filter_map(|field| padded.find(field)).min();
    let after = padded.get(..end.unwrap_or(padded.len())).unwrap_or_default();
    let after = after.trim();
    Some(format!("{} {after}", before.trim()).trim().to_owned())
}

/// What must not be, in sentences.
pub fn problems<F: Fault>(row: F, rounds: &[std::result::Result<Round, String>]) -> Vec<String> {
    let mut problems = Vec::new();
    for round in rounds {
        let round = match round {
            Ok(round) => round,
            Err(error) => {
                problems.push(format!("{row}: {error}"));
                continue;
            }
        };
        if round.overlap > row.excused() {
            problems.push(format!("{row}: two at work for {:?}", round.overlap));
        }
        match round.next {
            Some(next) if row.must_keep() => {
                problems.push(format!("{row}: another led after {next:?}"));
            }
            None if !row.may_keep() => problems.push(format!("{row}: no other term")),
            Some(next) if next > LIMIT => {
                problems.push(format!("{row}: the next leader only after {next:?}"))
            }
            Some(next) if next < row.next_not_before() => {
                problems.push(format!("{row}: the next leader already after {next:?}"));
            }
            Some(next) if round.another && next < row.another_not_before() => {
                problems.push(format!("{row}: another leads already after {next:?}"));
            }
            _ => {}
        }
        let lost = round.next.filter(|_| row.survives()).map(|_| "lost the lease");
        for wanted in lost.into_iter().chain(row.tells()) {
            if !round.told.iter().any(|line| line.contains(wanted)) {
                problems.push(format!(
                    "{row}: the leader was not told {wanted:?}: {:?}",
                    round.told
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::LEASE;
    use super::*;
    use crate::kube_faults::Row;

    fn sound() -> Round {
        Round {
            overlap: Duration::ZERO,
            next: Some(LEASE),
            another: true,
            told: vec!["lost the lease token=1 reason=x".to_owned()],
        }
    }

    /// A row of which much is wanted.
    #[derive(Clone, Copy, PartialEq)]
    struct Kept;

    impl Fault for Kept {
        fn next_not_before(self) -> Duration {
            LEASE
        }

        fn another_not_before(self) -> Duration {
            LEASE
        }

        fn may_keep(self) -> bool {
            true
        }

        fn must_keep(self) -> bool {
            true
        }

        fn tells(self) -> Option<&'static str> {
            Some("renewals fail")
        }
    }

    impl std::fmt::Display for Kept {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("kept")
        }
    }

    #[test]
    fn who_has_to_keep_its_lead_or_be_told_is_asked_for_it() {
        let kept = |told: &str| Round {
            next: None,
            told: vec![told.to_owned()],
            ..sound()
        };
        assert!(problems(Kept, &[Ok(kept("renewals fail"))]).is_empty());
        assert_eq!(problems(Kept, &[Ok(kept("nothing"))]).len(), 1);
        let another = Round {
            next: Some(LEASE),
            ..kept("lost the lease; renewals fail")
        };
        assert_eq!(problems(Kept, &[Ok(another)]).len(), 1);
    }

    fn problem(row: Row, round: Round) -> Option<String> {
        problems(row, &[Ok(sound()), Ok(round)]).pop()
    }

    #[test]
    fn what_must_not_be_is_seen() {
        let partition = Row::LeaderPartitioned;
        assert_eq!(problem(partition, sound()), None);
        let overlap = |milliseconds| Round {
            overlap: Duration::from_millis(milliseconds),
            ..sound()
        };
        assert!(problem(partition, overlap(1)).is_some());
        assert_eq!(problem(Row::LeaderFrozen, overlap(1)), None, "no protocol can");
        assert!(problem(Row::LeaderFrozen, overlap(251)).is_some());
        let kept = Round {
            next: None,
            ..sound()
        };
        assert!(problem(partition, kept.clone()).is_some());
        assert_eq!(problem(Row::RepliesJustInTime, kept.clone()), None);
        assert!(problems(Row::ConnectionsCut, &[Ok(kept)]).is_empty());
        assert_eq!(problems(Row::ConnectionsCut, &[Ok(sound())]).len(), 1);
        let robbed = Round {
            next: Some(LEASE - Duration::from_millis(300)),
            ..sound()
        };
        assert!(problem(partition, robbed.clone()).is_some());
        assert_eq!(problem(Row::Emptied, robbed), None);
        // The struck leader may lead again before others may.
        let soon = |another| Round {
            next: Some(LEASE - Duration::from_millis(300)),
            another,
            ..sound()
        };
        assert_eq!(problem(Row::RepliesTooLate, soon(false)), None);
        assert!(problem(Row::RepliesTooLate, soon(true)).is_some());
        let silent = Round {
            told: vec!["renewals fail".to_owned()],
            ..sound()
        };
        assert!(problem(partition, silent).is_some());
        let broken = problems(partition, &[Err("it hangs".to_owned())]);
        assert_eq!(broken, [format!("{partition}: it hangs")]);
    }

    #[test]
    fn a_warning_is_cut_to_what_it_says() {
        let names = [("https://127.0.0.1:1", "APISERVER")];
        let essence = |line: &str| essence(line, &names);
        let failed = r#"2026-01-01T00:00:00Z  WARN failed; it is tried again lock="leases n/job" operation=renew error=unavailable: https://127.0.0.1:1 took=Some(1s) remaining=Some(2s)"#;
        assert_eq!(
            essence(failed).as_deref(),
            Some("failed; it is tried again operation=renew error=unavailable: APISERVER")
        );
        let risk = r#"2026-01-01T00:00:00Z  WARN renewals fail lock="l" unrenewed_for=4s remaining=2s"#;
        assert_eq!(essence(risk).as_deref(), Some("renewals fail"));
        assert_eq!(essence(r#"2026-01-01T00:00:00Z  INFO x lock="l""#), None);
    }
}
