//! `leaderelect`; see the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    leaderelection_cli::main()
}
