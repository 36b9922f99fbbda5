//! The outcomes in Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Fault, Outcome, Round};

const HEAD: &str = "\
| fault | elections | two at work, most | kept its lead | next at work after, median | worst | what the leader was told |
|---|---|---|---|---|---|---|
";

/// A row for each fault. What the leader was told is that of the first round.
pub fn table<F: Fault>(outcomes: &[Outcome<F>]) -> String {
    let mut rows = HEAD.to_owned();
    for (row, rounds) in outcomes {
        let sound: Vec<&Round> = rounds.iter().flatten().collect();
        let most = sound.iter().map(|round| round.overlap).max().unwrap_or_default();
        let mut next: Vec<Duration> = sound.iter().filter_map(|round| round.next).collect();
        next.sort();
        let seconds = |at: usize| {
            let after = next.get(at).map(|next| format!("{:.2} s", next.as_secs_f64()));
            after.unwrap_or_else(|| "–".to_owned())
        };
        let told = sound
            .first()
            .map(|round| round.told.join("; "))
            .unwrap_or_default();
        let overlap = if most.is_zero() {
            "0".to_owned()
        } else {
            format!("{:.1} ms", most.as_secs_f64() * 1e3)
        };
        // A write to a string does not fail.
        let _ = writeln!(
            rows,
            "| {row} | {} | {overlap} | {} | {} | {} | {} |",
            rounds.len(),
            sound.len() - next.len(),
            seconds(next.len().saturating_sub(1) / 2),
            seconds(next.len().saturating_sub(1)),
            told.replace('|', "\\|")
        );
        for broken in rounds.iter().filter_map(|round| round.as_ref().err()) {
            let _ = writeln!(rows, "| {row} | broken off: {broken} | | | | | |");
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube_faults::Row;

    #[test]
    fn a_row_has_the_worst_of_its_rounds() {
        let round = |overlap, next: Option<u64>| {
            Ok(Round {
                overlap: Duration::from_millis(overlap),
                next: next.map(Duration::from_millis),
                another: true,
                told: vec!["a".to_owned(), "b".to_owned()],
            })
        };
        let rounds = vec![round(0, Some(5_000)), round(3, Some(4_000)), round(0, None)];
        assert_eq!(
            table(&[(Row::Emptied, rounds)]).strip_prefix(HEAD),
            Some(
                "| holder emptied; work that heeds no SIGTERM | 3 | 3.0 ms | 1 | 4.00 s | 5.00 s | a; b |\n"
            )
        );
    }
}
