//! The Kubernetes fixtures keep their word: the server serves, survives what tests do to it and leaves nothing behind;
//! Go's contenders lead one after the other and tell when.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leaderelection_tests::servers::{Contender, GoContender, KubeApiserver, Said, monotonic};

type TestResult = Result<(), Box<dyn Error>>;

/// For what takes moments, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

/// Short, and of whole seconds as the record has them.
const LEASE: Duration = Duration::from_secs(4);
const RENEW: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(500);

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

/// What a server has that must not outlive it.
struct Belongings {
    pids: Vec<u32>,
    folders: Vec<PathBuf>,
}

impl Belongings {
    fn of(server: &KubeApiserver) -> Self {
        Self {
            pids: server.pid().into_iter().chain(server.etcd().pid()).collect(),
            folders: vec![server.folder().to_owned(), server.etcd().folder().to_owned()],
        }
    }

    fn all_there(&self) -> bool {
        self.pids.len() == 2
            && !self.pids.iter().any(|pid| is_dead(*pid))
            && self.folders.iter().all(|folder| folder.exists())
    }

    fn all_gone(&self) -> bool {
        self.pids.iter().all(|pid| is_gone(*pid)) && !self.folders.iter().any(|folder| folder.exists())
    }
}

#[test]
fn it_serves_and_every_test_has_a_namespace_of_its_own() -> TestResult {
    let server = KubeApiserver::shared()?;
    server.ready()?;
    let (one, two) = (
        server.namespace("Some_test::name")?,
        server.namespace("Some_test::name")?,
    );
    assert!(one != two && one.starts_with("some-test--name-"), "{one} {two}");
    assert!(server.get(&format!("/api/v1/namespaces/{one}"))?.contains(&one));
    assert!(std::ptr::eq(server, KubeApiserver::shared()?));
    assert!(server.metrics()?.contains("apiserver_request_total"));

    let missing = server.get("/api/v1/namespaces/missing").unwrap_err().to_string();
    assert!(missing.contains("404"), "{missing}");
    Ok(())
}

#[test]
fn clients_are_counted_in_their_namespace_and_the_fixture_is_not() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("counted")?;
    let mut go = GoContender::lease(server.kubeconfig(), &namespace, "job", "go").start()?;
    go.wait_for(Said::StartedLeading, SOON)?;
    server.get(&format!(
        "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/job"
    ))?;

    let requests = server.requests(|request| request.namespace == namespace)?;
    let verbs: Vec<&str> = requests.iter().map(|request| request.verb.as_str()).collect();
    // The first renewal follows at once.
    assert!(verbs.starts_with(&["get", "create"]), "{requests:#?}");
    for request in &requests {
        assert_eq!(
            (request.resource.as_str(), request.user.as_str()),
            ("leases", "admin")
        );
        assert!(request.user_agent.contains("contender-lease"), "{request:?}");
    }
    assert!(
        server
            .requests(|request| request.user == "fixture" || request.user == "system:apiserver")?
            .is_empty()
    );
    Ok(())
}

#[test]
fn the_restricted_user_may_nothing_and_an_unknown_one_is_nobody() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("restricted")?;
    for (token, answer) in [
        (server.restricted_token(), "forbidden"),
        ("unknown", "Unauthorized"),
    ] {
        let kubeconfig = server.kubeconfig_for(token)?;
        let mut go = GoContender::lease(kubeconfig, &namespace, "job", "go").start()?;
        let error = go
            .wait_for(Said::StartedLeading, Duration::from_secs(2))
            .unwrap_err()
            .to_string();
        assert!(error.contains(answer), "{token}: {error}");
    }
    Ok(())
}

