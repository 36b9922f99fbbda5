//! COMMAND's process group: started, signalled, killed, and known to be dead.
//!
//! On Linux this process adopts what its descendants leave behind (as PID 1 of a container does anyway), so it knows when
//! the *whole* group is dead, and not only its leader. It is the only one on this thread that waits for children; a thread
//! that starts some of its own, as kube's client does for credentials, waits for them itself.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::rc::Rc;

use leaderelection::Leadership;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::child;
use super::guard::{Guard, GuardTime};

/// Whom to bury. What a thread started is that thread's, and what is adopted is the main thread's, which this is.
#[cfg(target_os = "linux")]
const THIS_THREADS: WaitOptions = {
    /// `__WNOTHREAD` of wait(2).
    const NO_OTHER_THREADS: u32 = 0x2000_0000;
    WaitOptions::NOHANG.union(WaitOptions::from_bits_retain(NO_OTHER_THREADS))
};
/// Elsewhere nobody can tell them apart: a plugin that kube runs may be missed there.
#[cfg(not(target_os = "linux"))]
const THIS_THREADS: WaitOptions = WaitOptions::NOHANG;

/// COMMAND could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("no process to guard COMMAND: {0}")]
    Guard(io::Error),
    #[error("no process for COMMAND: {0}")]
    Command(io::Error),
}

impl StartError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Guard(_) => 1,
            Self::Command(_) => child::NOT_EXECUTABLE,
        }
    }
}

/// All children of this process.
pub(super) struct Children {
    groups: RefCell<Vec<Rc<Group>>>,
    changed: watch::Sender<()>,
}

/// A process group that is not known to be dead.
struct Group {
    /// Its first process, which gave it its number.
    leader: Pid,
    guard: RefCell<Guard>,
    guard_gone: Cell<bool>,
    leader_end: Cell<Option<WaitStatus>>,
    dead: Cell<bool>,
    /// The term lasts until the group is dead, whoever has lost interest in it (SAFETY 13).
    _leadership: Leadership,
}

/// The group of one term's COMMAND. Dropping it kills the group at once.
pub(super) struct RunningGroup<'a> {
    children: &'a Children,
    group: Rc<Group>,
}

/// How a group ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupEnd {
    /// With the exit code of its leader, 128 + S if signal S killed it.
    Code(u8),
    /// Killed, because its guard was gone.
    GuardGone,
}

impl Children {
    /// From now on, what descendants leave behind comes here.
    pub(super) fn adopt() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self {
            groups: RefCell::default(),
            changed: watch::Sender::default(),
        })
    }

    /// Starts COMMAND in a group of its own, guarded from the start.
    pub(super) fn start(
        &self,
        command: &[OsString],
        variables: [(&str, String); 2],
        leadership: Leadership,
        last_moment: GuardTime,
    ) -> Result<RunningGroup<'_>, StartError> {
        let mut guard = Guard::start().map_err(StartError::Guard)?;
        let process = child::shim(command)
            .and_then(|mut shim| shim.envs(variables).process_group(0).spawn())
            .map_err(StartError::Command)?;
        let leader = Pid::from_child(&process);
        guard.tell(leader, last_moment);
        tracing::info!(pid = process.id(), token = %leadership.token(), "started COMMAND");
        let group = Rc::new(Group {
            leader,
            guard: RefCell::new(guard),
            guard_gone: Cell::new(false),
            leader_end: Cell::new(None),
            dead: Cell::new(false),
            _leadership: leadership,
        });
        self.groups.borrow_mut().push(Rc::clone(&group));
        Ok(RunningGroup {
            children: self,
            group,
        })
    }

    /// Buries children as they die. To be polled as long as there may be any.
    pub(super) fn reap(&self) -> io::Result<impl Future<Output = Infallible>> {
        let mut deaths = signal(SignalKind::child())?;
        Ok(async move {
            loop {
                deaths.recv().await;
                self.bury();
            }
        })
    }

    fn bury(&self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(THIS_THREADS) {
            for group in self.groups.borrow().iter() {
                group.has_died(pid, status);
            }
        }
        self.groups.borrow_mut().retain(|group| !group.is_dead());
        self.changed.send_replace(());
    }
}

impl Group {
    fn has_died(&self, pid: Pid, status: WaitStatus) {
        if pid == self.leader {
            // The rest of the group first: its number is its own while one of it lives.
            let _ = rustix::process::kill_process_group(self.leader, Signal::KILL);
            self.leader_end.set(Some(status));
        } else if pid == self.guard.borrow().pid() {
            self.guard.borrow_mut().reaped();
            self.guard_gone.set(true);
            self.signal(Signal::KILL);
        }
    }

    /// Whether no process of the group is left, as far as this system lets its parent see.
    fn is_dead(&self) -> bool {
        let looks = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !self.dead.get() && self.leader_end.get().is_some() {
            let members = rustix::process::waitid(WaitId::Pgid(Some(self.leader)), looks);
            self.dead
                .set(members.is_err_and(|error| error == rustix::io::Errno::CHILD));
        }
        self.dead.get()
    }

    /// Nothing when the leader is buried: then the rest has been killed, and the number may be another group's.
    fn signal(&self, signal: Signal) {
        if self.leader_end.get().is_none() {
            // It may be dead and not yet buried.
            let _ = rustix::process::kill_process_group(self.leader, signal);
        }
    }
}

impl RunningGroup<'_> {
    /// Waits until the leader has ended and the whole group is dead.
    pub(super) async fn ended(&self) -> GroupEnd {
        let mut changed = self.children.changed.subscribe();
        while !self.group.dead.get() {
            // The sender lives in `children`, so a change is all that this can be.
            let _ = changed.changed().await;
        }
        let status = self.group.leader_end.get();
        let signal = status
            .and_then(WaitStatus::terminating_signal)
            .map(|signal| 128 + signal);
        let code = status.and_then(WaitStatus::exit_status).or(signal).unwrap_or(1);
        tracing::info!(code, "COMMAND has ended");
        if self.group.guard_gone.get() {
            GroupEnd::GuardGone
        } else {
            GroupEnd::Code(u8::try_from(code).unwrap_or(u8::MAX))
        }
    }

    /// Asks it to finish.
    pub(super) fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.group.signal(Signal::KILL);
    }

    /// The guard lets it live until then.
    pub(super) fn live_until(&self, last_moment: GuardTime) {
        self.group.guard.borrow_mut().tell(self.group.leader, last_moment);
    }
}

impl Drop for RunningGroup<'_> {
    fn drop(&mut self) {
        if self.group.leader_end.get().is_none() {
            tracing::warn!("COMMAND has outlived its term: it is killed");
            self.kill();
        }
    }
}
