//! Until when a term is valid, and whether it is over: one word, so that no thread ever sees half of a change.
//!
//! Nothing but this file decides it, and this very file is checked under every interleaving of threads
//! (`tests/interleavings.rs`); what it takes from its surroundings is therefore only an atomic and a moment.

use super::atomic::{AtomicI64, Ordering};
use crate::moment::MonoTime;

/// The last bit of the moment: the term is over. Moments are so much as one nanosecond early for it, never late.
const OVER: i64 = 1;

/// The validity of one term. Once over, it is over for every thread and for good (SAFETY 2 and 22).
pub(super) struct Validity(AtomicI64);

impl Validity {
    pub(super) fn new(until: MonoTime) -> Self {
        Self(AtomicI64::new(until.as_nanos() & !OVER))
    }

    /// The end of the lease, also when the term is over.
    pub(super) fn until(&self) -> MonoTime {
        MonoTime::from_nanos(self.0.load(Ordering::Acquire) & !OVER)
    }

    /// Whether the term is valid at `now`. Where it is not, it is over from now on: a renewal that the driver took in time,
    /// but tells too late, extends nothing.
    pub(super) fn holds(&self, now: MonoTime) -> bool {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            if seen & OVER != 0 {
                return false;
            }
            if now.as_nanos() < seen {
                return true;
            }
            match self
                .0
                .compare_exchange(seen, seen | OVER, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return false,
                // Extended meanwhile, or ended by another.
                Err(newer) => seen = newer,
            }
        }
    }

    /// Makes it valid until then. `false`: it is over, and stays so.
    pub(super) fn extend(&self, until: MonoTime) -> bool {
        let until = until.as_nanos() & !OVER;
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |seen| {
                (seen & OVER == 0).then_some(until)
            })
            .is_ok()
    }

    /// It is over.
    pub(super) fn end(&self) {
        self.0.fetch_or(OVER, Ordering::AcqRel);
    }
}
