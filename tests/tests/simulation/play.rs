//! One seed, from its beginning to its end, on a runtime of its own.

use std::cell::RefCell;
use std::rc::Rc;

use leaderelection::election::Variant;
use leaderelection_conformance::History as Calls;
use tokio::task::LocalSet;

use crate::candidate::{Candidate, Common};
use crate::chaos::Chaos;
use crate::clock::SimulatedClock;
use crate::history::History;
use crate::random::Random;
use crate::setup::Setup;

/// Plays a seed, with machines that drop a rule where there is a variant.
pub(crate) fn play(seed: u64, variant: Option<Variant>) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, unfold(seed, variant))
}

async fn unfold(seed: u64, variant: Option<Variant>) -> History {
    let truth = SimulatedClock::truth();
    let (setup, memory, mut random) = Setup::draw(seed, variant, truth);
    let common = Rc::new(Common {
        setup,
        truth,
        memory,
        calls: Calls::new(truth),
        reached: Calls::new(truth),
        lives: RefCell::default(),
        shifts: RefCell::default(),
        is_calm: RefCell::new(false),
    });
    let candidates: Vec<_> = (0..common.setup.timings.len())
        .map(|who| Candidate::new(&common, who, Random::new(random.next())))
        .collect();
    for candidate in &candidates {
        drop(tokio::task::spawn_local(Rc::clone(candidate).live()));
    }
    let mut chaos = Chaos {
        common: Rc::clone(&common),
        candidates,
        random,
        acts: Vec::new(),
        written: Vec::new(),
    };
    let phases = chaos.unfold().await;
    let Chaos { acts, written, .. } = chaos;
    History {
        setup: common.setup.clone(),
        phases,
        lives: common.lives.borrow().clone(),
        shifts: common.shifts.borrow().clone(),
        calls: common.calls.entries(),
        writes: History::writes(&common.reached.entries(), written),
        acts,
    }
}
