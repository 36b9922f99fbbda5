//! A running candidate of either side, and what it says of its work.

use rustix::process::Signal;

use super::{LIMIT, Result, Side};
use crate::clocked::{Moment, Working, worked};
use crate::leaderelect::{Leaderelect, death_of};
use crate::servers::{GoContender, Said};

/// A running candidate.
#[derive(Debug)]
pub struct Candidate {
    process: Process,
    identity: String,
    works_as: Option<Working>,
}

#[derive(Debug)]
pub(super) enum Process {
    Ours(Leaderelect),
    Go(Box<GoContender>),
}

/// How a leader ended that was asked to.
#[derive(Debug, Clone, Copy)]
pub struct Stopped {
    /// When its work ended.
    pub work_ended: Moment,
    /// Whether it says itself that it could not release, as client-go v0.23 does when a renewal of its own, cancelled but
    /// already on its way, lands before the release: that is a conflict, and it does not try again.
    pub release_lost: bool,
}

impl Candidate {
    pub(super) fn new(process: Process, identity: String) -> Self {
        Self {
            process,
            identity,
            works_as: None,
        }
    }

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

    /// Waits until a leader that was asked to stop is gone.
    ///
    /// # Errors
    /// When it does not, or not well.
    pub fn stopped(mut self) -> Result<Stopped> {
        let (work_ended, status, release_lost) = match &mut self.process {
            Process::Ours(ours) => {
                let line = ours.said("worked ")?.text;
                let ended = worked(&line).ok_or_else(|| format!("no line of the work: {line:?}"))?;
                (ended, ours.exited()?, false)
            }
            Process::Go(go) => {
                let event = go.wait_for(Said::WorkEnded, LIMIT)?;
                let ended = Moment {
                    monotonic: event.monotonic,
                    wall: event.at,
                };
                let status = go.wait_for_end(LIMIT)?;
                (ended, status, go.log_tail().contains("Failed to release"))
            }
        };
        if !status.success() {
            return Err(format!("{} was asked to stop and ended with {status}", self.identity).into());
        }
        Ok(Stopped {
            work_ended,
            release_lost,
        })
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
