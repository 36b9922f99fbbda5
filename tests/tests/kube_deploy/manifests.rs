//! The files, and what the apiserver says of them.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::{Method, StatusCode};
use leaderelection_kube::KubeConnection;
use leaderelection_tests::kube_door::{KubeDoor, code};
use leaderelection_tests::leaderelect::{Leaderelect, STUBBORN_WORK};
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, wait};
use rustix::process::Signal;
use serde_json::Value;

use crate::PROGRAM;

/// Every object in `deploy/`, in that namespace.
pub(crate) fn objects(namespace: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let mut objects = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        // What is for Prometheus, and no object of Kubernetes.
        if path.is_dir() {
            continue;
        }
        assert_eq!(
            path.extension().and_then(|name| name.to_str()),
            Some("yaml"),
            "{path:?}"
        );
        let text = std::fs::read_to_string(&path)?.replace("my-namespace", namespace);
        let found: Vec<Value> = serde_saphyr::from_multiple(&text)?;
        assert!(!found.is_empty(), "{path:?}");
        objects.extend(found);
    }
    Ok(objects)
}

pub(crate) fn object(kind: &str, namespace: &str) -> Result<Value, Box<dyn Error>> {
    let mut such = objects(namespace)?
        .into_iter()
        .filter(|object| object["kind"] == kind);
    Ok(such.next().ok_or_else(|| format!("no {kind}"))?)
}

/// Where objects of its kind are created.
pub(crate) fn collection(object: &Value, namespace: &str) -> String {
    let (api, plural) = match object["kind"].as_str() {
        Some("ServiceAccount") => ("/api/v1", "serviceaccounts"),
        Some("Role") => ("/apis/rbac.authorization.k8s.io/v1", "roles"),
        Some("RoleBinding") => ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
        Some("Deployment") => ("/apis/apps/v1", "deployments"),
        // In no namespace.
        Some("FlowSchema") => return "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas".to_owned(),
        other => panic!("say here where {other:?} is created"),
    };
    format!("{api}/namespaces/{namespace}/{plural}")
}

async fn try_out(door: &KubeDoor, object: &Value, namespace: &str) -> Result<Value, kube::Error> {
    let path = format!(
        "{}?dryRun=All&fieldValidation=Strict",
        collection(object, namespace)
    );
    door.request(Method::POST, &path, "application/json", object)
        .await
}

#[tokio::test]
async fn each_is_taken_and_none_has_a_field_that_kubernetes_does_not_know() -> Result<(), Box<dyn Error>> {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("deploy")?;
    let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let door = KubeDoor::new(admin.client().clone(), &namespace, "unused");
    let objects = objects(&namespace)?;
    let mut kinds: Vec<_> = objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "Deployment",
            "FlowSchema",
            "Role",
            "RoleBinding",
            "ServiceAccount"
        ]
    );
    for object in &objects {
        let taken = try_out(&door, object, &namespace).await;
        assert!(taken.is_ok(), "{}: {taken:?}", object["kind"]);
        // A field that is not known would be seen.
        let mut wrong = object.clone();
        wrong["metadata"]["nmae"] = "typo".into();
        let refused = try_out(&door, &wrong, &namespace).await.err().ok_or("taken")?;
        assert_eq!(code(&refused), Some(StatusCode::BAD_REQUEST), "{refused}");
    }
    Ok(())
}

/// `leaderelect plan` reckons as the comment does, with the pod's own durations.
#[test]
fn the_pod_has_the_time_that_leaderelect_plan_names() -> Result<(), Box<dyn Error>> {
    let deployment = object("Deployment", "ns")?;
    let pod = &deployment["spec"]["template"]["spec"];
    let args = pod["containers"][0]["args"].as_array().ok_or("no arguments")?;
    let durations: Vec<&str> = args
        .iter()
        .filter_map(Value::as_str)
        .filter(|arg| {
            let flag = arg.split('=').next().unwrap_or_default();
            ["-duration", "-deadline", "-period", "-grace", "-timeout"]
                .iter()
                .any(|end| flag.ends_with(end))
        })
        .collect();
    assert_eq!(durations.len(), 5, "{durations:?}");
    let planned = Command::new(PROGRAM)
        .args(["plan", "--output=json"])
        .args(durations)
        .output()?;
    let planned: Value = serde_json::from_slice(&planned.stdout)?;
    assert_eq!(
        planned["terminationGracePeriodSeconds"],
        pod["terminationGracePeriodSeconds"]
    );
    assert!(planned["terminationGracePeriodSeconds"].is_u64());
    Ok(())
}

