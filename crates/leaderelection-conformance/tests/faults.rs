//! Each fault of a FaultLock, on paused time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use leaderelection::{
    Clock, Content, Expected, LeaderElectionRecord, LockError, LockErrorKind, Observation, ObservationStream,
    PausedClock, ResourceLock, Swap, Version,
};
use leaderelection_conformance::{Fault, FaultLock, Faults, Op, Partition, WatchEnd};
use leaderelection_memory::MemoryLock;

const MS: Duration = Duration::from_millis(1);
const FIRST: Expected = Expected::Version(Version::new(1));

fn record(holder: &str) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.into(),
        ..Default::default()
    }
}

/// A lock that holds a record of `a` as version 1.
fn faulty() -> (MemoryLock, FaultLock<MemoryLock>, Faults) {
    let memory = MemoryLock::new();
    memory.put_record(&record("a"));
    let lock = FaultLock::new(memory.clone());
    let faults = lock.faults();
    (memory, lock, faults)
}

fn holder(observation: &Observation) -> String {
    match observation {
        Observation::Present {
            content: Content::Record(record),
            ..
        } => record.holder_identity.clone(),
        other => format!("{other:?}"),
    }
}

#[expect(
    clippy::unwrap_used,
    reason = "a test that expects a failure fails where there is none"
)]
fn kind<T: std::fmt::Debug>(answer: Result<T, LockError>) -> LockErrorKind {
    answer.unwrap_err().kind()
}

/// How long it took.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let start = PausedClock.mono();
    let answer = call.await;
    (answer, PausedClock.mono().since(start))
}

async fn after(by: Duration) {
    PausedClock.sleep_until(PausedClock.mono().after(by)).await;
}

/// What becomes of a call within a day.
async fn within_a_day<T>(call: impl Future<Output = T>) -> Option<T> {
    tokio::select! { answer = call => Some(answer), () = after(86_400_000 * MS) => None }
}

/// What a watch shows within a second.
async fn next(watch: &mut ObservationStream) -> Option<Result<Observation, LockErrorKind>> {
    let item = tokio::select! { item = watch.next() => item, () = after(1000 * MS) => return None };
    Some(match item {
        Some(item) => item.map_err(|error| error.kind()),
        None => Err(LockErrorKind::Invalid),
    })
}

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
async fn a_stalled_watch_is_silent_and_goes_on() {
    let (memory, lock, faults) = faulty();
    let mut watch = lock.watch().await.unwrap().unwrap();
    next(&mut watch).await.unwrap().unwrap();
    faults.stall_watches(true);
    memory.touch();
    assert_eq!(next(&mut watch).await, None);
    let mut later = lock.watch().await.unwrap().unwrap();
    assert_eq!(next(&mut later).await, None, "a watch opened meanwhile too");
    faults.stall_watches(false);
    assert_eq!(next(&mut watch).await, Some(Ok(memory.snapshot())));
    assert_eq!(next(&mut later).await, Some(Ok(memory.snapshot())));
}

#[tokio::test(start_paused = true)]
async fn a_watch_repeats() {
    let (memory, lock, faults) = faulty();
    faults.repeat_watches(true);
    let mut watch = lock.watch().await.unwrap().unwrap();
    let mut seen = Vec::new();
    for version in [1, 1, 2, 2] {
        if version == 2 && seen.len() == 2 {
            memory.touch();
        }
        seen.push(next(&mut watch).await.unwrap().unwrap());
    }
    let expected: Vec<_> = [1, 1, 2, 2]
        .map(|version| Observation::record(Version::new(version), record("a")))
        .into();
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_watch_reorders_what_comes_close_together() {
    let (memory, lock, faults) = faulty();
    faults.reorder_watches(Some(10 * MS));
    let mut watch = lock.watch().await.unwrap().unwrap();
    // The first state has been received when the second comes.
    assert!(watch.next().now_or_never().is_none());
    after(5 * MS).await;
    memory.touch();
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(next(&mut watch).await.unwrap().unwrap());
    }
    let expected: Vec<_> = [2, 1]
        .map(|version| Observation::record(Version::new(version), record("a")))
        .into();
    assert_eq!(seen, expected);
    memory.touch();
    assert_eq!(
        next(&mut watch).await,
        Some(Ok(memory.snapshot())),
        "what comes alone is shown"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_lags() {
    let (memory, lock, faults) = faulty();
    let mut watch = lock.watch().await.unwrap().unwrap();
    next(&mut watch).await.unwrap().unwrap();
    faults.lag_watches(300 * MS);
    memory.touch();
    let (seen, took) = timed(next(&mut watch)).await;
    assert_eq!((seen, took), (Some(Ok(memory.snapshot())), 300 * MS));
}

#[tokio::test(start_paused = true)]
async fn open_watches_end_quietly_or_with_an_error() {
    let (_, lock, faults) = faulty();
    let mut watch = lock.watch().await.unwrap().unwrap();
    next(&mut watch).await.unwrap().unwrap();
    faults.end_watches(WatchEnd::Quietly);
    assert!(watch.next().await.is_none());
    let mut watch = lock.watch().await.unwrap().unwrap();
    assert!(
        next(&mut watch).await.unwrap().is_ok(),
        "a later one is not concerned"
    );
    faults.end_watches(WatchEnd::With(LockErrorKind::Unavailable));
    assert_eq!(next(&mut watch).await, Some(Err(LockErrorKind::Unavailable)));
    assert!(watch.next().await.is_none());
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
