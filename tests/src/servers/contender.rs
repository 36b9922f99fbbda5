//! Candidates that run one of Go's electors around nothing or a command: client-go's `leaderelection`, or the `concurrency` of
//! etcd's client. And those of ours that are measured beside them in the same way.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use tempfile::TempDir;

use super::ServerError;
use super::patience::Patience;
use super::process::Process;

/// A Go candidate that is not started yet; [`GoContender::lease`], [`GoContender::endpoints`] and [`GoContender::etcd`] make one.
#[derive(Clone, Debug)]
#[must_use = "start it"]
pub struct Contender {
    program: &'static str,
    /// Where it is, if it is none of those in `tests/servers`.
    path: Option<PathBuf>,
    identity: String,
    flags: Vec<OsString>,
    command: Vec<OsString>,
}

impl Contender {
    /// LeaseDuration, RenewDeadline and RetryPeriod; client-go's 15, 10 and 2 s unless said.
    ///
    /// The record has whole seconds: client-go writes the lease duration without what is below one.
    pub fn timing(self, lease_duration: Duration, renew_deadline: Duration, retry_period: Duration) -> Self {
        let nanos = |duration: Duration| format!("{}ns", duration.as_nanos());
        self.flag("--lease-duration", nanos(lease_duration))
            .flag("--renew-deadline", nanos(renew_deadline))
            .flag("--retry-period", nanos(retry_period))
    }

    /// Gives the lock up when told to end, as `ReleaseOnCancel` says.
    pub fn release_on_cancel(mut self) -> Self {
        self.flags.push("--release-on-cancel".into());
        self
    }

    /// Writes Events about the election in the name of that component, by client-go's own recorder.
    pub fn events(self, component: &str) -> Self {
        self.flag("--events", component)
    }

    /// Another kind of lock: `endpoints`, `configmaps`, `leases`, `endpointsleases` or `configmapsleases`, which only the
    /// old client-go behind [`GoContender::endpoints`] knows.
    pub fn lock(self, kind: &str) -> Self {
        self.flag("--lock-kind", kind)
    }

    /// What to run while leading: a program, by its whole path, and its arguments. Its output goes to the log, its
    /// environment is empty, and it dies with the contender.
    pub fn command<W: Into<OsString>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command = words.into_iter().map(Into::into).collect();
        self
    }

    /// A program at that path which takes the same flags and says the same, to be measured in the same way.
    pub fn played_by(self, program: impl Into<PathBuf>) -> Self {
        Self {
            program: "contender of ours",
            path: Some(program.into()),
            ..self
        }
    }

    /// Played by a program that is a contender only as this word, its first argument, says.
    pub fn as_its(mut self, word: &str) -> Self {
        self.flags.insert(0, word.into());
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program is not built (the message names `tests/run.sh`) or does not start.
    pub fn start(self) -> Result<GoContender, ServerError> {
        let folder = tempfile::Builder::new()
            .prefix("leaderelection-contender-")
            .tempdir()
            .map_err(ServerError::io("make a temporary folder"))?;
        let mut args = self.flags;
        args.push("--".into());
        args.extend(self.command);
        let log = folder.path().join("log");
        let (process, output) = match &self.path {
            Some(path) => Process::spawn_piped_at(self.program, path, &args, &log),
            None => Process::spawn_piped(self.program, &args, &log),
        }?;
        let (sender, events) = mpsc::channel();
        std::thread::Builder::new()
            .name(format!("events of {}", self.identity))
            .spawn(move || {
                for line in BufReader::new(output).lines() {
                    let event = line.and_then(|line| parse(&line));
                    let broken = event.is_err();
                    if sender.send(event).is_err() || broken {
                        break;
                    }
                }
            })
            .map_err(ServerError::io("start a thread"))?;
        Ok(GoContender {
            name: format!("{} {}", self.program, self.identity),
            program: self.program,
            process: Some(process),
            _folder: folder,
            events,
            said: Vec::new(),
            given: Vec::new(),
        })
    }

    fn flag(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.flags.push(name.into());
        self.flags.push(value.into());
        self
    }
}

