//! The lock on an Endpoints object.

use std::fmt;

use async_trait::async_trait;
use kube::Client;
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream, ResourceLock,
    Swap,
};

use crate::connection::KubeConnection;
use crate::lock_ref::{Kind, LockRef};
use crate::object::{METADATA_ONLY, ObjectLock, Resource};
use crate::setup::SetupError;
use crate::{annotation, watch};

pub(crate) const ENDPOINTS: Resource = Resource {
    api: "/api/v1",
    api_version: "v1",
    kind: "Endpoints",
    plural: "endpoints",
    accept: METADATA_ONLY,
    read: annotation::read,
    write: annotation::write,
};

/// A [`ResourceLock`] on the annotation `control-plane.alpha.kubernetes.io/leader` of an Endpoints object, as client-go's
/// `EndpointsLock` uses it. Cheap to clone.
///
/// Every call is one request. Nothing is retried, also where your client retries, and there is no timeout: the elector has
/// its own. What else is on the object stays as it is.
#[derive(Clone)]
pub struct EndpointsLock {
    object: ObjectLock,
}

impl EndpointsLock {
    /// A lock on a client that you made. For several locks on one client see [`KubeConnection::from_client`], too.
    ///
    /// # Errors
    /// When Kubernetes does not allow such a name.
    pub fn new(
        client: Client,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<Self, SetupError> {
        KubeConnection::from_client(client).endpoints(namespace, name)
    }

    pub(crate) fn on(connection: KubeConnection, reference: LockRef) -> Self {
        debug_assert_eq!(reference.kind(), Kind::Endpoints);
        Self {
            object: ObjectLock::new(connection, &ENDPOINTS, reference),
        }
    }

    /// The namespace of the object.
    pub fn namespace(&self) -> &str {
        self.object.reference().namespace()
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        self.object.reference().name()
    }
}

#[async_trait]
impl ResourceLock for EndpointsLock {
    async fn get(&self) -> Result<Observation, LockError> {
        self.object.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.object.swap(expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        watch::open(&self.object).await.map(Some)
    }

    fn describe(&self) -> String {
        self.object.reference().to_string()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST
            .with_watch()
            .with_equal_write_is_noop()
            .with_empty_object()
    }
}

impl fmt::Debug for EndpointsLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndpointsLock").field(&self.describe()).finish()
    }
}
