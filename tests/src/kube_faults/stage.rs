//! One election: a leader at work, and two who follow it.

use std::path::Path;

use http::Method;
use leaderelection_kube::KubeConnection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Row;
use crate::fault_table::{Access, Election, Result, wait_until};
use crate::faults::Proxy;
use crate::kube_door::{Kind, KubeDoor};
use crate::servers::KubeApiserver;

/// The object's.
const NAME: &str = "job";

/// An election on a Lease.
pub(super) struct Stage {
    pub(super) election: Election,
    /// Between the leader and the server; in [`Row::ConnectionsCut`] before the server for all.
    pub(super) proxy: Proxy,
    pub(super) namespace: String,
    pub(super) url: String,
    /// With a kubeconfig.
    _folder: TempDir,
    runtime: Runtime,
    door: KubeDoor,
}

impl Stage {
    /// Waits until the leader works and both others know it.
    pub(super) fn new(server: &KubeApiserver, program: &Path, row: Row) -> Result<Self> {
        let namespace = server.namespace("faults")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = runtime
            .block_on(KubeConnection::from_kubeconfig(server.kubeconfig()))?
            .client()
            .clone();
        let door = KubeDoor::on(Kind::Lease, client, &namespace, NAME);
        let url = server.url();
        let proxy = Proxy::before(url.trim_start_matches("https://"))?;
        let folder = tempfile::Builder::new()
            .prefix("leaderelection-faults-")
            .tempdir()?;
        let direct = server.kubeconfig();
        let leaders = match row {
            Row::Forbidden => server.kubeconfig_for(server.restricted_token())?,
            _ => direct.clone(),
        };
        let through = folder.path().join("through-the-proxy");
        let text = std::fs::read_to_string(&leaders)?;
        std::fs::write(
            &through,
            text.replace(&url, &format!("https://{}", proxy.endpoint())),
        )?;
        if row == Row::Forbidden {
            runtime.block_on(grant(&door, &namespace))?;
        }
        let access = |kubeconfig: &Path| {
            let strict = ["--missing-record", "claim-then-lead"].map(str::to_owned);
            Access {
                lock: format!("leases:{namespace}/{NAME}"),
                flags: if row == Row::DeletedStrict {
                    strict.to_vec()
                } else {
                    Vec::new()
                },
                variables: vec![("KUBECONFIG", kubeconfig.to_owned())],
            }
        };
        let followers = if row == Row::ConnectionsCut {
            &through
        } else {
            &direct
        };
        let election = Election::begin(program, row, &access(&through), &access(followers))?;
        Ok(Self {
            election,
            proxy,
            namespace,
            url,
            _folder: folder,
            runtime,
            door,
        })
    }

    /// Waits until the leader has just renewed.
    pub(super) fn renewed(&self) -> Result<()> {
        let before = self.runtime.block_on(self.door.version())?;
        wait_until("a renewal", || {
            Ok(self.runtime.block_on(self.door.version())? != before)
        })
    }

    pub(super) fn delete(&self) -> Result<()> {
        Ok(self.runtime.block_on(self.door.delete())?)
    }

    /// Writes this into the record.
    pub(super) fn rewrite(&self, spec: Value) -> Result<()> {
        self.runtime.block_on(self.door.patch(json!({"spec": spec})))?;
        Ok(())
    }

    pub(super) fn forbid(&self) -> Result<()> {
        let path = format!("{}/election", of(&self.namespace, "rolebindings"));
        let nothing = json!({});
        let deleting = self
            .door
            .request(Method::DELETE, &path, "application/json", &nothing);
        self.runtime.block_on(deleting)?;
        Ok(())
    }

    pub(super) fn allow(&self) -> Result<()> {
        let binding = post(&self.door, &self.namespace, "rolebindings", binding());
        self.runtime.block_on(binding)
    }
}

fn of(namespace: &str, resource: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}")
}

async fn post(door: &KubeDoor, namespace: &str, resource: &str, object: Value) -> Result<()> {
    door.request(
        Method::POST,
        &of(namespace, resource),
        "application/json",
        &object,
    )
    .await?;
    Ok(())
}

/// What `deploy/rbac.yaml` grants.
async fn grant(door: &KubeDoor, namespace: &str) -> Result<()> {
    let group = ["coordination.k8s.io"];
    let rules = [
        json!({"apiGroups": group, "resources": ["leases"], "resourceNames": [NAME], "verbs": ["get", "patch", "watch"]}),
        json!({"apiGroups": group, "resources": ["leases"], "verbs": ["create"]}),
    ];
    let role = json!({"metadata": {"name": "election"}, "rules": rules});
    post(door, namespace, "roles", role).await?;
    post(door, namespace, "rolebindings", binding()).await
}

fn binding() -> Value {
    json!({
        "metadata": {"name": "election"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "election"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
    })
}
