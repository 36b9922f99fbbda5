//! Forgets what tells apart records that nobody will ever be shown.

use std::sync::Arc;

use leaderelection::LeaderElectionRecord;

use super::store;
use super::world::World;

/// A machine need not tell apart records that are neither remembered nor on their way, where no equal one will be written:
/// whatever is written gets the wall clock's second or a later one, and what names an older version than the newest does not
/// land, unless twins write its like.
pub(super) fn forget(world: &mut World, twins: bool) {
    let stored = world.store.remembered().filter_map(|ago| world.store.record(ago));
    let calls = world.seats.iter().flat_map(|seat| &seat.calls);
    let calls = calls.map(|call| &call.attempt.record);
    let alive: Vec<_> = stored.chain(calls).map(Arc::clone).collect();
    let newest = world.store.version(0);
    for seat in &mut world.seats {
        let late = !twins && seat.election.known_version() < newest;
        let gone = |record: &LeaderElectionRecord| alive.iter().all(|alive| **alive != *record);
        let passed = |record: &LeaderElectionRecord| {
            record.renew_time.is_none_or(|time| time < store::wall()) && gone(record)
        };
        seat.election
            .forget_dead(|record| passed(record) || (late && gone(record)), passed);
    }
    forget_later_seconds(world);
}

/// A wall clock that stands falls behind acquisitions that are lost, each a second after the one before.
fn forget_later_seconds(world: &mut World) {
    let mut acquired = Vec::new();
    world.for_each_record(|record| {
        let second = record.acquire_time.map(|time| time.timestamp());
        acquired.push((record.holder_identity.clone(), second));
    });
    for seat in &mut world.seats {
        let name = seat.election.identity().as_str();
        let own = acquired.iter().filter(|(holder, _)| holder == name);
        let last = own.filter_map(|(_, second)| *second).max().unwrap_or_default();
        seat.election.forget_later_seconds(last.max(store::WALL));
    }
}
