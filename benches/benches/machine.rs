//! What one step of the pure machine costs, beside reading the clock in the same run; and how often each allocates.

#![allow(missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use leaderelection::{Clock as _, SystemClock};
use leaderelection_benches::steps::{Follower, Leader};

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

criterion_group!(benches, machine);
criterion_main!(benches);
