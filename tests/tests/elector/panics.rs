//! Work that panics: the lease is released, it is reported, and whether the candidate comes back was chosen.

use std::future::pending;
use std::sync::{Arc, Mutex};

use leaderelection::{Clock, ElectionError, Ended, Event, LeaseTiming, LockErrorKind, PausedClock, TermEnd};
use leaderelection_conformance::{Fault, FaultLock, Op};
use leaderelection_memory::MemoryLock;

use crate::{candidate, holder, ms, s, since, sleep};

fn panicked() -> ElectionError {
    ElectionError::WorkPanicked("no more coffee".to_owned())
}

/// The lease is free at once, the panic is told as what it is, and nothing campaigns behind the user's back.
#[tokio::test(start_paused = true)]
async fn a_panic_is_told_and_ends_the_election() {
    let (lock, told) = (MemoryLock::new(), Arc::new(Mutex::new(Vec::new())));
    let tell = Arc::clone(&told);
    let elector = candidate(lock.clone(), "a")
        .on_stopped_leading(move |end| tell.lock().unwrap().push(end))
        .build()
        .unwrap();
    let observer = elector.observer();
    let ended: Result<Ended<()>, _> = elector
        .run(pending::<()>(), |_| async { panic!("no more coffee") })
        .await;
    assert_eq!(ended, Err(panicked()));
    assert_eq!(
        *told.lock().unwrap(),
        [TermEnd::Panicked("no more coffee".to_owned())]
    );
    assert_eq!(holder(&lock).as_deref(), Some(""));
    assert!(observer.ready(leaderelection::Readiness::Anyone).is_err());
    sleep(s(60)).await;
    assert_eq!(holder(&lock).as_deref(), Some(""), "nobody campaigns");
}

/// Opted into: it is back after 1 s, 2 s, 4 s, 5 s (P is 2 s, and never less than that), and another could have it meanwhile.
#[tokio::test(start_paused = true)]
async fn who_chose_so_campaigns_again_ever_later() {
    let (lock, starts) = (MemoryLock::new(), Mutex::new(Vec::new()));
    let elector = candidate(lock.clone(), "a")
        .campaign_again_after_panic(s(1), s(5))
        .build()
        .unwrap();
    let start = PausedClock.mono();
    let ended = elector
        .run(pending::<()>(), |_| async {
            starts.lock().unwrap().push(since(start));
            let terms = starts.lock().unwrap().len();
            assert!(terms > 5, "no more coffee");
            terms
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(6)));
    let starts = starts.into_inner().unwrap();
    let waits: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, least) in waits.iter().zip([s(2), s(2), s(4), s(5), s(5)]) {
        assert!(*wait >= least && *wait < least + ms(50), "{waits:?}");
    }
}

/// With the back-off another leads first, and is not disturbed by the one that comes back.
#[tokio::test(start_paused = true)]
#[allow(clippy::disallowed_methods, reason = "a candidate of a test is a task")]
async fn another_leads_after_a_panic() {
    let lock = MemoryLock::new();
    let elector = candidate(lock.clone(), "a")
        .campaign_again_after_panic(s(3), s(60))
        .build()
        .unwrap();
    let first = tokio::spawn(async move {
        let work = |_| async {
            sleep(s(30)).await;
            panic!("no more coffee");
        };
        let _: Result<Ended<()>, _> = elector.run(pending::<()>(), work).await;
    });
    sleep(s(1)).await;
    let other = candidate(lock.clone(), "b").build().unwrap().spawn().unwrap();
    let leadership = other.leadership().await.unwrap();
    sleep(s(600)).await;
    assert!(leadership.is_valid());
    assert_eq!(holder(&lock).as_deref(), Some("b"));
    first.abort();
}

/// A stop that comes while it stays away is a stop.
#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_after_a_panic() {
    let start = PausedClock.mono();
    let ended: Result<Ended<()>, _> = candidate(MemoryLock::new(), "a")
        .campaign_again_after_panic(s(600), s(600))
        .build()
        .unwrap()
        .run(sleep(s(30)), |_| async { panic!("no more coffee") })
        .await;
    assert_eq!(ended, Ok(Ended::Stopped));
    assert!(since(start) < s(31), "{:?}", since(start));
}