/// What a contender said.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Said {
    /// client-go called OnStartedLeading.
    StartedLeading,
    /// Nothing more is done in the lead: the command has ended, or there was none and the lead is over.
    WorkEnded,
    /// client-go called OnStoppedLeading, as it does also when a candidate ends that never led.
    StoppedLeading,
    /// client-go called OnNewLeader.
    NewLeader,
    /// A renewal was confirmed; client-go's does not tell.
    Renewed,
    /// SIGTERM has come: now the work ends, then the election.
    Terminating,
}

impl Said {
    fn word(self) -> &'static str {
        match self {
            Self::StartedLeading => "started_leading",
            Self::WorkEnded => "work_ended",
            Self::StoppedLeading => "stopped_leading",
            Self::NewLeader => "new_leader",
            Self::Renewed => "renewed",
            Self::Terminating => "terminating",
        }
    }
}

/// Something that a contender said, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ContenderEvent {
    /// What.
    pub said: Said,
    /// The new leader's identity, or else the contender's own.
    pub identity: String,
    /// By the wall clock.
    pub at: DateTime<Utc>,
    /// By the clock of [`monotonic`], which all processes of this machine share.
    pub monotonic: Duration,
}

impl fmt::Display for ContenderEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.at.format("%T%.6f"),
            self.said.word(),
            self.identity
        )
    }
}

/// Now, by the clock of [`ContenderEvent::monotonic`] (`CLOCK_MONOTONIC`).
pub fn monotonic() -> Duration {
    // Never negative, and there since Linux 2.6.
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or_default()
}

/// A running Go candidate. Dropping it kills it and its command.
///
/// On SIGTERM it does what a careful Go program does: it ends its work, then cancels the elector's context. A leader
/// that loses its lease exits with status 1, as Go programs do.
///
/// ```no_run
/// use std::time::Duration;
/// use leaderelection_tests::servers::{GoContender, KubeApiserver, Said};
///
/// let server = KubeApiserver::shared()?;
/// let namespace = server.namespace("docs")?;
/// let mut go = GoContender::endpoints(server.kubeconfig(), &namespace, "job", "go-1")
///     .release_on_cancel()
///     .start()?;
/// go.wait_for(Said::StartedLeading, Duration::from_secs(10))?;
/// go.terminate()?;
/// # Ok::<(), leaderelection_tests::servers::ServerError>(())
/// ```
#[derive(Debug)]
pub struct GoContender {
    name: String,
    program: &'static str,
    // Before the folder: fields are dropped in this order.
    process: Option<Process>,
    _folder: TempDir,
    events: Receiver<io::Result<ContenderEvent>>,
    said: Vec<ContenderEvent>,
    given: Vec<Said>,
}

impl GoContender {
    /// A candidate on a Lease, with today's client-go.
    pub fn lease(kubeconfig: impl Into<PathBuf>, namespace: &str, name: &str, identity: &str) -> Contender {
        contender("contender-lease", kubeconfig.into(), namespace, name, identity)
    }

    /// A candidate on an Endpoints object, with client-go v0.23.17, the last that has this lock; on a ConfigMap or a Lease,
    /// with [`Contender::lock`].
    pub fn endpoints(
        kubeconfig: impl Into<PathBuf>,
        namespace: &str,
        name: &str,
        identity: &str,
    ) -> Contender {
        contender("contender-0.23", kubeconfig.into(), namespace, name, identity)
    }

    /// A candidate on those keys of an etcd, with the `concurrency` of etcd's Go client in the server's version. Of the timing it
    /// has the lease duration, in whole seconds: its session's.
    pub fn etcd(endpoint: &str, prefix: &str, identity: &str) -> Contender {
        none_yet("contender-etcd", identity)
            .flag("--server", endpoint)
            .flag("--name", prefix)
            .flag("--identity", identity)
    }

