//! The durations of an election, validated, and what follows from them.

mod error;
mod follows;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub use self::error::TimingError;
pub use self::follows::GoLeader;

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
///
/// A clone shares what it says, so a thousand elections that are set up alike have it once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LeaseTiming(Arc<Durations>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Durations {
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
    stop_grace: Duration,
    drain_timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    rival_margin: Duration,
    expected_candidates: u32,
}

/// The record's seconds are 32 bits in a Kubernetes Lease.
const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);

impl Default for LeaseTiming {
    /// 15 s / 10 s / 2 s, as Kubernetes' own components.
    fn default() -> Self {
        static DEFAULT: LazyLock<LeaseTiming> = LazyLock::new(|| {
            LeaseTiming(Arc::new(Durations {
                lease_duration: Duration::from_secs(15),
                renew_deadline: Duration::from_secs(10),
                retry_period: Duration::from_secs(2),
                stop_grace: Duration::ZERO,
                drain_timeout: None,
                attempt_timeout: None,
                rival_margin: Duration::ZERO,
                expected_candidates: 8,
            }))
        });
        DEFAULT.clone()
    }
}

impl fmt::Debug for LeaseTiming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
        Self::of(lease_duration, renew_deadline, retry_period).validated()
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
        Self::of(lease_duration, renew_deadline, retry_period).but(|durations| {
            durations.stop_grace = stop_grace;
            durations.attempt_timeout = Some(retry_period);
        })
    }

    /// Sets σ: how long after its deadline the work may still be stopping.
    ///
    /// # Errors
    /// When `L ≥ R + σ` does not hold.
    pub fn with_stop_grace(self, stop_grace: Duration) -> Result<Self, TimingError> {
        self.but(|durations| durations.stop_grace = stop_grace)
            .validated()
    }

    /// Sets how long work may finish after a stop was asked for, still renewed (SAFETY 13). Zero: not at all.
    ///
    /// # Errors
    /// When it is too long for any clock.
    pub fn with_drain_timeout(self, drain_timeout: Duration) -> Result<Self, TimingError> {
        self.but(|durations| durations.drain_timeout = Some(drain_timeout))
            .validated()
    }

    /// Sets how long a call to the lock may take before the next one is sent. The late answer still counts.
    ///
    /// # Errors
    /// When it is zero or longer than R.
    pub fn with_attempt_timeout(self, attempt_timeout: Duration) -> Result<Self, TimingError> {
        self.but(|durations| durations.attempt_timeout = Some(attempt_timeout))
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
        self.but(|durations| durations.rival_margin = rival_margin)
            .validated()
    }

    /// Sets about how many candidates share the lock. Above 8, take-overs are staggered so that not all write at one
    /// instant (SAFETY 21). 0 counts as 1.
    #[must_use]
    pub fn with_expected_candidates(self, expected_candidates: u32) -> Self {
        self.but(|durations| durations.expected_candidates = expected_candidates)
    }

    /// With another L and R; the rest stays as it was set, but for calls that a shorter R has no time to send twice.
    pub(crate) fn with_durations(
        &self,
        lease_duration: Duration,
        renew_deadline: Duration,
    ) -> Result<Self, TimingError> {
        self.clone()
            .but(|durations| {
                if renew_deadline < durations.renew_deadline {
                    let most = &mut durations.attempt_timeout;
                    *most = most.map(|most| most.min(renew_deadline / 2));
                }
                durations.lease_duration = lease_duration;
                durations.renew_deadline = renew_deadline;
            })
            .validated()
    }

    fn of(lease_duration: Duration, renew_deadline: Duration, retry_period: Duration) -> Self {
        Self::default().but(|durations| {
            durations.lease_duration = lease_duration;
            durations.renew_deadline = renew_deadline;
            durations.retry_period = retry_period;
        })
    }

    fn but(mut self, change: impl FnOnce(&mut Durations)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    fn validated(self) -> Result<Self, TimingError> {
        match self.problems().into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(self),
        }
    }

    /// All that is wrong with Go's three.
    pub(crate) fn problems_of(
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Vec<TimingError> {
        Self::of(lease_duration, renew_deadline, retry_period).problems()
    }

    /// All that is wrong. What has a rule of its own against it is compared with nothing else.
    fn problems(&self) -> Vec<TimingError> {
        let Durations {
            lease_duration,
            renew_deadline,
            retry_period,
            stop_grace,
            rival_margin,
            ..
        } = *self.0;
        let attempt_timeout = self.attempt_timeout();
        let least_deadline = retry_period.saturating_mul(6) / 5;
        let least_lease = renew_deadline.saturating_add(stop_grace);
        // What was not set follows from the others, and has no problem of its own.
        let alone = [
            ("lease_duration", Some(lease_duration), true),
            ("renew_deadline", Some(renew_deadline), true),
            ("retry_period", Some(retry_period), true),
            ("attempt_timeout", self.0.attempt_timeout, true),
            ("stop_grace", Some(stop_grace), false),
            ("drain_timeout", self.0.drain_timeout, false),
            ("rival_margin", Some(rival_margin), false),
        ];
        let mut problems = Vec::new();
        for (name, value, positive) in alone {
            let Some(value) = value else { continue };
            if positive && value.is_zero() {
                problems.push(TimingError::Zero { name });
            }
            if value > LONGEST {
                problems.push(TimingError::TooLong {
                    name,
                    value,
                    limit: LONGEST,
                });
            }
        }
        let sound = |values: &[Duration]| values.iter().all(|value| !value.is_zero() && *value <= LONGEST);
        if sound(&[lease_duration, renew_deadline]) {
            if lease_duration <= renew_deadline {
                problems.push(TimingError::LeaseNotAboveRenewDeadline {
                    lease_duration,
                    renew_deadline,
                });
            } else if stop_grace <= LONGEST && lease_duration < least_lease {
                problems.push(TimingError::StopGraceTooLong {
                    lease_duration,
                    renew_deadline,
                    stop_grace,
                    least: least_lease,
                });
            }
        }
        if sound(&[renew_deadline, retry_period]) && renew_deadline <= least_deadline {
            problems.push(TimingError::RenewDeadlineTooShort {
                renew_deadline,
                retry_period,
                least: least_deadline,
            });
        }
        if sound(&[renew_deadline, attempt_timeout]) && attempt_timeout > renew_deadline {
            problems.push(TimingError::AttemptTimeoutTooLong {
                attempt_timeout,
                renew_deadline,
            });
        }
        problems
    }

    /// L: how long a candidate sees a record stand still before it takes over.
    pub fn lease_duration(&self) -> Duration {
        self.0.lease_duration
    }

    /// R: how long a leader leads after the send of its last successful write (SAFETY 1).
    pub fn renew_deadline(&self) -> Duration {
        self.0.renew_deadline
    }

    /// P: from the send of one renewal to the send of the next.
    pub fn retry_period(&self) -> Duration {
        self.0.retry_period
    }

    /// σ: from the deadline until the work has truly stopped.
    pub fn stop_grace(&self) -> Duration {
        self.0.stop_grace
    }

    /// How long work may finish after a stop was asked for, still renewed. R unless set.
    pub fn drain_timeout(&self) -> Duration {
        self.0.drain_timeout.unwrap_or(self.0.renew_deadline)
    }

    /// How long a call to the lock may take before the next one is sent. R / 2 unless set.
    pub fn attempt_timeout(&self) -> Duration {
        self.0.attempt_timeout.unwrap_or(self.0.renew_deadline / 2)
    }

    /// What is added to the wait for a rival.
    pub fn rival_margin(&self) -> Duration {
        self.0.rival_margin
    }

    /// About how many candidates share the lock; at least 1.
    pub fn expected_candidates(&self) -> u32 {
        self.0.expected_candidates.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// What the user has set stays, but for a call that would leave no time for the next.
    #[test]
    fn other_durations_keep_the_rest() {
        let set = LeaseTiming::new(s(60), s(40), s(2))
            .and_then(|timing| timing.with_attempt_timeout(s(30)))
            .and_then(|timing| timing.with_drain_timeout(s(90)))
            .unwrap();
        for (lease, renew, attempt) in [(s(90), s(60), s(30)), (s(70), s(40), s(30)), (s(15), s(10), s(5))] {
            let other = set.with_durations(lease, renew).unwrap();
            let durations = (
                other.lease_duration(),
                other.renew_deadline(),
                other.attempt_timeout(),
            );
            assert_eq!(durations, (lease, renew, attempt));
            assert_eq!((other.retry_period(), other.drain_timeout()), (s(2), s(90)));
        }
        assert!(set.with_durations(s(10), s(10)).is_err());
    }

    #[test]
    fn what_has_a_rule_against_it_is_compared_with_nothing_else() {
        let zero = |name| vec![TimingError::Zero { name }];
        for (durations, name) in [
            ([s(0), s(10), s(2)], "lease_duration"),
            ([s(15), s(0), s(2)], "renew_deadline"),
            ([s(15), s(10), s(0)], "retry_period"),
        ] {
            let [lease, renew, retry] = durations;
            assert_eq!(LeaseTiming::problems_of(lease, renew, retry), zero(name));
        }
        let (name, value) = ("renew_deadline", LONGEST + s(1));
        let too_long = TimingError::TooLong {
            name,
            value,
            limit: LONGEST,
        };
        assert_eq!(LeaseTiming::problems_of(LONGEST, value, s(2)), [too_long]);
    }

    #[test]
    fn a_long_retry_period_makes_no_watch_silent_for_longer_than_two_thirds_of_a_lease() {
        let silence = |retry| LeaseTiming::new(s(15), s(10), retry).unwrap().silence(s(15));
        assert_eq!(silence(s(1)), s(5));
        assert_eq!(silence(s(2)), s(6));
        assert_eq!(silence(s(8)), s(10));
    }

    /// Go's records hold whole seconds: of writes less than one apart the second cannot be seen.
    #[test]
    fn writes_a_second_apart_are_all_seen() {
        let leads_on = |retry_period| {
            let leader = GoLeader {
                retry_period,
                ..GoLeader::default()
            };
            leader.leads_on()
        };
        assert_eq!(leads_on(s(1)), s(1 + 10 + 5));
        let less = s(1) - Duration::from_millis(1);
        assert_eq!(leads_on(less), less + s(1 + 10 + 5));
    }
}
