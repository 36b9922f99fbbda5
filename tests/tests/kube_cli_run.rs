//! `leaderelect run --lock endpoints:`, as real processes on a real kube-apiserver: what is this lock's own. What all locks
//! have in common is in `cli_run`, and Go beside it in `kube_beside_go`.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use http::Method;
use leaderelection_kube::KubeConnection;
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, STUBBORN_WORK, WORK, death_of};
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, wait};
use rustix::process::Signal;
use serde_json::{Value, json};

type TestResult = Result<(), Box<dyn Error>>;

/// `leaderelect` when it has arguments.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover-kube");

/// Of [`SHORT_LEASE`].
const LEASE: Duration = Duration::from_secs(3);
const RENEW_DEADLINE: Duration = Duration::from_secs(2);
const STOP_GRACE: Duration = Duration::from_millis(500);

/// What a busy machine may add between something and its being seen here.
const BUSY: Duration = Duration::from_millis(500);

/// Far less than any lease here, on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(1_500);

fn run(
    kubeconfig: &Path,
    namespace: &str,
    identity: &str,
    script: &str,
) -> Result<Leaderelect, Box<dyn Error>> {
    let lock = format!("endpoints:{namespace}/leader");
    let command = ["sh", "-c", script];
    let program = Path::new(PROGRAM);
    Ok(Leaderelect::start_in(
        kubeconfig,
        program,
        &lock,
        identity,
        &SHORT_LEASE,
        &command,
    )?)
}

#[test]
fn an_apiserver_that_is_down_is_waited_for_and_a_restart_of_it_is_survived() -> TestResult {
    let mut server = KubeApiserver::start()?;
    let namespace = server.namespace("down")?;
    server.kill();
    let leader = run(&server.kubeconfig(), &namespace, "a", STUBBORN_WORK)?;
    leader.logged("failed; it is tried again")?;
    let mut other = run(&server.kubeconfig(), &namespace, "b", WORK)?;
    other.logged("failed; it is tried again")?;
    other.send(Signal::TERM)?;
    assert_eq!(other.exited()?.code(), Some(0), "nothing holds it");
    assert!(leader.said_so_far().is_empty());
    server.restart()?;
    let first = leader.started()?;

    // Killed under a leader: its work is over in time, and starts again when there is an apiserver.
    server.kill();
    let killed = now();
    let dead = death_of(first.pid, Duration::from_secs(10)).ok_or("it outlives its lease")?;
    let lived = dead.since(killed);
    assert!(lived <= RENEW_DEADLINE + STOP_GRACE + BUSY, "{lived:?}");
    server.restart()?;
    let second = leader.started()?;
    assert!(second.token > first.token);
    Ok(())
}

#[test]
fn a_record_overwritten_by_an_operator_ends_the_command_at_once() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("operator")?;
    let leader = run(&server.kubeconfig(), &namespace, "a", WORK)?;
    let first = leader.started()?;
    let record = r#"{"holderIdentity":"operator","leaseDurationSeconds":1,"acquireTime":null,"renewTime":null,"leaderTransitions":7}"#;
    runtime()?.block_on(async {
        door(server, &namespace).await?.put(record).await?;
        Ok::<_, Box<dyn Error>>(())
    })?;
    let overwritten = now();
    let asked = leader.said("term")?.at.since(overwritten);
    assert!(asked < AT_ONCE, "{asked:?}");
    let second = leader.started()?;
    assert!(second.token > first.token);
    let waited = second.at.since(overwritten);
    assert!(waited + BUSY >= LEASE && waited <= LEASE + AT_ONCE, "{waited:?}");
    Ok(())
}

/// The Role in the README of leaderelection-kube.
fn role(namespace: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"namespace": namespace, "name": "leader-election"},
        "rules": [
            {"apiGroups": [""], "resources": ["endpoints"], "resourceNames": ["leader"], "verbs": ["get", "patch", "watch"]},
            {"apiGroups": [""], "resources": ["endpoints"], "verbs": ["create"]},
        ],
    })
}

