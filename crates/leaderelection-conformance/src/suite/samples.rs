//! Records to write, each different from the others.

use chrono::{DateTime, TimeDelta, Utc};
use leaderelection::LeaderElectionRecord;

/// 2024-02-29T23:58:00Z.
const BASE: i64 = 1_709_251_080;

/// A moment so many seconds after a whole minute; records have whole seconds on the wire.
pub(super) fn at(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(BASE, 0)?.checked_add_signed(TimeDelta::try_seconds(seconds)?)
}

/// The `number`th record of a holder. Its times are whole minutes: that seconds survive is one case's matter.
pub(super) fn record(holder: &str, number: u32) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.into(),
        lease_duration_seconds: 15,
        acquire_time: at(0),
        renew_time: at(i64::from(number) * 60),
        leader_transitions: 7,
        unknown_fields: Vec::new(),
    }
}
