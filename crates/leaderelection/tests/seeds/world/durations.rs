//! Durations just long enough for the clock rates that occur: the theorem is exact, so that is where it would break.

use std::time::Duration;

use leaderelection::LeaseTiming;

use super::random::Random;

/// What is deployed, and what is not, because it is too short for it. Elections of all kinds meet the same perils in the
/// measure of their leases; an hour of a long lease has fewer of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Fractions of seconds, where whole seconds in the record and milliseconds of timers matter.
    Short,
    /// 10 s / 2 s, the default.
    Default,
    /// 107 s / 26 s, as OpenShift's operators.
    Operators,
    /// 240 s / 60 s, as OpenShift's on a single node.
    SingleNode,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Short, Self::Default, Self::Operators, Self::SingleNode];

    fn draw(random: &mut Random) -> Self {
        match random.below(100) {
            0..=24 => Self::Short,
            25..=39 => Self::Default,
            40..=69 => Self::Operators,
            _ => Self::SingleNode,
        }
    }

    /// The renew deadline and the retry period, in milliseconds.
    fn renewal(self, random: &mut Random) -> (u64, u64) {
        match self {
            Self::Short => {
                let retry = random.pick(&[200u64, 500, 1000, 2000]);
                (retry * random.pick(&[13, 20, 35, 50]) / 10, retry)
            }
            Self::Default => (10_000, 2_000),
            Self::Operators => (107_000, 26_000),
            Self::SingleNode => (240_000, 60_000),
        }
    }
}

pub(super) struct Durations {
    pub(super) kind: Kind,
    pub(super) timing: LeaseTiming,
    /// Three times as long, for a fleet in which not all wait equally long (SAFETY 7).
    pub(super) longer: LeaseTiming,
    /// The lease duration of `timing`, in milliseconds.
    pub(super) lease: u64,
    /// Thousandths: the ratio between clock rates that `timing` tolerates.
    pub(super) ratio: u64,
}

impl Durations {
    pub(super) fn draw(random: &mut Random) -> Self {
        let ms = Duration::from_millis;
        let kind = Kind::draw(random);
        let (mut renew, retry) = kind.renewal(random);
        let grace = random.pick(&[0u64, 0, 200, 1500]);
        let ratio = random.pick(&[1000u64, 1200, 1500, 2000]);
        let mut lease = (renew + grace) * ratio / 1000 + 1;
        if random.chance(60) {
            // A record declares whole seconds, rounded up, and rivals wait for what is declared (SAFETY 7): only where the
            // lease is whole seconds does nothing hide that it is just long enough.
            lease = lease.div_ceil(1000) * 1000;
            renew = (lease * 1000 / ratio - grace).min(lease - 1);
        }
        let with_grace = |times: u64, retries: u64| {
            LeaseTiming::new(ms(lease * times), ms(renew * times), ms(retry * retries))
                .unwrap()
                .with_stop_grace(ms(grace))
                .unwrap()
        };
        let mut timing = with_grace(1, 1);
        if random.chance(50) {
            let drain = random.pick(&[0, retry, renew, 3 * lease]);
            timing = timing.with_drain_timeout(ms(drain)).unwrap();
        }
        if random.chance(40) {
            let timeout = random.pick(&[retry / 4, retry, renew]);
            timing = timing.with_attempt_timeout(ms(timeout)).unwrap();
        }
        Self {
            kind,
            timing,
            longer: with_grace(3, 2),
            lease,
            ratio,
        }
    }
}
