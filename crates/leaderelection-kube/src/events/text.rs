//! An Event as client-go's `tools/record` writes it (`event.go`, `makeEvent` and `generateEvent`).

use chrono::{DateTime, SecondsFormat, Utc};
use leaderelection::FencingToken;
use serde_json::{Value, json};

use crate::lock_ref::LockRef;
use crate::names;
use crate::object::Resource;

/// Something that is worth an Event.
pub(super) struct Transition {
    at: DateTime<Utc>,
    what: &'static str,
    /// The object's version by the write that did it, where it is known.
    version: Option<String>,
}

/// Which object carries the lock: client-go has both from its last answer about it.
#[derive(Clone, Default)]
pub(super) struct Found {
    pub(super) uid: String,
    pub(super) resource_version: String,
}

impl Transition {
    pub(super) fn became_leader(at: DateTime<Utc>, token: FencingToken) -> Self {
        Self {
            at,
            what: "became leader",
            version: Some(token.to_string()),
        }
    }

    pub(super) fn stopped_leading(at: DateTime<Utc>) -> Self {
        Self {
            at,
            what: "stopped leading",
            version: None,
        }
    }

    /// The object's name and the time. Where that is too long, anything that nobody else has.
    pub(super) fn event_name(&self, lock: &LockRef) -> String {
        let nanos = self.at.timestamp_nanos_opt().unwrap_or_default();
        let name = format!("{}.{nanos:x}", lock.name());
        match names::object(&name) {
            Ok(()) => name,
            Err(_) => uuid::Uuid::new_v4().to_string(),
        }
    }

    pub(super) fn event(
        self,
        name: &str,
        (lock, resource): (&LockRef, &Resource),
        found: &Found,
        identity: &str,
        component: &str,
    ) -> Value {
        let mut involved = json!({
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "namespace": lock.namespace(),
            "name": lock.name(),
        });
        let version = self.version.unwrap_or_else(|| found.resource_version.clone());
        for (field, value) in [("uid", found.uid.clone()), ("resourceVersion", version)] {
            if let (Some(involved), false) = (involved.as_object_mut(), value.is_empty()) {
                involved.insert(field.to_owned(), value.into());
            }
        }
        let time = self.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": lock.namespace(), "name": name},
            "involvedObject": involved,
            "type": "Normal",
            "reason": "LeaderElection",
            "message": format!("{identity} {}", self.what),
            "source": {"component": component},
            "reportingComponent": component,
            "reportingInstance": "",
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
            "eventTime": null,
        })
    }
}
