//! Strikes real `leaderelect run` processes on a real etcd of three members with every fault of a list, and prints for how long two
//! were at work, when the next leader works, and what the struck leader was told:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin etcd-faults [ROUNDS]
//! ```
//!
//! With other arguments it is `leaderelect` itself, or its work: those are the processes that it strikes.

use std::process::ExitCode;

use leaderelection_tests::etcd_faults::all;
use leaderelection_tests::fault_table::program;

const AT_ONCE: usize = 1;

fn main() -> ExitCode {
    program("etcd-faults", |program, rounds| Ok(all(program, rounds, AT_ONCE)))
}
