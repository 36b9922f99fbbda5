//! Faults between real `leaderelect run` processes and a real store, row by row: for how long two were at work at once, when the
//! next leader works, and what the struck leader was told. What is common to every store; the faults are
//! [`kube_faults`](crate::kube_faults) and [`etcd_faults`](crate::etcd_faults).

mod election;
mod judge;
mod table;

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use election::{Access, Election, wait_until};
pub use judge::{Round, problems};
pub use table::table;

use crate::beats;

/// What a process or the server did not do.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What came of every round of a row: what was seen, or what went wrong.
pub type Outcome<F> = (F, Vec<std::result::Result<Round, String>>);

/// The argument with which the program is the work of [`crate::beats`]; the folder follows.
const WORK: &str = "beating-work";

/// LeaseDuration, L.
pub const LEASE: Duration = Duration::from_secs(4);
/// RenewDeadline, R.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(3);
/// RetryPeriod, P.
pub const RETRY_PERIOD: Duration = Duration::from_millis(500);
/// How long the work may take from SIGTERM to SIGKILL, σ.
pub const STOP_GRACE: Duration = Duration::from_millis(500);

/// How long a fault lasts that outlives a lease.
pub(crate) const LONG: Duration = Duration::from_secs(6);

/// How long what must come may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// What a busy machine needs to see, to signal and to be scheduled: far less than a retry period.
pub(crate) const SLACK: Duration = Duration::from_millis(250);

/// A row.
pub trait Fault: Copy + PartialEq + Display {
    /// For how long at most two may be at work, whatever the protocol: zero, but where SAFETY says so.
    fn excused(self) -> Duration {
        Duration::ZERO
    }

    /// Before then no later term may be at work, from the beginning of the fault, not even the struck leader's own.
    fn next_not_before(self) -> Duration;

    /// Before then no other candidate may be at work: they have waited for the struck leader's lease.
    fn another_not_before(self) -> Duration;

    /// Whether the leader may keep its lead; else another term begins.
    fn may_keep(self) -> bool;

    /// Whether it has to: nothing that it needs is missing for longer than its deadline.
    fn must_keep(self) -> bool {
        false
    }

    /// What the struck leader has to be told, beside that it lost.
    fn tells(self) -> Option<&'static str> {
        None
    }

    /// Whether the struck leader is still there to be told that it lost.
    fn survives(self) -> bool {
        true
    }

    /// Whether the work makes the most of it where two may be at work at all.
    fn work_is_stubborn(self) -> bool {
        false
    }
}

/// The `main` of a program that plays all rows so many times and prints the table. With other arguments it is `leaderelect` itself,
/// or its work: those are the processes that are struck.
pub fn program<F: Fault>(name: &str, all: impl Fn(&Path, usize) -> Result<Vec<Outcome<F>>>) -> ExitCode {
    const ROUNDS: usize = 10;
    let measure = |rounds| -> Result<()> {
        let outcomes = all(&std::env::current_exe()?, rounds)?;
        println!("{}", table(&outcomes));
        let problems = all_problems(&outcomes);
        if problems.is_empty() {
            return Ok(());
        }
        Err(problems.join("\n").into())
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure(ROUNDS),
        [WORK, folder] => beats::work(Path::new(folder)).map_err(Into::into),
        [rounds] => match rounds.parse() {
            Ok(rounds) => measure(rounds),
            Err(_) => return leaderelection_cli::main(),
        },
        _ => return leaderelection_cli::main(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What must not be, of all rows.
pub fn all_problems<F: Fault>(outcomes: &[Outcome<F>]) -> Vec<String> {
    outcomes
        .iter()
        .flat_map(|(row, rounds)| problems(*row, rounds))
        .collect()
}
