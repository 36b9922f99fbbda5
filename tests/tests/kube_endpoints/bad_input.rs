//! What may be in the object, or be missing, with the real elector: no panic, a clear error or event, and the election goes
//! on as soon as the store is sane again.

use leaderelection::{ElectionEvent, LockErrorKind, LossReason};
use serde_json::json;

use super::*;

async fn unreadable(candidate: &mut Candidate) -> (String, Duration) {
    candidate
        .event(SOON * 2, "that the record is unreadable", |event| match event {
            Event::Noticed(ElectionEvent::Unreadable { reason, waited_out }) => Some((reason, waited_out)),
            _ => None,
        })
        .await
}

/// SAFETY 17: reported, waited out unchanged, and only then replaced. The empty annotation too: Java and Python take it at
/// once, but a leader in Go may be at work beside it until its deadline.
#[tokio::test]
async fn an_annotation_that_is_no_record_is_reported_and_waited_out() -> TestResult {
    let mut waiting = Vec::new();
    for raw in ["", "not yours", "[]", r#"{"holderIdentity":7}"#, "null"] {
        waiting.push(async move {
            let stage = Stage::new("unreadable").await?;
            stage.door.put(raw).await?;
            let began = now();
            let mut candidate = Candidate::start(stage.lock.clone(), "a")?;
            let (reason, waited_out) = unreadable(&mut candidate).await;
            assert!(
                !reason.is_empty() && waited_out == LEASE,
                "{raw}: {reason} {waited_out:?}"
            );
            candidate.leads(LEASE * 2).await?;
            let waited = now().since(began);
            assert!(waited >= LEASE && waited < LEASE + SOON, "{raw}: {waited:?}");
            shut_down(candidate).await
        });
    }
    for outcome in futures_util::future::join_all(waiting).await {
        outcome?;
    }
    Ok(())
}

/// It is sane again, so nobody waits any longer.
#[tokio::test]
async fn as_soon_as_the_annotation_is_sane_the_election_goes_on() -> TestResult {
    let stage = Stage::new("sane-again").await?;
    stage.door.put("not yours").await?;
    let mut candidate = Candidate::start(stage.lock.clone(), "a")?;
    unreadable(&mut candidate).await;
    let free = record("", 1).to_json();
    stage.door.put(free.as_str()).await?;
    candidate.leads(SOON).await?;
    shut_down(candidate).await
}

/// An object without the annotation is taken at once, and a leader who loses it stops at once.
#[tokio::test]
async fn an_object_without_the_annotation_is_nobodys() -> TestResult {
    let stage = Stage::new("missing").await?;
    stage
        .door
        .create(json!({"metadata": {"annotations": {"another": "annotation"}}}))
        .await?;
    let candidate = Candidate::start(stage.lock.clone(), "a")?;
    let leadership = candidate.leads(SOON).await?;
    stage.door.put(None).await?;
    let reason = within(SOON, "the loss", leadership.lost()).await;
    println!("the annotation was taken away: {reason}");
    let token = leadership.token();
    drop(leadership);
    assert!(candidate.leads(LEASE).await?.token() > token);
    shut_down(candidate).await
}

/// SAFETY 11: a leader whose record is spoiled or deleted stops at once, and campaigns again.
#[tokio::test]
async fn a_leader_whose_object_is_spoiled_or_deleted_stops_at_once() -> TestResult {
    let stage = Stage::new("spoiled").await?;
    let candidate = Candidate::start(stage.lock.clone(), "a")?;
    let leadership = candidate.leads(SOON).await?;
    stage.door.put("not yours").await?;
    assert_eq!(
        within(SOON, "the loss", leadership.lost()).await,
        LossReason::RecordUnreadable
    );
    let spoiled = leadership.token();
    drop(leadership);

    let leadership = candidate.leads(LEASE * 2).await?;
    assert!(leadership.token() > spoiled);
    stage.door.delete().await?;
    assert_eq!(
        within(SOON, "the loss", leadership.lost()).await,
        LossReason::RecordGone
    );
    let deleted = leadership.token();
    drop(leadership);
    assert!(candidate.leads(LEASE * 2).await?.token() > deleted);
    shut_down(candidate).await
}

/// A namespace that is missing is said to be, and the election begins when there is one.
#[tokio::test]
async fn a_missing_namespace_is_said_and_waited_for() -> TestResult {
    let stage = Stage::new("gone").await?;
    let namespace = format!("{}-not-yet", stage.namespace);
    let connection = KubeConnection::from_kubeconfig(stage.server.kubeconfig()).await?;
    let lock = connection.endpoints(&namespace, NAME)?;
    assert_eq!(lock.get().await?, Observation::Absent { as_of: None });
    let error = lock
        .compare_and_swap(Expected::Absent, &record("a", 1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), LockErrorKind::Unavailable);
    let said = format!("create of endpoints {namespace}/{NAME}");
    let why = format!("404 Not Found: namespaces \"{namespace}\" not found");
    assert!(
        error.to_string().contains(&said) && error.to_string().contains(&why),
        "{error}"
    );

    let mut candidate = Candidate::start(lock, "a")?;
    assert!(call_failed(&mut candidate).await.to_string().contains(&why));
    let object = json!({"metadata": {"name": namespace}});
    stage
        .door
        .request(
            http::Method::POST,
            "/api/v1/namespaces",
            "application/json",
            &object,
        )
        .await?;
    candidate.leads(LEASE).await?;
    shut_down(candidate).await
}

/// More than an annotation may be, and more than the apiserver reads at all: it says so, nobody leads, and nothing ends.
#[tokio::test]
async fn a_holder_that_is_too_large_is_told_so() -> TestResult {
    // Not much more than the 3 MiB that it reads, so that it also reads the rest and does not close the connection while
    // the request is being sent: then nobody would know what became of it.
    for (size, said) in [
        (300 << 10, "422 Unprocessable Entity"),
        ((3 << 20) + (16 << 10), "413 Payload Too Large"),
    ] {
        let stage = Stage::new("large").await?;
        let mut candidate = Candidate::start(stage.lock.clone(), &"h".repeat(size))?;
        let error = call_failed(&mut candidate).await;
        println!("{size} bytes: {:.300}", error.to_string());
        assert_eq!(error.kind(), LockErrorKind::Invalid, "{error:.300}");
        assert!(error.to_string().contains(said), "{error:.300}");
        assert_eq!(stage.lock.get().await?, Observation::Absent { as_of: None });
        assert!(!candidate.handle.is_leader());
        shut_down(candidate).await?;
    }
    Ok(())
}
