//! The handle by which a test orders faults, and what it has ordered.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leaderelection::{Clock, LockErrorKind, MonoTime, Observation};
use tokio::sync::watch;

use super::fault::{Fault, Hook, corrupt};
use crate::random::Random;

/// An operation of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `get`.
    Get,
    /// `compare_and_swap`.
    Cas,
    /// `watch`: opening one.
    Watch,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Get, Self::Cas, Self::Watch];
}

/// What does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partition {
    /// Everything does.
    #[default]
    None,
    /// Neither requests nor replies. Open watches are silent.
    Full,
    /// Requests arrive and writes are done, but no reply and no event comes back.
    Replies,
}

/// How open watches end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    /// The stream ends.
    Quietly,
    /// The stream yields an error of this kind, then ends.
    With(LockErrorKind),
}

/// Orders faults for one [`FaultLock`](super::FaultLock), and counts its calls. Clones are the same handle.
///
/// For each call one fault at most is taken: the first of those ordered [`once`](Self::once), else the
/// [`standing`](Self::standing) one, else perhaps a [`random`](Self::random) one. Latency and partition come on top.
#[derive(Clone)]
pub struct Faults {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    seed: u64,
    state: Mutex<State>,
    /// Wakes calls and watches that wait for an order.
    changed: watch::Sender<()>,
}

struct State {
    ops: [Orders; 3],
    random: Random,
    partition: Partition,
    corrupt: Option<Vec<u8>>,
    watches: WatchOrders,
    newest: Option<Observation>,
    earlier: Option<Observation>,
}

#[derive(Default)]
struct Orders {
    calls: u64,
    once: VecDeque<Fault>,
    standing: Option<Fault>,
    random: (u64, Vec<Fault>),
    request: Duration,
    reply: Duration,
    jitter: Duration,
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

/// Orders, by a test.
impl Faults {
    /// The next call of this operation meets this fault. Several orders are met in turn.
    pub fn once(&self, op: Op, fault: Fault) {
        self.order(|state| state.of(op).once.push_back(fault));
    }

    /// The next `times` calls of this operation meet this fault.
    pub fn times(&self, times: usize, op: Op, fault: Fault) {
        self.order(|state| state.of(op).once.extend(std::iter::repeat_n(fault, times)));
    }

    /// Every call of this operation meets this fault, until [`clear`](Self::clear).
    pub fn standing(&self, op: Op, fault: Fault) {
        self.order(|state| state.of(op).standing = Some(fault));
    }

    /// This many in a thousand calls of this operation meet one of these faults, drawn from the seed.
    pub fn random(&self, op: Op, per_mille: u16, among: Vec<Fault>) {
        self.order(|state| state.of(op).random = (u64::from(per_mille), among));
    }

    /// How long each request and each reply of this operation travels.
    pub fn latency(&self, op: Op, request: Duration, reply: Duration) {
        self.order(|state| {
            let orders = state.of(op);
            (orders.request, orders.reply) = (request, reply);
        });
    }

    /// Up to this much is added to each request's and each reply's travel, drawn from the seed.
    pub fn jitter(&self, op: Op, at_most: Duration) {
        self.order(|state| state.of(op).jitter = at_most);
    }

    /// Cuts the network, or heals it. What was lost in a partition stays lost: once healed, a swap that waits for its
    /// answer fails as ambiguous, a read as unavailable, and an open watch goes on with what is newest.
    pub fn partition(&self, partition: Partition) {
        self.order(|state| state.partition = partition);
    }

    /// Reads, conflicts and watches show these bytes instead of the object's content; `None` ends it.
    pub fn corrupt(&self, raw: Option<Vec<u8>>) {
        self.order(|state| state.corrupt = raw);
    }

    /// Open and later watches show nothing while this is on; then they go on.
    pub fn stall_watches(&self, on: bool) {
        self.order(|state| state.watches.stalled = on);
    }

    /// Watches show everything twice.
    pub fn repeat_watches(&self, on: bool) {
        self.order(|state| state.watches.repeat = on);
    }

    /// Watches show two states that come within this time of one another in the wrong order; `None` ends it.
    pub fn reorder_watches(&self, within: Option<Duration>) {
        self.order(|state| state.watches.reorder = within);
    }

    /// Watches show everything at least this much later; what comes meanwhile waits its turn.
    pub fn lag_watches(&self, lag: Duration) {
        self.order(|state| state.watches.lag = lag);
    }

    /// Ends every open watch. Later ones are not concerned.
    pub fn end_watches(&self, end: WatchEnd) {
        self.order(|state| {
            state.watches.ends = state.watches.ends.saturating_add(1);
            state.watches.ended = Some(end);
        });
    }

    /// Forgets all orders for this operation, its latency included. The counters go on.
    pub fn clear(&self, op: Op) {
        self.order(|state| {
            let calls = state.of(op).calls;
            *state.of(op) = Orders {
                calls,
                ..Orders::default()
            };
        });
    }

    /// Forgets all orders and heals the network. The counters go on.
    pub fn clear_all(&self) {
        for op in Op::ALL {
            self.clear(op);
        }
        self.order(|state| {
            state.partition = Partition::None;
            state.corrupt = None;
            state.watches = WatchOrders {
                ends: state.watches.ends,
                ended: state.watches.ended,
                ..Default::default()
            };
        });
    }

    fn order(&self, order: impl FnOnce(&mut State)) {
        order(&mut self.state());
        self.shared.changed.send_replace(());
    }
}

/// Answers, to a test.
impl Faults {
    /// How many reads were asked for so far.
    pub fn gets(&self) -> u64 {
        self.state().of(Op::Get).calls
    }

    /// How many swaps were asked for so far.
    pub fn cas(&self) -> u64 {
        self.state().of(Op::Cas).calls
    }

    /// How many watches were asked for so far.
    pub fn watches(&self) -> u64 {
        self.state().of(Op::Watch).calls
    }

    /// How many calls of any operation were made so far.
    pub fn calls(&self) -> u64 {
        self.gets()
            .saturating_add(self.cas())
            .saturating_add(self.watches())
    }

    /// The seed of the random faults and of the jitter. Print it where a test fails.
    pub fn seed(&self) -> u64 {
        self.shared.seed
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn of(&mut self, op: Op) -> &mut Orders {
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

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("seed", &self.seed())
            .field("gets", &self.gets())
            .field("cas", &self.cas())
            .field("watches", &self.watches())
            .finish_non_exhaustive()
    }
}
