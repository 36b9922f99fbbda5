//! `leaderelect run --lock endpoints:`, as real processes on a real kube-apiserver: what is this lock's own. What all locks
//! have in common is in `cli_run`, and Go beside it in `kube_beside_go`.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use http::Method;
use leaderelection_kube::KubeConnection;
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, STUBBORN_WORK, WORK, death_of};
use leaderelection_tests::pod::pod;
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, wait};
use rustix::process::{Pid, Signal};
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
fn an_apiserver_killed_under_a_leader_ends_its_command_in_time_and_a_restart_starts_it_again() -> TestResult {
    let mut server = KubeApiserver::start()?;
    let namespace = server.namespace("killed")?;
    let leader = run(&server.kubeconfig(), &namespace, "a", STUBBORN_WORK)?;
    let first = leader.started()?;
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

/// `leaderelect` with nothing of Kubernetes in its environment.
fn at_home_in(home: &Path) -> Command {
    let mut leaderelect = Command::new(PROGRAM);
    for variable in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
        leaderelect.env_remove(variable);
    }
    leaderelect.env("HOME", home);
    leaderelect
}

/// Leads, and the apiserver knows it as this user.
fn leads_as(user: &str, leaderelect: Command, server: &KubeApiserver, namespace: &str) -> TestResult {
    let lock = format!("endpoints:{namespace}/leader");
    let command = ["sh", "-c", WORK];
    let mut leader = Leaderelect::start_by(leaderelect, &lock, "a", &SHORT_LEASE, &command)?;
    leader.started()?;
    leader.send(Signal::TERM)?;
    assert_eq!(leader.exited()?.code(), Some(0));
    let requests = server.requests(|request| request.namespace == namespace)?;
    assert!(
        requests.len() >= 3 && requests.iter().all(|request| request.user == user),
        "{requests:#?}"
    );
    Ok(())
}

fn default_kubeconfig(home: &Path, kubeconfig: &Path) -> std::io::Result<()> {
    std::fs::create_dir(home.join(".kube"))?;
    std::fs::copy(kubeconfig, home.join(".kube/config")).map(drop)
}

/// Also in a pod.
#[test]
fn without_kubeconfig_the_default_file_is_taken() -> TestResult {
    let server = KubeApiserver::shared()?;
    let home = tempfile::tempdir()?;
    default_kubeconfig(home.path(), &server.kubeconfig())?;
    let mut leaderelect = at_home_in(home.path());
    leaderelect.env("KUBERNETES_SERVICE_HOST", "192.0.2.1");
    leaderelect.env("KUBERNETES_SERVICE_PORT", "443");
    leads_as("admin", leaderelect, server, &server.namespace("default-file")?)
}

/// As kubectl merges them: the cluster of the one, the user of the other, and not the default file.
#[test]
fn the_files_of_kubeconfig_are_taken_together_and_before_the_default_one() -> TestResult {
    let server = KubeApiserver::shared()?;
    let home = tempfile::tempdir()?;
    default_kubeconfig(home.path(), &server.kubeconfig_for(server.restricted_token())?)?;
    let cluster = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server.url(), "certificate-authority": server.ca_file()}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    });
    let user = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{"name": "u", "user": {"token": server.admin_token()}}],
    });
    let files = [("cluster", cluster), ("user", user)].map(|(name, text)| {
        let path = home.path().join(name);
        std::fs::write(&path, text.to_string()).map(|()| path)
    });
    let [cluster, user] = files;
    let mut leaderelect = at_home_in(home.path());
    leaderelect.env("KUBECONFIG", std::env::join_paths([cluster?, user?])?);
    leads_as("admin", leaderelect, server, &server.namespace("two-files")?)
}

/// As client-go has it: that is no error, but the apiserver knows nobody.
#[test]
fn a_user_that_the_kubeconfig_does_not_hold_is_nobody() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("no-user")?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let text = std::fs::read_to_string(server.kubeconfig())?;
    let (user, gone) = ("\n    user: test\n", "\n    user: gone\n");
    assert_eq!(text.matches(user).count(), 1);
    std::fs::write(&kubeconfig, text.replace(user, gone))?;
    let leader = run(&kubeconfig, &namespace, "a", WORK)?;
    let refused = leader.logged("operation=get")?.text;
    for said in [
        "denied: get of",
        &format!("{namespace}/leader"),
        "403",
        "system:anonymous",
    ] {
        assert!(refused.contains(said), "no {said:?} in: {refused}");
    }
    assert!(!refused.contains(server.admin_token()), "{refused}");
    Ok(())
}

