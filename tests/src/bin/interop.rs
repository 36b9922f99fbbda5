//! Shares one object after another with client-go, old and new, and prints a table in Markdown:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin interop
//! cargo run --package leaderelection-tests --bin interop -- ROUNDS AT_ONCE
//! ```
//!
//! With words for arguments it is `leaderelect` itself, or its work: those are the processes that it starts.

use std::process::ExitCode;

use leaderelection_tests::beside_go;
use leaderelection_tests::interop::{all, table};
use leaderelection_tests::servers::KubeApiserver;

/// Of each direction of each way.
const ROUNDS: usize = 20;
/// Elections sleep most of the time.
const AT_ONCE: usize = 16;

fn main() -> ExitCode {
    beside_go::main("interop", |numbers| {
        let [rounds, at_once] = match *numbers {
            [] => [ROUNDS, AT_ONCE],
            [rounds] => [rounds, AT_ONCE],
            [rounds, at_once] => [rounds, at_once],
            _ => return Err("usage: interop [ROUNDS [AT_ONCE]]".into()),
        };
        let outcomes = all(
            &KubeApiserver::start()?,
            &std::env::current_exe()?,
            rounds,
            at_once,
        );
        print!("{}", table(&outcomes));
        let problems: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.problems()).collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(format!("{} problems:\n{}", problems.len(), problems.join("\n")).into())
        }
    })
}
