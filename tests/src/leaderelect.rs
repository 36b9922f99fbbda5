//! Real `leaderelect run` processes and other programs that elect, and what they and their commands say, with the time.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use leaderelection::MonoTime;
use rustix::process::{Pid, Signal};

use crate::servers::Janitor;
use crate::time::now;

/// How long what must come may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Flags for a lease of 3 s: renewed every 500 ms, deadline 2 s, stop grace 500 ms.
pub const SHORT_LEASE: [&str; 8] = [
    "--lease-duration",
    "3s",
    "--renew-deadline",
    "2s",
    "--retry-period",
    "500ms",
    "--stop-grace",
    "500ms",
];

/// A command for `leaderelect run` that says `start IDENTITY TOKEN PID`, works until it gets SIGTERM, and says `term`.
pub const WORK: &str = r#"trap 'echo term; exit 0' TERM; echo "start $LEADERELECT_IDENTITY $LEADERELECT_TOKEN $$"; while :; do sleep 1000 & wait $!; done"#;

/// As [`WORK`], but it goes on after SIGTERM.
pub const STUBBORN_WORK: &str = r#"trap 'echo term' TERM; echo "start $LEADERELECT_IDENTITY $LEADERELECT_TOKEN $$"; while :; do sleep 1000 & wait $!; done"#;

/// A real `leaderelect run`. Dropping it kills it and its command.
#[derive(Debug)]
pub struct Leaderelect {
    // Before the process: it must not outlive what it guards.
    _guard: Janitor,
    process: Reaped,
    out: Receiver<Line>,
    log: Receiver<Line>,
}

#[derive(Debug)]
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both fail only when it is already gone and reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A line that a process wrote.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it was read.
    pub at: MonoTime,
    /// Without its end.
    pub text: String,
}

/// A `start` line of [`WORK`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// When it was read.
    pub at: MonoTime,
    /// `LEADERELECT_IDENTITY`.
    pub identity: String,
    /// `LEADERELECT_TOKEN`.
    pub token: u64,
    /// The command's process id.
    pub pid: u32,
}

/// What a process did not do.
#[derive(Debug, thiserror::Error)]
pub enum LeaderelectError {
    /// It cannot be started, signalled or waited for.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It did not say something.
    #[error("leaderelect did not say {wanted:?} within {LIMIT:?}; its log:\n{log}")]
    Silent {
        /// What it should have said.
        wanted: String,
        /// What else it said.
        log: String,
    },
    /// It did not end.
    #[error("leaderelect did not end within {LIMIT:?}; its log:\n{log}")]
    Runs {
        /// What it said meanwhile.
        log: String,
    },
    /// A line of [`WORK`] has another form.
    #[error("not a line of the work: {0:?}")]
    Garbled(String),
}

type Result<T> = std::result::Result<T, LeaderelectError>;

