//! Strikes real `leaderelect run` processes on a real kube-apiserver with every fault of a list, and prints for how long two
//! were at work, when the next leader works, and what the struck leader was told:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin kube-faults [ROUNDS]
//! ```
//!
//! With other arguments it is `leaderelect` itself, or its work: those are the processes that it strikes.

use std::process::ExitCode;

use leaderelection_tests::fault_table::program;
use leaderelection_tests::kube_faults::all;

const AT_ONCE: usize = 6;

fn main() -> ExitCode {
    program("kube-faults", |program, rounds| all(program, rounds, AT_ONCE))
}
