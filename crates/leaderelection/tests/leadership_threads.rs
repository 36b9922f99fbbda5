//! The whole guard under threads: the very file that ships, around an atomic and a clock at which shuttle switches threads, and
//! every order of them. What the standard library's `Arc` and a channel does is one step here: they are tested by those who
//! make them. `interleavings` has the validity alone, with all that a weak memory may do.

#![allow(clippy::unwrap_used, reason = "tests speak by failing")]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the files are the crate's, which uses more of them"
)]

#[path = "../src/elector/leadership.rs"]
mod leadership;
#[path = "../src/elector/term.rs"]
mod term;
#[path = "../src/elector/validity.rs"]
mod validity;
#[path = "../src/elector/watched.rs"]
mod watched;

// What they take from their surroundings.
mod atomic {
    pub(super) use shuttle::sync::atomic::Ordering;
    use shuttle::{sync::atomic, thread};

    pub(super) struct AtomicI64(atomic::AtomicI64);

    impl AtomicI64 {
        pub(super) fn new(value: i64) -> Self {
            Self(atomic::AtomicI64::new(value))
        }

        pub(super) fn load(&self, order: Ordering) -> i64 {
            let seen = self.0.load(order);
            // shuttle switches before each of its own steps; after a look at the word may come one that is not its own.
            thread::yield_now();
            seen
        }

        pub(super) fn compare_exchange(
            &self,
            current: i64,
            new: i64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<i64, i64> {
            self.0.compare_exchange(current, new, success, failure)
        }

        pub(super) fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            update: impl FnMut(i64) -> Option<i64>,
        ) -> Result<i64, i64> {
            self.0.fetch_update(set, fetch, update)
        }

        pub(super) fn fetch_or(&self, value: i64, order: Ordering) -> i64 {
            self.0.fetch_or(value, order)
        }
    }
}
mod clock {
    pub(crate) use leaderelection::Clock;
}
mod driver {
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) enum Command {
        WorkEnded,
    }
}
mod election {
    pub(crate) use leaderelection::LossReason;
}
mod identity {
    pub(crate) use leaderelection::FencingToken;
}
mod moment {
    pub(crate) use leaderelection::MonoTime;
}

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use driver::Command;
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use leaderelection::{Clock, FencingToken, LossReason, MonoTime};
use leadership::Leadership;
use shuttle::{check_dfs, future, thread};
use term::{Term, TermTimes};

const fn at(nanos: i64) -> MonoTime {
    MonoTime::from_nanos(nanos)
}

/// Between any two looks at it the others may run. It wakes nobody, so who sleeps is woken by what is told, or never.
struct TestClock(shuttle::sync::atomic::AtomicI64);

