//! Faults between real `leaderelect run` processes and a real kube-apiserver, row by row: for how long two were at work at
//! once, when the next leader works, and what the struck leader was told.

mod play;
mod rows;
mod stage;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use rows::{Row, Target};

use crate::fault_table::{Outcome, Result};
use crate::servers::KubeApiserver;

/// Plays every row `rounds` times, and gives what came of each in the order of [`Row::ALL`].
///
/// `program` is `leaderelect`, and its work: [`program`](crate::fault_table::program) is both. Rows that strike the server strike all
/// their rounds at once, on a server of their own; of the others `at_once` are played at a time.
///
/// # Errors
/// When no server can be started.
pub fn all(program: &Path, rounds: usize, at_once: usize) -> Result<Vec<Outcome<Row>>> {
    let mut server = KubeApiserver::start()?;
    let mut outcomes = Vec::new();
    for row in Row::ALL.into_iter().filter(|row| row.target() == Target::Server) {
        outcomes.push((row, play::on_server(&mut server, program, row, rounds)));
    }
    let others: Vec<Row> = Row::ALL
        .into_iter()
        .filter(|row| row.target() != Target::Server)
        .flat_map(|row| std::iter::repeat_n(row, rounds))
        .collect();
    let (next, played) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(&row) = others.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let round = play::alone(&server, program, row).map_err(|error| error.to_string());
                    if let Ok(mut played) = played.lock() {
                        played.push((row, round));
                    }
                }
            });
        }
    });
    for (row, round) in played.into_inner().unwrap_or_default() {
        match outcomes.iter_mut().find(|(other, _)| *other == row) {
            Some((_, rounds)) => rounds.push(round),
            None => outcomes.push((row, vec![round])),
        }
    }
    outcomes.sort_by_key(|(row, _)| Row::ALL.iter().position(|other| other == row));
    Ok(outcomes)
}
