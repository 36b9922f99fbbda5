//! The files, and what the apiserver says of them.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use leaderelection::LeaseTiming;
use leaderelection_kube::KubeConnection;
use leaderelection_tests::kube_door::{KubeDoor, code};
use leaderelection_tests::servers::KubeApiserver;
use serde_json::Value;

/// Every object in `deploy/`, in that namespace.
pub(crate) fn objects(namespace: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let mut objects = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
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

/// The arithmetic of its comment, by what `leaderelect` would do with its arguments.
#[test]
fn the_pod_has_the_time_that_leaderelect_run_may_take_to_end() -> Result<(), Box<dyn Error>> {
    let deployment = object("Deployment", "ns")?;
    let pod = &deployment["spec"]["template"]["spec"];
    let args = pod["containers"][0]["args"].as_array().ok_or("no args")?;
    let duration = |flag: &str| -> Result<Duration, Box<dyn Error>> {
        let prefix = format!("--{flag}=");
        let value = args
            .iter()
            .filter_map(Value::as_str)
            .find_map(|arg| arg.strip_prefix(&prefix));
        Ok(humantime::parse_duration(
            value.ok_or_else(|| format!("no {flag}"))?,
        )?)
    };
    let timing = LeaseTiming::new(
        duration("lease-duration")?,
        duration("renew-deadline")?,
        duration("retry-period")?,
    )?
    .with_stop_grace(duration("stop-grace")?)?
    .with_drain_timeout(duration("drain-timeout")?)?;
    let last_event = Duration::from_secs(1);
    let needed = timing.drain_timeout() + timing.stop_grace() + timing.attempt_timeout() + last_event;
    let given = pod["terminationGracePeriodSeconds"].as_u64().ok_or("no limit")?;
    assert_eq!(
        Duration::from_secs(given),
        needed + Duration::from_secs(2),
        "and the margin"
    );
    Ok(())
}
