//! The fixtures keep their word: they serve, survive what tests do to them, and leave nothing behind.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use etcd_client::Client;
use leaderelection_tests::servers::{Etcd, EtcdCluster, EtcdSettings};
use leaderelection_tests::time::{now, wait};

type TestResult = Result<(), Box<dyn Error>>;

/// Looks again and again, for as long as members may need on a busy machine.
fn until(what: &str, mut done: impl FnMut() -> bool) -> TestResult {
    let end = now().after(Duration::from_secs(30));
    while !done() {
        if now() > end {
            return Err(format!("not within 30 s: {what}").into());
        }
        wait(Duration::from_millis(20));
    }
    Ok(())
}

/// Neither running nor a corpse that nobody reaped.
fn is_gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

/// Gone, or dead and left to an init that does not reap, as in many containers.
fn is_dead(pid: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
        return true;
    };
    status.lines().any(|line| line.starts_with("State:\tZ"))
}

#[tokio::test]
async fn etcd_serves_and_counts_requests() -> TestResult {
    let etcd = Etcd::start()?;
    let mut client = Client::connect([etcd.endpoint()], None).await?;

    let before = etcd.requests_by_method()?;
    client.put("key", "value", None).await?;
    let read = client.get("key", None).await?;
    let value = read.kvs().first().map(|pair| pair.value().to_vec());

    assert_eq!(value.as_deref(), Some(&b"value"[..]));
    assert!(before.is_empty(), "the fixture's own requests count: {before:?}");
    assert_eq!(etcd.requests(|method| method == "etcdserverpb.KV/Put")?, 1);
    assert_eq!(etcd.requests(|_| true)?, 2, "{:?}", etcd.requests_by_method()?);
    Ok(())
}

/// Whichever is parted, it alone is without the others, and the others without it; until they are not.
#[test]
fn members_are_parted_and_come_together_again() -> TestResult {
    let cluster = EtcdCluster::start_apart(&EtcdSettings::new())?;
    let network = cluster.network().ok_or("no network")?;
    let healthy = || {
        cluster
            .members()
            .iter()
            .map(|member| member.health().is_ok())
            .collect::<Vec<_>>()
    };
    for leads in [true, false] {
        let leader = cluster.leader()?;
        let parted = if leads { leader } else { (leader + 1) % 3 };
        let mut without = [true; 3];
        without[parted] = false;
        network.part(&[parted]);
        until("one to be alone", || healthy() == without)?;
        assert!(!cluster.members()[parted].leads()?);
        assert_eq!(cluster.leader()? == leader, !leads);
        network.heal();
        until("all to be together", || healthy() == [true; 3])?;
    }
    network.part(&[0]);
    network.part(&[1]);
    until("each to be alone", || healthy() == [false; 3])?;
    Ok(())
}

#[tokio::test]
async fn a_quiet_watch_sends_no_request_and_its_opening_is_two() -> TestResult {
    let etcd = Etcd::start()?;
    let mut client = Client::connect([etcd.endpoint()], None).await?;

    let mut watch = client.watch("key", None).await?;
    assert_eq!(etcd.requests(|_| true)?, 2, "{:?}", etcd.requests_by_method()?);

    client.put("key", "value", None).await?;
    // The first message only says that the watch was created.
    while watch
        .message()
        .await?
        .ok_or("the watch ended")?
        .events()
        .is_empty()
    {}
    assert_eq!(
        etcd.requests(|method| method.ends_with("/Watch"))?,
        2,
        "an event is no request"
    );
    Ok(())
}

