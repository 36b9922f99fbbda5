//! The tuning loop: what this candidate has seen, held against its durations. It advises, and changes nothing.
//!
//! The rule is client-go's advice to those who run it: watch the rate of leader transitions, and raise RetryPeriod and
//! LeaseDuration until it is stable and acceptably low. Beside the transitions stands what causes them: how much of the time between
//! RetryPeriod and RenewDeadline, the reserve, the slowest renewal needed.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::election::{ElectionConfig, LossReason};
use crate::moment::MonoTime;
use crate::timing::LeaseTiming;

/// What this candidate has seen is kept by the hour: of the one that runs, and of the one before.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// With fewer renewals there is no verdict, unless a term was lost.
const ENOUGH: u64 = 10;
/// So often may somebody take over from a leader that has not released, within an hour.
const ACCEPTABLE: u32 = 3;
/// So often may renewals fail, or be late, until the lease nears its end, within an hour.
const RISKS: u32 = 10;
/// What every store may take once in a while.
const HICCUP: Duration = Duration::from_secs(1);

/// Whether the durations fit what was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimingVerdict {
    /// Too little was seen: this candidate has renewed fewer than ten times.
    #[default]
    Unknown,
    /// A term was lost because no renewal succeeded in time, or a renewal used up more than half of the reserve between
    /// RetryPeriod and RenewDeadline, or the lease was at risk more than ten times an hour, or others took over from a leader that had
    /// not released more than three times an hour.
    TooTight,
    /// They fit.
    Fine,
    /// For an hour and longer no renewal has used up a tenth of the reserve, nor had it to be longer than 10 s for that: a crash
    /// of the leader is waited out for longer than the store asks for.
    NeedlesslySlow,
}

/// What was seen in the last hour or two, held against the durations. [`Display`](fmt::Display) says it in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimingAdvice {
    /// In one word.
    pub verdict: TimingVerdict,
    /// The durations that it is about.
    pub timing: LeaseTiming,
    /// Durations that would fit, of the same tolerated clock-rate ratio, where these do not.
    pub suggestion: Option<LeaseTiming>,
    /// For how long this candidate has looked: two hours at most.
    pub observed_for: Duration,
    /// How many renewals of its own succeeded.
    pub renewals: u64,
    /// The longest from the send of one of its renewals until it was answered, or no longer waited for.
    pub slowest_renewal: Duration,
    /// The longest from the send of one success until the answer of the next, or R where a term was lost to it.
    pub longest_unrenewed: Duration,
    /// How many of its terms ended because no renewal succeeded within RenewDeadline.
    pub terms_lost: u32,
    /// How often the lease of its own terms was at risk: a quarter of the reserve was used up.
    pub risks: u32,
    /// How often somebody took over from a leader that had not released, as seen from here. Without a watch some releases are not
    /// seen, and count as such.
    pub takeovers: u32,
}

/// What is kept for it.
pub(super) struct Tuning {
    config: Arc<ElectionConfig>,
    now: Span,
    before: Option<Span>,
    /// The send of the last success of the term that runs.
    renewed_at: Option<MonoTime>,
    /// The lease of that success was at risk.
    at_risk: bool,
    /// Whether somebody held when the holder changed last.
    held: bool,
    told: TimingVerdict,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    since: MonoTime,
    renewals: u64,
    slowest_renewal: Duration,
    longest_unrenewed: Duration,
    terms_lost: u32,
    risks: u32,
    takeovers: u32,
}

impl Span {
    fn new(since: MonoTime) -> Self {
        Self {
            since,
            renewals: 0,
            slowest_renewal: Duration::ZERO,
            longest_unrenewed: Duration::ZERO,
            terms_lost: 0,
            risks: 0,
            takeovers: 0,
        }
    }

    fn and(self, later: Self) -> Self {
        Self {
            since: self.since,
            renewals: self.renewals.saturating_add(later.renewals),
            slowest_renewal: self.slowest_renewal.max(later.slowest_renewal),
            longest_unrenewed: self.longest_unrenewed.max(later.longest_unrenewed),
            terms_lost: self.terms_lost.saturating_add(later.terms_lost),
            risks: self.risks.saturating_add(later.risks),
            takeovers: self.takeovers.saturating_add(later.takeovers),
        }
    }
}

