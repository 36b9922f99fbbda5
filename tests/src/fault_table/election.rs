//! One election: a leader at work, and two who follow it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::judge::{self, Round};
use super::{Fault, LEASE, LIMIT, RENEW_DEADLINE, RETRY_PERIOD, Result, STOP_GRACE, WORK};
use crate::beats::{self, Beats};
use crate::leaderelect::Leaderelect;
use crate::servers::monotonic;
use crate::time::{pause, wait};

const LEADER: &str = "leader";
const FOLLOWERS: [&str; 2] = ["follower-1", "follower-2"];

/// How long to look on when it seems to be over.
const AFTERWARDS: Duration = Duration::from_millis(1_500);

/// How a candidate comes to the lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// As `--lock` names it.
    pub(crate) lock: String,
    /// Of `leaderelect run`, beside those of the timing.
    pub(crate) flags: Vec<String>,
    /// Of its environment.
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
}

/// Real processes.
pub(crate) struct Election {
    // Before the folder in which their work writes.
    pub(crate) leader: Leaderelect,
    pub(crate) followers: Vec<Leaderelect>,
    folder: TempDir,
}

impl Election {
    /// Waits until the leader works and both others know it. `program` is `leaderelect`, and its [work](super::program).
    pub(crate) fn begin<F: Fault>(
        program: &Path,
        row: F,
        leader: &Access,
        followers: &Access,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("leaderelection-faults-")
            .tempdir()?;
        let beats = folder.path().join("beats");
        std::fs::create_dir(&beats)?;
        let stubborn = row.work_is_stubborn();
        let join = |access, identity| start(program, access, stubborn, &beats, identity);
        let leader = join(leader, LEADER)?;
        wait_until("the leader to work", || Ok(!beats::read(&beats)?.is_empty()))?;
        let mut all = Vec::new();
        for identity in FOLLOWERS {
            all.push(join(followers, identity)?);
        }
        for follower in &all {
            follower.follows(LEADER)?;
        }
        Ok(Self {
            leader,
            followers: all,
            folder,
        })
    }

    fn beating(&self) -> PathBuf {
        self.folder.path().join("beats")
    }

    /// When which work ran so far.
    pub(crate) fn beats(&self) -> Result<Vec<Beats>> {
        Ok(beats::read(&self.beating())?)
    }

    /// Signals all that the leader runs, its work first: what it guards its work with, and itself.
    pub(crate) fn signal_leader(&self, signal: Signal) -> Result<()> {
        let mut all: Vec<u32> = self
            .beats()?
            .iter()
            .filter(|run| run.identity == LEADER)
            .map(|run| run.pid)
            .collect();
        let children = children(self.leader.pid())?;
        all.extend(
            children
                .into_iter()
                .filter(|child| !all.contains(child))
                .collect::<Vec<_>>(),
        );
        if all.len() < 2 {
            return Err(format!("work and its guard are two processes, not {all:?}").into());
        }
        for pid in all {
            let pid = Pid::from_raw(i32::try_from(pid)?).ok_or("no process 0")?;
            rustix::process::kill_process(pid, signal)?;
        }
        self.leader.send(signal)?;
        Ok(())
    }

    /// After a fault that began at `struck` and is over: waits until the next leader works or it is clear that none is needed, and a
    /// little longer; then judges. `names` stand in the table for what differs from run to run.
    pub(crate) fn settle<F: Fault>(&self, row: F, struck: Duration, names: &[(&str, &str)]) -> Result<Round> {
        let over = monotonic();
        let kept = |now| row.may_keep() && now > over + LEASE + AFTERWARDS;
        wait_until("the next leader to work", || {
            Ok(judge::next(&self.beats()?, struck).is_some() || kept(monotonic()))
        })?;
        wait(AFTERWARDS);
        let end = monotonic();
        let told = self.leader.logged_so_far();
        judge::round(row, &self.beats()?, struck, end, &told, names)
    }
}

/// The processes that this one has started.
fn children(parent: u32) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One may end while this reads.
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let of = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if of.map(str::trim) == Some(&parent.to_string()) {
            all.push(pid);
        }
    }
    Ok(all)
}

fn start(
    program: &Path,
    access: &Access,
    stubborn: bool,
    beats: &Path,
    identity: &str,
) -> Result<Leaderelect> {
    let durations = [
        ("--lease-duration", LEASE),
        ("--renew-deadline", RENEW_DEADLINE),
        ("--retry-period", RETRY_PERIOD),
        ("--stop-grace", STOP_GRACE),
    ];
    let flags: Vec<String> = durations
        .into_iter()
        .flat_map(|(name, duration)| [name.to_owned(), format!("{}ms", duration.as_millis())])
        .chain(access.flags.iter().cloned())
        .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut process = Command::new(program);
    process.envs(access.variables.iter().map(|(name, value)| (name, value)));
    if stubborn {
        process.env(beats::STUBBORN, "1");
    }
    let command = [
        program.display().to_string(),
        WORK.to_owned(),
        beats.display().to_string(),
    ];
    Ok(Leaderelect::start_by(
        process,
        &access.lock,
        identity,
        &flags,
        &command.each_ref().map(String::as_str),
    )?)
}

/// Looks again and again.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = monotonic() + LIMIT;
    while !done()? {
        if monotonic() > end {
            return Err(format!("not within {LIMIT:?}: {what}").into());
        }
        wait(Duration::from_millis(5));
    }
    pause();
    Ok(())
}
