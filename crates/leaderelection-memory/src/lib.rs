//! A lock in memory, for the crate [`leaderelection`].
//!
//! [`MemoryLock`] is the embedded default (candidates that are tasks of one process) and the test double (a store whose
//! object a test can delete, overwrite and spoil). Its clones share one record:
//!
//! ```
//! use leaderelection::{Expected, LeaderElectionRecord, ResourceLock, Swap};
//! use leaderelection_memory::MemoryLock;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), leaderelection::LockError> {
//! let lock = MemoryLock::new();
//! let other = lock.clone();
//! let record = LeaderElectionRecord { holder_identity: "a".into(), ..Default::default() };
//!
//! assert!(matches!(lock.compare_and_swap(Expected::Absent, &record).await?, Swap::Done(_)));
//! assert!(matches!(other.compare_and_swap(Expected::Absent, &record).await?, Swap::Conflict(_)));
//! # Ok(())
//! # }
//! ```
//!
//! A record goes through its wire form, as in every other store: times have whole seconds when they are read back.

mod builder;
mod controls;
mod lock;

pub use builder::MemoryLockBuilder;
pub use lock::MemoryLock;
