//! The guard under every interleaving of threads: the very file that ships, with loom's atomics in place of the standard
//! library's.
//!
//! `LOOM_LOG=trace LOOM_LOCATION=1 cargo test -p leaderelection --test interleavings` tells a schedule that fails.

#![allow(clippy::unwrap_used, reason = "tests speak by failing")]

#[path = "../src/elector/validity.rs"]
mod validity;

// What it takes from its surroundings.
mod moment {
    pub(crate) use leaderelection::MonoTime;
}
mod atomic {
    pub(super) use loom::sync::atomic::{AtomicI64, Ordering};
}

use leaderelection::MonoTime;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use validity::Validity;

const fn at(nanos: i64) -> MonoTime {
    MonoTime::from_nanos(nanos)
}

/// SAFETY 2 and 22: what one thread was told is over holds for no thread afterwards, however a renewal and a loss race
/// with the deadline.
#[test]
fn once_over_it_is_over_for_every_thread() {
    loom::model(|| {
        let validity = Arc::new(Validity::new(at(10)));
        let told = Arc::new(AtomicBool::new(false));
        let (renewed, asked) = (Arc::clone(&validity), Arc::clone(&validity));
        let telling = Arc::clone(&told);
        let driver = thread::spawn(move || renewed.extend(at(20)));
        let work = thread::spawn(move || {
            let holds = asked.holds(at(10));
            if !holds {
                telling.store(true, Ordering::Release);
            }
            holds
        });
        let was_told = told.load(Ordering::Acquire);
        let holds = validity.holds(at(10));
        assert!(
            !(was_told && holds),
            "told that it is over, and then that it holds"
        );
        let (extended, held) = (driver.join().unwrap(), work.join().unwrap());
        // What the driver did is what everybody sees in the end.
        assert_eq!(validity.holds(at(10)), extended);
        assert!(!held || extended, "it held past its end without a renewal");
        assert_eq!(validity.until(), at(if extended { 20 } else { 10 }));
    });
}

/// SAFETY 11: when the record was taken no renewal that is told at the same time makes the term valid again.
#[test]
fn a_loss_beats_a_renewal() {
    loom::model(|| {
        let validity = Arc::new(Validity::new(at(10)));
        let (renewed, ended) = (Arc::clone(&validity), Arc::clone(&validity));
        let renewal = thread::spawn(move || renewed.extend(at(20)));
        let loss = thread::spawn(move || ended.end());
        loss.join().unwrap();
        assert!(!validity.holds(at(0)));
        renewal.join().unwrap();
        assert!(!validity.holds(at(0)));
        assert!(!validity.extend(at(30)), "a lost term stays lost");
    });
}

/// SAFETY 1: no schedule makes it hold at or past the latest end that it was given.
#[test]
fn it_never_holds_past_its_end() {
    loom::model(|| {
        let validity = Arc::new(Validity::new(at(10)));
        let renewed = Arc::clone(&validity);
        let renewal = thread::spawn(move || renewed.extend(at(20)));
        assert!(!validity.holds(at(20)) && !validity.holds(at(21)));
        assert!(!validity.holds(at(0)), "it was told that it is over");
        renewal.join().unwrap();
        assert!(!validity.holds(at(0)));
    });
}
