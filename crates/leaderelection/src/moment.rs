//! Moments as the election is told them: it has no clock of its own.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// A point on one candidate's own monotonic clock, in nanoseconds since an origin that only this candidate knows.
///
/// Comparing the moments of two candidates means nothing, and nothing in this crate does but a [`Crowd`](crate::Crowd), whose candidates
/// have one clock. Arithmetic saturates: a
/// deadline beyond 292 years is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonoTime(i64);

impl MonoTime {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);
    /// Before every moment.
    pub const PAST: Self = Self(i64::MIN);
    /// A deadline that is never reached.
    pub const NEVER: Self = Self(i64::MAX);

    /// A moment by its nanoseconds since the origin.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The moment `by` later, or [`NEVER`](Self::NEVER).
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(saturating_nanos(by)))
    }

    /// The moment `by` earlier.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(saturating_nanos(by)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment on a clock whose origin is `origin`, but not below `floor`. What a model does so that its states
    /// stay finite.
    #[must_use]
    pub(crate) fn rebased(self, origin: Self, floor: Self) -> Self {
        if self == Self::NEVER {
            self
        } else {
            Self(self.0.saturating_sub(origin.0)).max(floor)
        }
    }
}

fn saturating_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Now, on both of a candidate's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    /// The monotonic clock: every decision is made by it.
    pub mono: MonoTime,
    /// The wall clock: it is only written into the record, for people and for other clients.
    pub wall: DateTime<Utc>,
}
