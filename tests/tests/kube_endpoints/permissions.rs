//! Whom the lock needs leave from, and what is said where there is none.

use leaderelection::LockErrorKind;
use serde_json::{Value, json};

use super::*;

/// The rules of the README, less what a test takes away.
pub(super) async fn grant(door: &KubeDoor, namespace: &str, verbs: &[&str], create: bool) -> TestResult {
    let mut rules = vec![json!({
        "apiGroups": [""], "resources": ["endpoints"], "resourceNames": [NAME], "verbs": verbs
    })];
    if create {
        rules.push(json!({"apiGroups": [""], "resources": ["endpoints"], "verbs": ["create"]}));
    }
    let role = json!({"metadata": {"name": "election"}, "rules": rules});
    let binding = json!({
        "metadata": {"name": "election"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "election"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
    });
    for (resource, object) in [("roles", role), ("rolebindings", binding)] {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
        let _made: Value = door
            .request(http::Method::POST, &path, "application/json", &object)
            .await?;
    }
    Ok(())
}

/// How each call is answered: nothing, or the error.
async fn calls(
    lock: &EndpointsLock,
    version: Version,
) -> Result<[(&'static str, Option<LockError>); 4], Box<dyn Error>> {
    let swap = async |expected| lock.compare_and_swap(expected, &record("a", 1)).await.err();
    Ok([
        ("get", lock.get().await.err()),
        ("create", swap(Expected::Absent).await),
        ("patch", swap(Expected::Version(version)).await),
        ("watch", lock.watch().await.err()),
    ])
}

/// Waits until the server, which is told of rules a moment later, knows them.
pub(super) async fn rules_are_known(lock: &EndpointsLock) {
    let known = async {
        while lock.watch().await.is_err() && lock.get().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(SOON * 5, "the rules to be known", known).await;
}

/// 403: denied, and the error names verb, resource, namespace and name, and who it is that may not.
#[tokio::test]
async fn who_may_nothing_is_told_what_for_each_call() -> TestResult {
    let stage = Stage::new("denied").await?;
    let version = swap(&stage.lock, Expected::Absent, &record("a", 1)).await?;
    let lock = stage.lock_with(stage.server.restricted_token()).await?;
    for (verb, error) in calls(&lock, version).await? {
        let error = error.ok_or(verb)?;
        println!("{error}");
        assert_eq!(error.kind(), LockErrorKind::Denied, "{error}");
        let call = format!(
            "denied: {verb} of endpoints {}/{NAME} at {}: 403",
            stage.namespace,
            stage.server.url()
        );
        let reason = format!("User \"restricted\" cannot {verb} resource \"endpoints\"");
        assert!(
            error.to_string().starts_with(&call) && error.to_string().contains(&reason),
            "{error}"
        );
    }
    assert_eq!(
        stage.lock.get().await?,
        Observation::record(version, record("a", 1))
    );
    Ok(())
}

/// 401: the same, for a token that the server does not know.
#[tokio::test]
async fn who_is_not_known_is_told_so() -> TestResult {
    let stage = Stage::new("unknown").await?;
    let lock = stage.lock_with("no-token-of-anybody").await?;
    for (verb, error) in calls(&lock, Version::new(1)).await? {
        let error = error.ok_or(verb)?;
        assert_eq!(error.kind(), LockErrorKind::Denied, "{error}");
        let call = format!("{verb} of endpoints {}/{NAME}", stage.namespace);
        assert!(
            error.to_string().contains(&call) && error.to_string().contains("401 Unauthorized"),
            "{error}"
        );
        assert!(!error.to_string().contains("no-token"), "{error}");
    }
    let mut candidate = Candidate::start(lock, "a")?;
    assert_eq!(call_failed(&mut candidate).await.kind(), LockErrorKind::Denied);
    assert!(!candidate.handle.is_leader());
    shut_down(candidate).await
}

/// The README's rules are enough: to lead, to follow, to hand over; and no other object may be touched by them.
#[tokio::test]
async fn the_rules_of_the_readme_are_enough() -> TestResult {
    let stage = Stage::new("enough").await?;
    grant(&stage.door, &stage.namespace, &["get", "patch", "watch"], true).await?;
    let lock = stage.lock_with(stage.server.restricted_token()).await?;
    rules_are_known(&lock).await;
    let leader = Candidate::unhurried(lock.clone(), "a")?;
    let leadership = leader.leads(SOON * 2).await?;
    let mut follower = Candidate::unhurried(lock, "b")?;
    follows(&mut follower).await;
    drop(leadership);
    let asked = now();
    shut_down(leader).await?;
    follower.leads(LEASE).await?;
    assert!(now().since(asked) < UNHURRIED, "the watch told");
    let failed = async {
        follower
            .event(SOON * 60, "a failed call", |event| match event {
                Event::CallFailed { error, .. } => Some(error),
                _ => None,
            })
            .await
    };
    tokio::select! {
        error = failed => return Err(error.to_string().into()),
        () = sleep(SOON) => {}
    }
    let users = stage
        .server
        .requests(|request| request.namespace == stage.namespace && request.user == "restricted")?;
    let mut verbs: Vec<_> = users.iter().map(|request| request.verb.as_str()).collect();
    verbs.sort_unstable();
    verbs.dedup();
    assert_eq!(verbs, ["create", "get", "patch", "watch"]);
    shut_down(follower).await
}

/// Each of them is needed: without it, that call is denied, and no other.
#[tokio::test]
async fn each_of_the_rules_is_needed() -> TestResult {
    for missing in ["get", "create", "patch", "watch"] {
        let stage = Stage::new("needed").await?;
        let version = swap(&stage.lock, Expected::Absent, &record("a", 1)).await?;
        let verbs: Vec<_> = ["get", "patch", "watch"]
            .into_iter()
            .filter(|verb| *verb != missing)
            .collect();
        grant(&stage.door, &stage.namespace, &verbs, missing != "create").await?;
        let lock = stage.lock_with(stage.server.restricted_token()).await?;
        rules_are_known(&lock).await;
        for (verb, error) in calls(&lock, version).await? {
            let denied = error.as_ref().map(LockError::kind) == Some(LockErrorKind::Denied);
            assert_eq!(denied, verb == missing, "without {missing}: {verb}: {error:?}");
        }
    }
    Ok(())
}
