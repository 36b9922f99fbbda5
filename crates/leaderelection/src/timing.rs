//! The durations of an election, validated, and what follows from them.

use std::time::Duration;

/// Durations that keep the election safe and alive, checked when they are set.
///
/// | name | Go's name | default | meaning |
/// |---|---|---|---|
/// | [`lease_duration`](Self::lease_duration) (L) | LeaseDuration | 15 s | how long others see a record stand still before they take over |
/// | [`renew_deadline`](Self::renew_deadline) (R) | RenewDeadline | 10 s | how long a leader leads after the send of its last successful write |
/// | [`retry_period`](Self::retry_period) (P) | RetryPeriod | 2 s | from one write's send to the next |
/// | [`stop_grace`](Self::stop_grace) (σ) | – | 0 | from the deadline until the work has truly stopped |
/// | [`drain_timeout`](Self::drain_timeout) | – | R | how long work may finish, still renewed, after a stop was asked for |
/// | [`attempt_timeout`](Self::attempt_timeout) | – | R / 2 | how long a call may take before the next one is sent |
/// | [`rival_margin`](Self::rival_margin) | – | 0 | added to what a rival is waited out for, where Go leaders are in the fleet |
/// | [`expected_candidates`](Self::expected_candidates) | – | 8 | how many candidates share the lock, about |
///
/// Two leaders never overlap if and only if `L ≥ r · (R + σ)`, where `r` is the largest ratio between the rates of any
/// two candidates' clocks (the theorem of SAFETY); [`tolerated_clock_rate_ratio`](Self::tolerated_clock_rate_ratio) is
/// that bound.
///
/// ```
/// use std::time::Duration;
/// use leaderelection::LeaseTiming;
///
/// let timing = LeaseTiming::default();
/// assert_eq!(timing.tolerated_clock_rate_ratio(), 1.5);
///
/// let error = LeaseTiming::new(Duration::from_secs(15), Duration::from_secs(10), Duration::from_secs(9)).unwrap_err();
/// assert_eq!(error.to_string(), "renew_deadline 10s must be greater than retry_period 9s x 1.2 = 10.8s");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseTiming {
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
    stop_grace: Duration,
    drain_timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    rival_margin: Duration,
    expected_candidates: u32,
}

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

/// The record's seconds are 32 bits in a Kubernetes Lease.
const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);

impl Default for LeaseTiming {
    /// 15 s / 10 s / 2 s, as Kubernetes' own components.
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
            stop_grace: Duration::ZERO,
            drain_timeout: None,
            attempt_timeout: None,
            rival_margin: Duration::ZERO,
            expected_candidates: 8,
        }
    }
}

