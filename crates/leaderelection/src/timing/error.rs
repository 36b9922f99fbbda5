//! What durations may not be.

use std::time::Duration;

/// Durations that would make the election unsafe or dead. Each error carries the numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimingError {
    /// A duration that must be positive is zero.
    #[error("{name} must be greater than 0")]
    Zero {
        /// Which one.
        name: &'static str,
    },
    /// A duration is longer than a record can say.
    #[error("{name} {value:?} must be at most {limit:?}")]
    TooLong {
        /// Which one.
        name: &'static str,
        /// What was given.
        value: Duration,
        /// The longest that a record's 32-bit seconds can say.
        limit: Duration,
    },
    /// Go's rule: a leader must stop before others may start.
    #[error("lease_duration {lease_duration:?} must be greater than renew_deadline {renew_deadline:?}")]
    LeaseNotAboveRenewDeadline {
        /// L.
        lease_duration: Duration,
        /// R.
        renew_deadline: Duration,
    },
    /// Go's rule: there must be time for more than one try.
    #[error(
        "renew_deadline {renew_deadline:?} must be greater than retry_period {retry_period:?} x 1.2 = {least:?}"
    )]
    RenewDeadlineTooShort {
        /// R.
        renew_deadline: Duration,
        /// P.
        retry_period: Duration,
        /// 1.2 P.
        least: Duration,
    },
    /// The theorem's rule for clocks of equal rate (SAFETY): the work must be gone before others may start.
    #[error(
        "lease_duration {lease_duration:?} must be at least renew_deadline {renew_deadline:?} + stop_grace {stop_grace:?} = {least:?}"
    )]
    StopGraceTooLong {
        /// L.
        lease_duration: Duration,
        /// R.
        renew_deadline: Duration,
        /// σ.
        stop_grace: Duration,
        /// R + σ.
        least: Duration,
    },
    /// A call may not take longer than the lease that it is to renew.
    #[error("attempt_timeout {attempt_timeout:?} must be at most renew_deadline {renew_deadline:?}")]
    AttemptTimeoutTooLong {
        /// What was given.
        attempt_timeout: Duration,
        /// R.
        renew_deadline: Duration,
    },
}
