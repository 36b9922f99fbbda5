//! Gives old records the nearest seconds that tell them apart.
//!
//! Of a second before the wall clock nothing is asked but whether two records are equal: the machine writes the wall clock
//! or later, whatever lies before it. So how old a record is may be forgotten, but no two that differ may become equal:
//! after a deletion, one that is taken for another has two leaders.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leaderelection::election::Shift;
use leaderelection::{LeaderElectionRecord, MonoTime};

use super::store::WALL;
use super::world::World;

/// What becomes of one record, as it was.
struct Renamed {
    from: Arc<LeaderElectionRecord>,
    /// As it would be after the shift.
    image: LeaderElectionRecord,
    to: Option<Arc<LeaderElectionRecord>>,
}

/// Prepares all records of a world for `shift`, so that those that differ before it differ after it as well.
pub(super) fn close_ranks(world: &mut World, shift: &Shift) {
    // What a machine has just written still says when its term began: forget that first, or a retry differs from what it
    // repeats.
    let still = Shift {
        now: MonoTime::ZERO,
        version: 0,
        seconds: 0,
        transitions: 0,
        ..*shift
    };
    world.for_each_record(|record| still.shared_record(record));
    let mut all: Vec<Renamed> = Vec::new();
    world.for_each_record(|record| {
        if record.renew_time.is_some() && all.iter().all(|known| known.from != *record) {
            all.push(Renamed {
                from: Arc::clone(record),
                image: shift.record(record),
                to: None,
            });
        }
    });
    // Newest first, so that ranks are given from the wall clock down.
    all.sort_by_key(|record| {
        let from = &record.from;
        std::cmp::Reverse((
            record.image.renew_time,
            from.leader_transitions,
            from.renew_time,
            from.acquire_time,
        ))
    });
    for at in 0..all.len() {
        let (before, rest) = all.split_at_mut(at);
        let Some(this) = rest.first_mut() else { continue };
        let taken = before
            .iter()
            .filter(|other| differ_in_age_alone(&other.image, &this.image))
            .filter_map(|other| other.image.renew_time)
            .min();
        let below_wall = || WALL - 1;
        let free = taken.map_or_else(i64::max_value, |taken| taken.timestamp() - 1);
        let second = match this.image.renew_time.map(|time| time.timestamp()) {
            Some(second) if second >= WALL && second <= free => second,
            _ => free.min(below_wall()),
        };
        assert!(
            second > 0,
            "more old records than the model has seconds for: {:?}",
            this.from
        );
        let mut to = LeaderElectionRecord::clone(&this.from);
        set(&mut to, second + shift.seconds);
        this.image = shift.record(&to);
        if to != *this.from {
            this.to = Some(Arc::new(to));
        }
    }
    world.for_each_record(|record| {
        let to = all.iter().find(|known| known.from == *record);
        if let Some(to) = to.and_then(|known| known.to.as_ref()) {
            *record = Arc::clone(to);
        }
    });
}

fn differ_in_age_alone(one: &LeaderElectionRecord, other: &LeaderElectionRecord) -> bool {
    one.holder_identity == other.holder_identity
        && one.lease_duration_seconds == other.lease_duration_seconds
        && one.leader_transitions == other.leader_transitions
}

/// Where nothing was renewed since it was acquired, that stays so.
fn set(record: &mut LeaderElectionRecord, second: i64) {
    let time: Option<DateTime<Utc>> = DateTime::from_timestamp(second, 0);
    if record.acquire_time == record.renew_time {
        record.acquire_time = time;
    }
    record.renew_time = time;
}