impl LeaseTiming {
    /// LeaseDuration, RenewDeadline and RetryPeriod; the rest at its default.
    ///
    /// # Errors
    /// When one is zero or too long for a record, or Go's rules `L > R` and `R > 1.2 P` do not hold.
    pub fn new(
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, TimingError> {
        Self {
            lease_duration,
            renew_deadline,
            retry_period,
            ..Self::default()
        }
        .validated()
    }

    /// Durations that nobody checked, so that the project's own checks can show what an unsafe lease leads to: Go's three
    /// and σ. A call may take a retry period, so that all deadlines are multiples of what is given.
    #[cfg(feature = "unsound-variants")]
    #[doc(hidden)]
    pub fn unchecked(
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
        stop_grace: Duration,
    ) -> Self {
        Self {
            lease_duration,
            renew_deadline,
            retry_period,
            stop_grace,
            attempt_timeout: Some(retry_period),
            ..Self::default()
        }
    }

    /// Sets σ: how long after its deadline the work may still be stopping.
    ///
    /// # Errors
    /// When `L ≥ R + σ` does not hold.
    pub fn with_stop_grace(self, stop_grace: Duration) -> Result<Self, TimingError> {
        Self { stop_grace, ..self }.validated()
    }

    /// Sets how long work may finish after a stop was asked for, still renewed (SAFETY 13). Zero: not at all.
    ///
    /// # Errors
    /// When it is too long for any clock.
    pub fn with_drain_timeout(self, drain_timeout: Duration) -> Result<Self, TimingError> {
        Self {
            drain_timeout: Some(drain_timeout),
            ..self
        }
        .validated()
    }

    /// Sets how long a call to the lock may take before the next one is sent. The late answer still counts.
    ///
    /// # Errors
    /// When it is zero or longer than R.
    pub fn with_attempt_timeout(self, attempt_timeout: Duration) -> Result<Self, TimingError> {
        Self {
            attempt_timeout: Some(attempt_timeout),
            ..self
        }
        .validated()
    }

    /// Sets what is added to the wait for a rival. Leaders in Go lead until `P + R + D` after their last success, RetryPeriod,
    /// RenewDeadline and their slowest response, and their LeaseDuration `L` may be less: at least `P + R + D − L` of theirs, 2 s at
    /// 15 s / 10 s / 2 s with client-go's limit of 5 s for a response (SAFETY 7). Where their RetryPeriod is below a second, one
    /// second more: what they write twice within a second changes nothing in Kubernetes, and they count it all the same.
    ///
    /// # Errors
    /// When it is too long for any clock.
    pub fn with_rival_margin(self, rival_margin: Duration) -> Result<Self, TimingError> {
        Self { rival_margin, ..self }.validated()
    }

    /// Sets about how many candidates share the lock. Above 8, take-overs are staggered so that not all write at one
    /// instant (SAFETY 21). 0 counts as 1.
    #[must_use]
    pub fn with_expected_candidates(self, expected_candidates: u32) -> Self {
        Self {
            expected_candidates,
            ..self
        }
    }

    fn validated(self) -> Result<Self, TimingError> {
        let Self {
            lease_duration,
            renew_deadline,
            retry_period,
            stop_grace,
            ..
        } = self;
        let attempt_timeout = self.attempt_timeout();
        let positive = [
            ("lease_duration", lease_duration),
            ("renew_deadline", renew_deadline),
            ("retry_period", retry_period),
            ("attempt_timeout", attempt_timeout),
        ];
        for (name, value) in positive {
            if value.is_zero() {
                return Err(TimingError::Zero { name });
            }
        }
        let others = [
            ("stop_grace", stop_grace),
            ("drain_timeout", self.drain_timeout()),
            ("rival_margin", self.rival_margin),
        ];
        for (name, value) in positive.into_iter().chain(others) {
            if value > LONGEST {
                return Err(TimingError::TooLong {
                    name,
                    value,
                    limit: LONGEST,
                });
            }
        }
        if lease_duration <= renew_deadline {
            return Err(TimingError::LeaseNotAboveRenewDeadline {
                lease_duration,
                renew_deadline,
            });
        }
        let least = retry_period * 6 / 5;
        if renew_deadline <= least {
            return Err(TimingError::RenewDeadlineTooShort {
                renew_deadline,
                retry_period,
                least,
            });
        }
        let least = renew_deadline + stop_grace;
        if lease_duration < least {
            return Err(TimingError::StopGraceTooLong {
                lease_duration,
                renew_deadline,
                stop_grace,
                least,
            });
        }
        if attempt_timeout > renew_deadline {
            return Err(TimingError::AttemptTimeoutTooLong {
                attempt_timeout,
                renew_deadline,
            });
        }
        Ok(self)
    }

    /// L: how long a candidate sees a record stand still before it takes over.
    pub fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// R: how long a leader leads after the send of its last successful write (SAFETY 1).
    pub fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// P: from the send of one renewal to the send of the next.
    pub fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// σ: from the deadline until the work has truly stopped.
    pub fn stop_grace(&self) -> Duration {
        self.stop_grace
    }

    /// How long work may finish after a stop was asked for, still renewed. R unless set.
    pub fn drain_timeout(&self) -> Duration {
        self.drain_timeout.unwrap_or(self.renew_deadline)
    }

    /// How long a call to the lock may take before the next one is sent. R / 2 unless set.
    pub fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout.unwrap_or(self.renew_deadline / 2)
    }

