//! Leader election.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod election;
mod elector;
mod identity;
pub mod lock;
mod moment;
mod record;
mod timing;

#[doc(inline)]
pub use clock::{Clock, PausedClock, SystemClock};
pub use election::{ElectionEvent, LossReason, MissingRecord};
pub use elector::{
    ElectionError, ElectionHandle, Ended, Event, Events, LeaderElector, LeaderElectorBuilder, Leadership,
    LeadershipLost, LeadershipView, Operation, TermEnd, Unhealthy,
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
pub use record::{LeaderElectionRecord, RecordError};
pub use timing::{LeaseTiming, TimingError};
