//! One seed, from its beginning to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use leaderelection::election::ElectionConfig;

use super::durations::Kind;
use super::{Recovery, setup};
use crate::invariants::Violation;

/// What came of a seed.
pub(crate) struct Played {
    pub(crate) kind: Kind,
    /// How long the election lasted, in nanoseconds of its own time.
    pub(crate) time: i64,
    pub(crate) terms: u64,
    pub(crate) faults: u64,
    pub(crate) recovery: Option<Recovery>,
    /// What chance would have drawn next: another where anything went another way.
    pub(crate) chance: u64,
    /// What should not have been. Empty if all is well.
    pub(crate) violations: Vec<Violation>,
}

/// Plays a seed, with all machines set up as `adjust` makes them.
pub(crate) fn play(seed: u64, tells_story: bool, adjust: &dyn Fn(&mut ElectionConfig)) -> Played {
    let (kind, mut world) = setup::world(seed, tells_story, adjust);
    let panicked = catch_unwind(AssertUnwindSafe(|| world.run())).is_err();
    let mut violations = world.violations;
    let busy = world.busy.into_iter().map(|how| Violation {
        of: "no_busy_loop",
        how,
    });
    violations.extend(busy);
    if panicked {
        let how = "a panic, told above".into();
        violations.push(Violation { of: "no_panic", how });
    }
    Played {
        kind,
        time: world.time,
        terms: world.terms,
        faults: world.faults,
        recovery: world.recovery,
        chance: world.random.next(),
        violations,
    }
}