impl Leaderelect {
    /// Starts `program run --lock LOCK --identity IDENTITY FLAGS -- COMMAND`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        program: &Path,
        lock: &str,
        identity: &str,
        flags: &[&str],
        command: &[&str],
    ) -> Result<Self> {
        Self::start_by(Command::new(program), lock, identity, flags, command)
    }

    /// As [`start`](Self::start), in the cluster of that kubeconfig.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_in(
        kubeconfig: &Path,
        program: &Path,
        lock: &str,
        identity: &str,
        flags: &[&str],
        command: &[&str],
    ) -> Result<Self> {
        let mut process = Command::new(program);
        process.env("KUBECONFIG", kubeconfig);
        Self::start_by(process, lock, identity, flags, command)
    }

    /// As [`start`](Self::start), in whatever environment `process` has, whose last argument may be the program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_by(
        mut process: Command,
        lock: &str,
        identity: &str,
        flags: &[&str],
        command: &[&str],
    ) -> Result<Self> {
        process
            .args(["run", "--lock", lock, "--identity", identity])
            .args(flags)
            .arg("--")
            .args(command)
            .env("RUST_LOG", "info");
        Self::spawn(process)
    }

    /// Starts another program that elects, with what arguments and environment it has.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(mut process: Command) -> Result<Self> {
        let mut process = process
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(Reaped)?;
        let guard = Janitor::killing(&[process.0.id()])?;
        let out = lines_of(process.0.stdout.take());
        let log = lines_of(process.0.stderr.take());
        Ok(Self {
            _guard: guard,
            process,
            out,
            log,
        })
    }

    /// As [`start`](Self::start), with a shell's script as the command.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn script(program: &Path, lock: &str, identity: &str, flags: &[&str], script: &str) -> Result<Self> {
        Self::start(program, lock, identity, flags, &["sh", "-c", script])
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Waits for a line of the command that begins with `wanted`.
    ///
    /// # Errors
    /// When it does not come.
    pub fn said(&self, wanted: &str) -> Result<Line> {
        self.wait_for(&self.out, wanted, |line| line.starts_with(wanted))
    }

    /// Waits for [`WORK`] to start.
    ///
    /// # Errors
    /// When it does not.
    pub fn started(&self) -> Result<Start> {
        let line = self.said("start ")?;
        let garbled = || LeaderelectError::Garbled(line.text.clone());
        let [_, identity, token, pid] = line.text.split(' ').collect::<Vec<_>>()[..] else {
            return Err(garbled());
        };
        Ok(Start {
            at: line.at,
            identity: identity.to_owned(),
            token: token.parse().map_err(|_| garbled())?,
            pid: pid.parse().map_err(|_| garbled())?,
        })
    }

    /// The lines of the command that have come and nobody has waited for.
    pub fn said_so_far(&self) -> Vec<String> {
        self.out.try_iter().map(|line| line.text).collect()
    }

    /// The lines of the log that have come and nobody has waited for.
    pub fn logged_so_far(&self) -> Vec<String> {
        self.log.try_iter().map(|line| line.text).collect()
    }

    /// Waits for a line of the log that contains `wanted`.
    ///
    /// # Errors
    /// When it does not come.
    pub fn logged(&self, wanted: &str) -> Result<Line> {
        self.wait_for(&self.log, wanted, |line| line.contains(wanted))
    }

    /// Waits until it knows that `holder` holds the lock.
    ///
    /// # Errors
    /// When it does not learn it.
    pub fn follows(&self, holder: &str) -> Result<Line> {
        self.logged(&format!("holder={holder:?}"))
    }

    fn wait_for(&self, lines: &Receiver<Line>, wanted: &str, is_it: impl Fn(&str) -> bool) -> Result<Line> {
        let end = now().after(LIMIT);
        let mut others = String::new();
        loop {
            match lines.recv_timeout(end.since(now())) {
                Ok(line) if is_it(&line.text) => return Ok(line),
                Ok(line) => others = others + &line.text + "\n",
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(LeaderelectError::Silent {
                        wanted: wanted.to_owned(),
                        log: others + &self.rest_of_log(),
                    });
                }
            }
        }
    }

    fn rest_of_log(&self) -> String {
        self.log.try_iter().map(|line| line.text + "\n").collect()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn send(&self, signal: Signal) -> Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.process.0), signal).map_err(io::Error::from)?;
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn exited(&mut self) -> Result<ExitStatus> {
        let end = now().after(LIMIT);
        while now() < end {
            if let Some(status) = self.process.0.try_wait()? {
                return Ok(status);
            }
            crate::time::pause();
        }
        Err(LeaderelectError::Runs {
            log: self.rest_of_log(),
        })
    }
}

/// Reads lines as they come; the channel ends when the pipe does.
fn lines_of(pipe: Option<impl Read + Send + 'static>) -> Receiver<Line> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = pipe.map(BufReader::new).into_iter().flat_map(BufRead::lines);
        for text in lines.map_while(io::Result::ok) {
            if send.send(Line { at: now(), text }).is_err() {
                return;
            }
        }
    });
    receive
}

/// Whether a process is gone, or dead and not yet buried.
pub fn is_dead(pid: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
        return true;
    };
    status.lines().any(|line| line.starts_with("State:\tZ"))
}

/// When a process was seen to be dead; `None` if it outlives the limit.
pub fn death_of(pid: u32, limit: Duration) -> Option<MonoTime> {
    let end = now().after(limit);
    while now() < end {
        if is_dead(pid) {
            return Some(now());
        }
        crate::time::pause();
    }
    None
}
