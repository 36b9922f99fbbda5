//! The command `leaderelect`: runs a command only while leading ([`leaderelection`]'s elector around a child process),
//! and shows an election in a terminal without any server.
//!
//! A library only so that tests can run the command under names of their own; its one function is the whole program.
//!
//! ```text
//! args.rs        what the command line says      duration.rs, lock_arg.rs, etcd_args.rs, events.rs: its values
//! demo/          leaderelect demo
//! run/           leaderelect run                 move_lock.rs: leaderelect move    log.rs: what both log
//! plan/          leaderelect plan
//! status/        leaderelect status
//! ```

mod args;
mod demo;
mod duration;
mod etcd_args;
mod events;
mod lock_arg;
mod log;
mod move_lock;
mod plan;
mod run;
mod status;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};

#[cfg(not(unix))]
compile_error!("leaderelect needs process groups and signals, which only Unix has");

/// Runs `leaderelect` with the arguments of this process, and answers its exit code.
///
/// It starts helper processes from this process' own program (`/proc/self/exe`) with the first argument `__child` or
/// `__guard`, and expects them to come here.
pub fn main() -> ExitCode {
    match Args::parse().command {
        Command::Demo(args) => demo::demo(&args),
        Command::Run(args) => run::run(*args),
        Command::Move(args) => move_lock::run(*args),
        Command::Plan(args) => plan::run(&args),
        Command::Status(args) => status::run(*args),
        Command::Child(args) => run::child::become_command(&args),
        Command::Guard => run::guard::watch_over_group(),
    }
}
