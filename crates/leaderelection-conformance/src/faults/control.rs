//! The handle by which a test orders faults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use leaderelection::LockErrorKind;

use super::fault::Fault;
use super::state::{Orders, Shared, State, WatchOrders};

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
    pub(super) shared: Arc<Shared>,
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
