//! The rules of leaderelection-kube's README, for each kind.

use serde_json::json;

use leaderelection_tests::candidate::{Candidate, LEASE};
use leaderelection_tests::time::{sleep, within};

use super::*;

async fn grant(stage: &Stage, kind: Kind) -> TestResult {
    let (groups, resources) = ([kind.group()], [kind.plural()]);
    let role = json!({"metadata": {"name": "election"}, "rules": [
        {"apiGroups": groups, "resources": resources, "resourceNames": [NAME], "verbs": ["get", "patch", "watch"]},
        {"apiGroups": groups, "resources": resources, "verbs": ["create"]},
    ]});
    let binding = json!({
        "metadata": {"name": "election"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "election"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
    });
    let namespace = &stage.namespace;
    for (resource, object) in [("roles", role), ("rolebindings", binding)] {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
        stage
            .door
            .request(http::Method::POST, &path, "application/json", &object)
            .await?;
    }
    Ok(())
}

/// To lead, to follow by a watch, and to hand over; and the apiserver was asked for nothing else.
#[tokio::test]
async fn the_rules_of_the_readme_are_enough() -> TestResult {
    for kind in Kind::ALL {
        let stage = Stage::new(kind, "rules").await?;
        grant(&stage, kind).await?;
        let restricted = stage.server.kubeconfig_for(stage.server.restricted_token())?;
        let kube = KubeConnection::from_kubeconfig(restricted).await?;
        let lock = kube.lock(&reference(kind, &stage.namespace)?);
        let known = async {
            while lock.get().await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        within(SOON, "the rules to be known", known).await;
        let leader = Candidate::start(Arc::clone(&lock), "a")?;
        let leadership = leader.leads(SOON).await?;
        let first = leadership.token();
        let follower = Candidate::start(lock, "b")?;
        sleep(LEASE).await;
        assert!(leadership.is_valid() && !follower.handle.is_leader());
        drop(leadership);
        leader.handle.shutdown().await?;
        assert!(follower.leads(SOON).await?.token() > first);
        follower.handle.shutdown().await?;
        let requests = stage
            .server
            .requests(|request| request.namespace == stage.namespace && request.user == "restricted")?;
        let mut verbs: Vec<_> = requests.iter().map(|request| request.verb.as_str()).collect();
        verbs.sort_unstable();
        verbs.dedup();
        assert_eq!(verbs, ["create", "get", "patch", "watch"], "{kind:?}");
    }
    Ok(())
}
