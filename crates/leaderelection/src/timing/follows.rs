//! What follows from the durations: clocks, fail-over, requests, outages.

use std::time::Duration;

use super::LeaseTiming;

/// The durations of a leader that runs client-go, beside which candidates of this library stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GoLeader {
    /// Its LeaseDuration.
    pub lease_duration: Duration,
    /// Its RenewDeadline.
    pub renew_deadline: Duration,
    /// Its RetryPeriod.
    pub retry_period: Duration,
    /// The slowest response that it waits for: half its RenewDeadline, 1 s at least, where its lock is made as Kubernetes'
    /// own components make it (`resourcelock.NewFromKubeconfig`), else what limit its client has.
    pub slowest_response: Duration,
}

impl Default for GoLeader {
    /// 15 s / 10 s / 2 s, and 5 s for a response.
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
            slowest_response: Duration::from_secs(5),
        }
    }
}

impl GoLeader {
    /// How long it may lead after the last of its writes that others can see: `P + R + D`, and a second more where P is
    /// below one.
    pub fn leads_on(&self) -> Duration {
        let unseen = match self.retry_period < Duration::from_secs(1) {
            true => Duration::from_secs(1),
            false => Duration::ZERO,
        };
        [self.renew_deadline, self.slowest_response, unseen]
            .into_iter()
            .fold(self.retry_period, Duration::saturating_add)
    }
}

impl LeaseTiming {
    /// The largest ratio between the rates of two candidates' clocks at which two leaders never overlap:
    /// `L / (R + σ)`. It is exact: at any larger ratio a schedule with two leaders exists (the theorem of SAFETY).
    pub fn tolerated_clock_rate_ratio(&self) -> f64 {
        self.tolerated_clock_rate_ratio_beside(self.0.lease_duration)
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
        their_lease_duration.as_secs_f64() / (self.0.renew_deadline + self.0.stop_grace).as_secs_f64()
    }

    /// The longest that a crashed leader of the same timing is outlived, on a healthy network, from its last renewal's
    /// receipt until a successor's write is sent: the lease as it is written, the margin, and 1.5 `S` for a watch that
    /// has silently lost the last change (SAFETY 20). [`worst_failover_with_watch`](Self::worst_failover_with_watch) is that
    /// of one that works, and [`worst_failover_without_watch`](Self::worst_failover_without_watch) of a store that has none.
    pub fn worst_failover(&self) -> Duration {
        let waited = self.worst_failover_with_watch();
        waited.saturating_add(self.silence(waited) * 3 / 2)
    }

    /// The same with a watch that works: the lease as it is written, and the margin (SAFETY 7).
    pub fn worst_failover_with_watch(&self) -> Duration {
        self.waited_out(self.written_seconds())
    }

    /// The same where the store has no watch, or refuses it: the last renewal is seen a poll late, up to 1.2 P.
    pub fn worst_failover_without_watch(&self) -> Duration {
        self.worst_failover_with_watch()
            .saturating_add(self.worst_handover_without_watch())
    }

    /// From a crash until a successor's write is sent, on average and with a watch that works: the lease as it is written and
    /// the margin, less the half of P that has passed since the last renewal when a leader dies at any moment.
    pub fn typical_failover(&self) -> Duration {
        self.worst_failover_with_watch()
            .saturating_sub(self.0.retry_period / 2)
    }

    /// From a release until a successor's write is sent, where there is no watch: the next poll, after P, spread over
    /// 1.2 P so that not all followers ask at one instant. With a watch it takes its event alone.
    pub fn worst_handover_without_watch(&self) -> Duration {
        self.0.retry_period.saturating_add(self.0.retry_period / 5)
    }

    /// How many swaps a leader sends in a minute, and nothing else. A follower with a watch sends nothing: it is told of each.
    pub fn renewals_per_minute(&self) -> f64 {
        60.0 / self.0.retry_period.as_secs_f64()
    }

    /// How many reads a follower sends in a minute where there is no watch, on average: one after `P .. 1.2 P` (SAFETY 20).
    pub fn reads_per_minute_without_watch(&self) -> f64 {
        60.0 / (self.0.retry_period.as_secs_f64() * 1.1)
    }

