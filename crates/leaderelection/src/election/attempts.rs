//! The swaps whose outcome is not known (SAFETY 9).

use std::sync::Arc;

use super::io::{Attempt, Purpose};
use crate::identity::Version;
use crate::lock::{Content, Expected};
use crate::moment::MonoTime;
use crate::record::LeaderElectionRecord;

/// More are never pending, and one of them is a release: a retry beyond them repeats the last record, which needs no entry
/// of its own.
pub(super) const MOST_PENDING: usize = 8;

/// Swaps that may have landed or may still land. All that name a version name the newest one known, so any newer
/// version resolves them all; a create names none and is forgotten at `sent + R`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Attempts(Vec<Pending>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub(super) purpose: Purpose,
    pub(super) creates: bool,
    pub(super) record: Arc<LeaderElectionRecord>,
    /// `sent + R` of the EARLIEST attempt with this record: the lease counts from there.
    pub(super) valid_until: MonoTime,
    /// Sent more than once: one failure does not tell that none can land.
    repeated: bool,
    /// The store said that it wrote nothing. It may have: somebody between may have sent it twice, and this was the answer to
    /// the second.
    refused: bool,
}

/// A swap of this process that brought the newest content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Landed {
    pub(super) purpose: Purpose,
    /// `sent + R` of the earliest attempt with its record.
    pub(super) valid_until: MonoTime,
    /// As which version it landed, where an answer told; a watch may show a label on it first.
    pub(super) version: Option<Version>,
}

impl Landed {
    pub(super) fn answered(attempt: &Attempt, valid_until: MonoTime, version: Version) -> Self {
        Self {
            purpose: attempt.purpose,
            valid_until,
            version: Some(version),
        }
    }
}

impl Pending {
    pub(super) fn landed(&self) -> Landed {
        Landed {
            purpose: self.purpose,
            valid_until: self.valid_until,
            version: None,
        }
    }

    /// A create that may land any time, but whose lease would be over: its record is waited out like a twin's.
    fn is_late(&self, now: MonoTime) -> bool {
        self.creates && self.valid_until <= now
    }
}

impl Attempts {
    /// Notes an attempt before it is sent, and returns the record that is to be sent: another one when the list is full.
    /// `None`: nothing may be sent.
    pub(super) fn note(
        &mut self,
        now: MonoTime,
        purpose: Purpose,
        expected: Expected,
        record: Arc<LeaderElectionRecord>,
        valid_until: MonoTime,
    ) -> Option<Arc<LeaderElectionRecord>> {
        let creates = expected == Expected::Absent;
        // A create that is as old as a lease is forgotten, but not before its record can no longer be written again: an
        // equal one, sent later, must not give it a younger lease.
        self.0
            .retain(|pending| !pending.is_late(now) || pending.record == record);
        // An equal record is one attempt, whatever each was for: only the earliest send counts.
        let equal = |pending: &&mut Pending| pending.creates == creates && pending.record == record;
        if let Some(pending) = self.0.iter_mut().find(equal) {
            (pending.repeated, pending.refused) = (true, false);
            return Some(record);
        }
        // One place is kept for a release.
        let most = if purpose == Purpose::Release {
            MOST_PENDING
        } else {
            MOST_PENDING - 1
        };
        if self.0.len() >= most {
            if let Some(oldest) = self.0.iter().position(|pending| pending.refused) {
                self.0.remove(oldest);
            }
        }
        if self.0.len() >= most {
            let same = |pending: &&mut Pending| pending.purpose == purpose && pending.creates == creates;
            if let Some(last) = self.0.iter_mut().rev().find(same) {
                (last.repeated, last.refused) = (true, false);
                return Some(Arc::clone(&last.record));
            }
            // The oldest create makes room. No equal one is ever sent again, and if it lands after a deletion it is waited
            // out, as it would be a little later.
            let oldest = self.0.iter().position(|pending| pending.creates)?;
            self.0.remove(oldest);
        }
        // There is one at most as long as all goes well.
        self.0.reserve_exact(1);
        self.0.push(Pending {
            purpose,
            creates,
            record: Arc::clone(&record),
            valid_until,
            repeated: false,
            refused: false,
        });
        Some(record)
    }

