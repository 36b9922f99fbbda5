//! Who was at work, and whether two were at once: the one judge for both sides.

use std::time::Duration;

use serde::Deserialize;

use super::Result;
use super::rows::{Fault, Run};

/// What was seen of a run. All moments are nanoseconds since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The stretches of work, in the order of their starts.
    pub shifts: Vec<Shift>,
    /// When a process stood still.
    pub frozen: Vec<Stretch>,
    /// How often somebody wrote a free record over another's.
    pub wiped: u64,
}

/// One stretch of work. One that was not over at the end of the run ends there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Who worked.
    pub who: String,
    /// Since when.
    pub from: u64,
    /// Until when.
    pub to: u64,
    /// When it acted.
    pub acts: Vec<u64>,
}

/// Some time of one candidate's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// Whose.
    pub who: String,
    /// Since when.
    pub from: u64,
    /// Until when.
    pub to: u64,
}

/// What the judge says about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Two were at work at once.
    pub two_leaders: bool,
    /// The longest that two were; zero where one only acted once while another was at work.
    pub longest: Duration,
    /// Somebody's free record took the place of another's.
    pub wiped: bool,
}

/// Judges a run.
///
/// # Errors
/// When it says nothing about an elector: the fault met no leader or did nothing to it, or nobody was at work in the end.
pub fn judge(run: &Run, account: &Account) -> Result<Verdict> {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let (fault_at, end) = (nanos(run.fault_at.0), nanos(run.end.0));
    let leader = run.candidates.first().map_or("", |candidate| candidate.name);
    let at_work = |at: u64| {
        let shifts = account.shifts.iter();
        let mut who = shifts.filter(move |shift| shift.from <= at && at <= shift.to);
        (who.next().map(|shift| shift.who.as_str()), who.next())
    };
    if at_work(fault_at) != (Some(leader), None) {
        return Err(format!("the fault met not one leader, {leader}: {account:?}").into());
    }
    let met = account
        .shifts
        .iter()
        .find(|shift| shift.who == leader && shift.from <= fault_at);
    let stood_still = account.frozen.iter().any(|frozen| frozen.who == leader);
    if met.is_none_or(|shift| shift.to >= end) || stood_still != matches!(run.fault, Fault::Freeze { .. }) {
        return Err(format!("the fault did nothing to {leader}: {account:?}").into());
    }
    if at_work(end).0.is_none() {
        return Err(format!("nobody was at work in the end: {account:?}").into());
    }

    let pieces = pieces(account);
    let mut verdict = Verdict {
        two_leaders: false,
        longest: Duration::ZERO,
        wiped: account.wiped > 0,
    };
    for (at, one) in pieces.iter().enumerate() {
        for other in pieces.iter().take(at).filter(|other| other.who != one.who) {
            let overlap = one.to.min(other.to).saturating_sub(one.from.max(other.from));
            verdict.longest = verdict.longest.max(Duration::from_nanos(overlap));
        }
        let mut foreign = account.shifts.iter().filter(|shift| shift.who != one.who);
        verdict.two_leaders |= foreign.any(|shift| {
            let mut acts = shift.acts.iter();
            acts.any(|act| one.from < *act && *act < one.to)
        });
    }
    verdict.two_leaders |= !verdict.longest.is_zero();
    Ok(verdict)
}

/// The shifts without the time in which who had them stood still.
fn pieces(account: &Account) -> Vec<Stretch> {
    let mut pieces = Vec::new();
    for shift in &account.shifts {
        let mut from = shift.from;
        let mut frozen: Vec<_> = account
            .frozen
            .iter()
            .filter(|frozen| frozen.who == shift.who)
            .collect();
        frozen.sort_by_key(|frozen| frozen.from);
        for frozen in frozen {
            if frozen.to > from && frozen.from < shift.to {
                pieces.push(stretch(&shift.who, from, frozen.from));
                from = frozen.to;
            }
        }
        pieces.push(stretch(&shift.who, from, shift.to));
    }
    pieces.retain(|piece| piece.from < piece.to);
    pieces
}

fn stretch(who: &str, from: u64, to: u64) -> Stretch {
    Stretch {
        who: who.to_owned(),
        from,
        to,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::rows;
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A run with a partition or a freeze from the 30th to the 34th second on, which ends 60 s later.
    fn run(row: usize) -> Run {
        rows().unwrap().remove(row).run(1, 1)
    }

    fn shift(who: &str, from: u64, to: u64, acts: &[u64]) -> Shift {
        Shift {
            who: who.to_owned(),
            from: from * SECOND,
            to: to * SECOND,
            acts: acts.iter().map(|act| act * SECOND).collect(),
        }
    }

    fn verdict(shifts: Vec<Shift>, frozen: Vec<Stretch>) -> (bool, u64) {
        let run = run(if frozen.is_empty() { 0 } else { 5 });
        let account = Account {
            shifts,
            frozen,
            wiped: 0,
        };
        let verdict = judge(&run, &account).unwrap();
        (verdict.two_leaders, verdict.longest.as_secs())
    }

    #[test]
    fn who_follows_in_the_same_instant_does_not_overlap() {
        assert_eq!(
            verdict(vec![shift("a", 0, 50, &[50]), shift("b", 50, 99, &[50])], vec![]),
            (false, 0)
        );
        assert_eq!(
            verdict(vec![shift("a", 0, 52, &[]), shift("b", 50, 99, &[])], vec![]),
            (true, 2)
        );
        assert_eq!(
            verdict(
                vec![
                    shift("a", 0, 40, &[]),
                    shift("b", 45, 99, &[]),
                    shift("c", 60, 73, &[])
                ],
                vec![]
            ),
            (true, 13)
        );
        assert_eq!(
            verdict(vec![shift("a", 0, 60, &[]), shift("a", 50, 99, &[])], vec![]),
            (false, 0)
        );
    }

    #[test]
    fn who_stands_still_does_not_work_and_may_not_act_when_it_wakes() {
        let frozen = || vec![stretch("a", 40 * SECOND, 62 * SECOND)];
        let b = || shift("b", 55, 99, &[]);
        assert_eq!(verdict(vec![shift("a", 0, 62, &[]), b()], frozen()), (false, 0));
        assert_eq!(verdict(vec![shift("a", 0, 62, &[62]), b()], frozen()), (true, 0));
        assert_eq!(verdict(vec![shift("a", 0, 65, &[]), b()], frozen()), (true, 3));
        assert_eq!(verdict(vec![shift("a", 0, 62, &[]), b()], vec![]), (true, 7));
    }

    #[test]
    fn a_run_without_a_fault_or_a_leader_says_nothing() {
        let of = |row, shifts| {
            judge(
                &run(row),
                &Account {
                    shifts,
                    ..Account::default()
                },
            )
        };
        assert!(of(0, vec![shift("a", 0, 50, &[]), shift("b", 65, 99, &[])]).is_ok());
        assert!(
            of(5, vec![shift("a", 0, 50, &[]), shift("b", 65, 99, &[])]).is_err(),
            "not frozen"
        );
        assert!(of(0, vec![shift("a", 0, 99, &[])]).is_err(), "not cut");
        assert!(of(0, vec![shift("b", 0, 99, &[])]).is_err());
        assert!(of(0, vec![shift("a", 0, 50, &[])]).is_err());
        assert!(of(0, vec![shift("a", 0, 50, &[]), shift("b", 10, 99, &[])]).is_err());
    }
}
