//! Kubernetes' Events of an election, on a real kube-apiserver: the same as client-go's, and never in the election's way.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "JSON that is missing is null, and a failing assertion is how a test speaks"
)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use leaderelection::{Event, LeaderElector, LeaseTiming};
use leaderelection_kube::{EventRecorder, EventRecording, KubeConnection, LockRef};
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, WORK};
use leaderelection_tests::servers::{GoContender, KubeApiserver, Said};
use leaderelection_tests::time::within;
use rustix::process::Signal;
use serde_json::{Value, json};
use tower::BoxError;

type TestResult = Result<(), Box<dyn Error>>;

/// `leaderelect` when it has arguments.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover-kube");
const NAME: &str = "leader";
const COMPONENT: &str = "my-controller";
/// For what must come, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A candidate whose Events are recorded.
fn recorded(
    connection: &KubeConnection,
    namespace: &str,
    identity: &str,
) -> Result<(Candidate, EventRecording), Box<dyn Error>> {
    let lock = LockRef::endpoints(namespace, NAME)?;
    let elector = LeaderElector::builder(connection.lock(&lock), identity)
        .timing(LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?)
        .build()?;
    let recording = EventRecorder::new(connection, &lock, COMPONENT).record(&elector)?;
    let events = elector.events();
    let handle = elector.spawn()?;
    Ok((Candidate { handle, events }, recording))
}

/// The Events of a namespace, oldest first.
fn events(server: &KubeApiserver, namespace: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let list: Value = serde_json::from_str(&server.get(&format!("/api/v1/namespaces/{namespace}/events"))?)?;
    let mut events = list["items"].as_array().ok_or("no list")?.clone();
    // After the object's name comes the time.
    events.sort_by_key(|event| event["metadata"]["name"].to_string());
    Ok(events)
}

/// What is left of an Event when its names, times and versions are found to be in order.
fn plain(mut event: Value, namespace: &str, uid: &str) -> Result<Value, Box<dyn Error>> {
    let metadata = event["metadata"].take();
    assert_eq!(metadata["namespace"], namespace);
    let name = metadata["name"].as_str().ok_or("no name")?;
    let (object, nanos) = name.split_once('.').ok_or("no time in the name")?;
    assert_eq!(object, NAME);
    let seconds = i64::from_str_radix(nanos, 16)? / 1_000_000_000;
    for field in ["firstTimestamp", "lastTimestamp"] {
        let time: chrono::DateTime<chrono::Utc> = event[field].as_str().ok_or("no time")?.parse()?;
        assert_eq!(time.timestamp(), seconds, "{field} and the name");
        event[field] = "TIME".into();
    }
    let involved = &mut event["involvedObject"];
    assert_eq!(involved["namespace"], namespace);
    assert_eq!(involved["uid"], uid);
    let version: u64 = involved["resourceVersion"]
        .as_str()
        .ok_or("no version")?
        .parse()?;
    assert!(version > 0);
    for field in ["namespace", "uid", "resourceVersion"] {
        involved[field] = field.into();
    }
    Ok(event)
}

fn all_plain(server: &KubeApiserver, namespace: &str, object: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let object: Value = serde_json::from_str(&server.get(object)?)?;
    let uid = object["metadata"]["uid"].as_str().ok_or("no uid")?;
    let events = events(server, namespace)?.into_iter();
    events.map(|event| plain(event, namespace, uid)).collect()
}

fn by_go(
    server: &KubeApiserver,
    test: &str,
    contender: fn(std::path::PathBuf, &str) -> leaderelection_tests::servers::Contender,
) -> Result<String, Box<dyn Error>> {
    let namespace = server.namespace(test)?;
    let mut go = contender(server.kubeconfig(), &namespace)
        .events(COMPONENT)
        .release_on_cancel()
        .start()?;
    go.wait_for(Said::StartedLeading, LIMIT)?;
    go.terminate()?;
    go.wait_for_end(LIMIT)?;
    Ok(namespace)
}

#[tokio::test]
async fn ours_are_those_of_client_go_field_by_field() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("events")?;
    let connection = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let (ours, recording) = recorded(&connection, &namespace, "someone")?;
    let token = ours.leads(LEASE).await?.token();
    within(LIMIT, "the end", ours.handle.shutdown()).await?;
    assert!(recording.finish(LIMIT).await);
    let written = events(server, &namespace)?;
    assert_eq!(written[0]["involvedObject"]["resourceVersion"], token.to_string());
    let ours = all_plain(
        server,
        &namespace,
        &format!("/api/v1/namespaces/{namespace}/endpoints/{NAME}"),
    )?;
    println!("{ours:#?}");
    let messages: Vec<_> = ours.iter().map(|event| &event["message"]).collect();
    assert_eq!(messages, ["someone became leader", "someone stopped leading"]);

    // v0.23 does not name the reporting component yet, and tells of an end only when a renewal fails: here if SIGTERM meets one on
    // its way.
    let go = by_go(server, "events-go-endpoints", |kubeconfig, namespace| {
        GoContender::endpoints(kubeconfig, namespace, NAME, "someone")
    })?;
    let mut theirs = all_plain(server, &go, &format!("/api/v1/namespaces/{go}/endpoints/{NAME}"))?;
    for event in &mut theirs {
        assert_eq!(event["reportingComponent"].take(), "");
        event["reportingComponent"] = COMPONENT.into();
    }
    assert!((1..=2).contains(&theirs.len()), "{theirs:#?}");
    assert_eq!(ours[..theirs.len()], theirs);

    // Today's knows another kind of object.
    let go = by_go(server, "events-go-lease", |kubeconfig, namespace| {
        GoContender::lease(kubeconfig, namespace, NAME, "someone")
    })?;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{go}/leases/{NAME}");
    let mut theirs = all_plain(server, &go, &path)?;
    for event in &mut theirs {
        assert_eq!(event["involvedObject"]["kind"].take(), "Lease");
        event["involvedObject"]["kind"] = "Endpoints".into();
        event["involvedObject"]["apiVersion"] = "v1".into();
    }
    assert_eq!(ours, theirs);
    Ok(())
}

