//! Faults of one call, and of the network.

use std::sync::Arc;

use futures_util::FutureExt;
use leaderelection::{Expected, LockErrorKind, Observation, PausedClock, ResourceLock, Swap, Version};
use leaderelection_conformance::{Fault, FaultLock, Op, Partition};
use leaderelection_memory::MemoryLock;

use super::{FIRST, MS, after, faulty, holder, kind, next, record, timed, within_a_day};

#[tokio::test(start_paused = true)]
async fn calls_are_counted() {
    let (_, lock, faults) = faulty();
    lock.get().await.unwrap();
    lock.get().await.unwrap();
    lock.compare_and_swap(FIRST, &record("b")).await.unwrap();
    lock.watch().await.unwrap();
    assert_eq!(
        (faults.gets(), faults.cas(), faults.watches(), faults.calls()),
        (2, 1, 1, 4)
    );
    faults.clear_all();
    assert_eq!(faults.calls(), 4, "the counters go on");
}

#[tokio::test(start_paused = true)]
async fn latency_is_the_travel_there_and_back() {
    let (memory, lock, faults) = faulty();
    faults.latency(Op::Cas, 30 * MS, 70 * MS);
    faults.latency(Op::Get, 5 * MS, 5 * MS);
    let record = record("b");
    let mut swap = lock.compare_and_swap(FIRST, &record);
    assert!(swap.as_mut().now_or_never().is_none());
    after(29 * MS).await;
    assert_eq!(holder(&memory.snapshot()), "a", "the request is on its way");
    after(2 * MS).await;
    assert_eq!(holder(&memory.snapshot()), "b", "it has arrived");
    let (answer, took) = timed(swap).await;
    assert_eq!(answer.unwrap(), Swap::Done(Version::new(2)));
    assert_eq!(took, 69 * MS);
    let (_, took) = timed(lock.get()).await;
    assert_eq!(took, 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_request_on_its_way_arrives_though_its_caller_has_left() {
    let (memory, lock, faults) = faulty();
    faults.latency(Op::Cas, 30 * MS, MS);
    assert!(
        lock.compare_and_swap(FIRST, &record("b"))
            .now_or_never()
            .is_none()
    );
    assert_eq!(holder(&memory.snapshot()), "a");
    after(31 * MS).await;
    assert_eq!(holder(&memory.snapshot()), "b");
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_ambiguous_and_not_written() {
    let (memory, lock, faults) = faulty();
    faults.latency(Op::Cas, 3 * MS, 4 * MS);
    faults.once(Op::Cas, Fault::LostRequest);
    let (answer, took) = timed(lock.compare_and_swap(FIRST, &record("b"))).await;
    assert_eq!((kind(answer), took), (LockErrorKind::Ambiguous, 7 * MS));
    assert_eq!(holder(&memory.snapshot()), "a");
    faults.once(Op::Get, Fault::LostRequest);
    assert_eq!(
        kind(lock.get().await),
        LockErrorKind::Unavailable,
        "a read wrote nothing"
    );
    assert!(lock.get().await.is_ok(), "one call only");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_ambiguous_and_written() {
    let (memory, lock, faults) = faulty();
    faults.once(Op::Cas, Fault::LostReply);
    assert_eq!(
        kind(lock.compare_and_swap(FIRST, &record("b")).await),
        LockErrorKind::Ambiguous
    );
    assert_eq!(holder(&memory.snapshot()), "b");
}

#[tokio::test(start_paused = true)]
async fn a_late_request_lands_after_its_failure() {
    let (memory, lock, faults) = faulty();
    faults.once(Op::Cas, Fault::LateRequest(500 * MS));
    assert_eq!(
        kind(lock.compare_and_swap(FIRST, &record("b")).await),
        LockErrorKind::Ambiguous
    );
    after(499 * MS).await;
    assert_eq!(holder(&memory.snapshot()), "a");
    after(2 * MS).await;
    assert_eq!(holder(&memory.snapshot()), "b");
}

#[tokio::test(start_paused = true)]
async fn a_late_request_still_names_its_state() {
    let (memory, lock, faults) = faulty();
    faults.once(Op::Cas, Fault::LateRequest(500 * MS));
    assert_eq!(
        kind(lock.compare_and_swap(FIRST, &record("b")).await),
        LockErrorKind::Ambiguous
    );
    lock.compare_and_swap(FIRST, &record("c")).await.unwrap();
    after(1000 * MS).await;
    assert_eq!(holder(&memory.snapshot()), "c");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_never_answers_done_or_not() {
    let (memory, lock, faults) = faulty();
    for (lands, there) in [(false, "a"), (true, "b")] {
        faults.once(Op::Cas, Fault::Hang { lands });
        assert!(
            within_a_day(lock.compare_and_swap(FIRST, &record("b")))
                .await
                .is_none()
        );
        assert_eq!(holder(&memory.snapshot()), there);
    }
    for op in [Op::Get, Op::Watch] {
        faults.once(op, Fault::Hang { lands: false });
    }
    assert!(within_a_day(lock.get()).await.is_none());
    assert!(within_a_day(lock.watch()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_partition_loses_what_is_sent_and_heals() {
    let (memory, lock, faults) = faulty();
    let mut watch = lock.watch().await.unwrap().unwrap();
    assert_eq!(
        next(&mut watch).await.unwrap().map(|seen| holder(&seen)),
        Ok("a".into())
    );
    faults.partition(Partition::Full);
    let record = record("b");
    let mut swap = lock.compare_and_swap(FIRST, &record);
    let mut read = lock.get();
    assert!(
        within_a_day(&mut swap).await.is_none(),
        "no answer while it lasts"
    );
    assert!(within_a_day(&mut read).await.is_none());
    memory.touch();
    assert_eq!(next(&mut watch).await, None, "the watch is silent");
    faults.partition(Partition::None);
    assert_eq!(kind(swap.await), LockErrorKind::Ambiguous);
    assert_eq!(kind(read.await), LockErrorKind::Unavailable);
    assert_eq!(holder(&memory.snapshot()), "a", "what was lost stays lost");
    assert_eq!(
        next(&mut watch).await.unwrap(),
        Ok(memory.snapshot()),
        "the watch goes on with what is newest"
    );
    assert!(lock.get().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_partition_of_replies_lets_writes_through() {
    let (memory, lock, faults) = faulty();
    faults.partition(Partition::Replies);
    let record = record("b");
    let mut swap = lock.compare_and_swap(FIRST, &record);
    assert!(within_a_day(&mut swap).await.is_none());
    assert_eq!(holder(&memory.snapshot()), "b");
    faults.partition(Partition::None);
    assert_eq!(kind(swap.await), LockErrorKind::Ambiguous);
}

#[tokio::test(start_paused = true)]
async fn a_partition_meets_a_request_on_its_way() {
    let (memory, lock, faults) = faulty();
    faults.latency(Op::Cas, 10 * MS, 10 * MS);
    let record = record("b");
    let mut swap = lock.compare_and_swap(FIRST, &record);
    assert!(swap.as_mut().now_or_never().is_none());
    faults.partition(Partition::Full);
    after(50 * MS).await;
    faults.partition(Partition::None);
    assert_eq!(kind(swap.await), LockErrorKind::Ambiguous);
    assert_eq!(holder(&memory.snapshot()), "a");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_can_be_made_up_or_come_after_the_write() {
    let (memory, lock, faults) = faulty();
    faults.once(Op::Cas, Fault::Conflict);
    let before = memory.snapshot();
    assert_eq!(
        lock.compare_and_swap(FIRST, &record("b")).await.unwrap(),
        Swap::Conflict(Some(before.clone())),
        "the state is told"
    );
    assert_eq!(memory.snapshot(), before, "nothing was written");
    faults.once(Op::Cas, Fault::LandsThenConflict);
    let swap = lock.compare_and_swap(FIRST, &record("b")).await.unwrap();
    assert_eq!(
        swap,
        Swap::Conflict(Some(Observation::record(Version::new(2), record("b"))))
    );

    let silent = FaultLock::new(MemoryLock::builder().without_conflict_state().build());
    silent.faults().once(Op::Cas, Fault::Conflict);
    assert_eq!(
        silent
            .compare_and_swap(Expected::Absent, &record("b"))
            .await
            .unwrap(),
        Swap::Conflict(None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_deletion_happens_before_or_after_the_store_acts() {
    let (memory, lock, faults) = faulty();
    let delete = {
        let memory = memory.clone();
        move || {
            memory.delete();
        }
    };
    faults.once(Op::Cas, Fault::before(delete.clone()));
    let swap = lock.compare_and_swap(FIRST, &record("b")).await.unwrap();
    assert_eq!(
        swap,
        Swap::Conflict(Some(Observation::Absent {
            as_of: Some(Version::new(2))
        }))
    );
    faults.once(Op::Cas, Fault::after(delete));
    let swap = lock
        .compare_and_swap(Expected::Absent, &record("b"))
        .await
        .unwrap();
    assert_eq!(swap, Swap::Done(Version::new(3)));
    assert_eq!(
        memory.snapshot(),
        Observation::Absent {
            as_of: Some(Version::new(4))
        }
    );
}

#[tokio::test(start_paused = true)]
async fn corruption_shows_unreadable_content_of_the_same_version() {
    let (_, lock, faults) = faulty();
    let spoiled = Observation::from_json(Version::new(1), b"?");
    faults.once(Op::Get, Fault::Corrupt(b"?".to_vec()));
    assert_eq!(lock.get().await.unwrap(), spoiled);
    assert_eq!(holder(&lock.get().await.unwrap()), "a");
    faults.corrupt(Some(b"?".to_vec()));
    assert_eq!(lock.get().await.unwrap(), spoiled);
    let swap = lock
        .compare_and_swap(Expected::Absent, &record("b"))
        .await
        .unwrap();
    assert_eq!(swap, Swap::Conflict(Some(spoiled.clone())));
    let mut watch = lock.watch().await.unwrap().unwrap();
    assert_eq!(next(&mut watch).await, Some(Ok(spoiled)));
    faults.corrupt(None);
    assert_eq!(holder(&lock.get().await.unwrap()), "a");
}

#[tokio::test(start_paused = true)]
async fn errors_come_as_ordered_and_in_turn() {
    let (memory, lock, faults) = faulty();
    faults.standing(Op::Cas, Fault::Error(LockErrorKind::Denied));
    faults.times(2, Op::Cas, Fault::Error(LockErrorKind::Unavailable));
    let mut kinds = Vec::new();
    for _ in 0..4 {
        kinds.push(kind(lock.compare_and_swap(FIRST, &record("b")).await));
    }
    let (denied, unavailable) = (LockErrorKind::Denied, LockErrorKind::Unavailable);
    assert_eq!(kinds, [unavailable, unavailable, denied, denied]);
    assert_eq!(holder(&memory.snapshot()), "a");
    faults.clear(Op::Cas);
    assert!(lock.compare_and_swap(FIRST, &record("b")).await.is_ok());
    for op in [Op::Get, Op::Watch] {
        faults.once(op, Fault::Error(LockErrorKind::Invalid));
    }
    assert_eq!(kind(lock.get().await), LockErrorKind::Invalid);
    assert_eq!(kind(lock.watch().await.map(|_| ())), LockErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_shows_the_state_before_the_newest() {
    let (memory, lock, faults) = faulty();
    let old = lock.get().await.unwrap();
    memory.put_record(&record("b"));
    let new = lock.get().await.unwrap();
    faults.once(Op::Get, Fault::StaleRead);
    assert_eq!(lock.get().await.unwrap(), old);
    assert_eq!(lock.get().await.unwrap(), new);
}

#[tokio::test(start_paused = true)]
async fn what_is_random_replays_from_its_seed() {
    async fn run(seed: u64) -> String {
        let memory = MemoryLock::new();
        memory.put_record(&record("a"));
        let lock = FaultLock::with(memory, Arc::new(PausedClock), seed);
        let faults = lock.faults();
        assert_eq!(faults.seed(), seed);
        faults.random(
            Op::Get,
            300,
            vec![Fault::LostRequest, Fault::Error(LockErrorKind::Denied)],
        );
        faults.jitter(Op::Get, 20 * MS);
        let mut story = String::new();
        for _ in 0..50 {
            let (answer, took) = timed(lock.get()).await;
            story += &format!("{:?} {took:?}\n", answer.map_err(|error| error.kind()).err());
        }
        story
    }
    let story = run(1).await;
    assert_eq!(story, run(1).await);
    assert_ne!(story, run(2).await);
    let failures = story.lines().filter(|line| line.starts_with("Some")).count();
    assert!(
        (5..=25).contains(&failures),
        "about 300 in a thousand of 50: {failures}\n{story}"
    );
}
