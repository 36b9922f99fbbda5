//! The outcomes in Markdown.

use std::fmt::Write as _;

use super::{HOLD, Outcome, Pairing, Seen, Way};
use crate::beside_go::{Change, Side};

const HEAD: &str = "\
| client-go, object | lead | rounds | two at work, or robbed | release lost | least | median | worst |
|---|---|---|---|---|---|---|---|
";

/// A row for each direction of each way of each pairing.
///
/// The times are those until the next leader works: after a release from SIGTERM, after SIGKILL from the arrival of the last
/// renewal. Nobody is next where a holder renews.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut rows = HEAD.to_owned();
    for pairing in Pairing::ALL {
        for way in Way::ALL {
            let such = |outcome: &&Outcome| (outcome.pairing, outcome.way) == (pairing, way);
            let Some(outcome) = outcomes.iter().find(such) else {
                continue;
            };
            match &outcome.seen {
                Ok(Seen::Changes(changes)) => {
                    for from in [Side::Ours, Side::Go] {
                        rows.push_str(&direction(pairing, way, from, changes));
                    }
                }
                Ok(Seen::Held(rounds)) => {
                    let robbed = rounds.iter().filter(|held| !held.robbed_by.is_empty()).count();
                    // A write to a string does not fail.
                    let _ = writeln!(
                        rows,
                        "| {pairing} | {} | {} | {robbed} | | | | |",
                        lead(way, Side::Ours),
                        rounds.len()
                    );
                }
                Err(_) => {
                    let _ = writeln!(
                        rows,
                        "| {pairing} | {} | broken off | | | | | |",
                        lead(way, Side::Ours)
                    );
                }
            }
        }
    }
    rows
}

fn direction(pairing: Pairing, way: Way, from: Side, changes: &[Change]) -> String {
    let such: Vec<&Change> = changes.iter().filter(|change| change.from == from).collect();
    let both = such.iter().filter(|change| change.without_work <= 0.0).count();
    let took = such.iter().map(|change| match way {
        Way::Kill => change.from_renewal,
        Way::Release | Way::Hold(_) => change.from_signal,
    });
    let lost = such.iter().filter(|change| change.release_lost).count();
    let lost = if way == Way::Release {
        lost.to_string()
    } else {
        String::new()
    };
    row(pairing, &lead(way, from), [&both.to_string(), &lost], took)
}

fn lead(way: Way, from: Side) -> String {
    let name = |side| match side {
        Side::Ours => "ours",
        Side::Go => "Go's",
    };
    let (this, next) = (name(from), name(from.other()));
    match way {
        Way::Release => format!("{this} released, {next} next"),
        Way::Kill => format!("{this} killed, {next} next"),
        Way::Hold(side) => format!("{} renewed for {} s, both behind it", name(side), HOLD.as_secs()),
    }
}

fn row(pairing: Pairing, lead: &str, wrong: [&str; 2], milliseconds: impl Iterator<Item = f64>) -> String {
    let mut sorted: Vec<f64> = milliseconds.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| {
        let seconds = sorted.get(index).map(|milliseconds| milliseconds / 1e3);
        seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.3} s"))
    };
    let (rounds, [both, lost]) = (sorted.len(), wrong);
    format!(
        "| {pairing} | {lead} | {rounds} | {both} | {lost} | {} | {} | {} |\n",
        at(0),
        at(rounds.saturating_sub(1) / 2),
        at(rounds.saturating_sub(1))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_each_direction_for_itself() {
        let change = |from: Side, milliseconds: f64, without_work: f64| Change {
            from,
            to: from.other(),
            from_signal: milliseconds,
            without_work,
            from_renewal: milliseconds + 1_000.0,
            release_lost: from == Side::Go,
        };
        let changes = vec![
            change(Side::Ours, 700.0, 1.0),
            change(Side::Go, 20.0, -1.0),
            change(Side::Ours, 2_100.0, 1.0),
        ];
        let [pairing, ..] = Pairing::ALL;
        let outcomes = [
            Outcome {
                pairing,
                way: Way::Release,
                seen: Ok(Seen::Changes(changes)),
            },
            Outcome {
                pairing,
                way: Way::Kill,
                seen: Err("it hangs".to_owned()),
            },
        ];
        assert_eq!(
            table(&outcomes).strip_prefix(HEAD).unwrap(),
            "\
| 0.23.17, endpoints | ours released, Go's next | 2 | 0 | 0 | 0.700 s | 0.700 s | 2.100 s |
| 0.23.17, endpoints | Go's released, ours next | 1 | 1 | 1 | 0.020 s | 0.020 s | 0.020 s |
| 0.23.17, endpoints | ours killed, Go's next | broken off | | | | | |
"
        );
    }
}