    /// What is added to the wait for a rival.
    pub fn rival_margin(&self) -> Duration {
        self.rival_margin
    }

    /// About how many candidates share the lock; at least 1.
    pub fn expected_candidates(&self) -> u32 {
        self.expected_candidates.max(1)
    }

    /// The largest ratio between the rates of two candidates' clocks at which two leaders never overlap:
    /// `L / (R + σ)`. It is exact: at any larger ratio a schedule with two leaders exists (the theorem of SAFETY).
    pub fn tolerated_clock_rate_ratio(&self) -> f64 {
        self.tolerated_clock_rate_ratio_beside(self.lease_duration)
    }

    /// The same bound beside candidates who wait for their own lease, whatever this record declares, as Go's to 0.26 and
    /// Java's, Python's and C#'s do: `their L / (R + σ)`. Below 1 they take over a live leader of this timing even where all
    /// clocks run alike.
    ///
    /// So new durations are rolled out in this order: raise L everywhere, then R; lower R everywhere, then L (SAFETY 24).
    ///
    /// ```
    /// use std::time::Duration;
    /// use leaderelection::LeaseTiming;
    ///
    /// let longer = LeaseTiming::new(Duration::from_secs(60), Duration::from_secs(40), Duration::from_secs(5))?;
    /// let old_lease = Duration::from_secs(15);
    /// assert!(longer.tolerated_clock_rate_ratio_beside(old_lease) < 1.0); // not at once: first 60 / 10, then 60 / 40
    /// # Ok::<(), leaderelection::TimingError>(())
    /// ```
    pub fn tolerated_clock_rate_ratio_beside(&self, their_lease_duration: Duration) -> f64 {
        their_lease_duration.as_secs_f64() / (self.renew_deadline + self.stop_grace).as_secs_f64()
    }

    /// The longest that a crashed leader of the same timing is outlived, on a healthy network, from its last renewal's
    /// receipt until a successor's write is sent: the lease as it is written, the margin, and 1.5 `S` for a watch that
    /// has silently lost the last change (SAFETY 20). With a watch that works it is the lease and the margin alone.
    pub fn worst_failover(&self) -> Duration {
        let waited = self.waited_out(0);
        waited.max(self.waited_out(self.written_seconds())) + self.silence(waited) * 3 / 2
    }

    /// L as a record can say it: whole seconds, rounded up, so that no lease is written shorter than it is held
    /// (SAFETY 7).
    pub fn written_seconds(&self) -> i64 {
        let whole = self.lease_duration.as_secs() + u64::from(self.lease_duration.subsec_nanos() > 0);
        i64::try_from(whole).unwrap_or(i64::MAX)
    }

    /// For how long a record that declares `declared_seconds` is waited out: the longer of it and one's own L, and the
    /// margin (SAFETY 7).
    pub(crate) fn waited_out(&self, declared_seconds: i64) -> Duration {
        let declared = Duration::from_secs(u64::try_from(declared_seconds).unwrap_or(0));
        self.lease_duration
            .max(declared)
            .saturating_add(self.rival_margin)
    }

    /// After how long without anything new a read verifies the watch: `S` of SAFETY 20. Whoever waits for years, as behind a
    /// closed lock, is told early when it opens, and must not miss that for years because one watch fell silent.
    pub(crate) fn silence(&self, waited_out: Duration) -> Duration {
        const ABSURD: Duration = Duration::from_secs(24 * 60 * 60);
        const SOON: Duration = Duration::from_secs(180);
        let waited_out = match waited_out > ABSURD {
            true => self.waited_out(0).max(SOON),
            false => waited_out,
        };
        (waited_out / 3).max((self.retry_period * 3).min(waited_out / 3 * 2))
    }
}
