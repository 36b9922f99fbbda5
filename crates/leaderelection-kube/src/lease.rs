//! The lock on a Lease, and the record in its `spec`, where client-go's Lease lock keeps it.
//!
//! Of `spec` only the five fields of the record are read and written. Others, such as `strategy` and `preferredHolder`,
//! are not part of the record: who changes one of them has renewed nothing (SAFETY 5) and has not replaced the leader's
//! record either (SAFETY 9), and a patch leaves them alone.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use leaderelection::{Content, LeaderElectionRecord, Observation, RecordError, Unreadable, Version};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::lock_type::lock_type;
use crate::object::{Draft, Resource};
use crate::wire::Object;

pub(crate) const LEASES: Resource = Resource {
    api: "/apis/coordination.k8s.io/v1",
    api_version: "coordination.k8s.io/v1",
    kind: "Lease",
    plural: "leases",
    // The record is not in the metadata.
    accept: "application/json",
    read,
    write,
};

lock_type! {
    /// A [`ResourceLock`](leaderelection::ResourceLock) on the `spec` of a Lease, as client-go's `LeaseLock` uses it. Cheap
    /// to clone.
    ///
    /// Every call is one request. Nothing is retried, also where your client retries, and there is no timeout: the elector
    /// has its own. What else is on the object stays as it is, `strategy` and `preferredHolder` too.
    ///
    /// A Lease has types, so it does not hold every record: durations of 1 to 2,147,483,647 s or none, transitions of 0 to
    /// 2,147,483,647, no fields but those that it knows. A swap of another record is
    /// [`Invalid`](leaderelection::LockErrorKind::Invalid), and is not sent.
    LeaseLock, opened by lease
}

/// The fields of `spec` that are the record: read under the names that they have there, written under those of the record.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    holder_identity: Option<&'a RawValue>,
    lease_duration_seconds: Option<&'a RawValue>,
    acquire_time: Option<&'a RawValue>,
    renew_time: Option<&'a RawValue>,
    #[serde(rename(deserialize = "leaseTransitions", serialize = "leaderTransitions"))]
    lease_transitions: Option<&'a RawValue>,
}

/// Without a holder, not even an empty one, without times and transitions there is no record: nobody has led by this Lease.
/// The transitions alone are what the Java client leaves when it releases, and they are kept (SAFETY 15).
fn read(object: &Object<'_>, version: Version) -> Observation {
    let content = match object.spec {
        None => Content::Empty,
        Some(spec) => record(spec).unwrap_or_else(|reason| {
            Content::Unreadable(Arc::new(Unreadable {
                raw: spec.get().as_bytes().to_vec(),
                reason: format!("spec of the Lease: {reason}"),
            }))
        }),
    };
    Observation::Present { version, content }
}

fn record(spec: &RawValue) -> Result<Content, String> {
    let fields: Fields<'_> = serde_json::from_str(spec.get()).map_err(|error| error.to_string())?;
    let led = [
        fields.holder_identity,
        fields.acquire_time,
        fields.renew_time,
        fields.lease_transitions,
    ];
    if led.iter().all(Option::is_none) {
        return Ok(Content::Empty);
    }
    let json = serde_json::to_vec(&fields).map_err(|error| error.to_string())?;
    let record = LeaderElectionRecord::from_json(&json).map_err(|error: RecordError| error.to_string())?;
    Ok(Content::Record(Arc::new(record)))
}

/// What the record has none of is `null`, which takes away what stood there.
fn write(draft: &mut Draft, record: &LeaderElectionRecord) -> Result<(), String> {
    if let Some((field, _)) = record.unknown_fields.first() {
        return Err(format!("a Lease has no place for the record's field {field:?}"));
    }
    let transitions = whole(record.leader_transitions, 0, "leaderTransitions")?;
    let duration = match record.lease_duration_seconds {
        0 => Value::Null,
        seconds => whole(seconds, 1, "leaseDurationSeconds")?,
    };
    let spec = json!({
        "holderIdentity": record.holder_identity,
        "leaseDurationSeconds": duration,
        "acquireTime": micro_time(record.acquire_time, "acquireTime")?,
        "renewTime": micro_time(record.renew_time, "renewTime")?,
        "leaseTransitions": transitions,
    });
    draft.fields.insert("spec".to_owned(), spec);
    Ok(())
}

/// An `int32` that is at least so much.
fn whole(number: i64, least: i32, field: &str) -> Result<Value, String> {
    match i32::try_from(number) {
        Ok(fits) if fits >= least => Ok(fits.into()),
        _ => Err(format!(
            "a Lease cannot hold {field} {number}; it holds {least} to {}",
            i32::MAX
        )),
    }
}

/// A `MicroTime`, which the apiserver takes with six decimals only.
fn micro_time(time: Option<DateTime<Utc>>, field: &str) -> Result<Value, String> {
    const YEAR_0: i64 = -62_167_219_200;
    /// Go's zero time, which it reads as none.
    const YEAR_1: i64 = -62_135_596_800;
    const LAST: i64 = 253_402_300_799;
    let Some(time) = time else {
        return Ok(Value::Null);
    };
    match time.timestamp() {
        YEAR_1 if time.timestamp_subsec_micros() == 0 => {}
        YEAR_0..=LAST => return Ok(time.to_rfc3339_opts(SecondsFormat::Micros, true).into()),
        _ => {}
    }
    Err(format!(
        "a Lease cannot hold {field} {time}; it holds the years 0 to 9999, but for the first moment of the year 1"
    ))
}

#[cfg(test)]
mod tests;
