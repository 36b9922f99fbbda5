//! Leader election for Rust services: N copies of a program agree which one acts.
//!
//! A record (who leads, since when, for how long) sits in one object of a store and is replaced by compare-and-swap.
//! Nobody compares the record's times with a clock: each candidate measures locally for how long the record has stood
//! still. So any clock skew is tolerated, and clock *rates* that differ by up to
//! [`LeaseDuration / (RenewDeadline + stop grace)`](LeaseTiming::tolerated_clock_rate_ratio), exactly.
//!
//! The behaviour comes from Kubernetes' Go package `leaderelection`, and the record is the same, so candidates of both can
//! share one object.
//!
//! # The shortest program
//!
//! Take this crate and a lock: `leaderelection-memory` within one process, `leaderelection-etcd` on etcd, or
//! [one of your own](ResourceLock).
//!
//! ```
//! use std::future::pending;
//!
//! use leaderelection::{Ended, Identity, LeaderElector};
//! # use leaderelection::{LeaderElectionRecord, LockError, Observation, ObservationStream, Expected, Swap, Capabilities, Version};
//! # struct MyLock;
//! # #[async_trait::async_trait]
//! # impl leaderelection::ResourceLock for MyLock {
//! #     async fn get(&self) -> Result<Observation, LockError> { Ok(Observation::Absent { as_of: None }) }
//! #     async fn compare_and_swap(&self, expected: Expected, _: &LeaderElectionRecord) -> Result<Swap, LockError> {
//! #         Ok(Swap::Done(Version::new(if expected == Expected::Absent { 1 } else { 2 })))
//! #     }
//! #     async fn watch(&self) -> Result<Option<ObservationStream>, LockError> { Ok(None) }
//! #     fn describe(&self) -> String { "my://lock".into() }
//! #     fn capabilities(&self) -> Capabilities { Capabilities::LEAST }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), leaderelection::ElectionError> {
//! let elector = LeaderElector::builder(MyLock, Identity::unique()).build()?;
//! let ended = elector
//!     .run(pending::<()>(), |leadership| async move {
//!         // Leads. Dropped in time when the lease is lost; then it campaigns again.
//!         leadership.token()
//!     })
//!     .await?;
//! assert!(matches!(ended, Ended::Finished(_)));
//! # Ok(())
//! # }
//! ```
//!
//! # What happens inside
//!
//! ```text
//!    lock.get / compare_and_swap / watch              your work
//!         |  results, with send time                      ^ Leadership (token, valid until)
//!         v                                               |
//!    driver  --- handle(now, Input) -->  Election  --- poll() -> Output: Get, Cas, Term, Event, WaitUntil
//! ```
//!
//! | part | what it is |
//! |---|---|
//! | [`ResourceLock`] | what a store must offer: a numbered contract, and nothing else |
//! | [`election`] | the pure state machine: no clock, no I/O; the model checker runs this very code |
//! | [`LeaderElector`] | the async shell: [`run`](LeaderElector::run) with your work, or [`spawn`](LeaderElector::spawn) |
//! | [`Leadership`] | the guard that work holds: valid by the clock at every question, with the fencing token |
//! | [`LeaseTiming`] | the durations, validated, and what follows from them |
//! | [`LeaderElectionConfiguration`] | the same and the lock's name in a configuration file, as Go's components have it |
//! | [`LeaderElectionRecord`] | the record, as Go writes and reads it |
//! | [`Move`] | a live election, moved from one lock to another |
//! | [`SharedWatch`] | for authors of locks: one watch of a store for many elections |
//! | [`Clock`] | the clocks of a candidate; [`PausedClock`] for tests |
//!
//! # What is guaranteed, and what is not
//!
//! * Two leaders never overlap, whatever the delays, losses, reorderings, crashes and number of candidates, as long as the
//!   rates of any two clocks differ by no more than the tolerated ratio, and nobody deletes or empties the record of a live
//!   leader (with [`MissingRecord::ClaimThenLead`] a deletion does no harm either).
//! * No clock can bound a write that is already on its way, nor work that blocks its thread. Send the
//!   [`FencingToken`] along with every write to another system, and let that system refuse an older one.
//!
//! # Features
//!
//! * `clap`: `LeaderElectionFlags`, the flags `--leader-elect…` of Go's components for a parser of your own.
//! * `metrics`: what happens in elections, through the [`metrics`](https://docs.rs/metrics) facade.
//! * `mock`: `MockResourceLock`, for tests of code that takes a lock.
//! * `unsound-variants`: deliberately broken variants of the machine, for the checks of this project alone.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
mod closed;
mod config;
mod crowd;
pub mod election;
mod elector;
mod identity;
pub mod lock;
mod moment;
mod moving;
mod record;
mod shared_watch;
mod timing;

#[doc(inline)]
pub use clock::{Clock, PausedClock, SystemClock};
pub use closed::Closed;
#[cfg(feature = "clap")]
pub use config::LeaderElectionFlags;
pub use config::{ConfigError, ConfigProblem, LeaderElectionConfiguration, RESOURCE_LOCKS};
pub use crowd::Crowd;
pub use election::{ElectionEvent, LossReason, MissingRecord};
pub use elector::{
    ElectionError, ElectionHandle, ElectionObserver, Ended, Event, Events, LeaderElector,
    LeaderElectorBuilder, Leadership, LeadershipLost, LeadershipView, NotReady, Operation, Readiness, Risk,
    TermEnd, TimingAdvice, TimingVerdict, Unhealthy,
};
pub use identity::{EmptyIdentity, FencingToken, Identity, Version};
#[cfg(feature = "mock")]
pub use lock::MockResourceLock;
#[doc(inline)]
pub use lock::{
    Capabilities, Content, Expected, LockError, LockErrorKind, Observation, ObservationStream, ResourceLock,
    Swap, Unreadable,
};
pub use moment::{Moment, MonoTime};
pub use moving::{Move, MoveError};
pub use record::{LeaderElectionRecord, RecordError};
pub use shared_watch::{KeyedStream, SharedWatch, WatchedKey};
pub use timing::{GoLeader, LeaseTiming, TimingError};
