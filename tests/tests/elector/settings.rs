//! What is set on the builder is what counts.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use leaderelection::MissingRecord::ClaimThenLead;
use leaderelection::{
    Capabilities, Clock, Expected, LeaderElectionRecord, LeaderElectorBuilder, LockError, MonoTime,
    Observation, ObservationStream, PausedClock, ResourceLock, Swap, Version,
};
use leaderelection_memory::MemoryLock;

use crate::{candidate, ms, s, since, sleep};

async fn leads_after(builder: LeaderElectorBuilder) -> std::time::Duration {
    let start = PausedClock.mono();
    let handle = builder.build().unwrap().spawn().unwrap();
    handle.leadership().await.unwrap();
    since(start)
}

/// SAFETY 18: a claim on a missing record leads only when it has stood for a lease.
#[tokio::test(start_paused = true)]
async fn strict_mode_waits_for_its_claim() {
    let at_once = leads_after(candidate(MemoryLock::new(), "a")).await;
    assert!(at_once < ms(10), "{at_once:?}");
    let strict = leads_after(candidate(MemoryLock::new(), "a").missing_record(ClaimThenLead)).await;
    assert!(strict >= s(15) && strict < s(16), "{strict:?}");
}

/// SAFETY 16: only who promises that nobody else has the name takes an earlier life's record at once.
#[tokio::test(start_paused = true)]
async fn an_exclusive_identity_takes_its_earlier_life_s_record_over() {
    let held = || {
        let lock = MemoryLock::new();
        lock.put_record(&LeaderElectionRecord {
            holder_identity: "a".into(),
            lease_duration_seconds: 15,
            ..Default::default()
        });
        lock
    };
    let exclusive = leads_after(candidate(held(), "a").exclusive_identity()).await;
    assert!(exclusive < ms(10), "{exclusive:?}");
    let waited = leads_after(candidate(held(), "a")).await;
    assert!(waited >= s(15), "{waited:?}");
}

/// Held by somebody else for ever, without a watch; it notes when it was read.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Vec<MonoTime>>>);

#[async_trait]
impl ResourceLock for Held {
    async fn get(&self) -> Result<Observation, LockError> {
        self.0.lock().unwrap().push(PausedClock.mono());
        let record = LeaderElectionRecord {
            holder_identity: "other".into(),
            lease_duration_seconds: 1_000,
            ..Default::default()
        };
        Ok(Observation::record(Version::new(5), record))
    }
    async fn compare_and_swap(&self, _: Expected, _: &LeaderElectionRecord) -> Result<Swap, LockError> {
        unreachable!("it is held")
    }
    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        Ok(None)
    }
    fn describe(&self) -> String {
        "held".to_owned()
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST
    }
}

/// The time between two reads of one follower, which is spread by its seed.
async fn poll_period(name: &str, seed: Option<u64>) -> std::time::Duration {
    let lock = Held::default();
    let mut builder = candidate(lock.clone(), name);
    if let Some(seed) = seed {
        builder = builder.seed(seed);
    }
    let handle = builder.build().unwrap().spawn().unwrap();
    sleep(s(20)).await;
    handle.shutdown().await.unwrap();
    let reads = lock.0.lock().unwrap();
    reads[4].since(reads[3])
}

/// SAFETY 16: a name is no seed, because two processes may share one; each draws its own, unless one is set.
#[tokio::test(start_paused = true)]
async fn the_seed_is_drawn_unless_it_is_set() {
    let spread = poll_period("a", Some(7)).await;
    assert_eq!(poll_period("b", Some(7)).await, spread);
    let drawn = [poll_period("a", None).await, poll_period("a", None).await];
    assert_ne!(drawn[0], drawn[1]);
    for spread in drawn {
        assert!(spread >= s(2) && spread <= ms(2_402), "{spread:?}");
    }
}

/// One callback is enough to be called.
#[tokio::test]
async fn each_callback_works_without_the_other() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (by_leader, by_stop) = (Arc::clone(&told), Arc::clone(&told));
    for builder in [
        leaderelection::LeaderElector::builder(MemoryLock::new(), "a")
            .on_new_leader(move |leader| by_leader.lock().unwrap().push(leader)),
        leaderelection::LeaderElector::builder(MemoryLock::new(), "a")
            .on_stopped_leading(move |end| by_stop.lock().unwrap().push(end.to_string())),
    ] {
        let handle = builder.build().unwrap().spawn().unwrap();
        drop(handle.leadership().await.unwrap());
        handle.shutdown().await.unwrap();
    }
    assert_eq!(*told.lock().unwrap(), ["a", "the work ended"]);
}
