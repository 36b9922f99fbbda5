//! `Leadership`: valid by the clock at every question (SAFETY 2).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use leaderelection::{Clock, ElectionError, LeaderElector, LossReason, MonoTime, PausedClock};
use leaderelection_conformance::{FaultLock, Partition};
use leaderelection_memory::MemoryLock;

use crate::{candidate, ms, s, since, sleep};

/// The paused clock, and an offset by which it can be moved without any timer noticing: a machine that slept, or a runtime
/// that was starved.
#[derive(Clone, Default)]
struct JumpingClock(Arc<AtomicI64>);

#[async_trait]
impl Clock for JumpingClock {
    fn mono(&self) -> MonoTime {
        // A lease ends at an even nanosecond, or one early (`elector/validity.rs`); what follows counts single ones.
        let even = PausedClock.mono().as_nanos() & !1;
        MonoTime::from_nanos(even + self.0.load(Ordering::SeqCst))
    }
    fn wall(&self) -> chrono::DateTime<chrono::Utc> {
        PausedClock.wall()
    }
    async fn sleep_until(&self, deadline: MonoTime) {
        // Computed once: a timer that knows nothing of the jump.
        let left = deadline.since(self.mono());
        PausedClock.sleep_until(PausedClock.mono().after(left)).await;
    }
}

/// No timer fired and no task ran, yet the leader no longer looks like one.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumped_ends_the_leadership_at_the_next_question() {
    let clock = JumpingClock::default();
    let elector = LeaderElector::builder(MemoryLock::new(), "a")
        .clock(clock.clone())
        .build()
        .unwrap();
    let handle = elector.spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    let view = leadership.view();
    assert_eq!((leadership.remaining(), view.remaining()), (s(10), s(10)));

    clock.0.fetch_add(9_999_999_999, Ordering::SeqCst);
    assert!(leadership.is_valid() && view.is_valid() && handle.is_leader());
    clock.0.fetch_add(1, Ordering::SeqCst);
    let lost = leadership.check().unwrap_err();
    assert_eq!(
        (lost.reason, lost.token),
        (LossReason::DeadlineExceeded, leadership.token())
    );
    assert!(!leadership.is_valid() && !view.is_valid() && !handle.is_leader());
    assert_eq!((leadership.remaining(), view.remaining()), (s(0), s(0)));
    leadership.lost().await;
}

/// Go's health check by the nanosecond: a lease duration and the tolerance after the last renewal's send, it is overdue.
#[tokio::test(start_paused = true)]
async fn health_ends_with_the_tolerance() {
    let clock = JumpingClock::default();
    let elector = LeaderElector::builder(MemoryLock::new(), "a").clock(clock.clone());
    let handle = elector.build().unwrap().spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    let left = leadership.remaining() + s(15) - s(10) + s(20);
    let left = i64::try_from(left.as_nanos()).unwrap();
    clock.0.fetch_add(left - 1, Ordering::SeqCst);
    handle.health(s(20)).unwrap();
    clock.0.fetch_add(1, Ordering::SeqCst);
    assert_eq!(handle.health(s(20)).unwrap_err().overdue, s(0));
}

/// On the machine's own clock, by threads that know no runtime.
#[tokio::test]
async fn the_guard_is_good_on_any_thread() {
    let handle = LeaderElector::builder(MemoryLock::new(), "a")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let leadership = handle.leadership().await.unwrap();
    let check = |leadership: leaderelection::Leadership| {
        std::thread::spawn(move || (leadership.check(), leadership.is_valid(), leadership.remaining()))
            .join()
            .unwrap()
    };
    let (token, valid, remaining) = check(leadership.clone());
    assert_eq!((token, valid), (Ok(leadership.token()), true));
    assert!(remaining > s(5) && remaining <= s(10), "{remaining:?}");
    assert!(
        leadership.is_valid(),
        "a clone that ends elsewhere does not end the term"
    );
    let view = leadership.view();
    drop(leadership);
    handle.shutdown().await.unwrap();
    assert!(std::thread::spawn(move || !view.is_valid()).join().unwrap());
}

/// Renewals at 2, 4, 6 … s after the send: `remaining` never falls below `R - P`, however long it lasts.
#[tokio::test(start_paused = true)]
async fn a_healthy_term_is_renewed_p_after_each_send() {
    let handle = candidate(MemoryLock::new(), "a")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let leadership = handle.leadership().await.unwrap();
    for _ in 0..600 {
        sleep(ms(100)).await;
        assert!(
            leadership.remaining() >= s(8) - ms(5),
            "{:?}",
            leadership.remaining()
        );
    }
}

/// Nobody is told to save what can be saved, or to finish, while all is well.
#[tokio::test(start_paused = true)]
async fn a_healthy_term_is_neither_at_risk_nor_asked_to_stop() {
    let faulty = FaultLock::new(MemoryLock::new());
    let faults = faulty.faults();
    let handle = candidate(faulty, "a").build().unwrap().spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    tokio::select! {
        () = leadership.at_risk() => unreachable!("renewed every P"),
        () = leadership.stop_requested() => unreachable!("nobody asks"),
        _ = leadership.lost() => unreachable!("renewed every P"),
        () = sleep(s(61)) => {}
    }
    faults.partition(Partition::Full);
    // The last renewal was sent at 60 s; at 64 s the next but one would have been due.
    let start = PausedClock.mono();
    leadership.at_risk().await;
    assert!(since(start) > s(2) && since(start) <= s(3), "{:?}", since(start));
    assert!(leadership.is_valid());
    assert_eq!(leadership.lost().await, LossReason::DeadlineExceeded);
    assert!(since(start) > s(8) && since(start) <= s(9), "{:?}", since(start));
}

/// With its runtime gone nobody renews any more, nor tells: the guard is over at once.
#[test]
fn a_leadership_does_not_outlive_its_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    let first = runtime();
    let (handle, leadership) = first.block_on(async {
        let elector = LeaderElector::builder(MemoryLock::new(), "a").build().unwrap();
        let handle = elector.spawn().unwrap();
        let leadership = handle.leadership().await.unwrap();
        (handle, leadership)
    });
    assert!(leadership.is_valid());
    drop(first);
    assert_eq!(leadership.check().unwrap_err().reason, LossReason::ElectorGone);
    runtime().block_on(async {
        assert_eq!(leadership.lost().await, LossReason::ElectorGone);
        assert!(matches!(
            handle.leadership().await,
            Err(ElectionError::ElectorGone)
        ));
    });
}

/// What a person sees of a guard in a log.
#[tokio::test(start_paused = true)]
async fn a_guard_shows_its_token_and_what_remains() {
    let handle = candidate(MemoryLock::new(), "a")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let leadership = handle.leadership().await.unwrap();
    let (token, remaining) = (leadership.token(), leadership.remaining());
    let fields = format!("{{ token: {token:?}, remaining: {remaining:?} }}");
    assert_eq!(format!("{leadership:?}"), format!("Leadership {fields}"));
    assert_eq!(
        format!("{:?}", leadership.view()),
        format!("LeadershipView {fields}")
    );
}