impl Tuning {
    pub(super) fn new(config: Arc<ElectionConfig>, now: MonoTime) -> Self {
        Self {
            config,
            now: Span::new(now),
            before: None,
            renewed_at: None,
            at_risk: false,
            held: false,
            told: TimingVerdict::Unknown,
        }
    }

    /// A term begins by a write that was sent then.
    pub(super) fn started(&mut self, sent: MonoTime) {
        self.renewed_at = Some(sent);
        self.at_risk = false;
    }

    /// A renewal was answered, or failed, or is no longer waited for.
    pub(super) fn answered(&mut self, now: MonoTime, took: Duration) {
        let span = self.span(now);
        span.slowest_renewal = span.slowest_renewal.max(took);
    }

    /// The renewal that was sent then has succeeded.
    pub(super) fn renewed(&mut self, now: MonoTime, sent: MonoTime) {
        self.at_risk = false;
        let unrenewed = self.renewed_at.replace(sent).map(|before| now.since(before));
        let span = self.span(now);
        span.renewals = span.renewals.saturating_add(1);
        span.longest_unrenewed = span.longest_unrenewed.max(unrenewed.unwrap_or_default());
    }

    /// The term is over.
    pub(super) fn lost(&mut self, now: MonoTime, reason: &LossReason) {
        self.renewed_at = None;
        if *reason == LossReason::DeadlineExceeded {
            let deadline = self.config.timing.renew_deadline();
            let span = self.span(now);
            span.terms_lost = span.terms_lost.saturating_add(1);
            span.longest_unrenewed = span.longest_unrenewed.max(deadline);
        }
    }

    /// Renewals fail, or are late; told again for one lease, it counts once.
    pub(super) fn at_risk(&mut self, now: MonoTime, unrenewed_for: Duration) {
        let first = !std::mem::replace(&mut self.at_risk, true);
        let span = self.span(now);
        span.risks = span.risks.saturating_add(u32::from(first));
        span.longest_unrenewed = span.longest_unrenewed.max(unrenewed_for);
    }

    /// Another holder is seen. A release lies between two holders, or a lease that ran out.
    pub(super) fn holder_changed(&mut self, now: MonoTime, holder: Option<&str>) {
        let taken = std::mem::replace(&mut self.held, holder.is_some()) && holder.is_some();
        if taken {
            let span = self.span(now);
            span.takeovers = span.takeovers.saturating_add(1);
        }
    }

    /// The advice, if its verdict is another than was told last.
    pub(super) fn news(&mut self, now: MonoTime) -> Option<TimingAdvice> {
        let advice = self.advice(now);
        let news = advice.verdict != self.told && advice.verdict != TimingVerdict::Unknown;
        news.then(|| {
            self.told = advice.verdict;
            advice
        })
    }

    pub(super) fn advice(&mut self, now: MonoTime) -> TimingAdvice {
        let span = *self.span(now);
        let span = self.before.map_or(span, |before| before.and(span));
        let observed_for = now.since(span.since);
        let verdict = self.verdict(&span, observed_for);
        TimingAdvice {
            verdict,
            suggestion: self.suggestion(verdict, &span),
            timing: self.config.timing.clone(),
            observed_for,
            renewals: span.renewals,
            slowest_renewal: span.slowest_renewal,
            longest_unrenewed: span.longest_unrenewed,
            terms_lost: span.terms_lost,
            risks: span.risks,
            takeovers: span.takeovers,
        }
    }

    /// That of `now`; older ones are forgotten.
    fn span(&mut self, now: MonoTime) -> &mut Span {
        let age = now.since(self.now.since);
        if age >= HOUR {
            self.before = (age < HOUR * 2).then_some(self.now);
            self.now = Span::new(now);
        }
        &mut self.now
    }

