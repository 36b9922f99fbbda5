//! `LeaderElector::run`: the work is polled by the caller, and gone before the lease is released.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use leaderelection::{Clock, ElectionError, Ended, LeaderElectionRecord, LeaseTiming, PausedClock, TermEnd};
use leaderelection_memory::MemoryLock;

use crate::{candidate, holder, ms, s, since, sleep};

/// Says when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_returns_finishes_the_election_and_releases() {
    let lock = MemoryLock::new();
    let ended = candidate(lock.clone(), "a")
        .build()
        .unwrap()
        .run(pending::<()>(), |leadership| async move {
            assert_eq!(leadership.check().unwrap(), leadership.token());
            leadership.token().get()
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(1)));
    assert_eq!(holder(&lock).as_deref(), Some(""), "released, not deleted");
}

/// Neither Send nor 'static: the work borrows from its caller and holds an Rc.
#[tokio::test(start_paused = true)]
async fn work_may_borrow() {
    let counter = Rc::new(Cell::new(0));
    let elector = candidate(MemoryLock::new(), "a").build().unwrap();
    let ended = elector
        .run(pending::<()>(), |_| async {
            counter.set(counter.get() + 1);
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(())));
    assert_eq!(counter.get(), 1);
}

#[tokio::test(start_paused = true)]
#[allow(
    clippy::disallowed_methods,
    reason = "that it can be spawned is what is tested"
)]
async fn a_run_may_be_spawned() {
    let elector = candidate(MemoryLock::new(), "a").build().unwrap();
    let task = tokio::spawn(elector.run(pending::<()>(), |leadership| async move { leadership.is_valid() }));
    assert_eq!(task.await.unwrap(), Ok(Ended::Finished(true)));
}