#[tokio::test]
async fn etcd_survives_a_kill_with_its_data_and_address() -> TestResult {
    let mut etcd = Etcd::start()?;
    let endpoint = etcd.endpoint();
    let first_pid = etcd.pid().ok_or("no pid")?;
    Client::connect([&endpoint], None)
        .await?
        .put("key", "kept", None)
        .await?;

    etcd.kill();
    assert!(is_gone(first_pid));
    assert!(etcd.health().is_err() && etcd.stop().is_err() && etcd.pid().is_none());
    etcd.restart()?;

    assert_eq!(etcd.endpoint(), endpoint);
    let read = Client::connect([&endpoint], None).await?.get("key", None).await?;
    assert_eq!(
        read.kvs().first().map(|pair| pair.value().to_vec()).as_deref(),
        Some(&b"kept"[..])
    );

    etcd.restart()?;
    etcd.health()?;
    Ok(())
}

#[test]
fn a_restart_waits_for_its_port() -> TestResult {
    let mut etcd = Etcd::start()?;
    etcd.kill();
    let squatter = TcpListener::bind(etcd.endpoint())?;
    std::thread::scope(|scope| {
        let restarted = scope.spawn(|| etcd.restart());
        // Long enough for an etcd to try and fail.
        (0..100).for_each(|_| pause());
        drop(squatter);
        restarted.join().unwrap()
    })?;
    etcd.health()?;
    Ok(())
}

#[test]
fn a_stopped_etcd_answers_nobody_and_a_continued_one_does() -> TestResult {
    let etcd = Etcd::start()?;
    etcd.stop()?;
    assert!(etcd.health().is_err());
    etcd.cont()?;
    etcd.health()?;
    Ok(())
}

#[test]
fn several_run_side_by_side() -> TestResult {
    let many = (0..4).map(|_| Etcd::start()).collect::<Result<Vec<_>, _>>()?;
    for etcd in &many {
        etcd.health()?;
    }
    Ok(())
}

#[test]
fn dropping_leaves_neither_process_nor_folder() -> TestResult {
    for stopped in [false, true] {
        let etcd = Etcd::start()?;
        let (pid, folder) = (etcd.pid().ok_or("no pid")?, etcd.folder().to_owned());
        if stopped {
            etcd.stop()?;
        }
        assert!(!is_gone(pid) && folder.exists());
        drop(etcd);
        assert!(is_gone(pid) && !folder.exists(), "stopped: {stopped}");
    }
    Ok(())
}

#[test]
fn a_panic_leaves_neither_process_nor_folder() -> TestResult {
    let mut seen = None;
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let etcd = Etcd::start().unwrap();
        seen = Some((etcd.pid().unwrap(), etcd.folder().to_owned()));
        panic!("on purpose: a test that fails while its etcd runs");
    }));
    assert!(outcome.is_err());
    let (pid, folder) = seen.ok_or("etcd did not start")?;
    assert!(is_gone(pid) && !folder.exists());
    Ok(())
}

/// A process that holds an etcd, with that etcd's process id and folder.
fn holder(argument: &str) -> Result<(Child, u32, PathBuf), Box<dyn Error>> {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold-etcd"))
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(holder.stdout.take().ok_or("no standard output")?).lines();
    let pid = lines.next().ok_or("no process id")??.parse()?;
    let folder = PathBuf::from(lines.next().ok_or("no folder")??);
    Ok((holder, pid, folder))
}

#[test]
fn a_killed_test_process_takes_its_etcd_along() -> TestResult {
    for argument in ["running", "stopped"] {
        let (mut holder, pid, folder) = holder(argument)?;
        assert!(!is_dead(pid));
        holder.kill()?;
        holder.wait()?;
        let mut looks = 0;
        while !is_dead(pid) {
            looks += 1;
            assert!(looks < 1_000, "etcd {pid} ({argument}) outlives its holder");
            pause();
        }
        // All that a killed process leaves: nobody was there to remove it.
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "another process ends in real time")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(10));
}

#[test]
fn a_missing_program_fails_and_names_the_remedy() -> TestResult {
    let empty = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_hold-etcd"))
        .env("LEADERELECTION_SERVERS", empty.path())
        .output()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(
        !output.status.success() && said.contains("tests/run.sh"),
        "{said}"
    );
    Ok(())
}