#[test]
fn the_permissions_of_the_readme_are_enough_and_without_them_it_waits_for_them() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("rbac")?;
    let restricted = server.kubeconfig_for(server.restricted_token())?;
    let mut leader = run(&restricted, &namespace, "a", WORK)?;
    // Denied are the read and the watch, in whichever order they were answered.
    let refused = leader.logged("operation=get")?.text;
    for said in [
        "failed; it is tried again",
        "denied: get of",
        "endpoints",
        &format!("{namespace}/leader"),
        "403",
        "restricted",
    ] {
        assert!(refused.contains(said), "no {said:?} in: {refused}");
    }
    let roles = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"namespace": namespace, "name": "leader-election"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leader-election"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
    });
    runtime()?.block_on(async {
        let door = door(server, &namespace).await?;
        for (plural, object) in [("roles", role(&namespace)), ("rolebindings", binding)] {
            door.request(
                Method::POST,
                &format!("{roles}/{plural}"),
                "application/json",
                &object,
            )
            .await?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    let first = leader.started()?;
    let follower = run(&restricted, &namespace, "b", WORK)?;
    follower.follows("a")?;
    // More than a lease: renewed, and watched.
    wait(LEASE + RENEW_DEADLINE);
    assert!(follower.said_so_far().is_empty() && leader.said_so_far().is_empty());
    leader.send(Signal::TERM)?;
    let asked = now();
    let second = follower.started()?;
    assert!(
        second.at.since(asked) < AT_ONCE,
        "by a watch: {:?}",
        second.at.since(asked)
    );
    assert!(second.token > first.token);
    assert_eq!(leader.exited()?.code(), Some(0));
    Ok(())
}

/// Clusters in the cloud give out tokens by a plugin, a child process of the client, which waits for it. `leaderelect run`
/// buries children, too, and must leave this one alone.
#[test]
fn a_credential_plugin_is_run_again_and_again_while_it_leads() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("plugin")?;
    let folder = tempfile::tempdir()?;
    let (runs, kubeconfig) = (folder.path().join("runs"), folder.path().join("kubeconfig"));
    // A token that has expired already: the plugin runs before every request.
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": server.admin_token(), "expirationTimestamp": "2020-01-01T00:00:00Z"},
    });
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "sh",
        "args": ["-c", format!("echo >> {}; echo '{credential}'", runs.display())],
    });
    let text = std::fs::read_to_string(server.kubeconfig())?;
    let token = format!("token: {}", server.admin_token());
    assert!(text.contains(&token));
    std::fs::write(&kubeconfig, text.replace(&token, &format!("exec: {plugin}")))?;

    let mut leader = run(&kubeconfig, &namespace, "a", WORK)?;
    leader.started()?;
    wait(LEASE * 3);
    assert!(leader.said_so_far().is_empty(), "it has lost its lease");
    let log = leader.logged_so_far();
    let failures: Vec<_> = log.iter().filter(|line| line.contains("failed")).collect();
    assert!(
        failures.is_empty(),
        "{} of {}: {failures:#?}",
        failures.len(),
        log.len()
    );
    leader.send(Signal::TERM)?;
    leader.logged("event=Released")?;
    assert_eq!(leader.exited()?.code(), Some(0));
    let renewals = server.requests(|request| request.namespace == namespace && request.verb == "patch")?;
    let runs = std::fs::read_to_string(&runs)?.lines().count();
    assert!(
        runs > 10 && renewals.len() > 15,
        "{runs} runs, {} renewals",
        renewals.len()
    );
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn door(server: &KubeApiserver, namespace: &str) -> Result<KubeDoor, Box<dyn Error>> {
    let kube = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    Ok(KubeDoor::new(kube.client().clone(), namespace, "leader"))
}
