//! The suite that every lock runs, and what tests need around a lock.
//!
//! * [`suite!`]: one named test per promise of [`ResourceLock`](leaderelection::ResourceLock)'s contract. A backend
//!   joins in one line, a stranger's too.
//! * [`FaultLock`]: latency, loss, partitions, conflicts, spoiled content and misbehaving watches over any lock.
//! * [`RecordingLock`]: a history of every call, as JSON lines for a checker of linearizability.
//! * [`FencedRegister`]: a store that takes writes by fencing token and refuses older ones (SAFETY 19).
//! * [`broken`]: locks that are wrong on purpose, each rejected by the case named for it. A checker that never fails
//!   proves nothing.
//!
//! # Joining
//!
//! ```
//! use leaderelection_conformance::{fixture, suite};
//! # use leaderelection_memory::MemoryLock as MyLock;
//!
//! suite!(my_store, fixture(|case| MyLock::builder().name(case).build()));
//! ```
//!
//! `cargo test` then lists `my_store::clause_04_swap_names_its_state` and the others. The crate that joins needs no
//! async runtime of its own: each test calls the suite's. A store with more to offer (a side door through which the
//! suite deletes or spoils the object, a second client, a runtime with paused time) implements [`Fixture`].
//!
//! A case that a fixture or a declared capability leaves out prints one line
//! `conformance: BACKEND: CASE did not run: REASON` to standard error, past the capture of `cargo test`. Nothing is
//! skipped in silence.

pub mod broken;
mod faults;
mod fence;
mod fixture;
mod random;
mod recording;
mod suite;

pub use faults::{Fault, FaultLock, Faults, Hook, Op, Partition, WatchEnd};
pub use fence::{FencedRegister, FencedWrite, StaleToken};
pub use fixture::{Door, Fixture, FromFn, MemoryFixture, SideDoor, Subject, Time, fixture};
pub use recording::{CallResult, Entry, History, Operation, RecordingLock};
pub use suite::{CASES, Case, CaseFailure, Outcome, run_all, run_case};
