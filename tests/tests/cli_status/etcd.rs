//! On etcd.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, WORK};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::side_door::SideDoor;
use leaderelection_tests::time::{now, pause, wait};
use rustix::process::Signal;
use serde_json::json;

use super::{PROGRAM, TestResult, Watching, look, status};

fn lock(etcd: &Etcd) -> String {
    format!("etcd://{}/leader", etcd.endpoint())
}

fn run(lock: &str, identity: &str) -> Leaderelect {
    Leaderelect::script(Path::new(PROGRAM), lock, identity, &SHORT_LEASE, WORK).unwrap()
}

fn side_door<T>(etcd: &Etcd, act: impl AsyncFnOnce(SideDoor) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .unwrap()
        .block_on(async { act(SideDoor::open(etcd.endpoint(), "leader").await.unwrap()).await })
}

/// The revision of the whole store. It is asked for by a write of another key, which adds one.
fn revision(etcd: &Etcd) -> u64 {
    side_door(etcd, async |door| door.put_elsewhere().await.unwrap())
}

#[test]
fn free_led_released_and_unreadable_by_exit_code() -> TestResult {
    let etcd = Etcd::start()?;
    let lock = lock(&etcd);
    let (code, said) = look(&lock, None, &[]);
    assert_eq!(
        (code, &said["state"], &said["reason"]),
        (3, &json!("free"), &json!("noObject"))
    );

    let mut leader = run(&lock, "a");
    let token = leader.started()?.token;
    let (code, said) = look(&lock, None, &[]);
    assert_eq!(
        (code, &said["state"], &said["holderIdentity"]),
        (0, &json!("led"), &json!("a")),
        "{said}"
    );
    assert_eq!(
        (&said["lock"], &said["leaseDurationSeconds"]),
        (&json!(lock), &json!(3))
    );
    assert!(
        said["token"].is_null() && said["tokenAtMost"].as_u64() >= Some(token),
        "{token}: {said}"
    );
    assert!(said["leaseLeftSecondsAtMost"].as_f64() <= Some(3.0) && said["renewalSeenSecondsAgo"].is_null());
    assert_eq!(said["problems"], json!([]), "the clock is the holder's");
    let text = status(&lock, None, &[]).output()?;
    assert!(String::from_utf8(text.stdout)?.contains("led by \"a\""));
    assert!(text.stderr.is_empty(), "{}", String::from_utf8(text.stderr)?);

    leader.send(Signal::TERM)?;
    leader.exited()?;
    let (code, said) = look(&lock, None, &[]);
    assert_eq!(
        (code, &said["state"], &said["reason"]),
        (3, &json!("free"), &json!("released")),
        "{said}"
    );

    side_door(&etcd, async |door| door.put("nonsense").await)?;
    let (code, said) = look(&lock, None, &[]);
    assert_eq!((code, &said["state"]), (4, &json!("unreadable")));
    assert!(
        said["message"]
            .as_str()
            .unwrap()
            .contains("not a leader election record"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_lock_that_was_moved_is_neither_led_nor_free() -> TestResult {
    let etcd = Etcd::start()?;
    let (from, to) = (lock(&etcd), format!("etcd://{}/other", etcd.endpoint()));
    let moved = std::process::Command::new(PROGRAM)
        .args(["move", "--from", &from, "--to", &to, "--lease-duration", "1500ms"])
        .args(["--renew-deadline", "1s", "--retry-period", "300ms"])
        .output()?;
    assert!(
        moved.status.success(),
        "{}",
        String::from_utf8_lossy(&moved.stderr)
    );
    let (code, said) = look(&from, None, &[]);
    assert_eq!(
        (code, &said["state"], &said["reason"]),
        (1, &json!("closed"), &json!("movedTo")),
        "{said}"
    );
    assert!(said["message"].as_str().unwrap().contains("etcd:other"), "{said}");
    assert_eq!(look(&to, None, &[]).0, 3);
    Ok(())
}

#[test]
fn unreachable_within_the_time_limit() -> TestResult {
    // Nobody listens there when this is dropped.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let (code, said) = look(&format!("etcd://127.0.0.1:{port}/leader"), None, &[]);
    assert_eq!(
        (code, &said["state"], &said["reason"]),
        (5, &json!("unreachable"), &json!("unavailable")),
        "{said}"
    );

    let etcd = Etcd::start()?;
    etcd.stop()?;
    let asked = now();
    let (code, said) = look(&lock(&etcd), None, &["--timeout", "1s"]);
    let took = now().since(asked);
    assert_eq!((code, &said["reason"]), (5, &json!("timedOut")), "{said}");
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(5),
        "{took:?}"
    );
    Ok(())
}

/// Its token is that which the new leader's command has in its environment.
#[test]
fn a_hand_over_is_seen_with_its_token() -> TestResult {
    let etcd = Etcd::start()?;
    let lock = lock(&etcd);
    let mut leader = run(&lock, "a");
    leader.started()?;
    let watching = Watching::start(&lock, None);
    let seen = watching.event("seen");
    assert!(seen["token"].is_null(), "its acquisition was not seen: {seen}");
    let renewed = watching.event("renewed");
    assert!(renewed["renewalSeenSecondsAgo"].as_f64() < Some(1.0), "{renewed}");
    let follower = run(&lock, "b");
    follower.follows("a")?;
    leader.send(Signal::TERM)?;
    leader.exited()?;
    let token = follower.started()?.token;
    let freed = watching.event("freed");
    assert_eq!(
        (&freed["state"], &freed["reason"]),
        (&json!("free"), &json!("released"))
    );
    let acquired = watching.event("acquired");
    assert_eq!(
        (&acquired["holderIdentity"], &acquired["token"]),
        (&json!("b"), &json!(token)),
        "{acquired}"
    );
    // A renewal keeps it, and has a newer version.
    let renewed = watching.event("renewed");
    assert_eq!(renewed["token"], json!(token));
    assert!(renewed["version"].as_u64() > Some(token));
    assert_eq!(watching.ends(), 0);
    Ok(())
}

#[test]
fn a_lease_that_runs_out_and_a_store_that_comes_and_goes_are_told() -> TestResult {
    let mut etcd = Etcd::start()?;
    let lock = lock(&etcd);
    let leader = run(&lock, "a");
    leader.started()?;
    let watching = Watching::start(&lock, None);
    watching.event("renewed");
    leader.send(Signal::KILL)?;
    let ran_out = watching.event("leaseRanOut");
    assert_eq!(
        (&ran_out["state"], &ran_out["holderIdentity"]),
        (&json!("free"), &json!("a"))
    );
    assert_eq!(ran_out["leaseLeftSecondsAtMost"], json!(0.0));

    etcd.kill();
    let gone = watching.event("unreachable");
    assert!(gone["holderIdentity"].is_null(), "nothing is known: {gone}");
    etcd.restart()?;
    // The next that is said: once is enough.
    let back = watching.until(|_| true);
    assert_eq!(
        (&back["event"], &back["state"]),
        (&json!("reachable"), &json!("free")),
        "{back}"
    );
    assert_eq!(watching.ends(), 3);
    Ok(())
}

/// By what etcd counts: nothing but reads and watches was asked of it, and its revision is where it was.
#[test]
fn it_never_writes() -> TestResult {
    let etcd = Etcd::start()?;
    let lock = lock(&etcd);
    side_door(&etcd, async |door| {
        door.put(r#"{"holderIdentity":"a","leaseDurationSeconds":1}"#)
            .await
    })?;
    let before = revision(&etcd);
    let writes =
        || etcd.requests(|method| !matches!(method, "etcdserverpb.KV/Range" | "etcdserverpb.Watch/Watch"));
    let written = writes()?;
    assert_eq!(look(&lock, None, &[]).0, 0);
    let watching = Watching::start(&lock, None);
    watching.event("leaseRanOut");
    // It goes on reading now and then.
    wait(Duration::from_secs(6));
    assert_eq!(watching.ends(), 3);
    assert_eq!(writes()?, written, "{:?}", etcd.requests_by_method()?);
    assert_eq!(revision(&etcd), before + 1, "its own");
    Ok(())
}

/// Also while there is nothing to say, and without a panic.
#[test]
fn it_ends_when_nobody_reads_it_any_more() -> TestResult {
    let etcd = Etcd::start()?;
    let mut process = status(&lock(&etcd), None, &["--watch"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut first = String::new();
    BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut first)?;
    assert!(first.contains(" seen: free: there is no object"), "{first}");
    let limit = now().after(Duration::from_secs(20));
    while process.try_wait()?.is_none() && now() < limit {
        pause();
    }
    // Fails only when it has ended.
    let _ = process.kill();
    let output = process.wait_with_output()?;
    let log = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(3), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    Ok(())
}
