//! What one step of the pure machine costs, and what a leader's check before each write, beside reading the clock in the same run.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use leaderelection::{Clock as _, Identity, LeaderElector, SystemClock};
use leaderelection_benches::steps::{Follower, Leader};
use leaderelection_memory::MemoryLock;

fn machine(criterion: &mut Criterion) {
    let clock = SystemClock;
    criterion.bench_function("clock/mono", |bench| bench.iter(|| black_box(clock.mono())));
    criterion.bench_function("clock/now", |bench| bench.iter(|| black_box(clock.now())));

    let mut leader = Leader::default();
    criterion.bench_function("machine/renewal, sent and answered", |bench| {
        bench.iter(|| leader.renew());
    });
    let mut follower = Follower::default();
    criterion.bench_function("machine/observation of nothing new", |bench| {
        bench.iter(|| follower.observe_the_same());
    });
    let mut writer = Follower::default();
    criterion.bench_function("machine/observation of a renewal", |bench| {
        bench.iter_batched(
            || writer.next_renewal(),
            |renewal| follower.observe(renewal),
            BatchSize::SmallInput,
        );
    });
}

/// By a real elector, which goes on renewing on a thread of its own.
fn check(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let elector = LeaderElector::builder(MemoryLock::new(), Identity::unique());
    let elector = elector.build().unwrap();
    let _entered = runtime.enter();
    let handle = elector.spawn().unwrap();
    let leadership = runtime.block_on(handle.leadership()).unwrap();
    criterion.bench_function("leadership/check", |bench| {
        bench.iter(|| black_box(leadership.check()));
    });
    assert!(leadership.check().is_ok(), "it led all the while");
}

criterion_group!(benches, machine, check);
criterion_main!(benches);
