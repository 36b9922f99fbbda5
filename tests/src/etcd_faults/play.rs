//! Plays a row.

use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;

use rustix::process::Signal;

use super::stage::{STRUCK, Stage};
use super::{Operator, Row};
use crate::fault_table::{LEASE, LONG, Result, Round};
use crate::leaderelect::Leaderelect;
use crate::servers::{EtcdCluster, EtcdSettings, monotonic};
use crate::time::wait;

/// The second that is struck where two are, and who is asked for what the struck cannot do.
const SECOND: usize = 1;

/// Filled in a moment, and more than enough for the elections.
const QUOTA: &str = "16777216";

/// As etcd's documentation has it: more than were written since any snapshot.
const BUMP: u64 = 1_000_000_000;

/// Between two cuts of all watches.
const CUT_EVERY: Duration = Duration::from_millis(300);

/// As many elections as rounds on one cluster, all struck at once.
pub(super) fn row(program: &Path, row: Row, rounds: usize) -> Vec<std::result::Result<Round, String>> {
    match play(program, row, rounds) {
        Ok(rounds) => rounds,
        Err(error) => vec![Err(error.to_string())],
    }
}

fn play(program: &Path, row: Row, rounds: usize) -> Result<Vec<std::result::Result<Round, String>>> {
    let mut settings = EtcdSettings::new();
    if row == Row::NoSpace {
        settings = settings.flag("--quota-backend-bytes", QUOTA);
    }
    let mut cluster = EtcdCluster::start_apart(&settings)?;
    let operator = Operator::of(&cluster)?;
    let leads = if row.struck_leads() { STRUCK } else { SECOND };
    operator.make_leader(&cluster, leads)?;
    let mut stages = Vec::new();
    for number in 0..rounds {
        stages.push(Stage::new(&cluster, program, row, number)?);
    }
    loop {
        stages.iter().try_for_each(Stage::served_by_struck)?;
        // Busy members may have elected another meanwhile.
        if cluster.leader()? == leads {
            break;
        }
        operator.make_leader(&cluster, leads)?;
    }
    let struck = strike(&mut cluster, &operator, row, &stages)?;
    let ready = Barrier::new(stages.len());
    std::thread::scope(|scope| {
        let watching: Vec<_> = stages
            .into_iter()
            .map(|stage| {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    let round = stage.election.settle(row, struck, &stage.names());
                    round.map_err(|error| error.to_string())
                })
            })
            .collect();
        let rounds = watching.into_iter().map(|round| round.join());
        Ok(rounds
            .map(|round| round.unwrap_or_else(|_| Err("a panic".to_owned())))
            .collect())
    })
}

/// Returns when the fault is over, with when it began.
fn strike(cluster: &mut EtcdCluster, operator: &Operator, row: Row, stages: &[Stage]) -> Result<Duration> {
    let mut struck = monotonic();
    match row {
        Row::LeaderKilled | Row::FollowerKilled => cluster.member_mut(STRUCK).kill(),
        Row::TwoKilled => {
            cluster.member_mut(STRUCK).kill();
            cluster.member_mut(SECOND).kill();
            wait(LONG);
            cluster.restart_all()?;
        }
        Row::AllKilled => cluster.restart_all()?,
        Row::LeaderFrozen | Row::FollowerFrozen => freeze(cluster, &[STRUCK])?,
        Row::TwoFrozen => freeze(cluster, &[STRUCK, SECOND])?,
        Row::LeaderParted
        | Row::FollowerParted
        | Row::LeaderPartedWithElected
        | Row::FollowerPartedWithElected => part(cluster, &[STRUCK])?,
        Row::AllParted => part(cluster, &[STRUCK, SECOND])?,
        Row::LeaderReplaced | Row::FollowerReplaced => operator.replace(cluster, STRUCK)?,
        Row::NoSpace => {
            struck = operator.fill()?;
            wait(LONG);
            operator.make_room()?;
        }
        Row::Compacted => struck = compact(operator, stages)?,
        Row::Restored => struck = restore(cluster, operator)?,
    }
    Ok(struck)
}

fn freeze(cluster: &EtcdCluster, members: &[usize]) -> Result<()> {
    let members: Vec<_> = members
        .iter()
        .filter_map(|&number| cluster.members().get(number))
        .collect();
    for member in &members {
        member.stop()?;
    }
    wait(LONG);
    for member in &members {
        member.cont()?;
    }
    Ok(())
}

/// Each of them is parted from every other.
fn part(cluster: &EtcdCluster, members: &[usize]) -> Result<()> {
    let network = cluster.network().ok_or("no network")?;
    for &member in members {
        network.part(&[member]);
    }
    wait(LONG);
    network.heal();
    Ok(())
}

/// A watch begins with a read, and from its revision on; what is compacted in between ends it. Each watch is broken so often that
/// this befalls some; and yet followers know, in the end, that their leader is dead.
fn compact(operator: &Operator, stages: &[Stage]) -> Result<Duration> {
    let mut cut = monotonic();
    operator.churn(cut + LONG, || {
        if monotonic() > cut {
            stages.iter().for_each(|stage| stage.proxy.cut());
            cut += CUT_EVERY;
        }
    })?;
    for stage in stages {
        let log = stage
            .election
            .followers
            .iter()
            .flat_map(Leaderelect::logged_so_far);
        if !log.into_iter().any(|line| line.contains("compacted away")) {
            return Err("no watch has met a compaction".into());
        }
    }
    let struck = monotonic();
    for stage in stages {
        stage.election.signal_leader(Signal::KILL)?;
    }
    Ok(struck)
}

/// Whoever has seen what is lost, in an answer and not by a watch, leads no more.
fn restore(cluster: &mut EtcdCluster, operator: &Operator) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let snapshot = folder.path().join("snapshot");
    operator.snapshot(&snapshot)?;
    // They renew meanwhile.
    wait(LEASE);
    let struck = monotonic();
    cluster.restore(&snapshot, Some(BUMP))?;
    Ok(struck)
}
