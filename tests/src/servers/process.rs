//! A server process that cannot outlive its fixture.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::janitor::Janitor;
use super::patience::Patience;
use super::{ServerError, programs};

/// How much of a log an error shows.
const LOG_LINES: usize = 30;

/// A running server. Dropping it kills and reaps it, stopped or not.
///
/// It also ends when this process is killed: the server watches its standard input (`EXIT_WITH_STDIN`, see
/// `tests/servers/common/lifeline`), whose other end only this process holds. A stopped server cannot watch; a
/// [`Janitor`] does while it is.
#[derive(Debug)]
pub(super) struct Process {
    program: &'static str,
    child: Child,
    log: PathBuf,
    guard: Mutex<Option<Janitor>>,
    _lifeline: Option<ChildStdin>,
}

#[derive(Clone, Copy)]
enum Output {
    Logged,
    Piped,
}

impl Process {
    /// Starts the program with nothing of this process' environment; its output is appended to `log`.
    pub(super) fn spawn(program: &'static str, args: &[OsString], log: &Path) -> Result<Self, ServerError> {
        Self::spawn_with(program, args, &[], log)
    }

    /// As [`Process::spawn`], with these variables in its environment.
    pub(super) fn spawn_with(
        program: &'static str,
        args: &[OsString],
        variables: &[(&str, String)],
        log: &Path,
    ) -> Result<Self, ServerError> {
        Self::start(
            program,
            &programs::find(program)?,
            args,
            variables,
            log,
            Output::Logged,
        )
    }

    /// As [`Process::spawn`], but what it prints on standard output is for the fixture, through the pipe.
    pub(super) fn spawn_piped(
        program: &'static str,
        args: &[OsString],
        log: &Path,
    ) -> Result<(Self, ChildStdout), ServerError> {
        Self::spawn_piped_at(program, &programs::find(program)?, args, log)
    }

    /// As [`Process::spawn_piped`], but the program is at that path; it must watch its standard input, too.
    pub(super) fn spawn_piped_at(
        program: &'static str,
        path: &Path,
        args: &[OsString],
        log: &Path,
    ) -> Result<(Self, ChildStdout), ServerError> {
        let mut process = Self::start(program, path, args, &[], log, Output::Piped)?;
        let output = process
            .child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no standard output"))
            .map_err(ServerError::io(format!("start {program}")))?;
        Ok((process, output))
    }

    fn start(
        program: &'static str,
        path: &Path,
        args: &[OsString],
        variables: &[(&str, String)],
        log: &Path,
        output: Output,
    ) -> Result<Self, ServerError> {
        let open = || {
            File::options()
                .create(true)
                .append(true)
                .open(log)
                .map_err(ServerError::io(format!("open {}", log.display())))
        };
        let errors = open()?;
        let output = match output {
            Output::Logged => open()?.into(),
            Output::Piped => Stdio::piped(),
        };
        let mut child = Command::new(path)
            .args(args)
            .env_clear()
            .env("EXIT_WITH_STDIN", "1")
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // A Ctrl-C at the terminal is for the test process; the server follows it.
            .process_group(0)
            .spawn()
            .map_err(ServerError::io(format!("start {}", path.display())))?;
        // Taken out, because `Child::wait` would close it.
        let lifeline = child.stdin.take();
        Ok(Self {
            program,
            child,
            log: log.to_owned(),
            guard: Mutex::new(None),
            _lifeline: lifeline,
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks `ready` again and again until it agrees, the process ends or the limit passes.
    pub(super) fn wait_until(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> Result<(), ServerError>,
    ) -> Result<(), ServerError> {
        let program = self.program;
        let patience = Patience::new(limit);
        loop {
            let last = match ready() {
                Ok(()) => return Ok(()),
                Err(error) => error.to_string(),
            };
            if let Some(status) = self.ended()? {
                let log = self.log_tail();
                return Err(if log.contains("address already in use") {
                    ServerError::PortTaken { program, log }
                } else {
                    ServerError::Ended { program, status, log }
                });
            }
            if !patience.pause() {
                return Err(ServerError::NotReady {
                    program,
                    limit,
                    last,
                    log: self.log_tail(),
                });
            }
        }
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        self.child
            .try_wait()
            .map_err(ServerError::io(format!("wait for {}", self.program)))
    }

    /// SIGTERM.
    pub(super) fn terminate(&self) -> Result<(), ServerError> {
        self.signal(Signal::TERM)
    }

    /// SIGSTOP; returns when the process has stopped.
    pub(super) fn stop(&self) -> Result<(), ServerError> {
        let guard =
            Janitor::killing(&[self.id()]).map_err(ServerError::io(format!("guard {}", self.program)))?;
        *self.guard() = Some(guard);
        self.signal(Signal::STOP)?;
        rustix::process::waitid(WaitId::Pid(Pid::from_child(&self.child)), WaitIdOptions::STOPPED).map_err(
            ServerError::io(format!("wait until {} has stopped", self.program)),
        )?;
        Ok(())
    }

    /// SIGCONT.
    pub(super) fn cont(&self) -> Result<(), ServerError> {
        self.signal(Signal::CONT)?;
        *self.guard() = None;
        Ok(())
    }

    fn guard(&self) -> MutexGuard<'_, Option<Janitor>> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) -> Result<(), ServerError> {
        rustix::process::kill_process(Pid::from_child(&self.child), signal)
            .map_err(ServerError::io(format!("send {signal:?} to {}", self.program)))
    }

    /// The last lines of its output.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(LOG_LINES))
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: it must not outlive what it guards, whose number may soon be another process'.
        *self.guard() = None;
        // SIGKILL also ends a stopped process. Both calls fail only when it is already gone and reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
