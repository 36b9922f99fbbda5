//! `leaderelect run`, as real processes on a real etcd: who runs the command, for how long, and what becomes of it.

#![expect(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use leaderelection_tests::handover::{after_kill, graceful, percentile};
use leaderelection_tests::leaderelect::{
    Leaderelect, SHORT_LEASE, STUBBORN_WORK, Start, WORK, death_of, is_dead,
};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::side_door::SideDoor;
use leaderelection_tests::time::{now, wait};
use rustix::process::{Pid, Signal};

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

fn lock(etcd: &Etcd) -> String {
    format!("etcd://{}/leader", etcd.endpoint())
}

fn run(etcd: &Etcd, identity: &str, flags: &[&str], script: &str) -> Leaderelect {
    Leaderelect::script(Path::new(PROGRAM), &lock(etcd), identity, flags, script).unwrap()
}

/// A leader at its work, and a follower that waits.
fn pair(etcd: &Etcd, flags: &[&str], script: &str) -> (Leaderelect, Start, Leaderelect) {
    let leader = run(etcd, "a", flags, script);
    let start = leader.started().unwrap();
    let follower = run(etcd, "b", flags, script);
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

#[test]
fn one_leads_and_its_command_knows_who_it_is_and_has_a_group_of_its_own() -> TestResult {
    let etcd = Etcd::start()?;
    let (leader, start, follower) = pair(&etcd, &[], WORK);

    assert_eq!(start.identity, "a");
    assert!(start.token > 0);
    assert_eq!(
        stat(start.pid, 1),
        Some(leader.pid()),
        "its parent is the supervisor"
    );
    assert_eq!(stat(start.pid, 2), Some(start.pid), "it leads a process group");
    assert_ne!(stat(leader.pid(), 2), Some(start.pid));
    wait(Duration::from_millis(300));
    assert!(follower.said_so_far().is_empty(), "the follower's command runs");
    assert_eq!(children(follower.pid()), [0; 0], "a follower has no children");
    Ok(())
}

#[test]
fn without_an_identity_it_is_unique_and_begins_with_the_host_name() -> TestResult {
    let etcd = Etcd::start()?;
    let output = std::process::Command::new(PROGRAM)
        .args([
            "run",
            "--lock",
            &lock(&etcd),
            "--",
            "sh",
            "-c",
            "echo $LEADERELECT_IDENTITY $(uname -n)",
        ])
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    let (identity, host) = said.trim().split_once(' ').ok_or("no identity")?;
    let random = identity.strip_prefix(host).ok_or("not the host name")?;
    assert_eq!(
        random.len(),
        "_00000000-0000-4000-8000-000000000000".len(),
        "{identity}"
    );
    Ok(())
}

#[test]
fn a_stop_signal_ends_the_command_and_hands_over_at_once() -> TestResult {
    for signal in [Signal::TERM, Signal::INT] {
        let etcd = Etcd::start()?;
        let (mut leader, first, follower) = pair(&etcd, &[], WORK);
        let asked = now();
        leader.send(signal)?;
        leader.said("term")?;
        let second = follower.started()?;
        assert_eq!(leader.exited()?.code(), Some(0), "{signal:?}");
        assert!(is_dead(first.pid));
        assert!(second.token > first.token, "{first:?} {second:?}");
        assert!(second.at.since(asked) < AT_ONCE, "{:?}", second.at.since(asked));
    }
    Ok(())
}

#[test]
fn a_stop_signal_ends_a_follower_too() -> TestResult {
    let etcd = Etcd::start()?;
    let (_leader, _, mut follower) = pair(&etcd, &[], WORK);
    let asked = now();
    follower.send(Signal::TERM)?;
    assert_eq!(follower.exited()?.code(), Some(0));
    assert!(now().since(asked) < AT_ONCE);
    assert!(follower.said_so_far().is_empty());
    Ok(())
}

#[test]
fn a_draining_command_keeps_the_lease_beyond_its_duration() -> TestResult {
    let etcd = Etcd::start()?;
    let slow = WORK.replace("echo term;", "echo term; sleep 4; echo done;");
    let (mut leader, _, follower) = pair(
        &etcd,
        &[&SHORT_LEASE[..], &["--drain-timeout", "10s"]].concat(),
        &slow,
    );
    leader.send(Signal::TERM)?;
    leader.said("term")?;
    let done = leader.said("done")?;
    let next = follower.started()?;
    assert!(next.at >= done.at, "two at work");
    assert!(next.at.since(done.at) < AT_ONCE, "{:?}", next.at.since(done.at));
    assert_eq!(leader.exited()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_drain_ends_at_its_limit_and_the_lease_is_released_all_the_same() -> TestResult {
    let etcd = Etcd::start()?;
    let flags = ["--drain-timeout", "300ms", "--stop-grace", "500ms"];
    let (mut leader, first, follower) = pair(&etcd, &flags, STUBBORN_WORK);
    let asked = now();
    leader.send(Signal::TERM)?;
    leader.said("term")?;
    let dead = death_of(first.pid, Duration::from_secs(5)).ok_or("it outlives the drain")?;
    let lived = dead.since(asked);
    assert!(
        lived >= Duration::from_millis(300) && lived < Duration::from_millis(800) + BUSY,
        "{lived:?}"
    );
    let second = follower.started()?;
    assert!(second.at.since(dead) < AT_ONCE, "{:?}", second.at.since(dead));
    assert_eq!(leader.exited()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_second_stop_signal_kills_at_once() -> TestResult {
    let etcd = Etcd::start()?;
    let (mut leader, first, follower) = pair(&etcd, &[], STUBBORN_WORK);
    leader.send(Signal::TERM)?;
    leader.said("term")?;
    wait(Duration::from_millis(200));
    assert!(!is_dead(first.pid), "it drains");
    leader.send(Signal::TERM)?;
    dies(first.pid);
    assert_eq!(leader.exited()?.code(), Some(0));
    follower.started()?;
    Ok(())
}

#[test]
fn a_command_that_ends_gives_its_exit_code_and_frees_the_lease() -> TestResult {
    let etcd = Etcd::start()?;
    let begin = now();
    for (command, code) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["true"], 0),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
        (&["sh", "-c", "kill -TERM $$"], 128 + 15),
        (&["/no/such/command"], 127),
        (&["no-such-command"], 127),
        (&["/"], 126),
        (&["/dev/null"], 126),
    ] {
        let mut leader = Leaderelect::start(Path::new(PROGRAM), &lock(&etcd), "a", &[], command)?;
        assert_eq!(leader.exited()?.code(), Some(code), "{command:?}");
        leader.logged("event=Released")?;
    }
    // Each would have waited for the lease of the one before.
    assert!(
        now().since(begin) < Duration::from_secs(15),
        "{:?}",
        now().since(begin)
    );
    Ok(())
}

#[test]
fn what_the_command_leaves_behind_dies_before_the_lease_is_released() -> TestResult {
    let etcd = Etcd::start()?;
    let leaves = "trap '' TERM HUP; sleep 1000 & echo left $!; exit 3";
    let mut leader = run(&etcd, "a", &[], leaves);
    let left = leader.said("left ")?.text.split_off(5).parse()?;
    assert_eq!(leader.exited()?.code(), Some(3));
    assert!(is_dead(left), "process {left} lives on");
    Ok(())
}

#[test]
fn a_killed_supervisor_takes_all_of_its_group_along_and_the_next_waits_for_the_lease() -> TestResult {
    let etcd = Etcd::start()?;
    let work =
        r#"sleep 1000 & echo "start $LEADERELECT_IDENTITY $LEADERELECT_TOKEN $$"; echo "also $!"; wait"#;
    let (mut leader, first, follower) = pair(&etcd, &SHORT_LEASE, work);
    let also = leader.said("also ")?.text.split_off(5).parse()?;
    let guard = guard_of(leader.pid());
    leader.send(Signal::KILL)?;
    let killed = now();
    leader.exited()?;
    dies(first.pid);
    dies(also);
    dies(guard);
    assert!(now().since(killed) < AT_ONCE);

    let second = follower.started()?;
    let waited = second.at.since(killed);
    assert!(
        waited + RETRY_PERIOD + BUSY >= LEASE,
        "after {waited:?}: its lease was not waited out"
    );
    assert!(waited <= LEASE + BUSY, "{waited:?}");
    assert!(second.token > first.token);
    Ok(())
}

#[test]
fn a_killed_supervisor_takes_its_command_along_also_while_the_guard_is_stopped() -> TestResult {
    let etcd = Etcd::start()?;
    let leader = run(&etcd, "a", &[], STUBBORN_WORK);
    let first = leader.started()?;
    let guard = guard_of(leader.pid());
    kill(guard, Signal::STOP);
    leader.send(Signal::KILL)?;
    let died = death_of(first.pid, AT_ONCE);
    kill(guard, Signal::CONT);
    assert!(died.is_some(), "process {} lives on", first.pid);
    dies(guard);
    Ok(())
}

#[test]
fn a_stopped_supervisor_loses_its_command_in_time() -> TestResult {
    let etcd = Etcd::start()?;
    let (mut leader, first, follower) = pair(&etcd, &SHORT_LEASE, WORK);
    leader.send(Signal::STOP)?;
    let stopped = now();
    let dead = death_of(first.pid, Duration::from_secs(10)).ok_or("its command lives on")?;
    assert!(
        dead.since(stopped) <= RENEW_DEADLINE + STOP_GRACE + BUSY,
        "{:?}",
        dead.since(stopped)
    );
    let second = follower.started()?;
    assert!(second.at > dead, "two at work");

    leader.send(Signal::CONT)?;
    leader.follows("b")?;
    leader.send(Signal::TERM)?;
    assert_eq!(leader.exited()?.code(), Some(0), "it campaigned again");
    Ok(())
}

#[test]
fn when_etcd_does_not_answer_a_stubborn_command_is_killed_in_time_and_started_again_later() -> TestResult {
    let etcd = Etcd::start()?;
    let leader = run(&etcd, "a", &SHORT_LEASE, STUBBORN_WORK);
    let first = leader.started()?;
    wait(Duration::from_millis(700));
    etcd.stop()?;
    let stopped = now();
    let asked = leader.said("term")?.at.since(stopped);
    let dead = death_of(first.pid, Duration::from_secs(10))
        .ok_or("it outlives its lease")?
        .since(stopped);
    // The last renewal was sent before etcd was stopped, and less than a period before.
    assert!(
        asked + RETRY_PERIOD + BUSY >= RENEW_DEADLINE && asked <= RENEW_DEADLINE + BUSY,
        "asked after {asked:?}"
    );
    let limit = RENEW_DEADLINE + STOP_GRACE;
    assert!(dead <= limit + BUSY, "dead after {dead:?}");
    assert!(
        dead + RETRY_PERIOD + BUSY >= limit,
        "dead after {dead:?}: it had no grace"
    );

    etcd.cont()?;
    let second = leader.started()?;
    assert!(second.token > first.token);
    Ok(())
}

#[test]
fn an_etcd_that_is_down_at_the_start_is_waited_for() -> TestResult {
    let mut etcd = Etcd::start()?;
    etcd.kill();
    let leader = run(&etcd, "a", &[], WORK);
    leader.logged("failed; it is tried again")?;
    let mut other = run(&etcd, "b", &[], WORK);
    other.logged("failed; it is tried again")?;
    other.send(Signal::TERM)?;
    assert_eq!(other.exited()?.code(), Some(0), "nothing holds it");
    assert!(leader.said_so_far().is_empty());
    etcd.restart()?;
    leader.started()?;
    Ok(())
}

#[test]
fn a_command_without_its_guard_is_killed_and_the_lease_released() -> TestResult {
    let etcd = Etcd::start()?;
    let (mut leader, first, follower) = pair(&etcd, &[], STUBBORN_WORK);
    kill(guard_of(leader.pid()), Signal::KILL);
    dies(first.pid);
    follower.started()?;
    assert_eq!(leader.exited()?.code(), Some(1));
    leader.logged("the process that guards it is gone")?;
    Ok(())
}

#[test]
fn whoever_loses_its_log_loses_nothing_else() -> TestResult {
    let etcd = Etcd::start()?;
    let mut leader = std::process::Command::new(PROGRAM)
        .args([
            "run",
            "--lock",
            &lock(&etcd),
            "--",
            "sh",
            "-c",
            "sleep 0.5; exit 5",
        ])
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    drop(leader.stderr.take());
    assert_eq!(leader.wait()?.code(), Some(5));
    Ok(())
}

#[test]
fn orphans_are_buried() -> TestResult {
    let etcd = Etcd::start()?;
    let leaves = "(sh -c 'echo orphan $$; exec sleep 0.3' &); sleep 1000";
    let leader = run(&etcd, "a", &[], leaves);
    let orphan: u32 = leader.said("orphan ")?.text.split_off(7).parse()?;
    wait(Duration::from_millis(100));
    assert_eq!(
        stat(orphan, 1),
        Some(leader.pid()),
        "the supervisor has not adopted it"
    );
    let gone = || !Path::new(&format!("/proc/{orphan}")).exists();
    let end = now().after(AT_ONCE);
    while !gone() && now() < end {
        wait(Duration::from_millis(10));
    }
    assert!(gone(), "{orphan} is a corpse: {:?}", stat(orphan, 1));
    Ok(())
}

#[test]
fn a_record_overwritten_by_somebody_else_ends_the_command_at_once() -> TestResult {
    let etcd = Etcd::start()?;
    let leader = run(&etcd, "a", &SHORT_LEASE, WORK);
    let first = leader.started()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let record = r#"{"holderIdentity":"operator","leaseDurationSeconds":1,"acquireTime":null,"renewTime":null,"leaderTransitions":7}"#;
    runtime.block_on(async { SideDoor::open(etcd.endpoint(), "leader").await?.put(record).await })?;
    let overwritten = now();
    let asked = leader.said("term")?.at.since(overwritten);
    assert!(asked < AT_ONCE, "{asked:?}");
    let second = leader.started()?;
    assert!(second.token > first.token);
    let waited = second.at.since(overwritten);
    assert!(waited + BUSY >= LEASE && waited <= LEASE + AT_ONCE, "{waited:?}");
    Ok(())
}

#[test]
fn a_hand_over_takes_far_less_than_a_polling_period() -> TestResult {
    let measured = graceful(Path::new(PROGRAM), 5)?;
    let median = percentile(measured.iter().map(|one| one.from_signal), 50);
    assert!(median < Duration::from_millis(500), "{measured:?}");
    Ok(())
}

#[test]
fn after_a_kill_the_next_starts_when_the_lease_has_run_out() -> TestResult {
    for one in after_kill(Path::new(PROGRAM), &SHORT_LEASE, 2)? {
        // The watch here and the follower's own are told at about the same time.
        assert!(
            one.from_renewal + BUSY >= LEASE && one.from_renewal <= LEASE + BUSY,
            "{one:?}"
        );
    }
    Ok(())
}