/// With a handle, the work is wherever the leadership is: a task that panics with the last clone of it has ended the term, and who
/// waits for the next one learns why there is none.
#[tokio::test(start_paused = true)]
#[allow(clippy::disallowed_methods, reason = "the work of a test is a task")]
async fn a_task_that_panics_with_its_leadership_is_told_as_such() {
    for again in [false, true] {
        let lock = MemoryLock::new();
        let mut builder = candidate(lock.clone(), "a");
        if again {
            builder = builder.campaign_again_after_panic(s(3), s(60));
        }
        let handle = builder.build().unwrap().spawn().unwrap();
        let mut events = handle.events();
        let leadership = handle.leadership().await.unwrap();
        let work = tokio::spawn(async move {
            sleep(s(1)).await;
            // A clone that goes on elsewhere would mean that the work does.
            drop(leadership.clone());
            panic!("no more coffee");
            #[allow(unreachable_code)]
            drop(leadership);
        });
        assert!(work.await.unwrap_err().is_panic());
        let end = loop {
            if let Some(Event::Stopped { end, .. }) = events.recv().await {
                break end;
            }
        };
        assert!(matches!(end, TermEnd::Panicked(_)), "{end:?}");
        let next = handle.leadership().await;
        match again {
            false => {
                assert!(matches!(next, Err(ElectionError::WorkPanicked(_))), "{next:?}");
                assert_eq!(holder(&lock).as_deref(), Some(""));
                assert!(matches!(
                    handle.shutdown().await,
                    Err(ElectionError::WorkPanicked(_))
                ));
            }
            true => assert!(next.unwrap().is_valid()),
        }
    }
}

/// Whoever acts beside the work, with a leadership of its own, is asked to finish when the work panics, and may no longer act after
/// the drain timeout: nobody renews the lease of work that is gone.
#[tokio::test(start_paused = true)]
#[allow(clippy::disallowed_methods, reason = "the helper of a test is a task")]
async fn a_panic_ends_the_term_of_who_helps() {
    for again in [None, Some(s(1))] {
        let (lock, heard) = (MemoryLock::new(), Arc::new(Mutex::new(None)));
        let mut builder = candidate(lock.clone(), "a");
        if let Some(first) = again {
            builder = builder.campaign_again_after_panic(first, s(5));
        }
        let (start, hear) = (PausedClock.mono(), Arc::clone(&heard));
        let mut terms = 0;
        let ended = builder
            .build()
            .unwrap()
            .run(sleep(s(300)), |leadership| {
                terms += 1;
                let (first, hear) = (terms == 1, Arc::clone(&hear));
                async move {
                    if !first {
                        leadership.stop_requested().await;
                        return;
                    }
                    let helper = leadership.clone();
                    tokio::spawn(async move {
                        helper.stop_requested().await;
                        let asked = since(start);
                        helper.lost().await;
                        *hear.lock().unwrap() = Some((asked, since(start)));
                    });
                    sleep(s(5)).await;
                    panic!("no more coffee");
                }
            })
            .await;
        match again {
            None => assert_eq!(ended, Err(panicked())),
            Some(_) => assert_eq!(ended, Ok(Ended::Stopped)),
        }
        let (asked, lost) = heard.lock().unwrap().expect("it was asked");
        assert_eq!((asked, lost), (s(5), s(15)), "the drain timeout is R: 10 s");
        assert_eq!(terms > 1, again.is_some(), "{terms} terms");
        assert_eq!(holder(&lock).as_deref(), Some(""));
    }
}

/// Where the lease was lost before the panic, its own old record is released, and not taken again on the way.
#[tokio::test(start_paused = true)]
async fn a_panic_after_a_loss_campaigns_no_more() {
    for again in [None, Some(s(600))] {
        let lock = MemoryLock::new();
        let faulty = FaultLock::new(lock.clone());
        let faults = faulty.faults();
        let timing = LeaseTiming::default().with_stop_grace(s(2)).unwrap();
        let (during, written) = (&faults, Mutex::new(0));
        let mut builder = candidate(faulty, "a").timing(timing);
        if let Some(first) = again {
            builder = builder.campaign_again_after_panic(first, first);
        }
        let ended: Result<Ended<()>, _> = builder
            .build()
            .unwrap()
            .run(sleep(s(60)), |leadership| {
                let written = &written;
                async move {
                    during.standing(Op::Cas, Fault::Error(LockErrorKind::Unavailable));
                    leadership.lost().await;
                    during.clear_all();
                    // Nothing is on its way that would have to be waited for.
                    sleep(s(1)).await;
                    *written.lock().unwrap() = during.cas();
                    panic!("no more coffee");
                }
            })
            .await;
        match again {
            None => assert_eq!(ended, Err(panicked())),
            Some(_) => assert_eq!(ended, Ok(Ended::Stopped)),
        }
        assert_eq!(
            faults.cas() - written.into_inner().unwrap(),
            1,
            "the release alone"
        );
        assert_eq!(holder(&lock).as_deref(), Some(""));
    }
}

/// A clone that is dropped by a panic elsewhere, while the work goes on, is no panic of the work.
#[tokio::test(start_paused = true)]
#[allow(clippy::disallowed_methods, reason = "the work of a test is a task")]
async fn a_helper_that_panics_is_not_the_work() {
    let ended = candidate(MemoryLock::new(), "a")
        .build()
        .unwrap()
        .run(pending::<()>(), |leadership| async move {
            let helper = leadership.clone();
            let helper = tokio::spawn(async move {
                let _leadership = helper;
                panic!("only a helper");
            });
            helper.await.unwrap_err();
            sleep(s(5)).await;
            leadership.is_valid()
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(true)));
}
