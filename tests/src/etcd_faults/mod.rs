//! Faults of a real etcd of three members, between real `leaderelect run` processes: members that die, freeze, are parted from each
//! other, are replaced, run out of space, forget what was, and go back to a snapshot. See [`fault_table`](crate::fault_table) for
//! what is looked at.

mod operator;
mod play;
mod rows;
mod stage;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use operator::Operator;
pub use rows::Row;

use crate::fault_table::Outcome;

/// Plays every row with so many elections at once, and gives what came of each in the order of [`Row::ALL`].
///
/// `program` is `leaderelect`, and its work: [`program`](crate::fault_table::program) is both. Each row has a cluster of its own;
/// `at_once` of them are played at a time.
pub fn all(program: &Path, rounds: usize, at_once: usize) -> Vec<Outcome<Row>> {
    let (next, played) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(&row) = Row::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = (row, play::row(program, row, rounds));
                    if let Ok(mut played) = played.lock() {
                        played.push(outcome);
                    }
                }
            });
        }
    });
    let mut outcomes = played.into_inner().unwrap_or_default();
    outcomes.sort_by_key(|(row, _)| Row::ALL.iter().position(|other| other == row));
    outcomes
}
