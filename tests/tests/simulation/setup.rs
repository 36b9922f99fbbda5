//! What a seed stands for: the durations, the candidates, the store, and what may happen to them.

use std::time::Duration;

use leaderelection::election::{MissingRecord, Variant};
use leaderelection::{Identity, LeaseTiming};
use leaderelection_memory::MemoryLock;

use crate::clock::SimulatedClock;
use crate::random::{Random, SECOND};

/// What is deployed. An hour of a long lease has fewer perils: they are drawn in the measure of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 10 s / 2 s, the default.
    Default,
    /// 107 s / 26 s, as OpenShift's operators.
    Operators,
    /// 240 s / 60 s, as OpenShift's on a single node.
    SingleNode,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Default, Self::Operators, Self::SingleNode];

    /// The renew deadline and the retry period, in seconds.
    fn renewal(self) -> (u64, u64) {
        match self {
            Self::Default => (10, 2),
            Self::Operators => (107, 26),
            Self::SingleNode => (240, 60),
        }
    }
}

/// How candidates are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// A new one for every life.
    Unique,
    /// The same in every life, and nobody else's.
    Exclusive,
    /// The same in every life, which nobody relies on.
    Plain,
    /// The first two share one, which they must not (SAFETY 16).
    Twins,
}

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    /// The rule that the machines drop, where the simulation itself is tested.
    pub(crate) variant: Option<Variant>,
    pub(crate) kind: Kind,
    /// Of each candidate.
    pub(crate) timings: Vec<LeaseTiming>,
    pub(crate) clocks: Vec<SimulatedClock>,
    pub(crate) names: Names,
    pub(crate) missing_record: MissingRecord,
    /// The store's record is deleted or emptied. Only in strict mode (SAFETY 18).
    pub(crate) deletions: bool,
    pub(crate) garbage: bool,
    pub(crate) foreign: bool,
    pub(crate) watch: bool,
    /// Work lives behind a handle, which needs a stop grace: it is told when it should be gone, not dropped.
    pub(crate) handles: bool,
    /// The longest lease duration.
    pub(crate) lease: Duration,
}

impl Setup {
    pub(crate) fn draw(
        seed: u64,
        variant: Option<Variant>,
        truth: SimulatedClock,
    ) -> (Self, MemoryLock, Random) {
        let mut random = Random::new(seed);
        let kind = random.pick(&[Kind::Default, Kind::Default, Kind::Operators, Kind::SingleNode]);
        let count = random.pick(&[2, 2, 3, 3, 4, 5]);
        let (renew, retry) = kind.renewal();
        let grace = random.pick(&[0u64, 200, 1500]);
        let ratio = random.pick(&[1000u64, 1200, 1500, 2000]);
        // Just long enough for the clocks: the theorem is exact, so that is where it would break. In whole seconds, because
        // rivals wait for what a record declares, and that is rounded up (SAFETY 7).
        let lease = ((renew * 1000 + grace) * ratio / 1000 + 1).div_ceil(1000) * 1000;
        let renew = (lease * 1000 / ratio - grace).min(lease - 1);
        let strict = random.chance(30);
        let (deletions, garbage, foreign) =
            (strict && random.chance(70), random.chance(30), random.chance(30));
        // Whoever missed the longer declaration, because it was overwritten, would wait too short (SAFETY 7).
        let mixed = !deletions && !garbage && !foreign && random.chance(30);
        let mut timings = Vec::new();
        for who in 0..count {
            let times = if mixed && who == 0 { 3 } else { 1 };
            let ms = |millis: u64| Duration::from_millis(millis * times);
            let mut timing = LeaseTiming::new(ms(lease), ms(renew), ms(retry * 1000))
                .unwrap()
                .with_stop_grace(Duration::from_millis(grace))
                .unwrap();
            if random.chance(50) {
                timing = timing
                    .with_drain_timeout(random.pick(&[Duration::ZERO, ms(retry * 1000), ms(lease)]))
                    .unwrap();
            }
            timings.push(timing);
        }
        let clocks = (0..count)
            .map(|_| clock(&mut random, ratio as i64, truth))
            .collect();
        let watch = random.chance(80);
        let setup = Self {
            seed,
            variant,
            kind,
            lease: timings[0].lease_duration(),
            timings,
            clocks,
            names: random.pick(&[
                Names::Unique,
                Names::Unique,
                Names::Exclusive,
                Names::Plain,
                Names::Twins,
            ]),
            missing_record: if strict {
                MissingRecord::ClaimThenLead
            } else {
                MissingRecord::LeadAtOnce
            },
            deletions,
            garbage,
            foreign,
            watch,
            handles: grace > 0 && random.chance(50),
        };
        (setup, store(&mut random, watch), random)
    }

    /// The name of a candidate in a new life.
    pub(crate) fn identity(&self, who: usize) -> Identity {
        match self.names {
            Names::Unique => Identity::unique(),
            Names::Twins if who < 2 => Identity::new("twin").unwrap(),
            Names::Exclusive | Names::Plain | Names::Twins => Identity::new(format!("c{who}")).unwrap(),
        }
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.missing_record == MissingRecord::ClaimThenLead
    }
}

/// As fast as the world, as fast as is tolerated, or something between.
fn clock(random: &mut Random, ratio: i64, truth: SimulatedClock) -> SimulatedClock {
    let quarters = random.pick(&[0i64, 1, 2, 3, 4]);
    SimulatedClock {
        rate: random.pick(&[1000, ratio, 1000 + quarters * (ratio - 1000) / 4]),
        offset: random.below(1000) as i64 * SECOND,
        wall_offset: random.below(40) as i64 - 20,
        ..truth
    }
}

fn store(random: &mut Random, watch: bool) -> MemoryLock {
    let mut store = MemoryLock::builder().name("simulated");
    if !watch {
        store = store.without_watch();
    }
    if random.chance(50) {
        store = store.without_versioned_absence();
    }
    if random.chance(40) {
        store = store.without_conflict_state();
    }
    if random.chance(50) {
        store = store.with_equal_write_noop();
    }
    store.build()
}
