//! A plain client of a kube-apiserver: what other programs, operators and mistakes do to the object of a lock. And ways
//! to the server for the lock itself.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::SecondsFormat;
use http::{Method, Request, StatusCode, header};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config, Error};
use leaderelection::LeaderElectionRecord;
use leaderelection_kube::{KubeConnection, SetupError};
use serde_json::{Value, json};

/// The annotation that holds the record.
pub const ANNOTATION: &str = "control-plane.alpha.kubernetes.io/leader";

/// What kind of object carries the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As an annotation.
    Endpoints,
    /// As an annotation.
    ConfigMap,
    /// In its spec.
    Lease,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Endpoints, Self::ConfigMap, Self::Lease];

    /// As paths, rules and `--lock` have it.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Endpoints => "endpoints",
            Self::ConfigMap => "configmaps",
            Self::Lease => "leases",
        }
    }

    /// The API group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Endpoints | Self::ConfigMap => "",
            Self::Lease => "coordination.k8s.io",
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::Endpoints | Self::ConfigMap => "v1",
            Self::Lease => "coordination.k8s.io/v1",
        }
    }

    /// How the path of one begins.
    pub fn api(self) -> &'static str {
        match self {
            Self::Endpoints | Self::ConfigMap => "/api/v1",
            Self::Lease => "/apis/coordination.k8s.io/v1",
        }
    }
}

/// The object of a lock, without the lock.
#[derive(Clone)]
pub struct KubeDoor {
    kind: Kind,
    client: Client,
    namespace: String,
    name: String,
}

/// No connection could be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig is no good.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// The address is none.
    #[error(transparent)]
    Address(#[from] http::uri::InvalidUri),
    /// The connection refuses.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Connects as the kubeconfig says, but to this address, `HOST:PORT`, where a proxy may be.
///
/// # Errors
/// When something given is no good.
pub async fn connect_through(kubeconfig: &Path, address: &str) -> Result<KubeConnection, ConnectError> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.cluster_url = format!("https://{address}").parse()?;
    Ok(KubeConnection::from_config(config).await?)
}

impl KubeDoor {
    /// The Endpoints object of that name, by this client.
    pub fn new(client: Client, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self::on(Kind::Endpoints, client, namespace, name)
    }

    /// The object of that kind and name, by this client.
    pub fn on(kind: Kind, client: Client, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            client,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// By what client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The whole object.
    ///
    /// # Errors
    /// When the apiserver refuses, as all methods here; where there is no object, too.
    pub async fn object(&self) -> Result<Value, Error> {
        self.request(Method::GET, &self.item(), "", &Value::Null).await
    }

    /// Its version.
    ///
    /// # Errors
    /// When the apiserver refuses.
    pub async fn version(&self) -> Result<u64, Error> {
        self.object().await.map(|object| version(&object))
    }

    /// Creates it, with these annotations, labels or whatever else; returns its version.
    ///
    /// # Errors
    /// When the apiserver refuses.
    pub async fn create(&self, mut object: Value) -> Result<u64, Error> {
        merge(
            &mut object,
            json!({
                "apiVersion": self.kind.api_version(),
                "kind": format!("{:?}", self.kind),
                "metadata": {"name": self.name},
            }),
        );
        let created = self
            .request(Method::POST, &self.collection(), "application/json", &object)
            .await?;
        Ok(version(&created))
    }

    /// Changes what the patch names, whatever the version; returns the new one.
    ///
    /// # Errors
    /// When the apiserver refuses.
    pub async fn patch(&self, patch: Value) -> Result<u64, Error> {
        let changed = self
            .request(
                Method::PATCH,
                &self.item(),
                "application/merge-patch+json",
                &patch,
            )
            .await?;
        Ok(version(&changed))
    }

    /// Writes this where a record belongs, or takes away what is there; on a new object if there is none. Returns the
    /// version.
    ///
    /// # Errors
    /// When the apiserver refuses; on a Lease, which holds nothing else, when it is no record.
    pub async fn put(&self, record: impl Into<Option<&str>>) -> Result<u64, Error> {
        let record = record.into();
        match self.patch(self.carrying(record)?).await {
            // In a patch `null` takes away; in a new object it would be an empty annotation.
            Err(error) if code(&error) == Some(StatusCode::NOT_FOUND) => {
                let object = match record {
                    Some(_) => self.carrying(record)?,
                    None => json!({}),
                };
                self.create(object).await
            }
            done => done,
        }
    }

    /// The part of the object that is the record.
    fn carrying(&self, record: Option<&str>) -> Result<Value, Error> {
        Ok(match (self.kind, record) {
            (Kind::Endpoints | Kind::ConfigMap, annotation) => {
                json!({"metadata": {"annotations": {ANNOTATION: annotation}}})
            }
            (Kind::Lease, None) => json!({"spec": null}),
            (Kind::Lease, Some(record)) => json!({"spec": spec(record)?}),
        })
    }

    /// Writes a label that it did not have; returns the version.
    ///
    /// # Errors
    /// When the apiserver refuses.
    pub async fn touch(&self) -> Result<u64, Error> {
        static TOUCHED: AtomicU32 = AtomicU32::new(0);
        let label = TOUCHED.fetch_add(1, Ordering::Relaxed).to_string();
        self.patch(json!({"metadata": {"labels": {"touched": label}}}))
            .await
    }

    /// Deletes it.
    ///
    /// # Errors
    /// When the apiserver refuses; where there is no object, too.
    pub async fn delete(&self) -> Result<(), Error> {
        self.request(Method::DELETE, &self.item(), "application/json", &json!({}))
            .await
            .map(drop)
    }

    /// Asks anything of the apiserver.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, Error> {
        let mut request = Request::builder().method(method).uri(path);
        let mut bytes = Vec::new();
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
            bytes = body.to_string().into_bytes();
        }
        self.client
            .request(request.body(bytes).map_err(Error::HttpError)?)
            .await
    }

    /// The path of all objects like it.
    pub fn collection(&self) -> String {
        let (api, plural) = (self.kind.api(), self.kind.plural());
        format!("{api}/namespaces/{}/{plural}", self.namespace)
    }

    /// Its path.
    pub fn item(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }
}

/// With which status the apiserver refused.
pub fn code(error: &Error) -> Option<StatusCode> {
    match error {
        Error::Api(status) => StatusCode::from_u16(status.code).ok(),
        _ => None,
    }
}

/// A record as client-go's `LeaderElectionRecordToLeaseSpec` has it.
fn spec(record: &str) -> Result<Value, Error> {
    let record: LeaderElectionRecord = serde_json::from_str(record).map_err(Error::SerdeError)?;
    let [acquired, renewed] = [record.acquire_time, record.renew_time]
        .map(|time| time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true)));
    Ok(json!({
        "holderIdentity": record.holder_identity,
        "leaseDurationSeconds": record.lease_duration_seconds,
        "acquireTime": acquired,
        "renewTime": renewed,
        "leaseTransitions": record.leader_transitions,
    }))
}

fn version(object: &Value) -> u64 {
    let version = object
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str);
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Puts `more` into an object, field by field.
fn merge(object: &mut Value, more: Value) {
    match (object, more) {
        (Value::Object(object), Value::Object(more)) => {
            for (field, value) in more {
                merge(object.entry(field).or_insert(Value::Null), value);
            }
        }
        (object, more) => *object = more,
    }
}