    /// A newer version shows `content`: returns the attempt that brought it, if one did. None that names a version can
    /// land any more.
    pub(super) fn resolve(&mut self, now: MonoTime, content: &Content) -> Option<Pending> {
        let landed = match content {
            Content::Record(record) => self.0.iter().position(|pending| pending.record == *record),
            Content::Empty | Content::Unreadable(_) => None,
        };
        let landed = landed.map(|at| self.0.remove(at));
        self.forget_versioned();
        landed.filter(|pending| !pending.is_late(now))
    }

    /// Whether a swap that names the newest version is pending, and was not refused.
    pub(super) fn any_versioned(&self) -> bool {
        self.0.iter().any(|pending| !pending.creates && !pending.refused)
    }

    /// Nothing that names a version can land any more.
    pub(super) fn forget_versioned(&mut self) {
        self.0.retain(|pending| pending.creates);
    }

    /// The store said that this very attempt wrote nothing. It is still one's own if it is shown all the same, from its send on
    /// (SAFETY 9), but nothing is left of it that others would have to wait for.
    pub(super) fn refused(&mut self, expected: Expected, record: &LeaderElectionRecord) {
        let creates = expected == Expected::Absent;
        let this = |pending: &&mut Pending| pending.creates == creates && *pending.record == *record;
        if let Some(pending) = self.0.iter_mut().find(this) {
            pending.refused = !pending.repeated;
        }
    }

    /// Everything is forgotten: what lands after all is waited out.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }

    /// Whether an acquisition may still land on this state.
    pub(super) fn acquiring(&self, now: MonoTime, expected: Expected) -> bool {
        let creates = expected == Expected::Absent;
        let may = |pending: &Pending| {
            pending.purpose == Purpose::Acquire && pending.creates == creates && !pending.refused
        };
        self.0.iter().any(|pending| may(pending) && !pending.is_late(now))
    }

    /// Forgets what no answer and no observation asks for, where nothing is refused: how often, when an acquisition was sent that
    /// proves nothing, and when a release was. Of creates whose record is not asked for only the youngest
    /// matters, and of those that are late none: an equal one is never sent again.
    pub(super) fn coarsen(&mut self, acquisition_proves: bool, creates_show: bool) {
        self.0.retain(|pending| !pending.is_late(MonoTime::ZERO));
        if !creates_show {
            self.0
                .sort_by_key(|pending| (pending.creates, pending.purpose as u8, pending.valid_until));
            for pending in self.0.iter_mut().filter(|pending| pending.creates) {
                pending.repeated = true;
                pending.record = Arc::default();
            }
            self.0.dedup_by(|younger, kept| {
                let same = kept.creates && younger.creates && kept.purpose == younger.purpose;
                if same {
                    kept.valid_until = younger.valid_until;
                }
                same
            });
        }
        for pending in self.0.iter_mut().filter(|pending| !pending.creates) {
            pending.repeated = true;
            let acquires = matches!(pending.purpose, Purpose::Acquire | Purpose::Claim);
            if acquires && !acquisition_proves {
                pending.valid_until = MonoTime::ZERO;
            }
            if pending.purpose == Purpose::Release {
                pending.valid_until = MonoTime::ZERO;
            }
        }
        self.sort();
    }

    /// Of those that nobody will ever be shown it only matters that there is one, and of creates, until when.
    pub(super) fn forget_dead(&mut self, dead: impl Fn(&LeaderElectionRecord) -> bool) {
        for pending in self.0.iter_mut().filter(|pending| dead(&pending.record)) {
            pending.record = Arc::default();
            pending.repeated = true;
            if !pending.creates {
                pending.valid_until = MonoTime::ZERO;
            }
        }
        self.sort();
    }

    /// Which came first is not asked.
    fn sort(&mut self) {
        self.0.sort_by_key(|pending| {
            (
                pending.purpose as u8,
                pending.record.renew_time,
                pending.creates,
                pending.valid_until,
            )
        });
        self.0.dedup();
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pending> {
        self.0.iter_mut()
    }
}
