//! One candidate: life after life of the shipped elector, and work that ends as it likes.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use leaderelection::{Clock, LeaderElector, LeaderElectorBuilder, Leadership, MonoTime};
use leaderelection_conformance::{FaultLock, Faults, History as Calls, RecordingLock};
use leaderelection_memory::MemoryLock;
use tokio::sync::{mpsc, oneshot};

use crate::clock::SimulatedClock;
use crate::history::{Life, Shift};
use crate::mortal::{Death, Mortal};
use crate::paced::Paced;
use crate::random::Random;
use crate::setup::{Names, Setup};

/// What people do to a candidate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Its process is killed. It comes up again unless that is for good.
    Kill {
        for_good: bool,
    },
    /// Its elector is dropped, which is a clean stop.
    Drop,
    Stop,
    StepDown,
}

type Orders = mpsc::UnboundedReceiver<Order>;

/// What all candidates share.
pub(crate) struct Common {
    pub(crate) setup: Setup,
    pub(crate) truth: SimulatedClock,
    pub(crate) memory: MemoryLock,
    /// What candidates called and were told.
    pub(crate) calls: Calls,
    /// What reached the store.
    pub(crate) reached: Calls,
    pub(crate) lives: RefCell<Vec<Life>>,
    pub(crate) shifts: RefCell<Vec<Shift>>,
    /// Nothing goes wrong any more, and nobody leaves.
    pub(crate) is_calm: RefCell<bool>,
}

impl Common {
    pub(crate) fn now(&self) -> MonoTime {
        self.truth.mono()
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.truth.sleep_until(self.now().after(duration)).await;
    }

    /// On stage until dropped.
    fn enter(self: &Rc<Self>, life: usize, leadership: &Leadership) -> OnStage {
        let mut shifts = self.shifts.borrow_mut();
        shifts.push(Shift {
            life,
            token: leadership.token().get(),
            from: self.now(),
            to: None,
        });
        OnStage {
            common: Rc::clone(self),
            at: shifts.len() - 1,
        }
    }
}

struct OnStage {
    common: Rc<Common>,
    at: usize,
}

impl Drop for OnStage {
    fn drop(&mut self) {
        let now = self.common.now();
        self.common.shifts.borrow_mut()[self.at].to = Some(now);
    }
}

/// How one stretch of work goes on.
#[derive(Clone, Copy)]
enum Work {
    /// Until it is dropped.
    GoesOn,
    /// Until some time after it hears that it should stop.
    Hears(Duration),
    /// Until it has done what it had to do, or some time after it hears that it should stop.
    Finishes(Duration),
}

/// A candidate, and the way in which people reach it.
pub(crate) struct Candidate {
    common: Rc<Common>,
    who: usize,
    random: RefCell<Random>,
    /// Of the present life.
    faults: RefCell<Option<Faults>>,
    orders: RefCell<Option<Orders>>,
    order: mpsc::UnboundedSender<Order>,
}

impl Candidate {
    pub(crate) fn new(common: &Rc<Common>, who: usize, random: Random) -> Rc<Self> {
        let (order, orders) = mpsc::unbounded_channel();
        Rc::new(Self {
            common: Rc::clone(common),
            who,
            random: RefCell::new(random),
            faults: RefCell::new(None),
            orders: RefCell::new(Some(orders)),
            order,
        })
    }

    pub(crate) fn order(&self, order: Order) {
        let _ = self.order.send(order);
    }

    /// The faults that its calls meet, while it lives.
    pub(crate) fn faults(&self) -> Option<Faults> {
        self.faults.borrow().clone()
    }

    fn clock(&self) -> SimulatedClock {
        self.common.setup.clocks[self.who]
    }

    fn lease_below(&self, part: u32) -> Duration {
        let lease = self.common.setup.lease.as_nanos() as i64;
        let drawn = self.random.borrow_mut().time_below(lease / i64::from(part));
        Duration::from_nanos(drawn as u64)
    }

    /// Life after life.
    pub(crate) async fn live(self: Rc<Self>) {
        let mut orders = self.orders.take().unwrap();
        loop {
            let (id, name) = self.is_born();
            let death = Death::default();
            let elector = self.elector(&name, &death);
            let dies_for_good = if self.common.setup.handles {
                self.with_handle(id, elector, &death, &mut orders).await
            } else {
                self.by_run(id, elector, &death, &mut orders).await
            };
            self.faults.borrow_mut().take();
            self.common.lives.borrow_mut()[id].to = Some(self.common.now());
            if dies_for_good {
                return;
            }
            self.common.sleep(self.lease_below(4)).await;
        }
    }

    fn is_born(&self) -> (usize, Arc<str>) {
        let mut lives = self.common.lives.borrow_mut();
        let number = lives.iter().filter(|life| life.who == self.who).count();
        let name: Arc<str> = format!("c{}#{number}", self.who).into();
        lives.push(Life {
            name: Arc::clone(&name),
            who: self.who,
            from: self.common.now(),
            to: None,
        });
        (lives.len() - 1, name)
    }

