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

/// Its thread panics for another reason, and takes the driver with it: nobody leads, and that is shown.
#[test]
fn an_elector_that_dies_with_its_thread_does_not_seem_to_lead() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let master = |value: u8| {
        let line = format!("leader_election_master_status{{name=\"job\"}} {value}");
        let text = shown.render();
        assert!(text.lines().any(|shown| shown == line), "not {line}: {text}");
    };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        metrics::with_local_recorder(&recorder, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let elector = candidate(MemoryLock::new(), "a").name("job").build().unwrap();
                let handle = elector.spawn().unwrap();
                let _leadership = handle.leadership().await.unwrap();
                master(1);
                panic!("no more coffee");
            })
        })
    }));
    assert!(panicked.is_err());
    master(0);
}