/// The arguments of the container up to what it runs, for this machine: on a port that is free.
fn words_of(container: &Value, namespace: &str) -> Vec<String> {
    let words = [&container["command"], &container["args"]];
    let words = words.iter().filter_map(|words| words.as_array()).flatten();
    let mut words: Vec<String> = words
        .filter_map(Value::as_str)
        .map(|word| word.replace("$(POD_NAMESPACE)", namespace))
        .collect();
    assert_eq!(words.pop().as_deref(), Some("my-service"));
    assert_eq!(words.remove(0), "leaderelect");
    let port = format!("--health-listen=:{}", container["ports"][0]["containerPort"]);
    let listen = words.iter_mut().find(|word| **word == port);
    *listen.unwrap() = "--health-listen=127.0.0.1:0".to_owned();
    words
}

/// By who leads, and by who follows, to whom the roll-out goes on.
#[test]
fn its_probes_are_answered() -> Result<(), Box<dyn Error>> {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("probes")?;
    let deployment = object("Deployment", &namespace)?;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let words = words_of(container, &namespace);
    let mut copies = Vec::new();
    for _ in 0..2 {
        let mut process = Command::new(PROGRAM);
        process
            .args(&words)
            .args(["sh", "-c", STUBBORN_WORK])
            .env("KUBECONFIG", server.kubeconfig());
        let copy = Leaderelect::spawn(process)?;
        let said = copy.logged("answers /healthz")?.text;
        let address = said
            .split("address=")
            .nth(1)
            .ok_or("no address")?
            .trim()
            .to_owned();
        if copies.is_empty() {
            copy.started()?;
        }
        copies.push((copy, address));
    }
    for (_, address) in &copies {
        for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
            let get = &container[probe]["httpGet"];
            assert_eq!(
                (&get["path"], &get["port"]),
                (&path.into(), &container["ports"][0]["name"])
            );
            let began = now();
            while !ask(address, path)?.starts_with("HTTP/1.1 200 OK\r\n") {
                assert!(
                    now().since(began) < Duration::from_secs(30),
                    "{}",
                    ask(address, path)?
                );
                wait(Duration::from_millis(50));
            }
        }
    }
    Ok(())
}

fn ask(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The worst that its comment reckons with, played by what would run in the pod: a command that heeds no SIGTERM, and an apiserver that
/// no longer answers when it is time to release.
#[test]
fn the_pod_has_the_time_that_leaderelect_run_may_take_to_end() -> Result<(), Box<dyn Error>> {
    /// What the comment has for a last Event that hangs for longer than the release, which it does not here, and for a busy node.
    const BEYOND: Duration = Duration::from_secs(1 + 2);
    let server = KubeApiserver::start()?;
    let namespace = server.namespace("ends")?;
    let deployment = object("Deployment", &namespace)?;
    let pod = &deployment["spec"]["template"]["spec"];
    let given = pod["terminationGracePeriodSeconds"].as_u64().ok_or("no limit")?;
    let given = Duration::from_secs(given);
    let words = words_of(&pod["containers"][0], &namespace);
    let drain_timeout = words
        .iter()
        .find_map(|word| word.strip_prefix("--drain-timeout="));
    let drain_timeout = humantime::parse_duration(drain_timeout.ok_or("no drain timeout")?)?;

    let mut process = Command::new(PROGRAM);
    process
        .args(&words)
        .args(["sh", "-c", STUBBORN_WORK])
        .env("KUBECONFIG", server.kubeconfig());
    let mut leader = Leaderelect::spawn(process)?;
    leader.started()?;
    leader.send(Signal::TERM)?;
    let asked = now();
    // The command is in its stop grace, and the lease is no longer renewed.
    wait(drain_timeout + Duration::from_secs(1));
    server.stop()?;
    leader.exited()?;
    let took = now().since(asked);
    println!("{took:?} of {given:?}");
    let log = leader.logged_so_far();
    for worst in [
        "COMMAND has outlived its term: it is killed",
        "ReleaseUnconfirmed",
        "an Event could not be written",
    ] {
        assert!(log.iter().any(|line| line.contains(worst)), "{worst}: {log:#?}");
    }
    assert!(took <= given, "it would have been killed: {took:?}");
    // And what is reckoned with takes that time.
    let needed = given - BEYOND;
    assert!(took >= needed, "it ends after {took:?}, and has {given:?}");
    Ok(())
}
