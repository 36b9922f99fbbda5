//! The records that are written. Every write changes the record (SAFETY 6).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::campaign::mix;
use super::{ElectionConfig, Variant};
use crate::lock::{Content, Expected};
use crate::record::LeaderElectionRecord;

/// 9999-12-31T23:59:59Z: no client reads a later year.
const LAST_SECOND: i64 = 253_402_300_799;
/// 9999-01-01T00:00:00Z: no clock is followed into the last year, so that the seconds of a term have room to grow.
const LAST_FOLLOWED: i64 = 253_370_764_800;
/// The most that the `int32` of a Kubernetes Lease holds.
const LAST_TRANSITION: i64 = i32::MAX as i64;
/// 0001-01-01T00:00:00Z, Go's zero time, which it writes as null.
const FIRST_SECOND: i64 = -62_135_596_800;

fn at_second(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second.clamp(FIRST_SECOND + 1, LAST_SECOND), 0).unwrap_or_default()
}

/// The wall clock in the whole seconds that a record holds.
fn whole_seconds(wall: DateTime<Utc>) -> i64 {
    wall.timestamp().min(LAST_FOLLOWED)
}

fn whole(wall: DateTime<Utc>) -> DateTime<Utc> {
    at_second(whole_seconds(wall))
}

/// What was acquired so far under this name, by this life, or by an earlier one or a twin as far as this life has seen it: the
/// latest of each, and where one's own last one was to land.
///
/// None that comes is equal to one of them, but for retries on one version, of which one can land. A create starts the transitions
/// anew, so after a deletion they alone do not tell two acquisitions apart, and a wall clock may stand, or be another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Written {
    pub(super) second: i64,
    pub(super) transitions: i64,
    /// None: where nothing can land any more.
    pub(super) base: Option<Expected>,
    /// Where the last one leapt to.
    pub(super) leapt_to: Option<i64>,
}

impl Written {
    /// The earliest second of an acquisition with these transitions on this base.
    fn earliest(&self, transitions: i64, base: Option<Expected>) -> i64 {
        let retries = matches!(base, Some(Expected::Version(_))) && base == self.base;
        if transitions > self.transitions {
            i64::MIN
        } else if retries {
            self.second
        } else {
            self.second.saturating_add(1)
        }
    }

    pub(super) fn with(
        before: Option<Self>,
        record: &LeaderElectionRecord,
        base: Option<Expected>,
        leapt: bool,
    ) -> Self {
        let second = record.acquire_time.map_or(i64::MIN, |time| time.timestamp());
        let transitions = record.leader_transitions;
        Self {
            second: before.as_ref().map_or(second, |before| before.second.max(second)),
            transitions: before.map_or(transitions, |before| before.transitions.max(transitions)),
            base,
            leapt_to: leapt.then_some(transitions),
        }
    }

    /// With what stands there under this name, whoever has written it.
    pub(super) fn with_seen(before: Option<Self>, record: &LeaderElectionRecord) -> Self {
        let (base, leapt_to, last) = before.as_ref().map_or((None, None, i64::MIN), |before| {
            (before.base, before.leapt_to, before.second)
        });
        let with = Self::with(before, record, base, false);
        Self {
            // Nobody is followed into the last year; nor does a clock that is not come to write the same.
            second: if with.second <= LAST_FOLLOWED {
                with.second
            } else {
                last
            },
            leapt_to,
            ..with
        }
    }
}

/// A record that begins a term or a claim. A create has no base and writes transitions 0; every other acquisition adds
/// one, also when the same identity comes back (SAFETY 16). It takes the wall clock as it is (SAFETY 6), unless that made it equal
/// to an earlier one under this name that this life knows: it would pass for a younger one, or for a label on what stood there before a
/// deletion (SAFETY 5, SAFETY 9, SAFETY 16).
pub(super) fn acquisition(
    config: &ElectionConfig,
    base: Option<&Content>,
    last_transitions: i64,
    destroyed: bool,
    written: Option<&Written>,
    expected: Option<Expected>,
    wall: DateTime<Utc>,
) -> Arc<LeaderElectionRecord> {
    let (transitions, unknown_fields) = match base {
        None => (0, Vec::new()),
        Some(Content::Record(record)) => (
            next_transitions(record.leader_transitions),
            record.unknown_fields.clone(),
        ),
        Some(Content::Empty | Content::Unreadable(_)) => {
            let leapt = written.is_some_and(|written| written.leapt_to == Some(last_transitions));
            let leap = if destroyed && !leapt { leap(config) } else { 0 };
            (leap_by(leap, next_transitions(last_transitions)), Vec::new())
        }
    };
    let mut wall = whole(wall);
    if let Some(written) = written.filter(|_| !config.broken(Variant::AcquisitionsAlike)) {
        wall = wall.max(at_second(written.earliest(transitions, expected)));
    }
    let record = LeaderElectionRecord {
        holder_identity: config.identity.as_str().to_owned(),
        lease_duration_seconds: written_seconds(config),
        acquire_time: Some(wall),
        renew_time: Some(wall),
        leader_transitions: transitions,
        unknown_fields,
    };
    changed(record, base)
}

