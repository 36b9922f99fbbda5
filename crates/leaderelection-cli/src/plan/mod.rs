//! `leaderelect plan`: what follows from durations, before anything is deployed. The arithmetic is
//! [`LeaseTiming`](leaderelection::LeaseTiming)'s.
//!
//! ```text
//! args.rs       what is asked
//! facts.rs      the numbers, under the names that --output json promises
//! warnings.rs   what may go wrong with them, alone and beside other clients
//! text.rs       the same for people
//! ```

mod args;
mod facts;
mod text;
mod warnings;

use std::io::{self, Write as _};
use std::process::ExitCode;

pub(crate) use self::args::PlanArgs;
use self::args::PlanOutput;
use self::facts::Facts;
use crate::args::refuse;

/// Prints it, and answers with 0; with 2 where the durations are not safe.
pub(crate) fn run(args: &PlanArgs) -> ExitCode {
    if let Some(problem) = args.problem_of_go() {
        refuse("plan", format_args!("client-go refuses its durations: {problem}"));
    }
    let facts = match Facts::of(args) {
        Ok(facts) => facts,
        Err(error) => refuse("plan", error),
    };
    let said = match args.output {
        PlanOutput::Text => Ok(text::of(&facts)),
        PlanOutput::Json => serde_json::to_string_pretty(&facts).map(|json| json + "\n"),
    };
    let written = said
        .map_err(io::Error::from)
        .and_then(|said| io::stdout().write_all(said.as_bytes()));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
