//! One candidate: an elector on a runtime of its own, in a thread of its own, so that it can crash alone. What a process
//! would be.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, OptionFuture};
use leaderelection::{
    Clock as _, ElectionEvent, Event, FencingToken, LeaderElector, Leadership, LeaseTiming, LossReason,
    MonoTime, SystemClock,
};
use leaderelection_memory::MemoryLock;
use tokio::sync::mpsc;

use super::flaky::{Flaky, Line};
use super::monitor::Monitor;

/// How often the work does something.
const WORK_STEP: Duration = Duration::from_millis(20);

/// What happened to a candidate, as it tells it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) at: MonoTime,
    pub(super) who: String,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Its work has begun.
    Leads { token: FencingToken, term: i64 },
    /// Renewals fail.
    AtRisk { remaining: Duration },
    /// Its lease is over.
    Lost(LossReason),
    /// It was asked to finish.
    Finishing,
    /// Its work has stopped.
    WorkStopped,
    /// It has freed the record.
    Released,
    /// It sees somebody else hold the record.
    Follows(String),
    /// It has left the election.
    Left,
    /// It is dead.
    Crashed,
}

enum Order {
    StepDown,
    Leave,
    Crash,
}

pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) line: Line,
    orders: mpsc::UnboundedSender<Order>,
}

/// What all candidates share.
#[derive(Clone)]
pub(super) struct World {
    pub(super) lock: MemoryLock,
    pub(super) timing: LeaseTiming,
    pub(super) monitor: Monitor,
    pub(super) tell: mpsc::UnboundedSender<Told>,
}

impl Candidate {
    pub(super) fn start(name: &str, world: &World) -> std::io::Result<Self> {
        let line = Line::new();
        let (orders, received) = mpsc::unbounded_channel();
        let life = Life {
            name: name.to_owned(),
            line: line.clone(),
            world: world.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let end = runtime.block_on(life.live(received));
            // A crash: whatever the elector was about to do is gone with its runtime. Nothing runs any more.
            drop(runtime);
            life.tell(end);
        })?;
        Ok(Self {
            name: name.to_owned(),
            line,
            orders,
        })
    }

    pub(super) fn step_down(&self) {
        self.order(Order::StepDown);
    }

    pub(super) fn leave(&self) {
        self.order(Order::Leave);
    }

    pub(super) fn crash(&self) {
        self.order(Order::Crash);
    }

    fn order(&self, order: Order) {
        // One that has crashed or left no longer listens.
        let _ = self.orders.send(order);
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.crash();
    }
}

struct Life {
    name: String,
    line: Line,
    world: World,
}

impl Life {
    fn tell(&self, what: What) {
        let told = Told {
            at: SystemClock.mono(),
            who: self.name.clone(),
            what,
        };
        // The stage is closed when the demonstration has failed.
        let _ = self.world.tell.send(told);
    }

    async fn live(&self, mut orders: mpsc::UnboundedReceiver<Order>) -> What {
        let lock = Flaky {
            lock: self.world.lock.clone(),
            line: self.line.clone(),
        };
        let elector = LeaderElector::builder(lock, self.name.as_str())
            .timing(self.world.timing.clone())
            .build()
            .and_then(LeaderElector::spawn);
        let Ok(handle) = elector else { return What::Crashed };
        let mut events = handle.events();
        let mut work: OptionFuture<LocalBoxFuture<'_, ()>> = None.into();
        let mut working = false;
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::StepDown) => handle.step_down(),
                    Some(Order::Leave) => handle.stop(),
                    Some(Order::Crash) | None => return What::Crashed,
                },
                // Before the work, so that it is told in the order in which it happened.
                event = events.recv() => match event {
                    Some(event) => self.pass_on(event),
                    None => return What::Left,
                },
                Some(()) = &mut work, if working => {
                    working = false;
                    work = None.into();
                }
                Ok(leadership) = handle.leadership(), if !working => {
                    working = true;
                    work = Some(self.work(leadership).boxed_local()).into();
                }
            }
        }
    }

    fn pass_on(&self, event: Event) {
        match event {
            Event::AtRisk(risk) => self.tell(What::AtRisk {
                remaining: risk.remaining,
            }),
            Event::Lost { reason, .. } => self.tell(What::Lost(reason)),
            Event::Draining { .. } => self.tell(What::Finishing),
            Event::Noticed(ElectionEvent::Released) => self.tell(What::Released),
            Event::Noticed(ElectionEvent::HolderChanged(Some(holder))) if holder != self.name => {
                self.tell(What::Follows(holder));
            }
            _ => {}
        }
    }

    /// What the leader is there for: it writes to the outside world, every time with its token, until it is told to
    /// finish or has lost its lease. Winding up takes it a quarter of the stop grace.
    async fn work(&self, leadership: Leadership) {
        let (token, term) = (leadership.token(), leadership.transitions() + 1);
        let at_work = self.world.monitor.enter(&self.name, term, token);
        self.tell(What::Leads { token, term });
        loop {
            if let Ok(token) = leadership.check() {
                self.world.monitor.write(token);
            }
            let next = SystemClock.mono().after(WORK_STEP);
            tokio::select! {
                biased;
                _ = leadership.lost() => {
                    let winding_up = self.world.timing.stop_grace() / 4;
                    SystemClock.sleep_until(SystemClock.mono().after(winding_up)).await;
                    break;
                }
                () = leadership.stop_requested() => break,
                () = SystemClock.sleep_until(next) => {}
            }
        }
        drop(at_work);
        self.tell(What::WorkStopped);
    }
}
