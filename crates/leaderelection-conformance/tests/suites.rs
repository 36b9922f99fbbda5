//! The lock in memory runs the whole suite in each of its modes, and every decorator without orders is the lock itself.

use std::sync::Arc;

use leaderelection::{Capabilities, PausedClock, ResourceLock};
use leaderelection_conformance::{History, MemoryFixture, RecordingLock, fixture, suite};
use leaderelection_memory::MemoryLock;

// The fixture of the lock in memory always has a FaultLock without orders around it.
suite!(memory, MemoryFixture::new(MemoryLock::builder()));
suite!(
    memory_with_a_size_limit,
    MemoryFixture::new(MemoryLock::builder().with_max_bytes(1024 * 1024))
);
suite!(
    memory_with_noop_writes,
    MemoryFixture::new(MemoryLock::builder().with_equal_write_noop())
);
suite!(
    memory_that_tells_least,
    MemoryFixture::new(
        MemoryLock::builder()
            .without_watch()
            .without_versioned_absence()
            .without_conflict_state()
    )
);
suite!(
    recorded,
    MemoryFixture::wrapped(MemoryLock::builder(), |lock| RecordingLock::new(
        lock,
        "a",
        History::new(PausedClock)
    ))
);
suite!(
    shared_behind_dyn,
    MemoryFixture::wrapped(MemoryLock::builder(), |lock| -> Arc<dyn ResourceLock> {
        Arc::new(lock)
    })
);
// A lock and nothing else: no side door, and real time.
suite!(
    memory_alone,
    fixture(|case| MemoryLock::builder().name(case).build())
);

#[test]
fn what_the_lock_declares_is_what_was_asked_for() {
    let all = Capabilities::LEAST
        .with_watch()
        .with_versioned_absence()
        .with_conflict_tells_state()
        .with_empty_object();
    assert_eq!(MemoryLock::new().capabilities(), all);
    let noop = MemoryLock::builder().with_equal_write_noop().build();
    assert_eq!(noop.capabilities(), all.with_equal_write_is_noop());
}