    /// The longest outage of the store that a leader survives for certain, whenever it begins and however calls fail while
    /// it lasts, refused at once, late, or never answered. Zero: none for certain. What it says is less by the round trip of the
    /// renewal that ends the outage and by the 2 ms by which the end of the work is armed early.
    ///
    /// A leader leads for R from the send of its last success (SAFETY 1), which may be P old when the outage begins. A call that
    /// fails is followed by the next after P at the earliest, and after `Q`, the longer of P and the attempt timeout, at the
    /// latest. So the lead is lost where a call is sent within the outage, and never answered, later than `R − P − Q` from its
    /// beginning: the next one comes too late. That is `R − P − Q`, or, where no call can be sent so early, the multiple of
    /// P at which the first one can. A longer outage may be survived by luck; one of R never is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use leaderelection::LeaseTiming;
    ///
    /// let timing = LeaseTiming::default(); // 10 s - 2 s - 5 s
    /// assert_eq!(timing.longest_outage_survived(), Duration::from_secs(3));
    /// let timing = timing.with_attempt_timeout(Duration::from_secs(2))?; // where answers are that fast
    /// assert_eq!(timing.longest_outage_survived(), Duration::from_secs(6));
    /// # Ok::<(), leaderelection::TimingError>(())
    /// ```
    pub fn longest_outage_survived(&self) -> Duration {
        let next_call = self.0.retry_period.max(self.attempt_timeout());
        let spare = self
            .0
            .renew_deadline
            .saturating_sub(self.0.retry_period)
            .saturating_sub(next_call);
        let calls = spare.as_nanos().div_ceil(next_call.as_nanos().max(1));
        let earliest = self
            .0
            .retry_period
            .saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX));
        spare.max(earliest)
    }

    /// From a stop until the election has ended, at most: the work finishes for as long as it may, is then stopped within σ
    /// (SAFETY 13), and the release is tried for one attempt timeout (SAFETY 12). A process that is killed sooner leaves a lease
    /// that others wait out.
    pub fn longest_stop(&self) -> Duration {
        self.drain_timeout()
            .saturating_add(self.0.stop_grace)
            .saturating_add(self.attempt_timeout())
    }

    /// The [`rival_margin`](Self::rival_margin) that candidates of this timing need beside a leader of client-go, which leads
    /// on until `P + R + D` after its last success (SAFETY 7): what that is longer than the wait for it, and where its P is below a
    /// second, one second more, as what it writes twice within a second changes nothing in Kubernetes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use leaderelection::{GoLeader, LeaseTiming};
    ///
    /// let needed = LeaseTiming::default().rival_margin_beside(&GoLeader::default());
    /// assert_eq!(needed, Duration::from_secs(2)); // 2 s + 10 s + 5 s - 15 s
    /// ```
    pub fn rival_margin_beside(&self, leader: &GoLeader) -> Duration {
        let waited = self
            .worst_failover_with_watch()
            .saturating_sub(self.0.rival_margin);
        // Its record has whole seconds, and what is below is cut off.
        let waited = waited.max(Duration::from_secs(leader.lease_duration.as_secs()));
        leader.leads_on().saturating_sub(waited)
    }

    /// L as a record can say it: whole seconds, rounded up, so that no lease is written shorter than it is held
    /// (SAFETY 7).
    pub fn written_seconds(&self) -> i64 {
        let whole = self.0.lease_duration.as_secs() + u64::from(self.0.lease_duration.subsec_nanos() > 0);
        i64::try_from(whole).unwrap_or(i64::MAX)
    }

    /// For how long a record that declares `declared_seconds` is waited out: the longer of it and one's own L, and the
    /// margin (SAFETY 7).
    pub(crate) fn waited_out(&self, declared_seconds: i64) -> Duration {
        let declared = Duration::from_secs(u64::try_from(declared_seconds).unwrap_or(0));
        self.0
            .lease_duration
            .max(declared)
            .saturating_add(self.0.rival_margin)
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
        (waited_out / 3).max((self.0.retry_period * 3).min(waited_out / 3 * 2))
    }
}