#[test]
fn it_survives_a_kill_with_its_data_and_address() -> TestResult {
    let mut server = KubeApiserver::start()?;
    let (url, pid) = (server.url(), server.pid().ok_or("no pid")?);
    let namespace = server.namespace("kept")?;

    server.kill();
    assert!(is_gone(pid));
    assert!(server.ready().is_err() && server.stop().is_err() && server.pid().is_none());
    server.restart()?;

    assert_eq!(server.url(), url);
    server.get(&format!("/api/v1/namespaces/{namespace}"))?;

    server.etcd_mut().kill();
    assert!(server.get(&format!("/api/v1/namespaces/{namespace}")).is_err());
    server.etcd_mut().restart()?;
    let mut looks = 0;
    while let Err(error) = server.get(&format!("/api/v1/namespaces/{namespace}")) {
        looks += 1;
        assert!(looks < 1_000, "etcd is back, but {error}");
        pause();
    }
    Ok(())
}

#[test]
fn a_stopped_one_answers_nobody_and_dropping_leaves_nothing() -> TestResult {
    let server = KubeApiserver::start()?;
    let belongings = Belongings::of(&server);
    server.stop()?;
    assert!(server.ready().is_err());
    server.cont()?;
    server.ready()?;

    server.stop()?;
    server.etcd().stop()?;
    assert!(belongings.all_there());
    drop(server);
    assert!(belongings.all_gone());
    Ok(())
}

#[test]
fn a_panic_leaves_nothing() -> TestResult {
    let mut seen = None;
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let server = KubeApiserver::start().unwrap();
        let belongings = Belongings::of(&server);
        assert!(belongings.all_there());
        seen = Some(belongings);
        panic!("on purpose: a test that fails while its server runs");
    }));
    assert!(outcome.is_err());
    assert!(seen.ok_or("it did not start")?.all_gone());
    Ok(())
}

/// A process that holds a kube-apiserver.
fn holder(argument: &str) -> Result<(Child, Belongings), Box<dyn Error>> {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold-kube"))
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(holder.stdout.take().ok_or("no standard output")?).lines();
    let lines = lines.take(4).collect::<Result<Vec<_>, _>>()?;
    let [apiserver, etcd, folder, etcd_folder] = lines.as_slice() else {
        return Err(format!("only {lines:?}").into());
    };
    let belongings = Belongings {
        pids: vec![apiserver.parse()?, etcd.parse()?],
        folders: vec![folder.into(), etcd_folder.into()],
    };
    assert!(belongings.all_there());
    Ok((holder, belongings))
}