#[test]
fn in_a_pod_its_service_account_is_taken() -> TestResult {
    let server = KubeApiserver::shared()?;
    let (home, account) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let Some(mut leaderelect) = pod(server, account.path(), home.path()) else {
        // Past the test's own output, which nobody sees where it passes.
        writeln!(
            std::io::stderr(),
            "DID NOT RUN: in_a_pod_its_service_account_is_taken: `unshare --mount` is not allowed here"
        )?;
        return Ok(());
    };
    let namespace = server.namespace("pod")?;
    std::fs::write(account.path().join("token"), server.admin_token())?;
    std::fs::write(account.path().join("namespace"), &namespace)?;
    std::fs::copy(server.ca_file(), account.path().join("ca.crt"))?;
    leaderelect.arg(PROGRAM);
    leads_as("admin", leaderelect, server, &namespace)
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

/// The user of a kubeconfig is a plugin: `script`, run by a shell.
fn kubeconfig_of_plugin(folder: &Path, script: &str) -> Result<PathBuf, Box<dyn Error>> {
    let server = KubeApiserver::shared()?;
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "sh",
        "args": ["-c", script],
    });
    let text = std::fs::read_to_string(server.kubeconfig())?;
    let token = format!("token: {}", server.admin_token());
    assert!(text.contains(&token));
    let kubeconfig = folder.join("kubeconfig");
    std::fs::write(&kubeconfig, text.replace(&token, &format!("exec: {plugin}")))?;
    Ok(kubeconfig)
}

/// A plugin that waits for somebody to log in, at the start or when the token is renewed, keeps nobody from stopping.
#[test]
fn a_credential_plugin_that_hangs_does_not_keep_it_from_stopping() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("hangs")?;
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": server.admin_token(), "expirationTimestamp": "2020-01-01T00:00:00Z"},
    });
    for hangs_at_once in [true, false] {
        let folder = tempfile::tempdir()?;
        let (pids, ran) = (folder.path().join("pids"), folder.path().join("ran"));
        let hang = format!("echo $$ >> {}; exec sleep 1000", pids.display());
        let script = if hangs_at_once {
            hang
        } else {
            let ran = ran.display();
            format!("if [ -e {ran} ]; then {hang}; else : > {ran}; echo '{credential}'; fi")
        };
        let kubeconfig = kubeconfig_of_plugin(folder.path(), &script)?;
        let mut leader = run(&kubeconfig, &namespace, "a", WORK)?;
        let running = || std::fs::read_to_string(&pids).unwrap_or_default();
        let began = now();
        while running().is_empty() {
            assert!(
                now().since(began) < Duration::from_secs(20),
                "the plugin has not run"
            );
            wait(Duration::from_millis(20));
        }
        leader.send(Signal::TERM)?;
        let asked = now();
        let ended = leader.exited();
        let took = now().since(asked);
        for pid in running().lines() {
            if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        assert_eq!(ended?.code(), Some(0), "nothing was held");
        assert!(took < AT_ONCE, "{took:?}, hangs at once: {hangs_at_once}");
    }
    Ok(())
}

/// Clusters in the cloud give out tokens by a plugin, a child process of the client, which waits for it. `leaderelect run`
/// buries children, too, and must leave this one alone.
#[test]
fn a_credential_plugin_is_run_again_and_again_while_it_leads() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("plugin")?;
    let folder = tempfile::tempdir()?;
    let runs = folder.path().join("runs");
    // A token that has expired already: the plugin runs before every request.
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": server.admin_token(), "expirationTimestamp": "2020-01-01T00:00:00Z"},
    });
    let script = format!("echo >> {}; echo '{credential}'", runs.display());
    let kubeconfig = kubeconfig_of_plugin(folder.path(), &script)?;

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
