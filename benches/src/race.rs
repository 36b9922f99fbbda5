//! A renewal by a lock beside the same write by its client alone, on one object and in one run, each in turn.

#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use leaderelection::{Expected, LeaderElectionRecord, ResourceLock, Swap, Version};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Each of them is whole: figures of one run say little where the machine has other things to do.
const RUNS: usize = 3;

/// The same write without the lock.
pub trait Bare {
    /// Writes the record on that version, and says how long that took and which version it made.
    ///
    /// # Errors
    /// When it fails, or somebody else has written.
    fn write(
        &mut self,
        version: Version,
        record: &LeaderElectionRecord,
    ) -> impl Future<Output = Result<(Duration, Version)>>;
}

/// What is raced.
pub struct Race<L, B> {
    /// On a store that is empty.
    pub lock: L,
    /// On a connection of its own.
    pub bare: B,
    /// The store, the lock's call and the client's, in words.
    pub names: [&'static str; 3],
    /// Until connections and caches are warm.
    pub warm_up: usize,
}

impl<L: ResourceLock, B: Bare> Race<L, B> {
    /// Runs it three times, prints what each took, and keeps every hundredth of that in a file.
    ///
    /// # Errors
    /// When a write fails, or somebody else has written.
    pub async fn run(mut self, rounds: usize, raw: &Path) -> Result<()> {
        let (mut record, mut version) = self.begin().await?;
        let mut runs = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let [mut lock, mut client] = [const { Vec::new() }; 2];
            for round in 0..self.warm_up + rounds {
                // Each begins half of the rounds.
                for turn in [round, round + 1] {
                    // A second later: no two renewals are equal.
                    record.renew_time = record.renew_time.map(|time| time + TimeDelta::seconds(1));
                    let (took, side) = if turn % 2 == 0 {
                        (self.by_the_lock(version, &record).await?, &mut lock)
                    } else {
                        (self.bare.write(version, &record).await?, &mut client)
                    };
                    version = took.1;
                    if round >= self.warm_up {
                        side.push(took.0);
                    }
                }
            }
            runs.push(self.show(rounds, &percentiles(lock), &percentiles(client)));
        }
        let figures = json!({
            "store": self.names[0],
            "unit": "µs, the percentiles from 0 to 100 of each run",
            "rounds": rounds,
            "runs": runs,
        });
        Ok(std::fs::write(raw, figures.to_string() + "\n")?)
    }

    async fn begin(&self) -> Result<(LeaderElectionRecord, Version)> {
        let acquired = DateTime::from_timestamp(1_800_000_000, 0);
        let record = LeaderElectionRecord {
            holder_identity: "a-host-of-some-name_d9b2d63d-a233-4123-847a-76a8e2b3a1f4".to_owned(),
            lease_duration_seconds: 15,
            acquire_time: acquired,
            renew_time: acquired,
            ..LeaderElectionRecord::default()
        };
        let mut last = None;
        // It may still be starting.
        for _ in 0..200 {
            match self.lock.compare_and_swap(Expected::Absent, &record).await {
                Ok(Swap::Done(version)) => return Ok((record, version)),
                Ok(other) => return Err(format!("a fresh store is not empty: {other:?}").into()),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(last.map_or_else(|| "it was not asked".into(), Into::into))
    }

    async fn by_the_lock(
        &self,
        version: Version,
        record: &LeaderElectionRecord,
    ) -> Result<(Duration, Version)> {
        let began = Instant::now();
        let swapped = self
            .lock
            .compare_and_swap(Expected::Version(version), record)
            .await?;
        let took = began.elapsed();
        match swapped {
            Swap::Done(version) => Ok((took, version)),
            other => Err(format!("somebody else writes: {other:?}").into()),
        }
    }

    fn show(&self, rounds: usize, lock: &[f64; 101], client: &[f64; 101]) -> Value {
        let [store, by_lock, by_client] = self.names;
        println!("{store}: a renewal, {rounds} by each in turn:");
        for (name, took) in [(by_lock, lock), (by_client, client)] {
            println!("  {name:<28} p50 {:>8.1} µs   p99 {:>8.1} µs", took[50], took[99]);
        }
        println!(
            "  ratio                        p50 {:>8.3}      p99 {:>8.3}",
            lock[50] / client[50],
            lock[99] / client[99]
        );
        json!({by_lock: lock.as_slice(), by_client: client.as_slice()})
    }
}

/// From the least to the most, in microseconds.
fn percentiles(mut took: Vec<Duration>) -> [f64; 101] {
    took.sort();
    std::array::from_fn(|percent| {
        let rank = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        let micros = took.get(rank).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6);
        (micros * 10.0).round() / 10.0
    })
}
