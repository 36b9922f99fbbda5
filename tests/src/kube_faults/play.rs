//! Plays a row.

use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::stage::Stage;
use super::{Row, Target};
use crate::fault_table::{LONG, RENEW_DEADLINE, Result, Round};
use crate::faults::Way;
use crate::servers::{KubeApiserver, monotonic};
use crate::time::wait;

/// So long before or after the deadline.
const NEAR: Duration = Duration::from_millis(200);

/// As many elections as rounds, all struck at once.
pub(super) fn on_server(
    server: &mut KubeApiserver,
    program: &Path,
    row: Row,
    rounds: usize,
) -> Vec<std::result::Result<Round, String>> {
    let mut stages = Vec::new();
    for _ in 0..rounds {
        match Stage::new(server, program, row) {
            Ok(stage) => stages.push(stage),
            Err(error) => return vec![Err(error.to_string())],
        }
    }
    let (struck, over) = (monotonic(), strike_server(server, row));
    if let Err(error) = over {
        return vec![Err(error.to_string())];
    }
    // A runtime is not to be shared, but may move.
    let ready = Barrier::new(stages.len());
    std::thread::scope(|scope| {
        let watching: Vec<_> = stages
            .into_iter()
            .map(|stage| {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    settle(&stage, row, struck).map_err(|error| error.to_string())
                })
            })
            .collect();
        let rounds = watching.into_iter().map(|round| round.join());
        rounds
            .map(|round| round.unwrap_or_else(|_| Err("a panic".to_owned())))
            .collect()
    })
}

/// One election, struck alone.
pub(super) fn alone(server: &KubeApiserver, program: &Path, row: Row) -> Result<Round> {
    debug_assert_ne!(row.target(), Target::Server);
    let stage = Stage::new(server, program, row)?;
    stage.renewed()?;
    let struck = monotonic();
    strike(&stage, row)?;
    settle(&stage, row, struck)
}

fn strike_server(server: &mut KubeApiserver, row: Row) -> Result<()> {
    match row {
        Row::ApiserverKilled => {
            server.kill();
            server.restart()?;
        }
        Row::ApiserverFrozen => {
            server.stop()?;
            wait(LONG);
            server.cont()?;
        }
        Row::EtcdFrozen => {
            server.etcd().stop()?;
            wait(LONG);
            server.etcd().cont()?;
        }
        _ => return Err(format!("{row} does not strike the server").into()),
    }
    Ok(())
}

/// Returns when the fault is over.
fn strike(stage: &Stage, row: Row) -> Result<()> {
    let hold = |ways: &[Way], length| {
        ways.iter().for_each(|&way| stage.proxy.hold(way));
        wait(length);
        stage.proxy.release();
    };
    match row {
        Row::ConnectionsCut => {
            let end = monotonic() + LONG;
            while monotonic() < end {
                stage.proxy.cut();
                wait(Duration::from_millis(300));
            }
        }
        Row::RepliesJustInTime => hold(&[Way::Reply], RENEW_DEADLINE - NEAR),
        Row::RepliesTooLate => hold(&[Way::Reply], RENEW_DEADLINE + NEAR),
        Row::LeaderPartitioned => hold(&[Way::Request, Way::Reply], LONG),
        Row::LeaderFrozen => {
            stage.election.signal_leader(Signal::STOP)?;
            wait(LONG);
            stage.election.signal_leader(Signal::CONT)?;
        }
        Row::Deleted | Row::DeletedStrict => stage.delete()?,
        Row::Overwritten => stage.rewrite(json!({"holderIdentity": "somebody-else"}))?,
        Row::Emptied => stage.rewrite(json!({"holderIdentity": ""}))?,
        Row::Forbidden => {
            stage.forbid()?;
            wait(LONG);
            stage.allow()?;
        }
        Row::ApiserverKilled | Row::ApiserverFrozen | Row::EtcdFrozen => {
            return Err(format!("{row} strikes the server").into());
        }
    }
    Ok(())
}

fn settle(stage: &Stage, row: Row, struck: Duration) -> Result<Round> {
    let proxy = format!("https://{}", stage.proxy.endpoint());
    let names = [
        (stage.url.as_str(), "APISERVER"),
        (&proxy, "APISERVER"),
        (&stage.namespace, "NAMESPACE"),
    ];
    stage.election.settle(row, struck, &names)
}
