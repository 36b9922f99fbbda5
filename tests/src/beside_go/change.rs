//! Changes of the leader, one after another, measured by what both sides note of their work.

use std::time::Duration;

use super::{Result, Side, Stage};
use crate::clocked::Moment;
use crate::time::wait;

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
    /// Whether the leader was asked to release and says that it could not.
    pub release_lost: bool,
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
    chain(stage, sides, |_, round| {
        wait(pause(round));
        Ok(false)
    })
}

/// As [`by_release`], but each leader is killed with SIGKILL between two of its renewals.
///
/// # Errors
/// When a process or the server does not do its part.
pub fn by_kill(stage: &mut Stage<'_>, sides: impl IntoIterator<Item = Side>) -> Result<Vec<Change>> {
    chain(stage, sides, |stage, round| {
        // Not while a renewal is on its way, of which nobody knows whether it landed.
        stage.renewed()?;
        wait(Duration::from_millis(30 + 31 * (round as u64 % 5)));
        Ok(true)
    })
}

fn chain(
    stage: &mut Stage<'_>,
    sides: impl IntoIterator<Item = Side>,
    prepare: impl Fn(&Stage<'_>, usize) -> Result<bool>,
) -> Result<Vec<Change>> {
    let mut sides = sides.into_iter();
    let mut leader = stage.join(sides.next().ok_or("no first leader")?)?;
    leader.works()?;
    let mut changes = Vec::new();
    for (round, side) in sides.enumerate() {
        let mut next = stage.join(side)?;
        next.follows(&leader)?;
        let kill = prepare(stage, round)?;
        if next.stirred(false)? {
            return Err(format!(
                "round {round}: {} works beside {}",
                next.identity(),
                leader.identity()
            )
            .into());
        }
        let from = leader.side();
        let (asked, ended, release_lost) = if kill {
            let asked = Moment::now();
            (asked, leader.killed()?, false)
        } else {
            let asked = leader.ask_to_stop()?;
            let stopped = leader.stopped()?;
            (asked, stopped.work_ended, stopped.release_lost)
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
            release_lost,
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
        "  {name:<62} n {:>2}   least {:>8.1} ms   p50 {:>8.1} ms   p99 {:>8.1} ms   most {:>8.1} ms",
        sorted.len(),
        at(0),
        at(50),
        at(99),
        at(100)
    )
}
