//! What can go wrong with one call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use leaderelection::{LockErrorKind, Observation};

/// Something that happens beside a call, such as a deletion.
pub type Hook = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What goes wrong with one call. A fault that does not fit the operation changes nothing.
#[derive(Clone)]
#[non_exhaustive]
pub enum Fault {
    /// The request never arrives. A swap fails as ambiguous after a round trip, a read or watch as unavailable.
    LostRequest,
    /// The request arrives and is done, the reply is lost. Same errors.
    LostReply,
    /// The call fails like a lost request, and the write lands this much later.
    LateRequest(Duration),
    /// There is never an answer.
    Hang {
        /// Whether a write is done nevertheless.
        lands: bool,
    },
    /// A swap is not done and answers a conflict, with the state that the lock is in (the expected one, perhaps) where
    /// the lock declares that it tells it.
    Conflict,
    /// A swap is done and answers a conflict, as when a client's own retry met its first try (SAFETY 9).
    LandsThenConflict,
    /// The call does not reach the store and fails with this kind.
    Error(LockErrorKind),
    /// A read shows these bytes as unreadable content.
    Corrupt(Vec<u8>),
    /// A read shows the state before the newest that was read through this lock (SAFETY 4), if there was one.
    StaleRead,
    /// This happens just before the store acts on the call.
    Before(Hook),
    /// This happens just after the store acted on the call, before the reply leaves.
    After(Hook),
}

impl Fault {
    /// Something that happens just before the store acts on the call. A deletion: `Fault::before(move || { memory.delete(); })`.
    pub fn before(act: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Before(hook(act))
    }

    /// Something that happens just after the store acted on the call, before the reply leaves.
    pub fn after(act: impl Fn() + Send + Sync + 'static) -> Self {
        Self::After(hook(act))
    }
}

fn hook(act: impl Fn() + Send + Sync + 'static) -> Hook {
    Arc::new(move || {
        act();
        Box::pin(future::ready(()))
    })
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LostRequest => f.write_str("LostRequest"),
            Self::LostReply => f.write_str("LostReply"),
            Self::LateRequest(late) => write!(f, "LateRequest({late:?})"),
            Self::Hang { lands } => write!(f, "Hang {{ lands: {lands} }}"),
            Self::Conflict => f.write_str("Conflict"),
            Self::LandsThenConflict => f.write_str("LandsThenConflict"),
            Self::Error(kind) => write!(f, "Error({kind:?})"),
            Self::Corrupt(raw) => write!(f, "Corrupt({:?})", String::from_utf8_lossy(raw)),
            Self::StaleRead => f.write_str("StaleRead"),
            Self::Before(_) => f.write_str("Before(..)"),
            Self::After(_) => f.write_str("After(..)"),
        }
    }
}

/// The object with other bytes in it. Where there is no object there is nothing to corrupt.
pub(crate) fn corrupt(observation: Observation, raw: &[u8]) -> Observation {
    match observation {
        Observation::Present { version, .. } => Observation::from_json(version, raw),
        absent @ Observation::Absent { .. } => absent,
    }
}
