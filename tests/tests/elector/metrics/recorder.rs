//! A recorder that does not do what it should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leaderelection::LossReason;
use leaderelection_memory::MemoryLock;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};

use crate::candidate;

/// A recorder whose gauges panic from some moment on.
struct Broken(Arc<AtomicBool>);

impl metrics::GaugeFn for Broken {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, _: f64) {
        assert!(!self.0.load(Ordering::Relaxed), "no more gauges");
    }
}

impl metrics::Recorder for Broken {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Self(Arc::clone(&self.0))))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// It ends the election, and not the program.
#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_is_an_elector_that_is_gone() {
    let broken = Arc::new(AtomicBool::new(false));
    let recorder = Broken(Arc::clone(&broken));
    let _guard = metrics::set_default_local_recorder(&recorder);
    let handle = candidate(MemoryLock::new(), "a")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let leadership = handle.leadership().await.unwrap();
    broken.store(true, Ordering::Relaxed);
    assert_eq!(leadership.lost().await, LossReason::ElectorGone);
    assert!(!leadership.is_valid());
    drop(leadership);
    handle.shutdown().await.unwrap_err();
}
