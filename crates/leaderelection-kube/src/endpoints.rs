//! The lock on an Endpoints object.

use crate::annotation;
use crate::lock_type::lock_type;
use crate::object::{METADATA_ONLY, Resource};

pub(crate) const ENDPOINTS: Resource = Resource {
    api: "/api/v1",
    api_version: "v1",
    kind: "Endpoints",
    plural: "endpoints",
    accept: METADATA_ONLY,
    read: annotation::read,
    write: annotation::write,
};

lock_type! {
    /// A [`ResourceLock`](leaderelection::ResourceLock) on the annotation `control-plane.alpha.kubernetes.io/leader` of an
    /// Endpoints object, as client-go's `EndpointsLock` uses it. Cheap to clone.
    ///
    /// Every call is one request. Nothing is retried, also where your client retries, and there is no timeout: the elector
    /// has its own. What else is on the object stays as it is.
    EndpointsLock, opened by endpoints
}