#[test]
fn a_killed_test_process_takes_its_servers_along() -> TestResult {
    let (mut holder, belongings) = holder("own")?;
    holder.kill()?;
    holder.wait()?;
    until("its servers outlive it", || {
        belongings.pids.iter().all(|pid| is_dead(*pid))
    });
    // All that a killed process leaves: nobody was there to remove it.
    for folder in belongings.folders {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

#[test]
fn a_shared_one_leaves_nothing_however_its_process_ends() -> TestResult {
    for killed in [false, true] {
        let (mut holder, belongings) = holder("shared")?;
        if killed {
            holder.kill()?;
        } else {
            drop(holder.stdin.take());
        }
        holder.wait()?;
        until("something of it is left", || {
            belongings.pids.iter().all(|pid| is_dead(*pid))
                && !belongings.folders.iter().any(|folder| folder.exists())
        });
    }
    Ok(())
}

/// Two hand over by release, then by SIGKILL; both tell it in an order that a test can judge.
fn hand_over(contender: impl Fn(&str) -> Contender) -> TestResult {
    let start = |identity: &str| {
        contender(identity)
            .timing(LEASE, RENEW, RETRY)
            .release_on_cancel()
            .start()
    };
    let mut first = start("first")?;
    let began = first.wait_for(Said::StartedLeading, SOON)?;
    assert_eq!(began.identity, "first");
    assert!(began.monotonic < monotonic() && monotonic() - began.monotonic < SOON);

    let mut second = start("second")?;
    let leader = second.wait_for(Said::NewLeader, SOON)?;
    assert_eq!(leader.identity, "first");

    first.terminate()?;
    let ended = first.wait_for(Said::WorkEnded, SOON)?;
    first.wait_for(Said::StoppedLeading, SOON)?;
    assert!(first.wait_for_end(SOON)?.success());
    assert!(first.terminate().is_err(), "it has ended");
    let followed = second.wait_for(Said::StartedLeading, SOON)?;
    assert!(ended.monotonic < followed.monotonic, "{ended} and {followed}");
    let gap = followed.monotonic - ended.monotonic;
    assert!(gap < LEASE, "released, but it took {gap:?}");

    let mut third = start("third")?;
    assert_eq!(third.wait_for(Said::NewLeader, SOON)?.identity, "second");
    let killed = monotonic();
    second.kill();
    let followed = third.wait_for(Said::StartedLeading, SOON)?;
    assert!(followed.monotonic - killed > LEASE - RENEW, "{followed}");

    let mut told: Vec<String> = second
        .events()?
        .iter()
        .map(|event| format!("{:?} {}", event.said, event.identity))
        .collect();
    told.sort();
    assert_eq!(
        told,
        ["NewLeader first", "NewLeader second", "StartedLeading second"],
        "client-go tells a leader of itself too, and a killed one tells nothing"
    );
    Ok(())
}

#[test]
fn todays_go_hands_a_lease_over() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("go-lease")?;
    hand_over(|identity| GoContender::lease(server.kubeconfig(), &namespace, "job", identity))?;
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/job");
    assert!(server.get(&leases)?.contains(r#""holderIdentity":"third""#));
    Ok(())
}

#[test]
fn old_go_hands_an_endpoints_lock_over() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("go-endpoints")?;
    hand_over(|identity| GoContender::endpoints(server.kubeconfig(), &namespace, "job", identity))?;
    let object = server.get(&format!("/api/v1/namespaces/{namespace}/endpoints/job"))?;
    assert!(
        object.contains("control-plane.alpha.kubernetes.io/leader") && object.contains("third"),
        "{object}"
    );
    Ok(())
}

#[test]
fn a_contender_runs_a_command_that_dies_with_it() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("command")?;
    let start = |name: &str, script: &str| {
        GoContender::endpoints(server.kubeconfig(), &namespace, name, "go")
            .command(["/bin/sh", "-c", script])
            .start()
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pid");
    let pid = || std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok();

    let script = format!("echo $$ > {}; exec sleep 1000", file.display());
    let mut go = start("killed", &script)?;
    go.wait_for(Said::StartedLeading, SOON)?;
    until("the command does not run", || pid().is_some());
    let command = pid().ok_or("no pid")?;
    assert!(!is_dead(command));
    go.kill();
    until("the command outlives its contender", || is_dead(command));

    let mut go = start("by-itself", "exit 7")?;
    go.wait_for(Said::WorkEnded, SOON)?;
    assert_eq!(go.wait_for_end(SOON)?.code(), Some(7));
    Ok(())
}

#[test]
fn the_old_client_knows_other_locks_and_todays_refuses_them() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("locks")?;
    for lock in ["configmaps", "leases", "endpointsleases"] {
        let mut go = GoContender::endpoints(server.kubeconfig(), &namespace, lock, "go")
            .lock(lock)
            .start()?;
        go.wait_for(Said::StartedLeading, SOON)?;
        go.kill();
        let resource = lock.trim_end_matches("leases");
        let resource = if resource.is_empty() { "leases" } else { resource };
        let created =
            server.requests(|r| r.namespace == namespace && r.verb == "create" && r.resource == resource)?;
        assert!(!created.is_empty(), "{lock}");
    }
    let mut go = GoContender::lease(server.kubeconfig(), &namespace, "job", "go")
        .lock("endpoints")
        .start()?;
    let error = go.wait_for(Said::StartedLeading, SOON).unwrap_err().to_string();
    assert!(error.contains(r#""endpoints" is none of leases"#), "{error}");
    Ok(())
}

fn until(otherwise: &str, done: impl Fn() -> bool) {
    let mut looks = 0;
    while !done() {
        looks += 1;
        assert!(looks < 1_000, "{otherwise}");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "another process ends in real time")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}