impl TestClock {
    fn set(&self, nanos: i64) {
        self.0.store(nanos, SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn mono(&self) -> MonoTime {
        at(self.0.load(SeqCst))
    }

    fn wall(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    async fn sleep_until(&self, _deadline: MonoTime) {
        pending().await
    }
}

/// A leadership until 10 on a clock at 5.
fn leading() -> (Leadership, Arc<TestClock>, UnboundedReceiver<Command>) {
    let clock = Arc::new(TestClock(shuttle::sync::atomic::AtomicI64::new(5)));
    let (commands, told) = unbounded();
    let on: Arc<dyn Clock> = Arc::<TestClock>::clone(&clock);
    let token = FencingToken::new(1);
    let term = Term::new(on, token, 1, at(10), TermTimes::default());
    (Leadership::new(Arc::new(term), commands), clock, told)
}

/// Every order of the threads in `body`; the number is that of the orders, so that nobody takes one for all.
fn every_order(least: usize, body: impl Fn() + Send + Sync + 'static) {
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    check_dfs(
        move || {
            counted.fetch_add(1, SeqCst);
            body();
        },
        None,
    );
    let orders = orders.load(SeqCst);
    println!("{orders} orders");
    assert!(orders >= least, "{orders} orders");
}

/// SAFETY 2 and 22: of all clones none is told that it leads after another was told that it does not; and all are told the same
/// reason.
fn nobody_leads_after_the_end(reason: &'static LossReason, end: fn(&Term, &TestClock)) {
    every_order(1_000, move || {
        let (leadership, clock, _told) = leading();
        let over = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (clone, over) = (leadership.clone(), Arc::clone(&over));
                thread::spawn(move || {
                    let was_over = over.load(SeqCst);
                    let lost = clone.check().err();
                    assert!(
                        !was_over || lost.is_some(),
                        "told that it is over, and then that it leads"
                    );
                    over.fetch_or(lost.is_some(), SeqCst);
                    lost
                })
            })
            .collect();
        end(leadership.term(), &clock);
        let told = workers.into_iter().filter_map(|worker| worker.join().unwrap());
        for lost in told {
            assert_eq!(lost.reason, *reason);
            assert_eq!(leadership.check(), Err(lost));
        }
    });
}

/// A renewal that comes as the clock passes the end makes it valid for all, or for nobody.
#[test]
fn no_clone_leads_after_the_clock_ended_the_term_for_another() {
    nobody_leads_after_the_end(&LossReason::DeadlineExceeded, |term, clock| {
        clock.set(15);
        term.extend(at(20));
    });
}

#[test]
fn no_clone_leads_after_the_driver_ended_the_term_for_another() {
    nobody_leads_after_the_end(&LossReason::RecordGone, |term, _| {
        term.extend(at(20));
        term.set_lost(LossReason::RecordGone, at(20));
    });
}

/// SAFETY 13: the driver is told that the work has ended once, when nobody holds a clone any more, and nobody gets one after that.
#[test]
fn the_work_has_ended_once_the_last_clone_is_gone() {
    every_order(1_000, || {
        let (leadership, _clock, mut told) = leading();
        let holding = Arc::new(AtomicUsize::new(1));
        let weak = Arc::new(leadership.downgrade());
        let held = Arc::clone(&holding);
        let worker = thread::spawn(move || {
            leadership.check().unwrap();
            held.fetch_sub(1, SeqCst);
            drop(leadership);
        });
        let (asked, held) = (Arc::clone(&weak), Arc::clone(&holding));
        let late = thread::spawn(move || {
            if let Some(leadership) = asked.upgrade() {
                held.fetch_add(1, SeqCst);
                leadership.check().unwrap();
                held.fetch_sub(1, SeqCst);
            }
        });
        let driver = thread::spawn(move || {
            let looked = |told: &mut UnboundedReceiver<Command>| {
                let ended = told.try_recv().is_ok();
                if ended {
                    assert_eq!(holding.load(SeqCst), 0, "somebody holds it still");
                    assert!(weak.upgrade().is_none(), "it came back");
                }
                usize::from(ended)
            };
            let early = looked(&mut told);
            (early, weak, told)
        });
        worker.join().unwrap();
        late.join().unwrap();
        let (early, weak, mut told) = driver.join().unwrap();
        assert!(weak.upgrade().is_none(), "it came back");
        assert_eq!(early + usize::from(told.try_recv().is_ok()), 1, "told once");
        assert!(told.try_recv().is_err(), "told twice");
    });
}

/// Who waits for the loss is woken by it, however it races with a renewal and with the beginning of the wait. The clock wakes
/// nobody here, so a wait that missed it would never end, which shuttle reports.
#[test]
fn a_loss_wakes_whoever_waits_for_it() {
    every_order(10, || {
        let (leadership, _clock, _told) = leading();
        let waiting = leadership.clone();
        let waiter = thread::spawn(move || future::block_on(waiting.lost()));
        let term = Arc::clone(leadership.term());
        let driver = thread::spawn(move || {
            term.extend(at(20));
            term.set_lost(LossReason::RecordGone, at(20));
        });
        driver.join().unwrap();
        assert_eq!(waiter.join().unwrap(), LossReason::RecordGone);
    });
}
