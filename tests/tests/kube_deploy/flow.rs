//! An apiserver that is full of other requests of the same account. Its priority and fairness lets renewals wait behind them,
//! unless `flowschema.yaml` says otherwise.

use std::error::Error;
use std::time::Duration;

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use leaderelection_kube::KubeConnection;
use leaderelection_tests::candidate::{Candidate, LEASE};
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, sleep, within};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::manifests;

type TestResult = Result<(), Box<dyn Error>>;

/// So many requests of the account are under way or wait.
const CALLS: usize = 300;
const NAME: &str = "my-service";

/// A small apiserver, and the account of `deploy/`, which may look at ConfigMaps, too.
struct Stage {
    server: KubeApiserver,
    namespace: String,
    door: KubeDoor,
    config: Config,
}

impl Stage {
    async fn new() -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::start_with(&[
            "--max-requests-inflight=20",
            "--max-mutating-requests-inflight=10",
        ])?;
        let namespace = server.namespace("flow")?;
        let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
        let door = KubeDoor::new(admin.client().clone(), &namespace, NAME);
        let looks = [
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "looks"}, "rules": [
                {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
            ]}),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "looks"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "looks"},
                "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": NAME}],
            }),
        ];
        for kind in ["ServiceAccount", "Role", "RoleBinding"] {
            post(&door, &manifests::object(kind, &namespace)?, &namespace).await?;
        }
        for object in &looks {
            post(&door, object, &namespace).await?;
        }
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}/token");
        let asked = json!({"spec": {"expirationSeconds": 3600}});
        let answer = door
            .request(Method::POST, &path, "application/json", &asked)
            .await?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        let kubeconfig = Kubeconfig::read_from(server.kubeconfig_for(token.ok_or("no token")?)?)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Self {
            server,
            namespace,
            door,
            config,
        })
    }

    /// Applies `flowschema.yaml`, and waits until the apiserver goes by it.
    async fn apply_the_flow_schema(&self) -> TestResult {
        let schema = manifests::object("FlowSchema", &self.namespace)?;
        let made = post(&self.door, &schema, &self.namespace).await?;
        let uid = made
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .ok_or("no uid")?;
        let path = format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases/{NAME}",
            self.namespace
        );
        let client = Client::try_from(self.config.clone())?;
        let known = async {
            loop {
                let answer = client.send(Request::get(&path).body(Vec::new().into())?).await?;
                let by = answer.headers().get("x-kubernetes-pf-flowschema-uid");
                if by.is_some_and(|by| by.as_bytes() == uid.as_bytes()) {
                    return Ok::<_, Box<dyn Error>>(());
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        within(Duration::from_secs(30), "the flow schema", known).await
    }

    /// Requests without end, of which each takes the apiserver 3 s: a version that is not there yet is waited for. Dropping it
    /// gives them up.
    async fn crowd(&self) -> Result<JoinSet<()>, Box<dyn Error>> {
        let path = format!(
            "/api/v1/namespaces/{}/configmaps?resourceVersion=999999999999&resourceVersionMatch=NotOlderThan",
            self.namespace
        );
        let client = Client::try_from(self.config.clone())?;
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let (client, path) = (client.clone(), path.clone());
            calls.spawn(async move {
                loop {
                    let answer = client
                        .send(Request::get(&path).body(Vec::new().into()).unwrap())
                        .await;
                    assert!(!answer.unwrap().status().is_success());
                }
            });
        }
        let lists = || {
            self.server
                .requests_in(&self.namespace, |request| request.verb == "list")
        };
        let arrived = async {
            while lists().is_ok_and(|lists| lists.len() < CALLS) {
                sleep(Duration::from_millis(50)).await
            }
        };
        within(Duration::from_secs(30), "the crowd", arrived).await;
        Ok(calls)
    }

    /// Whether a leader whose connection is its own outlives three leases beside the crowd.
    async fn leads_on(&self) -> Result<bool, Box<dyn Error>> {
        let lock = KubeConnection::from_config(self.config.clone())
            .await?
            .lease(&self.namespace, NAME)?;
        let leader = Candidate::start(lock, "leader")?;
        let leadership = leader.leads(LEASE * 2).await?;
        let _crowd = self.crowd().await?;
        let end = now().after(LEASE * 3);
        while now() < end && leadership.is_valid() {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(leadership.is_valid())
    }
}

async fn post(door: &KubeDoor, object: &Value, namespace: &str) -> Result<Value, Box<dyn Error>> {
    let path = manifests::collection(object, namespace);
    Ok(door
        .request(Method::POST, &path, "application/json", object)
        .await?)
}

#[tokio::test]
async fn with_the_flow_schema_renewals_pass_other_requests_of_the_account() -> TestResult {
    let stage = Stage::new().await?;
    stage.apply_the_flow_schema().await?;
    assert!(stage.leads_on().await?);
    Ok(())
}

/// The crowd is one.
#[tokio::test]
async fn without_it_they_wait_behind_them() -> TestResult {
    assert!(
        !Stage::new().await?.leads_on().await?,
        "the apiserver is not full"
    );
    Ok(())
}
