//! What a candidate sees of the lock and of others.

use leaderelection::LeaderElectionRecord;
use leaderelection_conformance::{Fault, FaultLock, Op, Partition};
use leaderelection_memory::MemoryLock;
use metrics_util::debugging::DebuggingRecorder;

use super::{shown, value};
use crate::{candidate, ms, s, sleep};

/// Those after the first holder that was seen, whoever leads: also the same one again. What the record says of them is there as
/// well.
#[tokio::test(start_paused = true)]
async fn every_other_holder_is_a_transition() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let lock = MemoryLock::new();
    // One that may only read, so that it does not lead in between.
    let faulty = FaultLock::new(lock.clone());
    faulty
        .faults()
        .standing(Op::Cas, Fault::Error(leaderelection::LockErrorKind::Denied));
    let _handle = candidate(faulty, "a")
        .name("job")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    sleep(ms(10)).await;
    let of_the_record = "leader_election_record_transitions{name=job}";
    assert_eq!(value(&shown(&snapshotter), of_the_record), "0.000");
    for (number, holder, transitions) in [
        (7, "other", "0"),
        (7, "other", "0"),
        (8, "b", "1"),
        (8, "", "0"),
        (9, "b", "1"),
        (10, "c", "1"),
        (10, "c", "0"),
    ] {
        lock.put_record(&LeaderElectionRecord {
            holder_identity: holder.to_owned(),
            lease_duration_seconds: 15,
            leader_transitions: number,
            ..Default::default()
        });
        sleep(ms(10)).await;
        let lines = shown(&snapshotter);
        let seen = value(&lines, "leader_election_transitions_total{name=job}");
        assert_eq!(seen, transitions, "{holder:?}");
        assert_eq!(
            value(&lines, of_the_record),
            format!("{number}.000"),
            "{holder:?}"
        );
    }
}

/// Who has never seen its lock is blind for as long as it runs.
#[tokio::test(start_paused = true)]
async fn a_lock_that_was_never_seen_gets_older() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let faulty = FaultLock::new(MemoryLock::new());
    faulty.faults().partition(Partition::Full);
    let elector = candidate(faulty, "a").name("job").build().unwrap();
    let observer = elector.observer();
    let _handle = elector.spawn().unwrap();
    sleep(s(90)).await;
    observer.refresh_metrics();
    let lines = shown(&snapshotter);
    assert_eq!(
        value(&lines, "leader_election_last_observation_age_seconds{name=job}"),
        "90.000"
    );
}

/// And whoever looks now and then sees it as often, also where nothing changes.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_polled_is_seen() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let lock = MemoryLock::builder().without_watch().build();
    lock.put_record(&LeaderElectionRecord {
        holder_identity: "other".to_owned(),
        lease_duration_seconds: 60,
        ..Default::default()
    });
    let elector = candidate(lock, "a").name("job").build().unwrap();
    let observer = elector.observer();
    let _handle = elector.spawn().unwrap();
    sleep(s(30)).await;
    observer.refresh_metrics();
    let age = value(
        &shown(&snapshotter),
        "leader_election_last_observation_age_seconds{name=job}",
    );
    assert!(
        age.parse::<f64>().unwrap() <= 2.4,
        "{age}: it reads every 2 s to 2.4 s"
    );
}
