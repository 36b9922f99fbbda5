//! What is a Lease's own: types that the apiserver checks, fractions of seconds, other fields in the spec, and client-go
//! beside it.

use http::StatusCode;
use leaderelection::LockErrorKind;
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::kube_door::code;
use leaderelection_tests::servers::{GoContender, Said};
use leaderelection_tests::time::{now, sleep, within};
use serde_json::{Value, json};

use super::*;

/// Why the conformance suite cannot put unreadable content into a Lease: nobody can. A number too large for its field does
/// not get in either.
#[tokio::test]
async fn the_apiserver_holds_nothing_in_a_lease_that_is_no_record() -> TestResult {
    let stage = Stage::new(Kind::Lease, "types").await?;
    stage.door.create(json!({})).await?;
    for spec in [
        json!("no spec"),
        json!(["a"]),
        json!({"holderIdentity": 7}),
        json!({"leaseDurationSeconds": "15"}),
        json!({"leaseDurationSeconds": 1.5}),
        json!({"leaseDurationSeconds": 0}),
        json!({"leaseDurationSeconds": -1}),
        json!({"leaseDurationSeconds": 1_i64 << 31}),
        json!({"leaseTransitions": -1}),
        json!({"leaseTransitions": 1_i64 << 31}),
        json!({"renewTime": "yesterday"}),
        json!({"renewTime": "2024-02-29T23:58:00Z"}),
        json!({"acquireTime": "2024-02-29T23:58:00.000000000Z"}),
        json!({"acquireTime": 1}),
    ] {
        let refused = stage.door.patch(json!({"spec": spec})).await.err();
        let code = refused.as_ref().and_then(code);
        let is_refused = matches!(
            code,
            Some(StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
        );
        assert!(is_refused, "{spec}: {refused:?}");
    }
    assert_eq!(shown(&*stage.lock).await?.1, Content::Empty);
    Ok(())
}

/// Clause 9: what a Lease cannot hold was not written, and says so.
#[tokio::test]
async fn what_a_lease_cannot_hold_is_invalid() -> TestResult {
    let stage = Stage::new(Kind::Lease, "invalid").await?;
    let mut strategy = record("a", 15);
    strategy.unknown_fields = vec![("strategy".to_owned(), "null".to_owned())];
    for record in [record("a", -1), record("a", 1 << 31), strategy] {
        let error = stage.lock.compare_and_swap(Expected::Absent, &record).await;
        let error = error.err().ok_or("done")?;
        assert_eq!(error.kind(), LockErrorKind::Invalid, "{error}");
    }
    assert_eq!(stage.lock.get().await?, Observation::Absent { as_of: None });
    Ok(())
}

/// SAFETY 6: transitions that somebody has driven to their end start over, where a number beyond it would be refused for
/// ever.
#[tokio::test]
async fn a_lease_at_its_last_transition_is_taken_over_and_goes_on() -> TestResult {
    let stage = Stage::new(Kind::Lease, "last").await?;
    let mut dead = record("dead", 1);
    dead.leader_transitions = i64::from(i32::MAX);
    stage.door.put(dead.to_json().as_str()).await?;
    for transitions in [1, 2] {
        let candidate = Candidate::start(Arc::clone(&stage.lock), "a")?;
        let leadership = candidate.leads(LEASE + SOON).await?;
        let now = held(&*stage.lock).await?;
        assert_eq!(
            (&*now.holder_identity, now.leader_transitions),
            ("a", transitions)
        );
        drop(leadership);
        within(SOON, "the end of the election", candidate.handle.shutdown()).await?;
    }
    Ok(())
}

/// Free is a Lease without a holder, released or not; and one without a record.
#[tokio::test]
async fn a_lease_without_a_holder_is_taken_at_once() -> TestResult {
    let time = "2024-02-29T23:58:00.000000Z";
    for (spec, transitions) in [
        (json!({}), 1),
        (json!({"leaseDurationSeconds": 3600}), 1),
        // As the Java client releases.
        (json!({"leaseDurationSeconds": 3600, "leaseTransitions": 6}), 7),
        (
            json!({"holderIdentity": "", "renewTime": time, "leaseTransitions": 6, "leaseDurationSeconds": 3600}),
            7,
        ),
        (
            json!({"holderIdentity": null, "renewTime": time, "leaseTransitions": 6}),
            7,
        ),
    ] {
        let stage = Stage::new(Kind::Lease, "free").await?;
        stage.door.create(json!({"spec": spec})).await?;
        let candidate = Candidate::unhurried(Arc::clone(&stage.lock), "a")?;
        let leadership = candidate.leads(SOON).await?;
        let now = held(&*stage.lock).await?;
        assert_eq!(now.leader_transitions, transitions, "{spec}");
        drop(leadership);
        candidate.handle.shutdown().await?;
    }
    Ok(())
}

/// SAFETY 5: who renews several times within one second, as clients may that write fractions, has renewed each time.
#[tokio::test]
async fn a_renewal_that_differs_by_a_fraction_of_a_second_is_one() -> TestResult {
    let stage = Stage::new(Kind::Lease, "fractions").await?;
    let renewal = |number: u32| {
        json!({"spec": {
            "holderIdentity": "b",
            "leaseDurationSeconds": 1,
            "renewTime": format!("2024-02-29T23:58:00.{number:06}Z"),
        }})
    };
    stage.door.create(renewal(0)).await?;
    let candidate = Candidate::start(Arc::clone(&stage.lock), "a")?;
    let began = now();
    let mut number = 0;
    while now().since(began) < LEASE * 2 {
        number += 1;
        stage.door.patch(renewal(number)).await?;
        assert!(!candidate.handle.is_leader(), "after renewal {number}");
        sleep(Duration::from_millis(200)).await;
    }
    let last = now();
    candidate.leads(LEASE + SOON).await?;
    let waited = now().since(last);
    assert!(waited + Duration::from_millis(500) >= LEASE, "{waited:?}");
    Ok(())
}

/// SAFETY 5 and 9: with the apiserver's gate on, a Lease has two more fields. They survive every write; who writes them has
/// not renewed a dead leader's lease, and costs a live one no lead.
#[tokio::test]
async fn other_fields_of_the_spec_survive_and_are_no_renewal() -> TestResult {
    let server = KubeApiserver::start_with(&[
        "--feature-gates=CoordinatedLeaderElection=true",
        "--runtime-config=coordination.k8s.io/v1beta1=true",
    ])?;
    let namespace = server.namespace("strategy")?;
    let kube = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let lock: Arc<dyn ResourceLock> = Arc::new(kube.lease(&namespace, NAME)?);
    let door = KubeDoor::on(Kind::Lease, kube.client().clone(), &namespace, NAME);
    let preferred =
        |who: &str| json!({"spec": {"strategy": "OldestEmulationVersion", "preferredHolder": who}});
    let created = swap(&*lock, Expected::Absent, &record("dead", 1)).await?;
    let labelled = door.patch(preferred("b")).await?;
    assert!(labelled > created.get());
    assert_eq!(*held(&*lock).await?, record("dead", 1));

    let candidate = Candidate::start(Arc::clone(&lock), "a")?;
    let began = now();
    let leadership = async {
        tokio::select! {
            leadership = candidate.leads(LEASE + SOON) => leadership.map_err(Box::<dyn Error>::from),
            error = prefer_for_ever(&door, &preferred) => Err(error),
        }
    }
    .await?;
    assert!(now().since(began) + Duration::from_millis(500) >= LEASE);
    tokio::select! {
        error = prefer_for_ever(&door, &preferred) => return Err(error),
        () = sleep(RENEW_DEADLINE * 2) => {}
    }
    assert!(leadership.is_valid(), "{:?}", leadership.check());
    let spec = door.object().await?.get("spec").cloned().unwrap_or_default();
    assert_eq!(spec.get("strategy"), Some(&json!("OldestEmulationVersion")));
    assert!(
        spec.get("preferredHolder").is_some_and(Value::is_string),
        "{spec}"
    );
    assert_eq!(spec.get("holderIdentity"), Some(&json!("a")));
    Ok(())
}

/// Another preferred holder every 100 ms, until it fails.
async fn prefer_for_ever(door: &KubeDoor, preferred: &impl Fn(&str) -> Value) -> Box<dyn Error> {
    for number in 0_u64.. {
        if let Err(error) = door.patch(preferred(&format!("candidate-{number}"))).await {
            return error.into();
        }
        sleep(Duration::from_millis(100)).await;
    }
    "the numbers have ended".into()
}

/// One election with today's client-go: each follows the other, and takes over what the other released.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_handed_over_between_client_go_and_this_elector() -> TestResult {
    let stage = Stage::new(Kind::Lease, "go").await?;
    let go = |identity: &str| {
        GoContender::lease(stage.server.kubeconfig(), &stage.namespace, NAME, identity)
            .timing(LEASE, RENEW_DEADLINE, RETRY_PERIOD)
            .release_on_cancel()
            .start()
    };
    let limit = Duration::from_secs(30);
    let mut first = go("go-1")?;
    first.wait_for(Said::StartedLeading, limit)?;
    let ours = Candidate::start(Arc::clone(&stage.lock), "rust")?;
    sleep(LEASE * 2).await;
    assert!(!ours.handle.is_leader(), "client-go renews");
    first.terminate()?;
    let leadership = ours.leads(limit).await?;
    assert_eq!(held(&*stage.lock).await?.holder_identity, "rust");

    let mut second = go("go-2")?;
    let seen = second.wait_for(Said::NewLeader, limit)?;
    assert_eq!(seen.identity, "rust");
    sleep(LEASE * 2).await;
    assert!(leadership.is_valid(), "this one renews");
    drop(leadership);
    ours.handle.shutdown().await?;
    second.wait_for(Said::StartedLeading, limit)?;
    assert_eq!(held(&*stage.lock).await?.holder_identity, "go-2");
    Ok(())
}