/// What becomes of an Event that is sent.
#[derive(Clone, Copy)]
enum Fate {
    Hangs,
    Fails,
}

/// The real apiserver by one client, which serves everything but Events; and how many of those were sent.
async fn without_events(
    server: &KubeApiserver,
    fate: Fate,
) -> Result<(KubeConnection, Arc<AtomicUsize>), Box<dyn Error>> {
    let real = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let sent = Arc::new(AtomicUsize::new(0));
    let (client, counter) = (real.client().clone(), Arc::clone(&sent));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, counter) = (client.clone(), Arc::clone(&counter));
        async move {
            if request.method() == Method::POST && request.uri().path().ends_with("/events") {
                counter.fetch_add(1, Ordering::SeqCst);
                if matches!(fate, Fate::Hangs) {
                    std::future::pending::<()>().await;
                }
                let mut answer = Response::new(Body::empty());
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Ok::<_, BoxError>(answer);
            }
            Ok(client.send(request).await?)
        }
    });
    Ok((KubeConnection::from_client(Client::new(service, "default")), sent))
}

/// Leads for longer than an attempt at an Event may take, and than the lease lasts; nothing is lost, and the release is written.
async fn lives(fate: Fate, test: &str) -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace(test)?;
    let (connection, sent) = without_events(server, fate).await?;
    let (mut candidate, recording) = recorded(&connection, &namespace, "a")?;
    let leadership = candidate.leads(LEASE).await?;
    for _ in 0..14 {
        candidate
            .event(LEASE, "a renewal", |event| match event {
                Event::Renewed { .. } => Some(()),
                Event::CallFailed { .. } | Event::Lost { .. } | Event::AtRisk { .. } => {
                    panic!("the Event is in the way: {event:?}")
                }
                _ => None,
            })
            .await;
    }
    assert!(leadership.is_valid());
    drop(leadership);
    // No more than an election without Events takes; an attempt at one takes 5 s.
    within(LEASE, "the release", candidate.handle.shutdown()).await?;
    let object = KubeDoor::new(connection.client().clone(), &namespace, NAME)
        .object()
        .await?;
    assert!(
        object.to_string().contains(r#"\"holderIdentity\":\"\""#),
        "it is released: {object}"
    );
    assert!(sent.load(Ordering::SeqCst) > 0, "an Event was tried");
    match fate {
        Fate::Hangs => assert!(!recording.finish(Duration::from_millis(50)).await, "it hangs"),
        Fate::Fails => {
            assert!(recording.finish(LIMIT).await);
            assert_eq!(sent.load(Ordering::SeqCst), 2, "each is tried once");
        }
    }
    assert_eq!(events(server, &namespace)?, [] as [Value; 0]);
    Ok(())
}

#[tokio::test]
async fn an_apiserver_that_never_answers_an_event_changes_nothing_for_the_election() -> TestResult {
    lives(Fate::Hangs, "events-hang").await
}

#[tokio::test]
async fn an_apiserver_that_takes_no_event_changes_nothing_for_the_election() -> TestResult {
    lives(Fate::Fails, "events-fail").await
}

fn run(kubeconfig: &Path, namespace: &str) -> Result<Leaderelect, Box<dyn Error>> {
    Ok(Leaderelect::start_in(
        kubeconfig,
        Path::new(PROGRAM),
        &format!("endpoints:{namespace}/{NAME}"),
        "a",
        &[&SHORT_LEASE[..], &["--events"]].concat(),
        &["sh", "-c", WORK],
    )?)
}

#[test]
fn leaderelect_run_writes_both_when_asked_to() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("events-run")?;
    let mut leader = run(&server.kubeconfig(), &namespace)?;
    leader.started()?;
    leader.send(Signal::TERM)?;
    assert!(leader.exited()?.success());
    let told: Vec<_> = events(server, &namespace)?
        .iter()
        .map(|event| json!([event["message"], event["source"]["component"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["a became leader", "leaderelect"]),
            json!(["a stopped leading", "leaderelect"])
        ]
    );
    Ok(())
}

/// Who may elect, but not write Events.
#[tokio::test]
async fn who_may_not_write_them_leads_and_releases_all_the_same_and_is_told_once() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("events-denied")?;
    let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let door = KubeDoor::new(admin.client().clone(), &namespace, NAME);
    let role = json!({"metadata": {"name": "election"}, "rules": [
        {"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "patch", "watch", "create"]},
    ]});
    let binding = json!({
        "metadata": {"name": "election"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "election"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
    });
    for (resource, object) in [("roles", role), ("rolebindings", binding)] {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
        let _made: Value = door
            .request(Method::POST, &path, "application/json", &object)
            .await?;
    }
    let mut leader = run(&server.kubeconfig_for(server.restricted_token())?, &namespace)?;
    leader.started()?;
    let line = leader.logged("an Event could not be written")?.text;
    assert!(line.contains("cannot create resource"), "{line}");
    leader.send(Signal::TERM)?;
    assert!(leader.exited()?.success());
    let log = leader.logged_so_far();
    assert!(
        !log.iter().any(|line| line.contains("could not be written")),
        "{log:?}"
    );
    assert!(
        door.object()
            .await?
            .to_string()
            .contains(r#"\"holderIdentity\":\"\""#)
    );
    assert_eq!(events(server, &namespace)?, [] as [Value; 0]);
    Ok(())
}
