//! Strikes real `leaderelect run` processes on a real kube-apiserver with every fault of a list, and prints for how long two
//! were at work, when the next leader works, and what the struck leader was told:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin kube-faults [ROUNDS]
//! ```
//!
//! With other arguments it is `leaderelect` itself, or its work: those are the processes that it strikes.

use std::path::Path;
use std::process::ExitCode;

use leaderelection_tests::beats;
use leaderelection_tests::kube_faults::{Result, WORK, all, problems, table};

const ROUNDS: usize = 10;
const AT_ONCE: usize = 6;

fn main() -> ExitCode {
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
            eprintln!("kube-faults: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(rounds: usize) -> Result<()> {
    let outcomes = all(&std::env::current_exe()?, rounds, AT_ONCE)?;
    println!("{}", table(&outcomes));
    let problems: Vec<String> = outcomes
        .iter()
        .flat_map(|(row, rounds)| problems(*row, rounds))
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems.join("\n").into())
}
