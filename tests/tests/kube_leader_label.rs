//! The recipe of `docs/KUBERNETES.md` for a Service that routes to the leader, on a real kube-apiserver: its objects are ones,
//! its Role is enough, and the label goes with the lead.

#![allow(
    clippy::indexing_slicing,
    reason = "JSON that is missing is null, and a failing assertion is how a test speaks"
)]

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::Method;
use kube::Client;
use leaderelection_kube::KubeConnection;
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::leaderelect::Leaderelect;
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, sleep};
use rustix::process::Signal;
use serde_json::{Value, json};

type TestResult = Result<(), Box<dyn Error>>;

/// For what must come, on a busy machine; more than the example's lease of 15 s.
const LIMIT: Duration = Duration::from_secs(60);

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// The YAML of the document, in that namespace.
fn recipe(namespace: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/KUBERNETES.md");
    let text = std::fs::read_to_string(path)?;
    let yaml = text
        .split("```yaml")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let yaml = yaml.ok_or("no YAML")?.replace("my-namespace", namespace);
    Ok(serde_saphyr::from_multiple(&yaml)?)
}

async fn make(client: &Client, path: &str, object: &Value) -> TestResult {
    KubeDoor::new(client.clone(), "", "")
        .request(
            Method::POST,
            &format!("{path}?fieldValidation=Strict"),
            "application/json",
            object,
        )
        .await?;
    Ok(())
}

/// The pods that the Service would route to, were they ready.
async fn routed(client: &Client, namespace: &str, service: &Value) -> Result<Vec<String>, Box<dyn Error>> {
    let selector: Vec<String> = service["spec"]["selector"]
        .as_object()
        .ok_or("no selector")?
        .iter()
        .map(|(key, value)| format!("{key}%3D{}", value.as_str().unwrap_or_default()))
        .collect();
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods?labelSelector={}",
        selector.join("%2C")
    );
    let pods = KubeDoor::new(client.clone(), "", "")
        .request(Method::GET, &path, "", &Value::Null)
        .await?;
    let pods = pods["items"].as_array().ok_or("no items")?.iter();
    Ok(pods
        .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
        .collect())
}

async fn until_routed(client: &Client, namespace: &str, service: &Value, pods: &[&str]) -> TestResult {
    let end = now().after(LIMIT);
    let mut seen = Vec::new();
    while now() < end {
        seen = routed(client, namespace, service).await?;
        if seen == pods {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(format!("routed to {seen:?} instead of {pods:?}").into())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_label_goes_with_the_lead() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = &server.namespace("leader-label")?;
    let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let client = admin.client();

    let [service, role] = &recipe(namespace)?[..] else {
        return Err("the document has other objects".into());
    };
    let core = format!("/api/v1/namespaces/{namespace}");
    let rbac = format!("{RBAC}/namespaces/{namespace}");
    make(client, &format!("{core}/services"), service).await?;
    make(client, &format!("{rbac}/roles"), role).await?;
    let election = json!({"metadata": {"name": "election"}, "rules": [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "patch", "watch", "create"]},
    ]});
    make(client, &format!("{rbac}/roles"), &election).await?;
    for role in [role, &election] {
        let name = &role["metadata"]["name"];
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
        });
        make(client, &format!("{rbac}/rolebindings"), &binding).await?;
    }
    // Nobody makes accounts here, and no pod runs: that is up to the processes below.
    let account = json!({"metadata": {"name": "default"}});
    make(client, &format!("{core}/serviceaccounts"), &account).await?;
    // One bears the label of an earlier life.
    for (pod, labels) in [
        ("my-service-0", json!({"app.kubernetes.io/name": "my-service"})),
        (
            "my-service-1",
            json!({"app.kubernetes.io/name": "my-service", "example.com/leader": "true"}),
        ),
    ] {
        let pod = json!({
            "metadata": {"name": pod, "labels": labels},
            "spec": {"containers": [{"name": "my-service", "image": "my-service"}]},
        });
        make(client, &format!("{core}/pods"), &pod).await?;
    }

    let kubeconfig = server.kubeconfig_for(server.restricted_token())?;
    let run = |pod: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_leader-label"));
        program
            .env("KUBECONFIG", &kubeconfig)
            .env("NAMESPACE", namespace)
            .env("POD_NAME", pod);
        Leaderelect::spawn(program)
    };
    let mut first = run("my-service-0")?;
    first.said("leading ")?;
    let mut second = run("my-service-1")?;
    until_routed(client, namespace, service, &["my-service-0"]).await?;

    let asked = now();
    first.send(Signal::TERM)?;
    second.said("leading ")?;
    until_routed(client, namespace, service, &["my-service-1"]).await?;
    println!("routed to the next {:?} after SIGTERM", now().since(asked));
    assert!(now().since(asked) < Duration::from_secs(3));
    assert!(first.exited()?.success());

    second.send(Signal::TERM)?;
    assert!(second.exited()?.success());
    let none: [String; 0] = [];
    assert_eq!(routed(client, namespace, service).await?, none, "nobody leads");
    Ok(())
}