/// SAFETY 12 and 13: the work hears of it, may finish while the lease is renewed, and only then the lease is released.
#[tokio::test(start_paused = true)]
async fn a_stop_lets_the_work_finish_first() {
    let lock = MemoryLock::new();
    let elector = candidate(lock.clone(), "a").build().unwrap();
    let seen = Mutex::new(Vec::new());
    let ended = elector
        .run(sleep(s(5)), |leadership| {
            let (lock, seen) = (&lock, &seen);
            async move {
                leadership.stop_requested().await;
                let start = PausedClock.mono();
                sleep(s(9)).await;
                seen.lock()
                    .unwrap()
                    .push((since(start), leadership.is_valid(), holder(lock)));
            }
        })
        .await;
    assert_eq!(ended, Ok(Ended::Stopped));
    assert_eq!(
        *seen.lock().unwrap(),
        [(s(9), true, Some("a".to_owned()))],
        "still renewed 9 s later"
    );
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

/// SAFETY 13: what has not finished within the drain timeout is dropped.
#[tokio::test(start_paused = true)]
async fn work_that_ignores_a_stop_is_dropped_after_the_drain_timeout() {
    for (drain, expected) in [(None, s(10)), (Some(s(3)), s(3)), (Some(s(0)), s(0))] {
        let lock = MemoryLock::new();
        let mut timing = leaderelection::LeaseTiming::default();
        if let Some(drain) = drain {
            timing = timing.with_drain_timeout(drain).unwrap();
        }
        let start = PausedClock.mono();
        let dropped = Arc::new(AtomicBool::new(false));
        let ended = candidate(lock.clone(), "a")
            .timing(timing)
            .build()
            .unwrap()
            .run(sleep(s(1)), |_| {
                let guard = Dropped(Arc::clone(&dropped));
                async move {
                    let _guard = guard;
                    pending::<()>().await;
                }
            })
            .await;
        assert_eq!(ended, Ok(Ended::Stopped));
        assert!(dropped.load(Ordering::SeqCst));
        let took = since(start);
        assert!(
            took >= s(1) + expected && took <= s(1) + expected + ms(5),
            "{drain:?}: {took:?}"
        );
        assert_eq!(holder(&lock).as_deref(), Some(""));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_leading_just_ends() {
    let lock = MemoryLock::new();
    lock.put_record(&LeaderElectionRecord {
        holder_identity: "b".into(),
        lease_duration_seconds: 15,
        ..Default::default()
    });
    let work = |_| async { unreachable!("it never leads") };
    let ended = candidate(lock.clone(), "a")
        .build()
        .unwrap()
        .run::<_, _, _>(sleep(s(3)), work)
        .await;
    assert!(matches!(ended, Ok(Ended::<std::convert::Infallible>::Stopped)));
    assert_eq!(holder(&lock).as_deref(), Some("b"));
}

/// A stop and a term that begin at one instant: the work is not started any more, and the lease is given back.
#[tokio::test(start_paused = true)]
async fn no_work_starts_after_a_stop() {
    let lock = MemoryLock::new();
    let elector = candidate(lock.clone(), "a").build().unwrap();
    let mut events = elector.events();
    let mut started = false;
    let stop = async {
        // Ready in the very poll after the term has begun.
        while !matches!(events.recv().await, Some(leaderelection::Event::Started { .. })) {}
    };
    let ended = elector
        .run(stop, |_| {
            started = true;
            pending::<()>()
        })
        .await;
    assert_eq!(ended, Ok(Ended::Stopped));
    assert!(!started);
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

#[tokio::test(start_paused = true)]
async fn a_panic_releases_and_is_reported() {
    let lock = MemoryLock::new();
    let ended: Result<Ended<()>, _> = candidate(lock.clone(), "a")
        .build()
        .unwrap()
        .run(pending::<()>(), |_| async {
            sleep(s(3)).await;
            panic!("no more {}", "coffee");
        })
        .await;
    assert_eq!(
        ended,
        Err(ElectionError::WorkPanicked("no more coffee".to_owned()))
    );
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

/// Also when it is the closure itself that panics, before there is any future.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_closure_is_a_panic_of_the_work() {
    let lock = MemoryLock::new();
    fn panics(_: leaderelection::Leadership) -> std::future::Ready<()> {
        panic!("at once")
    }
    let ended = candidate(lock.clone(), "a")
        .build()
        .unwrap()
        .run(pending::<()>(), panics)
        .await;
    assert_eq!(ended, Err(ElectionError::WorkPanicked("at once".to_owned())));
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

/// Dropping the future is a clean stop too: the work is gone with it, and the lease is released behind it.
#[tokio::test(start_paused = true)]
async fn dropping_the_run_releases() {
    let lock = MemoryLock::new();
    let dropped = Arc::new(AtomicBool::new(false));
    let elector = candidate(lock.clone(), "a").build().unwrap();
    tokio::select! {
        _ = elector.run(pending::<()>(), |_| {
            let guard = Dropped(Arc::clone(&dropped));
            async move {
                let _guard = guard;
                pending::<()>().await;
            }
        }) => unreachable!("nothing ends it"),
        () = sleep(s(5)) => assert_eq!(holder(&lock).as_deref(), Some("a")),
    }
    assert!(dropped.load(Ordering::SeqCst));
    sleep(ms(1)).await;
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

/// SAFETY 11: the work is dropped at once; after the robber's lease a new campaign gives a greater token.
#[tokio::test(start_paused = true)]
async fn after_a_loss_it_campaigns_again() {
    let lock = MemoryLock::new();
    let ends = Arc::new(Mutex::new(Vec::new()));
    let leaders = Arc::new(Mutex::new(Vec::new()));
    let (told, led) = (Arc::clone(&ends), Arc::clone(&leaders));
    let elector = candidate(lock.clone(), "a")
        .on_stopped_leading(move |end| told.lock().unwrap().push(end))
        .on_new_leader(move |leader| led.lock().unwrap().push(leader))
        .build()
        .unwrap();
    let start = PausedClock.mono();
    let starts = Mutex::new(Vec::new());
    let robber = async {
        sleep(s(5)).await;
        lock.put_record(&LeaderElectionRecord {
            holder_identity: "b".into(),
            lease_duration_seconds: 20,
            ..Default::default()
        });
        pending::<()>().await;
    };
    let ended = elector
        .run(robber, |leadership| {
            let starts = &starts;
            async move {
                let first = starts.lock().unwrap().is_empty();
                starts.lock().unwrap().push((since(start), leadership.token()));
                if first {
                    pending::<()>().await;
                }
            }
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(())));
    let starts = starts.into_inner().unwrap();
    assert_eq!(starts.len(), 2);
    assert_eq!(starts[0].0, s(0));
    assert!(
        starts[1].0 >= s(25) && starts[1].0 < s(25) + ms(5),
        "the robber's 20 s after 5 s: {starts:?}"
    );
    assert!(starts[1].1 > starts[0].1, "tokens grow");
    // No wait: all have been called when it returns.
    let taken = leaderelection::LossReason::TakenBy("b".to_owned());
    assert_eq!(*ends.lock().unwrap(), [TermEnd::Lost(taken), TermEnd::Finished]);
    assert_eq!(*leaders.lock().unwrap(), ["a", "b", "a"]);
}

/// A value that the work returns after its lease is no result.
#[tokio::test(start_paused = true)]
async fn work_that_returns_after_its_lease_does_not_finish() {
    let lock = MemoryLock::new();
    let elector = candidate(lock.clone(), "a").build().unwrap();
    let mut terms = 0;
    let ended = elector
        .run(pending::<()>(), |leadership| {
            terms += 1;
            let (lock, term) = (&lock, terms);
            async move {
                if term == 1 {
                    lock.delete();
                    // In the same poll as the deletion: nobody had time to tell.
                    leadership.lost().await;
                }
                term
            }
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(2)));
}

/// Nor is one that it returns while it may still be stopping: the lease is over, and another may lead.
#[tokio::test(start_paused = true)]
async fn work_that_returns_within_its_grace_does_not_finish() {
    let lock = MemoryLock::new();
    let timing = LeaseTiming::default().with_stop_grace(s(2)).unwrap();
    let elector = candidate(lock.clone(), "a").timing(timing).build().unwrap();
    let mut terms = 0;
    let ended = elector
        .run(pending::<()>(), |leadership| {
            terms += 1;
            let (lock, term) = (&lock, terms);
            async move {
                if term == 1 {
                    lock.delete();
                    leadership.lost().await;
                    sleep(s(1)).await;
                }
                term
            }
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(2)));
}

#[test]
fn an_elector_needs_a_runtime() {
    let elector = candidate(MemoryLock::new(), "a").build().unwrap();
    assert_eq!(elector.spawn().err(), Some(ElectionError::NoRuntime));
}

#[test]
fn an_identity_is_not_empty() {
    assert!(matches!(
        candidate(MemoryLock::new(), "").build().err(),
        Some(ElectionError::EmptyIdentity(_))
    ));
}

/// Neither a slow callback on the runtime's only thread nor one that panics costs a renewal or a later call.
#[tokio::test]
async fn callbacks_hold_up_nothing() {
    let timing = LeaseTiming::new(ms(1_000), ms(400), ms(100)).unwrap();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&calls);
    let elector = leaderelection::LeaderElector::builder(MemoryLock::new(), "a")
        .timing(timing)
        .on_new_leader(|_| {
            #[expect(
                clippy::disallowed_methods,
                reason = "a callback that blocks its thread is what is tested"
            )]
            std::thread::sleep(ms(900));
            panic!("a callback has a bug");
        })
        .on_stopped_leading(move |end| told.lock().unwrap().push(end))
        .build()
        .unwrap();
    let ended = elector
        .run(pending::<()>(), |leadership| async move {
            leaderelection::SystemClock
                .sleep_until(leaderelection::SystemClock.mono().after(ms(1_500)))
                .await;
            leadership.is_valid()
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(true)), "in its first term");
    assert_eq!(
        *calls.lock().unwrap(),
        [TermEnd::Finished],
        "called when run returns"
    );
}
