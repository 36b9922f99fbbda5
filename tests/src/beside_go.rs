//! One election on an Endpoints object of a real kube-apiserver, between real `leaderelect run` processes and client-go's
//! elector (v0.23.17, the last with this lock), in any order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::Signal;

use crate::clocked::{Moment, Working, worked};
use crate::leaderelect::{Leaderelect, death_of};
use crate::servers::{GoContender, KubeApiserver, KubeRequest, Said};
use crate::time::wait;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long what must come may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The argument with which the program is the work of [`crate::clocked`].
pub const WORK: &str = "clocked-work";

/// Whose candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `leaderelect run`.
    Ours,
    /// client-go.
    Go,
}

impl Side {
    /// The verbs with which it writes a record.
    fn verbs(self) -> [&'static str; 2] {
        match self {
            Self::Ours => ["create", "patch"],
            Self::Go => ["create", "update"],
        }
    }
}

/// An election, and how its candidates are started.
#[derive(Debug)]
pub struct Stage<'a> {
    server: &'a KubeApiserver,
    namespace: String,
    program: PathBuf,
    /// Lease duration, renew deadline, retry period.
    timing: [Duration; 3],
    /// For ours, beside those of the timing.
    flags: Vec<String>,
    started: usize,
}

/// A running candidate.
#[derive(Debug)]
pub struct Candidate {
    process: Process,
    identity: String,
    works_as: Option<Working>,
}

#[derive(Debug)]
enum Process {
    Ours(Leaderelect),
    Go(Box<GoContender>),
}

