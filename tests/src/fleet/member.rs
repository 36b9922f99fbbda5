//! One process with many candidates, seen from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use leaderelection::MonoTime;
use procfs::process::Process;
use serde::{Deserialize, Serialize};

use super::programs::Programs;
use super::store::Place;
use super::{Cost, Result};
use crate::time::now;

/// Whose candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// This library's.
    Ours,
    /// client-go's.
    ClientGo,
}

/// What it says once a second.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Count {
    /// How many of its candidates lead.
    pub leading: usize,
    /// How many know who leads.
    pub following: usize,
    /// How many terms it has lost.
    pub lost: usize,
}

/// It ends with its standard input, and so with this.
pub(super) struct Member {
    child: Child,
    /// What it says, as it comes, so that it never waits for a reader and nobody is told old news.
    counts: Receiver<String>,
    newest: Count,
    candidates: usize,
    /// What its client takes, before there is any candidate.
    alone_kibibytes: f64,
}

/// When it was looked at, and what it had used.
pub(super) struct Began {
    at: MonoTime,
    cpu: Duration,
}

impl Member {
    pub(super) fn start(
        programs: &Programs,
        side: Side,
        place: &Place,
        elections: usize,
        candidates: usize,
        identity: &str,
    ) -> Result<Self> {
        let mut child = Command::new(programs.of(side))
            .args(place.arguments())
            .args([
                "--elections",
                &elections.to_string(),
                "--candidates",
                &candidates.to_string(),
            ])
            .args(["--identity", identity])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // client-go logs every request that is late.
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let (said, counts) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                if said.send(line).is_err() {
                    break;
                }
            }
        });
        let mut member = Self {
            child,
            counts,
            newest: Count::default(),
            candidates: elections * candidates,
            alone_kibibytes: 0.0,
        };
        // That it is ready.
        member.counts.recv()?;
        member.alone_kibibytes = member.resident()?;
        let input = member.child.stdin.as_mut().ok_or("no standard input")?;
        input.write_all(b"go\n")?;
        Ok(member)
    }

    /// The newest count, when there is one more.
    fn next(&mut self) -> Result<Count> {
        let lines = std::iter::once(self.counts.recv()?);
        for line in lines.chain(self.counts.try_iter()) {
            self.newest = serde_json::from_str(&line)?;
        }
        Ok(self.newest)
    }

    pub(super) fn until(&mut self, limit: Duration, wanted: impl Fn(Count) -> bool) -> Result<()> {
        let end = now().after(limit);
        loop {
            let count = self.next()?;
            if wanted(count) {
                return Ok(());
            }
            if now() >= end {
                return Err(format!("not within {limit:?}, but {count:?}").into());
            }
        }
    }

    /// Lets time pass, a second at least.
    pub(super) fn let_pass(&mut self, lasting: Duration) -> Result<()> {
        let end = now().after(lasting);
        while now() < end {
            self.next()?;
        }
        Ok(())
    }

    /// How many terms it has lost so far, of which it speaks once a second.
    pub(super) fn lost(&mut self) -> Result<usize> {
        Ok(self.next()?.lost)
    }

    pub(super) fn begin(&mut self) -> Result<Began> {
        Ok(Began {
            at: now(),
            cpu: self.cpu()?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(super) fn cost(&mut self, began: Began) -> Result<Cost> {
        // A thread that has ended takes its time with it.
        let (cpu, wall) = (self.cpu()?.saturating_sub(began.cpu), now().since(began.at));
        let candidates = self.candidates as f64;
        Ok(Cost {
            candidates: self.candidates,
            kibibytes: (self.resident()? - self.alone_kibibytes) / candidates,
            micros_a_second: cpu.as_secs_f64() / wall.as_secs_f64() * 1e6 / candidates,
        })
    }

    fn process(&self) -> Result<Process> {
        Ok(Process::new(i32::try_from(self.child.id())?)?)
    }

    /// Resident memory, in KiB.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn resident(&self) -> Result<f64> {
        let kibibytes = self.process()?.status()?.vmrss.ok_or("no VmRSS")?;
        Ok(kibibytes as f64)
    }

    /// Processor time of all threads that there are, to the nanosecond.
    fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for task in self.process()?.tasks()? {
            nanos += task?.schedstat()?.sum_exec_runtime;
        }
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Both fail only when it is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
