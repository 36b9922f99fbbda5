//! What a test has ordered, as the lock asks for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leaderelection::{Clock, MonoTime, Observation};
use tokio::sync::watch;

use super::control::{Faults, Op, Partition, WatchEnd};
use super::fault::{Fault, Hook, corrupt};
use crate::random::Random;

pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) seed: u64,
    pub(super) state: Mutex<State>,
    /// Wakes calls and watches that wait for an order.
    pub(super) changed: watch::Sender<()>,
}

pub(super) struct State {
    pub(super) ops: [Orders; 3],
    pub(super) random: Random,
    pub(super) partition: Partition,
    pub(super) corrupt: Option<Vec<u8>>,
    pub(super) watches: WatchOrders,
    pub(super) newest: Option<Observation>,
    pub(super) earlier: Option<Observation>,
}

#[derive(Default)]
pub(super) struct Orders {
    pub(super) calls: u64,
    pub(super) once: VecDeque<Fault>,
    pub(super) standing: Option<Fault>,
    pub(super) random: (u64, Vec<Fault>),
    pub(super) request: Duration,
    pub(super) reply: Duration,
    pub(super) jitter: Duration,
}

/// What open watches do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WatchOrders {
    pub(super) stalled: bool,
    pub(super) repeat: bool,
    pub(super) reorder: Option<Duration>,
    pub(super) lag: Duration,
    /// How often all open watches were ended, and how the last time.
    pub(super) ends: u64,
    pub(super) ended: Option<WatchEnd>,
}

/// The way there, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    Request,
    Reply,
}

/// What happens to one call.
pub(super) struct Plan {
    pub(super) fault: Option<Fault>,
    pub(super) request: Duration,
    pub(super) reply: Duration,
}

impl Plan {
    pub(super) fn round_trip(&self) -> Duration {
        self.request.saturating_add(self.reply)
    }

    /// What happens before and after the store acts.
    pub(super) fn hooks(&self) -> (Option<Hook>, Option<Hook>) {
        match &self.fault {
            Some(Fault::Before(hook)) => (Some(Arc::clone(hook)), None),
            Some(Fault::After(hook)) => (None, Some(Arc::clone(hook))),
            _ => (None, None),
        }
    }
}

/// What the lock asks.
impl Faults {
    pub(super) fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        let state = State {
            ops: Default::default(),
            random: Random::new(seed),
            partition: Partition::None,
            corrupt: None,
            watches: WatchOrders::default(),
            newest: None,
            earlier: None,
        };
        Self {
            shared: Arc::new(Shared {
                clock,
                seed,
                state: Mutex::new(state),
                changed: watch::Sender::new(()),
            }),
        }
    }

    /// Counts a call and says what happens to it.
    pub(super) fn begin(&self, op: Op) -> Plan {
        let mut state = self.state();
        let State { ops, random, .. } = &mut *state;
        let orders = of(ops, op);
        orders.calls = orders.calls.saturating_add(1);
        let mut jitter = || {
            let bound = u64::try_from(orders.jitter.as_nanos()).unwrap_or(u64::MAX);
            if bound == 0 {
                Duration::ZERO
            } else {
                Duration::from_nanos(random.below(bound.saturating_add(1)))
            }
        };
        let request = orders.request.saturating_add(jitter());
        let reply = orders.reply.saturating_add(jitter());
        let fault = orders
            .once
            .pop_front()
            .or_else(|| orders.standing.clone())
            .or_else(|| {
                let (per_mille, among) = &orders.random;
                if *per_mille == 0 || random.below(1000) >= *per_mille {
                    return None;
                }
                let drawn = random.below(u64::try_from(among.len()).unwrap_or(u64::MAX));
                among.get(usize::try_from(drawn).unwrap_or(0)).cloned()
            });
        Plan {
            fault,
            request,
            reply,
        }
    }

    pub(super) fn is_cut(&self, leg: Leg) -> bool {
        match self.state().partition {
            Partition::None => false,
            Partition::Full => true,
            Partition::Replies => leg == Leg::Reply,
        }
    }

    /// Returns when nothing cuts this leg.
    pub(super) async fn healed(&self, leg: Leg) {
        let mut changed = self.shared.changed.subscribe();
        while self.is_cut(leg) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn now(&self) -> MonoTime {
        self.shared.clock.mono()
    }

    pub(super) async fn pause(&self, by: Duration) {
        self.pause_until(self.now().after(by)).await;
    }

    pub(super) async fn pause_until(&self, deadline: MonoTime) {
        self.shared.clock.sleep_until(deadline).await;
    }

    pub(super) fn corrupted(&self, observation: Observation) -> Observation {
        match &self.state().corrupt {
            Some(raw) => corrupt(observation, raw),
            None => observation,
        }
    }

    pub(super) fn remember(&self, observation: &Observation) {
        let mut state = self.state();
        if state.newest.as_ref() != Some(observation) {
            state.earlier = state.newest.replace(observation.clone());
        }
    }

    pub(super) fn earlier(&self) -> Option<Observation> {
        self.state().earlier.clone()
    }

    pub(super) fn watch_orders(&self) -> WatchOrders {
        self.state().watches
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn of(&mut self, op: Op) -> &mut Orders {
        of(&mut self.ops, op)
    }
}

fn of(ops: &mut [Orders; 3], op: Op) -> &mut Orders {
    let [get, cas, watch] = ops;
    match op {
        Op::Get => get,
        Op::Cas => cas,
        Op::Watch => watch,
    }
}