    /// Between RetryPeriod, after which a renewal is due, and RenewDeadline.
    fn reserve(&self) -> Duration {
        self.config
            .timing
            .renew_deadline()
            .saturating_sub(self.config.timing.retry_period())
    }

    /// How much of the reserve was needed.
    fn needed(&self, span: &Span) -> Duration {
        span.longest_unrenewed
            .saturating_sub(self.config.timing.retry_period())
    }

    fn verdict(&self, span: &Span, observed_for: Duration) -> TimingVerdict {
        let (reserve, needed) = (self.reserve(), self.needed(span));
        let hours = if observed_for > HOUR { 2 } else { 1 };
        let often = |times, acceptable| times > acceptable * hours;
        // A lost term has needed all of it.
        if needed * 2 > reserve || often(span.risks, RISKS) || often(span.takeovers, ACCEPTABLE) {
            TimingVerdict::TooTight
        } else if span.renewals < ENOUGH {
            TimingVerdict::Unknown
        } else if observed_for >= HOUR
            && span.takeovers == 0
            && reserve >= needed.max(HICCUP) * 10
            && self.suggestion(TimingVerdict::NeedlesslySlow, span).is_some()
        {
            TimingVerdict::NeedlesslySlow
        } else {
            TimingVerdict::Fine
        }
    }

    /// A reserve of two and a half times what was needed, or of five times where the lease is at risk again and again, so that it no
    /// longer is; twice the present one where only others' changes are known; half of a needless one, where that is shorter. The ratio
    /// of L to R stays, and with it the tolerated ratio of clock rates.
    fn suggestion(&self, verdict: TimingVerdict, span: &Span) -> Option<LeaseTiming> {
        let (reserve, needed) = (self.reserve(), self.needed(span));
        let wanted = match verdict {
            TimingVerdict::TooTight => Ordering::Greater,
            _ => Ordering::Less,
        };
        let reserve = match verdict {
            TimingVerdict::TooTight if span.risks > RISKS => needed * 5,
            TimingVerdict::TooTight if needed * 2 > reserve => needed * 5 / 2,
            TimingVerdict::TooTight => reserve * 2,
            TimingVerdict::NeedlesslySlow => needed.max(HICCUP) * 5,
            TimingVerdict::Unknown | TimingVerdict::Fine => return None,
        };
        let retry_period = self.config.timing.retry_period();
        let renew_deadline = whole_seconds((retry_period + reserve).max(retry_period * 3 / 2));
        let grace = self.config.timing.stop_grace();
        let lease = (renew_deadline + grace).mul_f64(self.config.timing.tolerated_clock_rate_ratio());
        self.config
            .timing
            .with_durations(whole_seconds(lease), renew_deadline)
            .ok()
            .filter(|fitting| fitting.lease_duration().cmp(&self.config.timing.lease_duration()) == wanted)
    }
}

/// Rounded up, but for what arithmetic with fractions adds.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs_f64((duration.as_secs_f64() - 1e-6).ceil().max(1.0))
}

impl fmt::Display for TimingAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timing = &self.timing;
        let (deadline, period) = (timing.renew_deadline(), timing.retry_period());
        f.write_str(match self.verdict {
            TimingVerdict::Unknown => "too little was seen to judge",
            TimingVerdict::TooTight => "too tight",
            TimingVerdict::Fine => "fine",
            TimingVerdict::NeedlesslySlow => "needlessly slow",
        })?;
        write!(
            f,
            ": in {:.0?} {} renewals, the slowest answered after {:.1?}; up to {:.1?} without one, of {deadline:?} that a term lasts \
             and {period:?} after which one is due; {} terms lost to that, {} times at risk, {} times a holder replaced who had not released",
            self.observed_for,
            self.renewals,
            self.slowest_renewal,
            self.longest_unrenewed,
            self.terms_lost,
            self.risks,
            self.takeovers,
        )?;
        if let Some(fitting) = &self.suggestion {
            write!(
                f,
                "; LeaseDuration {:?}, RenewDeadline {:?} would fit (now {:?}, {deadline:?})",
                fitting.lease_duration(),
                fitting.renew_deadline(),
                timing.lease_duration(),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
