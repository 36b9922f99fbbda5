//! `leaderelect run`, as real processes on a real store: who runs the command, for how long, and what becomes of it.
//!
//! Each case runs on etcd and on an Endpoints object; how one starts and another takes over, on the other kinds of objects
//! too.

#![expect(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

/// Makes tests of cases, which are functions generic in the store: one in `on_etcd` and one in `on_endpoints`.
macro_rules! on_each_store {
    ($($case:ident),* $(,)?) => {
        mod on_etcd {
            $(#[test]
            fn $case() -> crate::TestResult {
                super::$case::<leaderelection_tests::servers::Etcd>()
            })*
        }

        mod on_endpoints {
            $(#[test]
            fn $case() -> crate::TestResult {
                super::$case::<crate::store::Endpoints>()
            })*
        }
    };
}

/// The same for the other kinds of objects of Kubernetes, which differ in nothing but where the record is.
macro_rules! on_other_kinds_of_objects {
    ($($case:ident),* $(,)?) => {
        mod on_leases {
            $(#[test]
            fn $case() -> crate::TestResult {
                super::$case::<crate::store::Leases>()
            })*
        }

        mod on_config_maps {
            $(#[test]
            fn $case() -> crate::TestResult {
                super::$case::<crate::store::ConfigMaps>()
            })*
        }
    };
}

mod command;
mod latency;
mod loss;
mod stop;
mod store;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use leaderelection_tests::leaderelect::{
    Leaderelect, SHORT_LEASE, STUBBORN_WORK, Start, WORK, death_of, is_dead,
};
use leaderelection_tests::time::{now, wait};
use rustix::process::{Pid, Signal};

use crate::store::Store;

type TestResult = Result<(), Box<dyn Error>>;

/// `leaderelect` when it has arguments.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover");

/// Of [`SHORT_LEASE`].
const LEASE: Duration = Duration::from_secs(3);
const RENEW_DEADLINE: Duration = Duration::from_secs(2);
const RETRY_PERIOD: Duration = Duration::from_millis(500);
const STOP_GRACE: Duration = Duration::from_millis(500);

/// What a busy machine may add between something and its being seen here.
const BUSY: Duration = Duration::from_millis(500);

/// Far less than any period, deadline or lease here: what happens at once.
const AT_ONCE: Duration = Duration::from_millis(1_500);

fn start(store: &impl Store, identity: &str, flags: &[&str], command: &[&str]) -> Leaderelect {
    Leaderelect::start_by(store.leaderelect(), &store.lock(), identity, flags, command).unwrap()
}

fn run(store: &impl Store, identity: &str, flags: &[&str], script: &str) -> Leaderelect {
    start(store, identity, flags, &["sh", "-c", script])
}

/// A leader at its work, and a follower that waits.
fn pair(store: &impl Store, flags: &[&str], script: &str) -> (Leaderelect, Start, Leaderelect) {
    let leader = run(store, "a", flags, script);
    let start = leader.started().unwrap();
    let follower = run(store, "b", flags, script);
    follower.follows("a").unwrap();
    (leader, start, follower)
}

/// The field of `/proc/PID/stat` after the process' name: 1 is the parent, 2 the process group.
fn stat(pid: u32, field: usize) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(field)?.parse().ok()
}

/// The living children of a process.
fn children(parent: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid, 1) == Some(parent) && !is_dead(*pid))
        .collect()
}

/// The process that guards the command.
fn guard_of(supervisor: u32) -> u32 {
    let is_guard = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("__guard"))
    };
    children(supervisor).into_iter().find(is_guard).unwrap()
}

fn kill(pid: u32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

#[track_caller]
fn dies(pid: u32) {
    assert!(death_of(pid, AT_ONCE).is_some(), "process {pid} lives on");
}
