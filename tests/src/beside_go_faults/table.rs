//! The table: what the judge says about many runs.

use std::fmt::Write as _;
use std::time::Duration;

use super::judge::{Verdict, judge};
use super::rows::Row;
use super::{Result, Side};

/// What came of the runs of one row on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Column {
    /// How many runs there were.
    pub runs: u64,
    /// In how many of them two were at work at once.
    pub two_leaders: u64,
    /// The longest that two were.
    pub longest: Duration,
    /// The run of the longest.
    pub worst: Option<u64>,
    /// In how many a free record took the place of another's.
    pub wiped: u64,
}

/// One row, measured.
#[derive(Debug)]
pub struct Line {
    /// Which row.
    pub row: Row,
    /// client-go.
    pub go: Column,
    /// Ours.
    pub ours: Column,
}

/// Measures one side of a row: its runs of these numbers.
///
/// # Errors
/// When a run could not be made, or says nothing.
pub fn measure(row: &Row, side: Side, seed: u64, runs: std::ops::Range<u64>) -> Result<Column> {
    let numbers: Vec<u64> = runs.collect();
    let runs: Vec<_> = numbers.iter().map(|number| row.run(seed, *number)).collect();
    let mut column = Column::default();
    for ((number, run), account) in numbers.iter().zip(&runs).zip(side.simulate(&runs)?) {
        let Verdict {
            two_leaders,
            longest,
            wiped,
        } = judge(run, &account)
            .map_err(|error| format!("{}, {side:?}, seed {seed}, run {number}: {error}", row.name))?;
        column.runs += 1;
        column.two_leaders += u64::from(two_leaders);
        column.wiped += u64::from(wiped);
        if two_leaders && (column.worst.is_none() || longest > column.longest) {
            column.worst = Some(*number);
        }
        column.longest = column.longest.max(longest);
    }
    Ok(column)
}

/// The table in Markdown.
pub fn print(lines: &[Line]) -> String {
    let mut table = String::from(
        "| fault | client-go: two leaders at once | longest | this library | longest |\n|---|---|---|---|---|\n",
    );
    for Line { row, go, ours } in lines {
        let cells = |column: &Column| {
            let wiped = match column.wiped {
                0 => String::new(),
                wiped => format!(", a successor's record wiped in {}", thousands(wiped)),
            };
            let longest = match column.two_leaders {
                0 => "–".to_owned(),
                _ => format!("{:.2} s", column.longest.as_secs_f64()),
            };
            let (two_leaders, runs) = (thousands(column.two_leaders), thousands(column.runs));
            format!("{two_leaders} of {runs}{wiped} | {longest}")
        };
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {} | {} | {} |", row.name, cells(go), cells(ours));
    }
    table
}

/// With a comma, as people write a number below a million.
fn thousands(number: u64) -> String {
    match number / 1_000 {
        0 => number.to_string(),
        thousands => format!("{thousands},{:03}", number % 1_000),
    }
}
