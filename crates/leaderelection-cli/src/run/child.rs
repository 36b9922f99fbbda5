//! Between the fork and COMMAND: this program again, which ties its life to its parent's and then becomes COMMAND.
//!
//! A hook between fork and exec would be unsafe code; a second exec is not.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use crate::args::ChildArgs;

/// The exit code of a shell for a command that was not found.
const NOT_FOUND: u8 = 127;
/// The exit code of a shell for a command that cannot be executed.
pub(super) const NOT_EXECUTABLE: u8 = 126;

/// This program, to be started again as one of its helpers.
pub(super) fn ourselves() -> io::Result<Command> {
    // A program that was replaced on disk while it runs has no path of its own any more, but this.
    #[cfg(target_os = "linux")]
    let program = std::path::PathBuf::from("/proc/self/exe");
    #[cfg(not(target_os = "linux"))]
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.arg0("leaderelect");
    Ok(command)
}

/// The command that becomes COMMAND, as a child of this process.
pub(super) fn shim(command: &[OsString]) -> io::Result<Command> {
    let mut shim = ourselves()?;
    shim.args(["__child", &std::process::id().to_string(), "--"])
        .args(command);
    Ok(shim)
}

/// Becomes COMMAND; returns only when that fails, as a shell would.
pub(crate) fn become_command(args: &ChildArgs) -> ExitCode {
    if let Err(error) = die_with_parent(args.parent) {
        complain(format_args!("cannot tie COMMAND to its supervisor: {error}"));
        return ExitCode::from(NOT_EXECUTABLE);
    }
    let [program, arguments @ ..] = args.command.as_slice() else {
        return ExitCode::from(NOT_FOUND);
    };
    let error = Command::new(program).args(arguments).exec();
    complain(format_args!("cannot run {}: {error}", program.display()));
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    })
}

/// Says something on standard error, if there still is one.
pub(super) fn complain(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "leaderelect: {what}");
}

/// Has the kernel kill this process when the thread that started it ends. It lasts through exec, but for programs that
/// change the user.
#[cfg(target_os = "linux")]
fn die_with_parent(parent: u32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // It may have ended before.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::other("the supervisor is gone"))
    }
}

/// Elsewhere the guard alone sees to it.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_parent: u32) -> io::Result<()> {
    Ok(())
}
