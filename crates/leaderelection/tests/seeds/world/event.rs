//! What is still to happen, and in which order.

use std::cmp::Ordering;

use leaderelection::Observation;
use leaderelection::election::{Attempt, Input, Read};

/// What is still to happen. What is for a candidate names the life that it is for.
pub(crate) enum Event {
    Told {
        who: usize,
        life: u64,
        input: Input,
    },
    TimerFires {
        who: usize,
        life: u64,
        timer: u64,
    },
    ReadArrives {
        who: usize,
        life: u64,
        read: Read,
    },
    SwapArrives {
        who: usize,
        life: u64,
        attempt: Attempt,
        answered: bool,
    },
    WatchShows {
        who: usize,
        life: u64,
        watch: u64,
        observation: Observation,
    },
    LeaseIsOver {
        who: usize,
        life: u64,
        term: u64,
    },
    WorkEnds {
        who: usize,
        life: u64,
        term: u64,
    },
    ComesBack {
        who: usize,
        life: u64,
    },
    UserActs {
        who: usize,
    },
    OperatorActs,
    WallJumps {
        who: usize,
    },
    /// The network gets well, and nobody does anything any more.
    Heals,
    /// Somebody writes a label, in the healthy time.
    LabelWritten,
    LeaderIsDue {
        bound: i64,
    },
}

/// An event, when it happens, and in which order among those of the same time.
pub(crate) struct Scheduled {
    pub(super) time: i64,
    pub(super) number: u64,
    pub(super) event: Event,
}

impl Scheduled {
    fn place(&self) -> (i64, u64) {
        (self.time, self.number)
    }
}

/// The heap gives the greatest first, and that is the earliest.
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        other.place().cmp(&self.place())
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Scheduled {}
