//! What `leaderelect status` is told.

use std::time::Duration;

use crate::duration;
use crate::etcd_args::{EtcdAccess, EtcdArgs};
use crate::lock_arg::LockArg;

/// Says who leads by a lock, since when, and what is wrong with its record; reads and never writes
///
/// Nobody compares the times in a record with a clock of his own, and nor does this: they are those of the holder's clock. What is
/// measured here is only for how long the record has stood still since this program first saw it. One look does not tell when the
/// last renewal was; --watch does.
///
/// On Kubernetes it needs the permission to get the object, and with --watch to watch it, too: without that it asks every 2s.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, mut_arg("etcd_garbage_collect_after", |arg| arg.hide(true)))]
pub(crate) struct StatusArgs {
    /// The lock, written as for run --lock
    #[arg(long)]
    pub(super) lock: LockArg,

    /// Stay, and say each change when it is seen, until SIGTERM, SIGINT or the end of who reads it
    ///
    /// That a lease has run out without a renewal is such a change, and so is it when the store no longer answers, and when it does
    /// again.
    #[arg(long)]
    pub(super) watch: bool,

    /// How it is said
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(super) output: Output,

    /// How long one call to the store may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::positive, allow_hyphen_values = true)]
    pub(super) timeout: Duration,

    #[command(flatten)]
    etcd: EtcdArgs,
}

/// What is written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people: some lines, or with --watch one line for each change
    Text,
    /// An object of JSON on one line, with --watch one for each change
    Json,
}

impl StatusArgs {
    /// How to reach the lock, if it is in etcd.
    pub(super) fn etcd(&self) -> Result<EtcdAccess, String> {
        // Nothing is written, so no lease's duration has to fit.
        self.etcd
            .access(&[&self.lock], Duration::ZERO, |name| std::env::var_os(name))
    }
}

const AFTER_HELP: &str = "\
Exit codes; with --watch of what was seen last:
  0  led: somebody holds the lock
  3  free: there is no object, no record or no holder, or (with --watch) the lease has run out
  4  unreadable: what is there is no record; candidates wait for their own lease and take it over
  5  unreachable: the store does not answer within the time limit, or does not let this client read
  2  the arguments are wrong
  1  anything else: the lock is closed by `leaderelect move`, or could not be set up

The fields of --output json. What is not known, or does not apply, is null.
  lock                      the lock's name
  at                        when this was written, by the clock of this machine
  event                     with --watch, what has happened: seen (the first look), acquired, renewed, freed, leaseRanOut, closed,
                            unreadable, rewritten (anything else in the record), touched (its version alone), unreachable,
                            reachable
  state                     led, free, closed, unreadable, unreachable
  reason                    free: noObject, noRecord, released, holderEmptied, leaseRanOut; closed: movedTo, notBefore;
                            unreachable: denied, unavailable, invalid, timedOut
  message                   state and reason in words, for people
  holderIdentity, leaseDurationSeconds, acquireTime, renewTime, leaderTransitions
                            as in the record, times by its holder's clock
  version                   the record's
  token                     the fencing token of the term: the version of the write that acquired the lease. Known only with --watch
                            and if that write was seen
  tokenAtMost               the token, or the oldest version in which this term was seen: every renewal has a newer one
  renewalSeenSecondsAgo     how long ago the record last changed, as seen from here
  stoodStillSecondsAtLeast  for how long it has been seen to stand still
  leaseLeftSecondsAtMost    its duration less that: an upper bound, as the holder counts from before it sent the renewal
  otherFields               what else is in the record, such as strategy and preferredHolder
  problems                  what is odd about it: objects with code and message

What fails meanwhile is logged to standard error; RUST_LOG chooses what (default: info).";