impl<'a> Stage<'a> {
    /// An election that nobody has held, in a namespace of its own. `program` is `leaderelect`, or with the argument
    /// [`WORK`] its work. The flags go to ours.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn new(
        server: &'a KubeApiserver,
        name: &str,
        program: impl Into<PathBuf>,
        timing: [Duration; 3],
        flags: &[&str],
    ) -> Result<Self> {
        let names = ["--lease-duration", "--renew-deadline", "--retry-period"];
        let durations = names
            .into_iter()
            .zip(timing)
            .flat_map(|(name, duration)| [name.to_owned(), format!("{}ms", duration.as_millis())]);
        Ok(Self {
            server,
            namespace: server.namespace(name)?,
            program: program.into(),
            timing,
            flags: durations
                .chain(flags.iter().map(|&flag| flag.to_owned()))
                .collect(),
            started: 0,
        })
    }

    /// The namespace of the object, whose name is `job`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Starts a candidate.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn join(&mut self, side: Side) -> Result<Candidate> {
        let identity = format!("{side:?}-{}", self.started).to_lowercase();
        self.started += 1;
        let kubeconfig = self.server.kubeconfig();
        let process = match side {
            Side::Ours => {
                let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
                let program = self.program.display().to_string();
                Process::Ours(Leaderelect::start_in(
                    &kubeconfig,
                    Path::new(&program),
                    &format!("endpoints:{}/job", self.namespace),
                    &identity,
                    &flags,
                    &[&program, WORK],
                )?)
            }
            Side::Go => {
                let [lease_duration, renew_deadline, retry_period] = self.timing;
                let go = GoContender::endpoints(kubeconfig, &self.namespace, "job", &identity)
                    .timing(lease_duration, renew_deadline, retry_period)
                    .release_on_cancel()
                    .start()?;
                Process::Go(Box::new(go))
            }
        };
        Ok(Candidate {
            process,
            identity,
            works_as: None,
        })
    }

    /// The requests of that kind about the object, as the server logged their arrival.
    ///
    /// # Errors
    /// When there is no log.
    pub fn requests(&self, wanted: impl Fn(&KubeRequest) -> bool) -> Result<Vec<KubeRequest>> {
        let about = |request: &KubeRequest| {
            request.namespace == self.namespace && request.resource == "endpoints" && wanted(request)
        };
        Ok(self.server.requests(about)?)
    }

    /// The writes of one side's candidates.
    ///
    /// # Errors
    /// When there is no log.
    pub fn writes(&self, side: Side) -> Result<Vec<DateTime<Utc>>> {
        let writes = self.requests(|request| side.verbs().contains(&request.verb.as_str()))?;
        Ok(writes.into_iter().map(|request| request.at).collect())
    }

    /// Waits until a candidate of that side renews.
    ///
    /// # Errors
    /// When none does.
    pub fn renewed(&self, side: Side) -> Result<()> {
        let before = self.writes(side)?.len();
        let begin = Moment::now();
        while self.writes(side)?.len() == before {
            if Moment::now().since(begin) > LIMIT.as_secs_f64() * 1e3 {
                return Err(format!("no renewal by {side:?} within {LIMIT:?}").into());
            }
            wait(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Candidate {
    /// Its identity in the record.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whose it is.
    pub fn side(&self) -> Side {
        match self.process {
            Process::Ours(_) => Side::Ours,
            Process::Go(_) => Side::Go,
        }
    }

    /// Waits until it works, and says since when.
    ///
    /// # Errors
    /// When it does not.
    pub fn works(&mut self) -> Result<Moment> {
        match &mut self.process {
            Process::Ours(ours) => {
                let line = ours.said("working ")?.text;
                let working =
                    Working::parse(&line).ok_or_else(|| format!("no line of the work: {line:?}"))?;
                self.works_as = Some(working);
                Ok(working.since)
            }
            Process::Go(go) => {
                let event = go.wait_for(Said::StartedLeading, LIMIT)?;
                Ok(Moment {
                    monotonic: event.monotonic,
                    wall: event.at,
                })
            }
        }
    }

    /// Whether it has begun or ended work that nobody has waited for.
    ///
    /// # Errors
    /// When it said something that nobody understands.
    pub fn stirred(&mut self, works: bool) -> Result<bool> {
        Ok(match &mut self.process {
            Process::Ours(ours) => !ours.said_so_far().is_empty(),
            Process::Go(go) => {
                let starts = |said| said == Said::StartedLeading;
                let events = go.events()?;
                let started = events.iter().filter(|event| starts(event.said)).count();
                let ended = events.iter().any(|event| event.said == Said::WorkEnded);
                ended || started > usize::from(works)
            }
        })
    }

    /// Waits until it knows who leads.
    ///
    /// # Errors
    /// When it does not learn it.
    pub fn follows(&mut self, leader: &Self) -> Result<()> {
        match &mut self.process {
            Process::Ours(ours) => drop(ours.follows(&leader.identity)?),
            Process::Go(go) => {
                let seen = go.wait_for(Said::NewLeader, LIMIT)?.identity;
                if seen != leader.identity {
                    return Err(format!("{} follows {seen}, not {}", self.identity, leader.identity).into());
                }
            }
        }
        Ok(())
    }

    /// Asks a leader to stop.
    ///
    /// # Errors
    /// When it is gone.
    pub fn ask_to_stop(&mut self) -> Result<Moment> {
        let asked = Moment::now();
        match &mut self.process {
            Process::Ours(ours) => ours.send(Signal::TERM)?,
            Process::Go(go) => go.terminate()?,
        }
        Ok(asked)
    }

    /// Waits until a leader that was asked to stop is gone, and says when its work ended.
    ///
    /// # Errors
    /// When it does not, or not well.
    pub fn stopped(mut self) -> Result<Moment> {
        let (ended, status) = match &mut self.process {
            Process::Ours(ours) => {
                let line = ours.said("worked ")?.text;
                let ended = worked(&line).ok_or_else(|| format!("no line of the work: {line:?}"))?;
                (ended, ours.exited()?)
            }
            Process::Go(go) => {
                let event = go.wait_for(Said::WorkEnded, LIMIT)?;
                let ended = Moment {
                    monotonic: event.monotonic,
                    wall: event.at,
                };
                (ended, go.wait_for_end(LIMIT)?)
            }
        };
        if !status.success() {
            return Err(format!("{} was asked to stop and ended with {status}", self.identity).into());
        }
        Ok(ended)
    }

    /// Kills a leader with SIGKILL, and says when its work was seen to be dead.
    ///
    /// # Errors
    /// When its work lives on.
    pub fn killed(mut self) -> Result<Moment> {
        match &mut self.process {
            Process::Ours(ours) => {
                let work = self.works_as.ok_or("it never worked")?;
                ours.send(Signal::KILL)?;
                ours.exited()?;
                death_of(work.pid, LIMIT).ok_or("the work outlives its supervisor")?;
            }
            Process::Go(go) => go.kill(),
        }
        Ok(Moment::now())
    }
}

/// One change of the leader.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Who led.
    pub from: Side,
    /// Who leads.
    pub to: Side,
    /// Milliseconds from SIGTERM or SIGKILL until the next works.
    pub from_signal: f64,
    /// Milliseconds in which nobody worked; negative: in which two did.
    pub without_work: f64,
    /// Milliseconds from the arrival of the last renewal, as the server logged it, until the next works.
    pub from_renewal: f64,
}

/// Hands over by release, from each of `sides` to the next; the first is already the leader.
///
/// `pause` says how long to wait in each round, once the next knows whom it follows.
///
/// # Errors
/// When a process or the server does not do its part.
pub fn by_release(
    stage: &mut Stage<'_>,
    sides: impl IntoIterator<Item = Side>,
    pause: impl Fn(usize) -> Duration,
) -> Result<Vec<Change>> {
    chain(stage, sides, |_, round, _| {
        wait(pause(round));
        Ok(false)
    })
}

/// As [`by_release`], but each leader is killed with SIGKILL between two of its renewals.
///
/// # Errors
/// When a process or the server does not do its part.
pub fn by_kill(stage: &mut Stage<'_>, sides: impl IntoIterator<Item = Side>) -> Result<Vec<Change>> {
    chain(stage, sides, |stage, round, leader| {
        // Not while a renewal is on its way, of which nobody knows whether it landed.
        stage.renewed(leader.side())?;
        wait(Duration::from_millis(30 + 31 * (round as u64 % 5)));
        Ok(true)
    })
}

fn chain(
    stage: &mut Stage<'_>,
    sides: impl IntoIterator<Item = Side>,
    prepare: impl Fn(&Stage<'_>, usize, &Candidate) -> Result<bool>,
) -> Result<Vec<Change>> {
    let mut sides = sides.into_iter();
    let mut leader = stage.join(sides.next().ok_or("no first leader")?)?;
    leader.works()?;
    let mut changes = Vec::new();
    for (round, side) in sides.enumerate() {
        let mut next = stage.join(side)?;
        next.follows(&leader)?;
        let kill = prepare(stage, round, &leader)?;
        if next.stirred(false)? {
            return Err(format!(
                "round {round}: {} works beside {}",
                next.identity, leader.identity
            )
            .into());
        }
        let from = leader.side();
        let (asked, ended) = if kill {
            let asked = Moment::now();
            (asked, leader.killed()?)
        } else {
            let asked = leader.ask_to_stop()?;
            (asked, leader.stopped()?)
        };
        let writes = stage.writes(from)?.into_iter();
        let renewed = writes.filter(|at| *at <= ended.wall).max();
        let works = next.works()?;
        changes.push(Change {
            from,
            to: side,
            from_signal: works.since(asked),
            without_work: works.since(ended),
            from_renewal: works.since_wall(renewed.ok_or("the leader wrote nothing")?),
        });
        leader = next;
    }
    leader.ask_to_stop()?;
    leader.stopped()?;
    Ok(changes)
}

/// A line of a table: a name and the least, p50, p99 and most of these milliseconds.
pub fn row(name: &str, milliseconds: impl IntoIterator<Item = f64>) -> String {
    let mut sorted: Vec<f64> = milliseconds.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    };
    format!(
        "  {name:<44} n {:>2}   least {:>8.1} ms   p50 {:>8.1} ms   p99 {:>8.1} ms   most {:>8.1} ms",
        sorted.len(),
        at(0),
        at(50),
        at(99),
        at(100)
    )
}