fn written_seconds(config: &ElectionConfig) -> i64 {
    if config.broken(Variant::ZeroDurationWritten) {
        return 0;
    }
    if config.broken(Variant::TruncatedSeconds) {
        return i64::try_from(config.timing.lease_duration().as_secs()).unwrap_or(i64::MAX);
    }
    config.timing.written_seconds()
}

/// A number that somebody has driven to its end starts over, because every acquisition must differ from the one before. The
/// end is that of a Lease, which holds 0 to 2,147,483,647: a larger one would be refused for ever.
fn next_transitions(transitions: i64) -> i64 {
    match transitions {
        0..LAST_TRANSITION => transitions + 1,
        _ => 1,
    }
}

/// By how much the transitions leap where what told them is destroyed. Under a name that others may have, too, a twin may
/// not have seen how far they had come, and in the same second would write letter by letter what stood there before: for
/// who missed all between, a label on his own record (SAFETY 16). A process that goes on from its own leap needs no other.
fn leap(config: &ElectionConfig) -> i64 {
    if config.identity.is_unique() {
        return 0;
    }
    (mix(config.seed) >> 44) as i64
}

/// Past the end it starts over, like a single step, but two leaps from one number still differ.
fn leap_by(leap: i64, transitions: i64) -> i64 {
    match transitions + leap {
        beyond if beyond > LAST_TRANSITION => beyond - LAST_TRANSITION,
        within => within,
    }
}

/// The next record of a term: its whole second grows with every write, also when the wall clock stands or steps back.
pub(super) fn renewal(
    config: &ElectionConfig,
    base: &LeaderElectionRecord,
    wall: DateTime<Utc>,
) -> Arc<LeaderElectionRecord> {
    let wall = whole_seconds(wall);
    let last = base
        .renew_time
        .filter(|_| !config.broken(Variant::TwoWritesInOneSecond))
        .map_or(i64::MIN, |time| time.timestamp());
    // A term that has renewed through the whole of year 9999 starts over: the record must change all the same.
    let next = match wall.max(last.saturating_add(1)) {
        next if next <= LAST_SECOND => next,
        _ => wall,
    };
    Arc::new(LeaderElectionRecord {
        renew_time: Some(at_second(next)),
        ..base.clone()
    })
}

/// The record that lets others lead at once: no holder, one second, both times now, transitions kept (SAFETY 12).
/// Go, fabric8 and Python's LeaseLock take it at once.
pub(super) fn release(base: Option<&Content>, wall: DateTime<Utc>) -> Arc<LeaderElectionRecord> {
    let wall = whole(wall);
    let kept = match base {
        Some(Content::Record(record)) => LeaderElectionRecord::clone(record),
        Some(Content::Empty | Content::Unreadable(_)) | None => LeaderElectionRecord::default(),
    };
    let record = LeaderElectionRecord {
        holder_identity: String::new(),
        lease_duration_seconds: 1,
        acquire_time: Some(wall),
        renew_time: Some(wall),
        ..kept
    };
    changed(record, base)
}

/// A free record over a free record of the same second would be an equal write, after which a pending acquisition could
/// still land.
fn changed(mut record: LeaderElectionRecord, base: Option<&Content>) -> Arc<LeaderElectionRecord> {
    if let Some(Content::Record(base)) = base {
        if **base == record {
            record.renew_time = record
                .renew_time
                .and_then(|time| time.checked_add_signed(TimeDelta::seconds(1)));
        }
    }
    Arc::new(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    /// SAFETY 6. It takes a year of renewals to come there, or a clock of long ago.
    #[test]
    fn a_renewal_changes_the_record_also_at_both_ends_of_time() {
        let config = ElectionConfig::new(Identity::unique());
        let at = |second| Some(DateTime::from_timestamp(second, 0).unwrap());
        let renewed = |last, wall: DateTime<Utc>| {
            let base = LeaderElectionRecord {
                renew_time: last,
                ..LeaderElectionRecord::default()
            };
            renewal(&config, &base, wall).renew_time
        };
        let late = DateTime::from_timestamp(LAST_SECOND, 0).unwrap();
        assert_eq!(renewed(at(LAST_SECOND - 1), late), at(LAST_SECOND));
        assert_eq!(
            renewed(at(LAST_SECOND), late),
            at(LAST_FOLLOWED),
            "it starts over"
        );
        // Go writes the first second as null, which many such records would share.
        assert_eq!(renewed(None, DateTime::<Utc>::MIN_UTC), at(FIRST_SECOND + 1));
        assert_eq!(
            renewed(at(FIRST_SECOND + 1), DateTime::<Utc>::MIN_UTC),
            at(FIRST_SECOND + 2)
        );
    }
}
