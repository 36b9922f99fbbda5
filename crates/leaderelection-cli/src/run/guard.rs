//! The guard: a process that kills COMMAND's group when the lease and the grace have run out, or when the supervisor is
//! gone, whatever has become of the supervisor. It holds when that is killed, stopped, or stuck.
//!
//! It reads lines `GROUP DEADLINE` from its standard input, the deadline in nanoseconds of [`GuardTime`]; the end of the
//! input means that the supervisor is gone.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use leaderelection::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal};
use rustix::time::ClockId;

use super::child;

/// A timer may stand still while the machine sleeps; the clock is looked at this often (SAFETY 3).
const SLICE: Duration = Duration::from_millis(250);

/// A moment that all processes of the machine agree on, and that comes also while it sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GuardTime(i128);

impl GuardTime {
    pub(super) fn now() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: ClockId = ClockId::Monotonic;
        let time = rustix::time::clock_gettime(CLOCK);
        Self(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec))
    }

    pub(super) fn after(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i128::try_from(by.as_nanos()).unwrap_or(i128::MAX)),
        )
    }

    /// Returns when it has come.
    pub(super) async fn sleep(self) {
        SystemClock
            .sleep_until(SystemClock.mono().after(self.left()))
            .await;
    }

    /// How long from now; zero when it has come.
    fn left(self) -> Duration {
        let nanos = self.0.saturating_sub(Self::now().0);
        Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

/// The guard as the supervisor holds it. Dropping it calls the guard off: drop it when the group is dead.
#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
    line: Option<ChildStdin>,
    reaped: bool,
}

impl Guard {
    pub(super) fn start() -> io::Result<Self> {
        let mut process = child::ourselves()?
            .arg("__guard")
            // Not in a group that somebody else signals.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let line = process.stdin.take();
        if let Some(line) = &line {
            // A guard that does not read must not hold up its supervisor.
            rustix::io::ioctl_fionbio(line, true)?;
        }
        Ok(Self {
            process,
            line,
            reaped: false,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Kill `group` at `deadline`, unless told otherwise.
    pub(super) fn tell(&mut self, group: Pid, deadline: GuardTime) {
        if let Some(line) = &mut self.line {
            // A line is short enough to go as a whole or not at all (PIPE_BUF). If it does not, an earlier deadline
            // stands, or the guard is gone, which is noticed when it is reaped.
            let _ = line.write_all(format!("{group} {}\n", deadline.0).as_bytes());
        }
    }

    /// It has ended and its number may be given to others.
    pub(super) fn reaped(&mut self) {
        self.reaped = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.reaped {
            // Before its line closes, on which it would act. Fails only when it is already dead.
            let _ = self.process.kill();
        }
    }
}

/// What the guard process does.
pub(crate) fn watch_over_group() -> ExitCode {
    let (send, orders) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = io::stdin().lines().map_while(Result::ok);
        for order in lines.map_while(|line| parse(&line)) {
            if send.send(order).is_err() {
                return;
            }
        }
    });
    let Ok((mut group, mut deadline)) = orders.recv() else {
        return ExitCode::SUCCESS;
    };
    let reason = loop {
        let left = deadline.left();
        if left.is_zero() {
            break "its lease has run out";
        }
        match orders.recv_timeout(left.min(SLICE)) {
            Ok(order) => (group, deadline) = order,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break "its supervisor is gone",
        }
    };
    // Fails when it is gone already.
    if rustix::process::kill_process_group(group, Signal::KILL).is_ok() {
        child::complain(format_args!(
            "the guard has killed COMMAND's group {group}: {reason}"
        ));
    }
    ExitCode::SUCCESS
}

fn parse(line: &str) -> Option<(Pid, GuardTime)> {
    let (group, deadline) = line.split_once(' ')?;
    Some((
        Pid::from_raw(group.parse().ok()?)?,
        GuardTime(deadline.parse().ok()?),
    ))
}
