//! The README's table: the same faults for client-go's elector and for ours, both as they ship, both in virtual time.
//!
//! ```text
//! rows.json --> Row --> Run, one for each seed ---.--> ours: LeaderElector, tokio's paused time      --.
//!                      (a line of JSON)           `--> client-go-faults: LeaderElector, a synctest   --+-> Account --> judge
//! ```
//!
//! # A run
//!
//! Three candidates, `a`, `b` and `c`, share one record. `a` starts first and leads; the others start at random moments
//! some seconds later and follow. Each has a network of its own, whose requests and replies travel 0.5 to 5 ms each, drawn once
//! for each run. At a random moment after 30 s the fault of the row strikes `a`; 60 s later the run ends. All that is
//! drawn is in the [`Run`], so both sides have the same, except what client-go's own jitter draws, from the run's seed.
//! The store does what a kube-apiserver does: it takes an update that names the newest version, and a conflict tells nothing.
//!
//! # The faults
//!
//! * `partition`: no request and no reply of `a`'s gets through any more, nor an event of its watch.
//! * `late_reply_then_partition`: every reply to `a` is that late from then on. As the first one to a renewal is delivered, the
//!   partition begins.
//! * `freeze`: as `a` is about to send its next renewal, its whole process stands still, and goes on that much later. With
//!   client-go the sending goroutine sleeps; what else it has are contexts that expire, which nobody notices meanwhile, and
//!   the work. Ours waits for the end of the freeze after every timer, every answer and every event.
//! * `overwrite`: somebody edits the record: another holder, all else as it was. Of what an operator can do to a record, this is what
//!   SAFETY 18 says is harmless; to empty the holder is not, with any elector.
//!
//! `call_limit` is after which time the client gives up a call: half the renew deadline, as client-go's
//! `NewFromKubeconfig` sets it, or `0s`: never, as with a client that was made without one.
//!
//! # At work
//!
//! A candidate is at work from when its work is called until its work ends: client-go's `OnStartedLeading` returns as soon as
//! its context is done; ours is dropped, or returns. Work acts once a second, and before each act asks whether it may:
//! `ctx.Err()` there (`IsLeader` knows no time and is not meant for it), [`Leadership::check`](leaderelection::Leadership::check)
//! here. What stands still does not work: frozen time is cut out. There are two leaders at once where two candidates are at work at
//! once for any time above zero, or where one acts while another is at work, though it be stopped in the same instant.
//!
//! client-go's process ends when it loses its leadership, as with `RunOrDie`. Ours campaigns again.

mod go;
mod judge;
mod ours;
mod process;
mod rows;
mod table;

use std::error::Error;

pub use judge::{Account, Stretch, Verdict, judge};
pub use rows::{Fault, Row, Run, rows};
pub use table::{Column, Line, measure, print};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Whose elector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// client-go's.
    Go,
    /// That of this workspace.
    Ours,
}

impl Side {
    /// What happened in these runs, in their order.
    ///
    /// # Errors
    /// When a run could not be made.
    pub fn simulate(self, runs: &[Run]) -> Result<Vec<Account>> {
        match self {
            Self::Go => go::simulate(runs),
            Self::Ours => runs.iter().map(ours::simulate).collect(),
        }
    }
}
