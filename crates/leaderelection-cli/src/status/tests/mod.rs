//! What is said of every kind of record, and of what follows on what.

mod looks;
mod watches;

use chrono::{DateTime, Utc};
use leaderelection::{Moment, MonoTime, Observation, Version};

/// 2026-01-01T00:00:00Z and so many seconds, and those on the other clock.
fn at(seconds: i64) -> Moment {
    Moment {
        mono: MonoTime::from_nanos(seconds * 1_000_000_000),
        wall: wall(seconds),
    }
}

fn wall(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

fn json(version: u64, json: &str) -> Observation {
    Observation::from_json(Version::new(version), json.as_bytes())
}

/// A record as ours and Go's candidates write it, acquired at and renewed at so many seconds.
fn record(holder: &str, acquired: i64, renewed: i64, transitions: i64) -> String {
    format!(
        r#"{{"holderIdentity":"{holder}","leaseDurationSeconds":15,"acquireTime":"{}","renewTime":"{}","leaderTransitions":{transitions}}}"#,
        super::report::time(wall(acquired)),
        super::report::time(wall(renewed)),
    )
}
