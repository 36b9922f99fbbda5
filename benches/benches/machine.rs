//! What one step of the pure machine costs, beside reading the clock in the same run.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use chrono::DateTime;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use leaderelection::election::{Attempt, Election, ElectionConfig, Input, Output};
use leaderelection::{Clock, Identity, Moment, MonoTime, Observation, Swap, SystemClock, Version};

fn at(seconds: u64) -> Moment {
    let mono = MonoTime::ZERO.after(Duration::from_secs(seconds));
    Moment {
        mono,
        wall: DateTime::from_timestamp(i64::try_from(seconds).unwrap(), 0).unwrap(),
    }
}

/// Takes everything out; returns the swap, if there was one.
fn drain(election: &mut Election) -> Option<Attempt> {
    let mut swap = None;
    loop {
        match election.poll() {
            Output::WaitUntil(_) => return swap,
            Output::Cas(attempt) => swap = Some(attempt),
            other => {
                black_box(other);
            }
        }
    }
}

fn leader() -> Election {
    let mut election = Election::new(ElectionConfig::new(Identity::new("a").unwrap()));
    election.handle(at(0), Input::Wake);
    let _watch = election.poll();
    let Output::Get(read) = election.poll() else {
        panic!("it asks for the record first")
    };
    drain(&mut election);
    election.handle(at(0), Input::WatchStarted);
    drain(&mut election);
    election.handle(
        at(0),
        Input::Read {
            read,
            observation: Observation::Absent { as_of: None },
        },
    );
    let attempt = drain(&mut election).unwrap();
    election.handle(
        at(0),
        Input::Swapped {
            attempt,
            swap: Swap::Done(Version::new(1)),
        },
    );
    drain(&mut election);
    election
}

fn follower(seen: &Observation) -> Election {
    let mut election = Election::new(ElectionConfig::new(Identity::new("b").unwrap()));
    election.handle(at(0), Input::Wake);
    drain(&mut election);
    election.handle(at(0), Input::Watched(seen.clone()));
    drain(&mut election);
    election
}

fn machine(criterion: &mut Criterion) {
    let clock = SystemClock;
    criterion.bench_function("clock/now", |bench| bench.iter(|| black_box(clock.now())));

    let leading = leader();
    criterion.bench_function("machine/renewal, send and success", |bench| {
        bench.iter_batched_ref(
            || leading.clone(),
            |election| {
                election.handle(at(2), Input::Wake);
                let attempt = drain(election).unwrap();
                election.handle(
                    at(2),
                    Input::Swapped {
                        attempt,
                        swap: Swap::Done(Version::new(2)),
                    },
                );
                drain(election);
            },
            BatchSize::SmallInput,
        );
    });

    let record = leaderelection::LeaderElectionRecord {
        holder_identity: "a".to_owned(),
        lease_duration_seconds: 15,
        ..Default::default()
    };
    let seen = Observation::record(Version::new(7), record);
    let following = follower(&seen);
    criterion.bench_function("machine/observation of nothing new", |bench| {
        bench.iter_batched_ref(
            || (following.clone(), seen.clone()),
            |(election, seen)| {
                election.handle(at(1), Input::Watched(seen.clone()));
                drain(election);
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, machine);
criterion_main!(benches);
