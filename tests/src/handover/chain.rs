//! Candidates of one side in one election, one after another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Failover, Handover, Result};
use crate::servers::{Contender, Etcd, GoContender, KubeApiserver, Said, ServerError, monotonic};
use crate::time::wait;

/// How long what must come may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// From when a follower knows whom it follows until it surely waits for the lead.
const SETTLED: Duration = Duration::from_millis(60);

/// Whose elector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This library's.
    Ours,
    /// `concurrency.Election` of etcd's Go client; on a Lease, client-go's.
    Go,
    /// client-go's on etcd, by a lock of some lines.
    ClientGo,
}

/// Where the election is.
#[derive(Debug, Clone)]
pub struct Place {
    server: Server,
    name: String,
}

#[derive(Debug, Clone)]
enum Server {
    Etcd {
        endpoint: String,
    },
    /// On a Lease.
    Kube {
        kubeconfig: PathBuf,
        namespace: String,
    },
}

impl Place {
    /// On etcd.
    pub fn key(etcd: &Etcd, name: impl Into<String>) -> Self {
        Self {
            server: Server::Etcd {
                endpoint: etcd.endpoint(),
            },
            name: name.into(),
        }
    }

    /// On a Lease, in a namespace of its own.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn lease(server: &KubeApiserver, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        Ok(Self {
            server: Server::Kube {
                kubeconfig: server.kubeconfig(),
                namespace: server.namespace(&name)?,
            },
            name,
        })
    }

    fn contender(&self, identity: &str) -> Contender {
        match &self.server {
            Server::Etcd { endpoint } => GoContender::etcd(endpoint, &self.name, identity),
            Server::Kube {
                kubeconfig,
                namespace,
            } => GoContender::lease(kubeconfig, namespace, &self.name, identity),
        }
    }
}

/// An election whose leader is replaced again and again, each time by a new follower.
#[derive(Debug)]
pub struct Chain {
    side: Side,
    /// That speaks as a contender. None is used for [`Side::Go`].
    program: PathBuf,
    place: Place,
    timing: [Duration; 3],
    joined: usize,
    leader: GoContender,
    next: Option<GoContender>,
}

impl Chain {
    /// Starts the first leader. `program` is [`contend`](super::contend); the timing is lease duration, renew deadline and retry
    /// period, the first in whole seconds. etcd's Go client has no other than that.
    ///
    /// # Errors
    /// When it does not lead.
    pub fn begin(place: Place, program: &Path, side: Side, timing: [Duration; 3]) -> Result<Self> {
        let mut leader = join(side, program, &place, 0, timing)?;
        leader.wait_for(Said::StartedLeading, LIMIT)?;
        Ok(Self {
            side,
            program: program.to_owned(),
            place,
            timing,
            joined: 1,
            leader,
            next: None,
        })
    }

    /// Starts the next leader, if it is not there yet, and has it know whom it follows.
    ///
    /// # Errors
    /// When it does not.
    pub fn prepare(&mut self) -> Result<()> {
        if self.next.is_none() {
            self.next = Some(self.follower()?);
        }
        Ok(())
    }

    /// The leader gets SIGTERM, ends its work and releases.
    ///
    /// # Errors
    /// When somebody does not do its part.
    pub fn by_release(&mut self) -> Result<Handover> {
        self.prepare()?;
        let mut next = self.next.take().ok_or("nobody follows")?;
        wait(SETTLED);
        let asked = monotonic();
        self.leader.terminate()?;
        let started = next.wait_for(Said::StartedLeading, LIMIT)?.monotonic;
        let ended = self.leader.wait_for(Said::WorkEnded, LIMIT)?.monotonic;
        let without_work = started
            .checked_sub(ended)
            .ok_or_else(|| format!("two at work: {:?}", ended.abs_diff(started)))?;
        let status = self.leader.wait_for_end(LIMIT)?;
        if !status.success() {
            return Err(format!("{:?}: asked to stop, it ended with {status}", self.side).into());
        }
        self.leader = next;
        Ok(Handover {
            from_signal: started.saturating_sub(asked),
            without_work,
        })
    }

    /// The leader gets SIGKILL, so long after one of its renewals: not while one is on its way, of which nobody knows whether it
    /// landed.
    ///
    /// # Errors
    /// When somebody does not do its part.
    pub fn by_kill(&mut self, pause: Duration) -> Result<Failover> {
        let mut next = self.follower()?;
        let renewals = |leader: &mut GoContender| {
            let said = leader.events()?.iter();
            Ok::<_, ServerError>(said.filter(|event| event.said == Said::Renewed).count())
        };
        let (before, begin) = (renewals(&mut self.leader)?, monotonic());
        while renewals(&mut self.leader)? == before {
            if monotonic().saturating_sub(begin) > LIMIT {
                return Err(format!("{:?}: no renewal within {LIMIT:?}", self.side).into());
            }
            wait(Duration::from_millis(5));
        }
        wait(pause);
        self.leader.kill();
        let killed = monotonic();
        let started = next.wait_for(Said::StartedLeading, LIMIT)?.monotonic;
        // All that it said has been read long since.
        let renewals = self
            .leader
            .events()?
            .iter()
            .filter(|event| event.said == Said::Renewed);
        let renewed = renewals.map(|event| event.monotonic).max();
        self.leader = next;
        Ok(Failover {
            from_renewal: started.saturating_sub(renewed.ok_or("it never renewed")?),
            from_kill: started.saturating_sub(killed),
        })
    }

    fn follower(&mut self) -> Result<GoContender> {
        let mut next = join(self.side, &self.program, &self.place, self.joined, self.timing)?;
        let (follows, leader) = (next.wait_for(Said::NewLeader, LIMIT)?.identity, self.joined - 1);
        if follows != identity(self.side, leader) {
            return Err(format!("{:?}: it follows {follows}, and number {leader} leads", self.side).into());
        }
        self.joined += 1;
        Ok(next)
    }
}

fn identity(side: Side, number: usize) -> String {
    format!("{side:?}-{number}")
}

fn join(
    side: Side,
    program: &Path,
    place: &Place,
    number: usize,
    timing: [Duration; 3],
) -> Result<GoContender> {
    let contender = place.contender(&identity(side, number));
    let contender = match side {
        Side::Ours => contender.played_by(program),
        Side::ClientGo => contender.played_by(program).as_its("contend").release_on_cancel(),
        Side::Go => contender.release_on_cancel(),
    };
    let [lease_duration, renew_deadline, retry_period] = timing;
    Ok(contender
        .timing(lease_duration, renew_deadline, retry_period)
        .start()?)
}