    fn elector(&self, name: &str, death: &Death) -> LeaderElectorBuilder {
        let Common {
            setup,
            truth,
            memory,
            calls,
            reached,
            ..
        } = &*self.common;
        let store = RecordingLock::new(memory.clone(), name, reached.clone());
        let faulty = FaultLock::with(store, Arc::new(*truth), self.random.borrow_mut().next());
        *self.faults.borrow_mut() = Some(faulty.faults());
        let paced = Paced::new(faulty, *truth, self.who);
        let lock = Mortal::new(RecordingLock::new(paced, name, calls.clone()), death.clone());
        let builder = LeaderElector::builder(lock, setup.identity(self.who))
            .timing(setup.timings[self.who].clone())
            .missing_record(setup.missing_record)
            .seed(self.random.borrow_mut().next())
            .clock(self.clock())
            .variant(setup.variant);
        match setup.names {
            Names::Exclusive => builder.exclusive_identity(),
            Names::Unique | Names::Plain | Names::Twins => builder,
        }
    }

    fn draw_work(&self) -> Work {
        let (linger, time) = (self.lease_below(1), self.lease_below(1) * 5);
        match self.random.borrow_mut().below(10) {
            0..=3 => Work::GoesOn,
            4..=7 => Work::Hears(linger),
            _ => Work::Finishes(time),
        }
    }

    /// What work that is not dropped first does.
    async fn work(&self, work: Work, leadership: &Leadership) {
        match work {
            Work::GoesOn => pending().await,
            Work::Hears(linger) => {
                leadership.stop_requested().await;
                self.common.sleep(linger).await;
            }
            Work::Finishes(time) => {
                self.common.sleep(time).await;
                if *self.common.is_calm.borrow() {
                    pending::<()>().await;
                }
            }
        }
    }

    /// `run`: the work is dropped when it must be gone. Returns whether the candidate is dead for good.
    async fn by_run(
        &self,
        life: usize,
        elector: LeaderElectorBuilder,
        death: &Death,
        orders: &mut Orders,
    ) -> bool {
        let (stop, stopped) = oneshot::channel::<()>();
        let mut stop = Some(stop);
        let stopped = async move {
            if stopped.await.is_err() {
                pending::<()>().await;
            }
        };
        let work = |leadership: Leadership| {
            let on_stage = self.common.enter(life, &leadership);
            let work = self.draw_work();
            async move {
                let _on_stage = on_stage;
                self.work(work, &leadership).await;
            }
        };
        let mut run = std::pin::pin!(elector.build().unwrap().run(stopped, work));
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order.unwrap() {
                    Order::Stop => {
                        if let Some(stop) = stop.take() {
                            let _ = stop.send(());
                        }
                    }
                    // Nobody has a handle.
                    Order::StepDown => {}
                    order => return self.leaves(order, death),
                },
                ended = &mut run => {
                    ended.unwrap();
                    return false;
                }
            }
        }
    }

    /// `spawn`: the work is told, and is gone within the stop grace.
    async fn with_handle(
        &self,
        life: usize,
        elector: LeaderElectorBuilder,
        death: &Death,
        orders: &mut Orders,
    ) -> bool {
        let handle = elector.build().unwrap().spawn().unwrap();
        let grace = self.common.setup.timings[self.who].stop_grace();
        let terms = async {
            while let Ok(leadership) = handle.leadership().await {
                let on_stage = self.common.enter(life, &leadership);
                let work = self.draw_work();
                // Nobody drops it, so that all work hears.
                let hears = async {
                    leadership.stop_requested().await;
                    if let Work::Hears(linger) = work {
                        self.common.sleep(linger).await;
                    }
                };
                tokio::select! {
                    biased;
                    _ = leadership.lost() => {
                        let clock = self.clock();
                        clock.sleep_until(clock.mono().after(grace / 2)).await;
                    }
                    () = hears => {}
                    () = self.work(work, &leadership) => {}
                }
                drop(on_stage);
            }
        };
        let mut terms = std::pin::pin!(terms);
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order.unwrap() {
                    Order::Stop => handle.stop(),
                    Order::StepDown => handle.step_down(),
                    order => return self.leaves(order, death),
                },
                () = &mut terms => return false,
            }
        }
    }

    /// What was the process's is dropped when this returns.
    fn leaves(&self, order: Order, death: &Death) -> bool {
        // A clean stop goes on when the next life has begun: under a name that must be one process's it would be a twin.
        if matches!(order, Order::Kill { .. }) || self.common.setup.names == Names::Exclusive {
            death.comes();
        }
        matches!(order, Order::Kill { for_good: true })
    }
}
