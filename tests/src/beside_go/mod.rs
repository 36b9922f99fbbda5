//! One election on one object of a real kube-apiserver, between real `leaderelect run` processes and client-go's elector, in
//! any order.

mod candidate;
mod change;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

pub use candidate::{Candidate, Stopped};
pub use change::{Change, by_kill, by_release, row};
pub use stage::Stage;

use crate::clocked;

/// What a process or the server did not do.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long what must come may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The argument with which the program is the work of [`crate::clocked`].
pub const WORK: &str = "clocked-work";

/// Whose candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `leaderelect run`.
    Ours,
    /// client-go.
    Go,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Ours => Self::Go,
            Self::Go => Self::Ours,
        }
    }

    /// The verbs with which it writes a record.
    fn verbs(self) -> [&'static str; 2] {
        match self {
            Self::Ours => ["create", "patch"],
            Self::Go => ["create", "update"],
        }
    }
}

/// Which of Go's electors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientGo {
    /// v0.23.17, the last with locks on Endpoints and ConfigMaps; it has one on Leases too.
    Old,
    /// Today's, with Leases only.
    Today,
}

/// The `main` of a program that is also its own `leaderelect` and its own work: those are the processes that it measures.
///
/// It measures when it is called with nothing or with numbers.
pub fn main(name: &str, measure: impl FnOnce(&[usize]) -> Result<()>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers = arguments
        .iter()
        .map(|argument| argument.parse())
        .collect::<std::result::Result<Vec<usize>, _>>();
    let done = match (numbers, arguments.first()) {
        (Ok(numbers), _) => measure(&numbers),
        (Err(_), Some(first)) if first == WORK => clocked::work().map_err(Into::into),
        (Err(_), _) => return leaderelection_cli::main(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
