//! How long an election on a real etcd or apiserver is without a leader: between real `leaderelect run` processes; and, in the same run on
//! the same server, between small programs around our elector and around that of Go's client.

mod chain;
mod contender;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etcd_client::Client;
use leaderelection::MonoTime;
use rustix::process::Signal;

pub use chain::{Chain, Place, Side};
pub use contender::{FIRST_FLAGS, contend};

use crate::leaderelect::{Leaderelect, WORK};
use crate::servers::Etcd;
use crate::time::{now, wait};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One graceful hand-over.
#[derive(Debug, Clone, Copy)]
pub struct Handover {
    /// From SIGTERM to the old supervisor until the new command has started and said so.
    pub from_signal: Duration,
    /// From the old command's last word until the new one's first.
    pub without_work: Duration,
}

/// One fail-over after the leader's supervisor was killed.
#[derive(Debug, Clone, Copy)]
pub struct Failover {
    /// From the last renewal, as etcd's watch showed it or as it was confirmed, until the new command has started and said so.
    pub from_renewal: Duration,
    /// From the SIGKILL until the same.
    pub from_kill: Duration,
}

/// Hands over `rounds` times by SIGTERM, at the default timing; each time the old leader's place is taken by a new
/// follower.
///
/// # Errors
/// When a process or the etcd does not do its part.
pub fn graceful(etcd: &Etcd, program: &Path, rounds: usize) -> Result<Vec<Handover>> {
    let lock = format!("etcd://{}/handover", etcd.endpoint());
    let join = |number: usize| Leaderelect::script(program, &lock, &format!("c{number}"), &[], WORK);
    let mut leader = join(0)?;
    leader.started()?;
    let mut measured = Vec::new();
    for round in 0..rounds {
        let follower = join(round + 1)?;
        follower.follows(&format!("c{round}"))?;
        wait(Duration::from_millis(30));
        let asked = now();
        leader.send(Signal::TERM)?;
        let ended = leader.said("term")?;
        let started = follower.started()?;
        measured.push(Handover {
            from_signal: started.at.since(asked),
            without_work: started.at.since(ended.at),
        });
        let status = leader.exited()?;
        if !status.success() {
            return Err(format!("a leader that was asked to stop ended with {status}").into());
        }
        leader = follower;
    }
    Ok(measured)
}

/// Kills the leader's supervisor `rounds` times, at these flags' timing.
///
/// # Errors
/// When a process or the etcd does not do its part.
pub fn after_kill(etcd: &Etcd, program: &Path, flags: &[&str], rounds: usize) -> Result<Vec<Failover>> {
    let lock = format!("etcd://{}/failover", etcd.endpoint());
    let renewals = Renewals::watch(&etcd.endpoint(), "failover")?;
    let join = |number: usize| Leaderelect::script(program, &lock, &format!("c{number}"), flags, WORK);
    let mut leader = join(0)?;
    leader.started()?;
    let mut measured = Vec::new();
    for round in 0..rounds {
        let follower = join(round + 1)?;
        follower.follows(&format!("c{round}"))?;
        // So that the kills spread over the time between two renewals.
        wait(Duration::from_millis(200 + 97 * (round as u64 % 10)));
        leader.send(Signal::KILL)?;
        let killed = now();
        leader.exited()?;
        wait(Duration::from_millis(20));
        let renewed = renewals.last().ok_or("etcd's watch showed no write")?;
        let started = follower.started()?;
        measured.push(Failover {
            from_renewal: started.at.since(renewed),
            from_kill: started.at.since(killed),
        });
        leader = follower;
    }
    Ok(measured)
}

/// The value at or below which this part of all lie; zero where there are none.
pub fn percentile(of: impl IntoIterator<Item = Duration>, percent: usize) -> Duration {
    let mut sorted: Vec<_> = of.into_iter().collect();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// When a key was last written, by a watch of its own.
struct Renewals {
    last: Arc<Mutex<Option<MonoTime>>>,
    /// The watch's: it ends with it.
    _runtime: tokio::runtime::Runtime,
}

impl Renewals {
    fn watch(endpoint: &str, key: &'static str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let last = Arc::new(Mutex::new(None));
        let mut watch = runtime.block_on(async {
            let mut client = Client::connect([endpoint], None).await?;
            client.watch(key, None).await
        })?;
        let seen = Arc::clone(&last);
        runtime.spawn(async move {
            while let Ok(Some(message)) = watch.message().await {
                if !message.events().is_empty() {
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
                }
            }
        });
        Ok(Self {
            last,
            _runtime: runtime,
        })
    }

    fn last(&self) -> Option<MonoTime> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_values() {
        let values = || (1..=50).rev().map(Duration::from_millis);
        assert_eq!(percentile(values(), 50), Duration::from_millis(25));
        assert_eq!(percentile(values(), 99), Duration::from_millis(50));
        assert_eq!(percentile(values(), 0), Duration::from_millis(1));
        assert_eq!(percentile([], 50), Duration::ZERO);
    }
}
