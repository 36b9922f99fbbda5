//! What becomes of an election whose work has panicked.

use std::time::Duration;

use crate::moment::MonoTime;

/// Campaigning again after a panic, as it was opted into; after each panic in a row twice as late as after the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct AgainAfterPanic {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

/// How many panics there were in a row.
#[derive(Debug)]
pub(super) struct Panics {
    again: Option<Box<AgainAfterPanic>>,
    in_a_row: u32,
}

impl Panics {
    pub(super) fn new(again: Option<AgainAfterPanic>) -> Self {
        Self {
            again: again.map(Box::new),
            in_a_row: 0,
        }
    }

    /// The work of a term that began then has ended now, by a panic or not. After a panic, how long this candidate stays away; or
    /// that the election is over.
    pub(super) fn work_ended(&mut self, began: MonoTime, now: MonoTime, panicked: bool) -> AfterWork {
        let long = self
            .again
            .as_ref()
            .is_some_and(|again| now.since(began) > again.most);
        if !panicked || long {
            self.in_a_row = 0;
        }
        if !panicked {
            return AfterWork::GoOn;
        }
        let Some(AgainAfterPanic { first, most }) = self.again.as_deref().copied() else {
            return AfterWork::End;
        };
        let doubled = first.saturating_mul(2u32.saturating_pow(self.in_a_row));
        self.in_a_row = self.in_a_row.saturating_add(1);
        AfterWork::StayAway(doubled.min(most.max(first)))
    }
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AfterWork {
    GoOn,
    StayAway(Duration),
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO.after(s(seconds))
    }

    #[test]
    fn each_panic_in_a_row_is_waited_for_twice_as_long() {
        let again = AgainAfterPanic {
            first: s(1),
            most: s(5),
        };
        let mut panics = Panics::new(Some(again));
        let mut short = || panics.work_ended(at(0), at(5), true);
        for away in [1, 2, 4, 5, 5] {
            assert_eq!(short(), AfterWork::StayAway(s(away)));
        }
        for _ in 0..100 {
            assert_eq!(short(), AfterWork::StayAway(s(5)), "no overflow");
        }
        // A term that lasted longer than the longest wait begins anew, and so does one that ended well.
        assert_eq!(panics.work_ended(at(0), at(6), true), AfterWork::StayAway(s(1)));
        assert_eq!(panics.work_ended(at(0), at(1), true), AfterWork::StayAway(s(2)));
        assert_eq!(panics.work_ended(at(0), at(1), false), AfterWork::GoOn);
        assert_eq!(panics.work_ended(at(0), at(1), true), AfterWork::StayAway(s(1)));
    }

    #[test]
    fn unless_it_was_chosen_a_panic_ends_the_election() {
        let mut panics = Panics::new(None);
        assert_eq!(panics.work_ended(at(0), at(1), false), AfterWork::GoOn);
        assert_eq!(panics.work_ended(at(0), at(1), true), AfterWork::End);
    }
}