    /// The next event of that kind, said already or to come: each is given once.
    ///
    /// Events of other kinds do not matter. client-go calls OnStartedLeading and OnNewLeader from goroutines of their
    /// own, so even those of one moment come in any order.
    ///
    /// # Errors
    /// When it does not come within the limit, or the contender ends without (the message has the end of its log).
    pub fn wait_for(&mut self, wanted: Said, limit: Duration) -> Result<ContenderEvent, ServerError> {
        let patience = Patience::new(limit);
        loop {
            let given = self.given.iter().filter(|said| **said == wanted).count();
            let mut such = self.said.iter().filter(|event| event.said == wanted);
            if let Some(event) = such.nth(given) {
                self.given.push(wanted);
                return Ok(event.clone());
            }
            match self.events.recv_timeout(patience.left()) {
                Ok(event) => {
                    let event = event.map_err(ServerError::io(format!("understand {}", self.name)))?;
                    self.said.push(event);
                }
                Err(RecvTimeoutError::Timeout) => return Err(self.silent(wanted.word(), limit)),
                Err(RecvTimeoutError::Disconnected) => {
                    let log = self.log_tail();
                    return Err(match self.wait_for_end(limit) {
                        Ok(status) => ServerError::Ended {
                            program: self.program,
                            status,
                            log,
                        },
                        Err(error) => error,
                    });
                }
            }
        }
    }

    /// All that it has said so far, in order.
    ///
    /// # Errors
    /// When it said something that is no event.
    pub fn events(&mut self) -> Result<&[ContenderEvent], ServerError> {
        while let Ok(event) = self.events.try_recv() {
            let event = event.map_err(ServerError::io(format!("understand {}", self.name)))?;
            self.said.push(event);
        }
        Ok(&self.said)
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// When it does not run.
    pub fn terminate(&mut self) -> Result<(), ServerError> {
        self.running()?.terminate()
    }

    /// How it ends: by itself, or after [`terminate`](Self::terminate).
    ///
    /// # Errors
    /// When it does not within the limit, or was killed.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus, ServerError> {
        let patience = Patience::new(limit);
        loop {
            let process = self
                .process
                .as_mut()
                .ok_or(ServerError::NotRunning(self.program))?;
            if let Some(status) = process.ended()? {
                return Ok(status);
            }
            if !patience.pause() {
                return Err(self.silent("goodbye", limit));
            }
        }
    }

    /// SIGKILL: it is gone, and its lock is not given up.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// SIGSTOP: it does nothing more, until [`GoContender::cont`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.running()?.stop()
    }

    /// SIGCONT after [`GoContender::stop`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn cont(&mut self) -> Result<(), ServerError> {
        self.running()?.cont()
    }

    /// The end of what client-go logged, until it is killed.
    pub fn log_tail(&self) -> String {
        self.process.as_ref().map(Process::log_tail).unwrap_or_default()
    }

    /// The process id, until it is killed.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The process, if it has not ended: the number of one that has may soon be somebody else's.
    fn running(&mut self) -> Result<&Process, ServerError> {
        let program = self.program;
        let process = self.process.as_mut().ok_or(ServerError::NotRunning(program))?;
        match process.ended()? {
            None => Ok(process),
            Some(_) => Err(ServerError::NotRunning(program)),
        }
    }

    fn silent(&self, wanted: &'static str, limit: Duration) -> ServerError {
        let said: Vec<String> = self.said.iter().map(ToString::to_string).collect();
        ServerError::Silent {
            contender: self.name.clone(),
            wanted,
            limit,
            said: said.join(", "),
            log: self.log_tail(),
        }
    }
}

fn contender(
    program: &'static str,
    kubeconfig: PathBuf,
    namespace: &str,
    name: &str,
    identity: &str,
) -> Contender {
    none_yet(program, identity)
        .flag("--kubeconfig", kubeconfig)
        .flag("--namespace", namespace)
        .flag("--name", name)
        .flag("--identity", identity)
}

fn none_yet(program: &'static str, identity: &str) -> Contender {
    Contender {
        program,
        path: None,
        identity: identity.to_owned(),
        flags: Vec::new(),
        command: Vec::new(),
    }
}

fn parse(line: &str) -> io::Result<ContenderEvent> {
    #[derive(Deserialize)]
    struct Line {
        event: Said,
        identity: String,
        unix_nanos: i64,
        monotonic_nanos: u64,
    }
    let line: Line =
        serde_json::from_str(line).map_err(|error| io::Error::other(format!("{error} in {line}")))?;
    Ok(ContenderEvent {
        said: line.event,
        identity: line.identity,
        at: DateTime::from_timestamp_nanos(line.unix_nanos),
        monotonic: Duration::from_nanos(line.monotonic_nanos),
    })
}
