//! A connection to a cluster, which many locks share.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use kube::{Client, Config};
use leaderelection::ResourceLock;

use crate::config::{self, Source};
use crate::config_map::ConfigMapLock;
use crate::endpoints::EndpointsLock;
use crate::lease::LeaseLock;
use crate::lock_ref::{Kind, LockRef};
use crate::object::Place;
use crate::renewal;
use crate::setup::SetupError;
use crate::watch::{Shared, SharedWatches};

/// A connection to the apiserver of one cluster. Cheap to clone; any number of locks share it.
///
/// It is lazy: nothing is sent until a lock is used, and an apiserver that is down is an error of that call, not of the
/// connection. A lost connection is made anew by the next call. Every open watch keeps a TCP connection of its own, since
/// kube speaks HTTP/1.1, unless locks [share](Self::with_shared_watches) them; calls share a few others.
///
/// Where the apiserver no longer knows who calls (401), the credentials are fetched anew: the kubeconfig or the service account
/// is read again, its plugin runs again, and the next call has what they give. The call that was refused is not repeated. Of a
/// client that you brought, the credentials are yours to keep.
///
/// It belongs to the tokio runtime in which it was made, and dies with it.
///
/// A connection that falls silent is not noticed by itself: there is no keepalive, and no time-out for reading, which would
/// end every quiet watch. A call is given up by the elector's `attempt_timeout`, and a silent watch is verified by a read
/// (SAFETY 20).
#[derive(Clone)]
pub struct KubeConnection {
    inner: Arc<Inner>,
    /// The watches of its locks, if they share them.
    shared: Option<Arc<SharedWatches>>,
}

struct Inner {
    client: Client,
    /// Such as `https://10.0.0.1:6443`; none where the user brought the client, which does not tell.
    server: Option<String>,
}

impl KubeConnection {
    /// Takes a client that you made, with what you need. kube's own retry may be on: it does not repeat what a lock sends.
    ///
    /// Give it no timeout for reading, which would end every watch, and a short one for connecting. Where it is also used
    /// for other things and limits how many requests run at once, those can keep a leader from renewing: make a client for
    /// the elections alone.
    pub fn from_client(client: Client) -> Self {
        Self::with(client, None)
    }

    /// Makes a client of a configuration, without kube's retry. When its credentials are refused, the files and the plugin that
    /// it names are asked again; a token that stands in it stays as it is.
    ///
    /// A connection is given up after 3 s, TLS included, or after the configuration's `connect_timeout` if that is less. Its
    /// `read_timeout` is not used: it would end every quiet watch.
    ///
    /// # Errors
    /// When kube's client refuses the configuration.
    pub async fn from_config(config: Config) -> Result<Self, SetupError> {
        Self::of(Source::Given(Box::new(config))).await
    }

    /// Finds the cluster as kubectl and client-go do: by the files that `KUBECONFIG` names, else by `~/.kube/config`, else,
    /// in a pod, by its service account.
    ///
    /// A kubeconfig that is there and is broken is an error: to take another cluster instead would be a second election.
    ///
    /// # Errors
    /// When nothing is found, or what is found is broken; not when the apiserver is down.
    pub async fn infer() -> Result<Self, SetupError> {
        Self::of(config::infer()?).await
    }

    /// Takes the cluster, the user and the namespace of the current context in a kubeconfig.
    ///
    /// # Errors
    /// When it is missing or broken; not when the apiserver is down.
    pub async fn from_kubeconfig(path: impl AsRef<Path>) -> Result<Self, SetupError> {
        Self::of(Source::File(path.as_ref().to_owned())).await
    }

    /// Takes the service account of the pod in which this runs. Its token is read anew about once a minute.
    ///
    /// # Errors
    /// When this is no pod, or it has no service account; not when the apiserver is down.
    pub async fn in_cluster() -> Result<Self, SetupError> {
        Self::of(Source::Pod).await
    }

    /// The same connection, whose locks share their watches: one for all of a kind in a namespace. So a process keeps one connection
    /// for watching and the apiserver serves one watch however many elections the process takes part in, where each lock has a watch
    /// and a TCP connection of its own otherwise.
    ///
    /// It shows the process every object of the kind in the namespace, of ConfigMaps and Endpoints the metadata alone: worth it where a
    /// process takes part in many of the elections there. When it breaks, it breaks for all of its locks, and is opened once for all of
    /// them, and then each reads its object, 24 at once or so. It needs the permission to `watch` the kind in the namespace, not a name alone;
    /// where that is missing, elections poll.
    #[must_use]
    pub fn with_shared_watches(&self) -> Self {
        Self {
            shared: Some(Arc::default()),
            ..self.clone()
        }
    }

    /// The lock on the Lease of that name, which need not exist.
    ///
    /// # Errors
    /// When Kubernetes does not allow such a name.
    pub fn lease(
        &self,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<LeaseLock, SetupError> {
        let reference = LockRef::lease(namespace, name)?;
        Ok(LeaseLock::on(self.clone(), reference))
    }

    /// The lock on the ConfigMap of that name, which need not exist.
    ///
    /// # Errors
    /// When Kubernetes does not allow such a name.
    pub fn config_map(
        &self,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<ConfigMapLock, SetupError> {
        let reference = LockRef::config_map(namespace, name)?;
        Ok(ConfigMapLock::on(self.clone(), reference))
    }

    /// The lock on the Endpoints object of that name, which need not exist.
    ///
    /// # Errors
    /// When Kubernetes does not allow such a name.
    pub fn endpoints(
        &self,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<EndpointsLock, SetupError> {
        let reference = LockRef::endpoints(namespace, name)?;
        Ok(EndpointsLock::on(self.clone(), reference))
    }

    /// The lock that is named. A [`LockRef`] comes of a text, `leases:NAMESPACE/NAME`, or of a
    /// [`LeaderElectionConfiguration`](leaderelection::LeaderElectionConfiguration) by `LockRef::try_from`.
    pub fn lock(&self, reference: &LockRef) -> Arc<dyn ResourceLock> {
        let (connection, reference) = (self.clone(), reference.clone());
        match reference.kind() {
            Kind::Leases => Arc::new(LeaseLock::on(connection, reference)),
            Kind::ConfigMaps => Arc::new(ConfigMapLock::on(connection, reference)),
            Kind::Endpoints => Arc::new(EndpointsLock::on(connection, reference)),
        }
    }

    /// The namespace of the kubeconfig's context, or that of the pod, or `default`.
    pub fn default_namespace(&self) -> &str {
        self.inner.client.default_namespace()
    }

    /// The client, for what else there is to do. See [`from_client`](Self::from_client) about sharing it.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn server(&self) -> Option<&str> {
        self.inner.server.as_deref()
    }

    pub(crate) fn shared(&self, place: &Place, name: &str) -> Option<Shared> {
        self.shared.as_ref().map(|shared| shared.of(place, name))
    }

    /// The same connection without what hangs on it.
    pub(crate) fn bare(&self) -> Self {
        Self {
            shared: None,
            ..self.clone()
        }
    }

    async fn of(source: Source) -> Result<Self, SetupError> {
        let (client, cluster) = renewal::client(source).await?;
        Ok(Self::with(client, Some(config::server(&cluster))))
    }

    fn with(client: Client, server: Option<String>) -> Self {
        Self {
            inner: Arc::new(Inner { client, server }),
            shared: None,
        }
    }
}

impl fmt::Debug for KubeConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeConnection")
            .field("server", &self.server())
            .field("default_namespace", &self.default_namespace())
            .finish()
    }
}
