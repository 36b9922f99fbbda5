//! The lock on a ConfigMap.

use crate::annotation;
use crate::lock_type::lock_type;
use crate::object::{METADATA_ONLY, Resource};

pub(crate) const CONFIG_MAPS: Resource = Resource {
    api: "/api/v1",
    api_version: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
    accept: METADATA_ONLY,
    read: annotation::read,
    write: annotation::write,
};

lock_type! {
    /// A [`ResourceLock`](leaderelection::ResourceLock) on the annotation `control-plane.alpha.kubernetes.io/leader` of a
    /// ConfigMap, as client-go's `ConfigMapLock` uses it. Cheap to clone.
    ///
    /// Every call is one request. Nothing is retried, also where your client retries, and there is no timeout: the elector
    /// has its own. What else is on the object, its data too, stays as it is, and never goes over the wire.
    ConfigMapLock, opened by config_map
}
