//! What a store must offer so that an election can run on it: one record, replaced by compare-and-swap.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use crate::identity::Version;
use crate::record::LeaderElectionRecord;

/// One record in some store, replaced by compare-and-swap. Implement this to elect leaders on a store of your own.
///
/// A lock is stateless: it remembers nothing between calls that an election could depend on, and any number of
/// candidates, in this process and in others, may use the same lock at once.
///
/// # The contract
///
/// The suite in `leaderelection-conformance` has a case for every clause.
///
/// 1. **A read is linearizable.** [`get`](Self::get) shows a state that the lock had at some moment between the call
///    and its answer.
/// 2. **Absence and emptiness are states, not errors.** A name that has never been written is
///    [`Observation::Absent`]; an object that exists without a record is [`Content::Empty`].
/// 3. **What was written is what is read.** A record that was swapped in is read back equal, unknown fields included:
///    times in whole seconds, as elections write them, and unknown fields that are JSON under names of their own. A store
///    that cannot hold a record, for its size or its values, refuses it as [`LockErrorKind::Invalid`].
/// 4. **A swap happens only on the state that the caller names**: on [`Expected::Absent`] only where there is nothing,
///    on [`Expected::Version`] only where that version is the newest. Of any number of swaps that name one state, at
///    most one is done.
/// 5. **A conflict is an outcome, not an error**: [`Swap::Conflict`], with the state that stood in the way where the
///    store tells it. It changes nothing.
/// 6. **One call is at most one write** (SAFETY 8): no retry below this trait, no blind or forced write, no delete.
/// 7. **Versions grow** with every write for the life of the lock's name, also across delete and re-create (SAFETY 4). The
///    version as of which there is nothing, where the store gives one, is greater than that of the last write.
/// 8. **An equal write.** When the record equals the one that is stored, the store may write it (a new version) or do
///    nothing (the version that it was given). It says which: [`Capabilities::equal_write_is_noop`]. Never may it
///    report a new version without having written (SAFETY 6).
/// 9. **An ambiguous failure** is one after which the write may have happened, or may happen later:
///    [`LockErrorKind::Ambiguous`]. Whoever says [`Unavailable`](LockErrorKind::Unavailable),
///    [`Denied`](LockErrorKind::Denied) or [`Invalid`](LockErrorKind::Invalid) knows that nothing was and nothing will
///    be written. A read writes nothing, so a read that failed is `Unavailable` unless the store gave another reason.
/// 10. **What cannot be read is shown, not hidden**: content that is no record is [`Content::Unreadable`], raw and with
///     the reason, and can be replaced by a swap on its version (SAFETY 17).
/// 11. **A watch may lag, repeat and skip, but it ends or goes on.** After [`watch`](Self::watch) has returned a stream,
///     every later change is shown by it, or a newer one, or the stream yields an error, or it ends. It may begin with
///     the state at its start, show states twice, and leave out those in between. It never shows what never was. One that
///     always ends before it has shown anything is no watch: declare none.
/// 12. **A future may be dropped at any time.** What was under way then counts as ambiguous.
///
/// # Errors
/// Every method fails with a [`LockError`] whose kind says what the caller may conclude.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ResourceLock: Send + Sync {
    /// Reads the lock (clauses 1 to 3).
    async fn get(&self) -> Result<Observation, LockError>;

    /// Writes `record` if, and only if, the lock is in the state `expected` (clauses 4 to 9).
    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError>;

    /// Opens a stream of what changes from now on (clause 11), or says with `None` that this store has no such thing.
    async fn watch(&self) -> Result<Option<ObservationStream>, LockError>;

    /// Names the lock for people: the kind of store and the name in it, such as `etcd://127.0.0.1:2379/leader`. Without
    /// secrets.
    fn describe(&self) -> String;

    /// What this lock can and cannot do. A constant of the lock.
    fn capabilities(&self) -> Capabilities;
}

/// What [`ResourceLock::watch`] yields.
pub type ObservationStream = BoxStream<'static, Result<Observation, LockError>>;

/// What a lock can do. The conformance suite runs a case only where the capability is declared, and prints that it did
/// not where it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Capabilities {
    /// [`ResourceLock::watch`] returns a stream.
    pub watch: bool,
    /// An absence carries the version as of which it holds.
    pub versioned_absence: bool,
    /// A conflict tells the state that stood in the way.
    pub conflict_tells_state: bool,
    /// A write of an equal record does nothing and answers the version that it was given.
    pub equal_write_is_noop: bool,
    /// An object can exist without a record ([`Content::Empty`]).
    pub empty_object: bool,
}

impl Capabilities {
    /// The least: a store that can only get and swap.
    pub const LEAST: Self = Self {
        watch: false,
        versioned_absence: false,
        conflict_tells_state: false,
        equal_write_is_noop: false,
        empty_object: false,
    };

    /// Declares a watch.
    #[must_use]
    pub const fn with_watch(mut self) -> Self {
        self.watch = true;
        self
    }

    /// Declares that an absence carries its version.
    #[must_use]
    pub const fn with_versioned_absence(mut self) -> Self {
        self.versioned_absence = true;
        self
    }

    /// Declares that a conflict tells what stood in the way.
    #[must_use]
    pub const fn with_conflict_tells_state(mut self) -> Self {
        self.conflict_tells_state = true;
        self
    }

    /// Declares that an equal write does nothing.
    #[must_use]
    pub const fn with_equal_write_is_noop(mut self) -> Self {
        self.equal_write_is_noop = true;
        self
    }

    /// Declares that an object can exist without a record.
    #[must_use]
    pub const fn with_empty_object(mut self) -> Self {
        self.empty_object = true;
        self
    }
}

/// The state that a swap names. There is no way to name none: a blind overwrite cannot be said (SAFETY 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// There is nothing under the lock's name.
    Absent,
    /// This version is the newest.
    Version(Version),
}

/// What a swap did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The record was written; this is its version. The version that was expected means that the store found the
    /// record equal and did nothing.
    Done(Version),
    /// The lock was not in the expected state. `None`: the store did not tell in which it was.
    Conflict(Option<Observation>),
}

/// The lock as it was at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Observation {
    /// There is an object.
    Present {
        /// Its version.
        version: Version,
        /// What it holds.
        content: Content,
    },
    /// There is nothing under the lock's name.
    Absent {
        /// The version as of which there was nothing, where the store gives one.
        as_of: Option<Version>,
    },
}

/// What an object holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// A record.
    Record(Arc<LeaderElectionRecord>),
    /// No record: the object exists, but not for an election (an Endpoints object without the annotation).
    Empty,
    /// Something that is not a record.
    Unreadable(Arc<Unreadable>),
}

/// Content that is not a record, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unreadable {
    /// The bytes.
    pub raw: Vec<u8>,
    /// Why they are not a record.
    pub reason: String,
}

impl Observation {
    /// An object with a record.
    pub fn record(version: Version, record: LeaderElectionRecord) -> Self {
        Self::Present {
            version,
            content: Content::Record(Arc::new(record)),
        }
    }

    /// An object whose content is `json`: a record, or unreadable with the reason.
    pub fn from_json(version: Version, json: &[u8]) -> Self {
        let content = match LeaderElectionRecord::from_json(json) {
            Ok(record) => Content::Record(Arc::new(record)),
            Err(error) => Content::Unreadable(Arc::new(Unreadable {
                raw: json.to_owned(),
                reason: error.to_string(),
            })),
        };
        Self::Present { version, content }
    }
}

/// What the caller of a lock may conclude from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockErrorKind {
    /// The write may have happened, or may happen later (SAFETY 9): a time-out, a broken connection.
    Ambiguous,
    /// Nothing was written; the store cannot serve now: connection refused, too many requests.
    Unavailable,
    /// Nothing was written; the store does not let this client: credentials, permissions.
    Denied,
    /// Nothing was written; the store does not accept this request, now or later: a name that it does not allow.
    Invalid,
}

impl fmt::Display for LockErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ambiguous => "ambiguous",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
        })
    }
}

/// A call to a lock failed.
#[derive(Debug, Clone)]
pub struct LockError {
    kind: LockErrorKind,
    message: Arc<str>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl LockError {
    /// A failure of a kind, said in words that name the store and what was asked of it.
    pub fn new(kind: LockErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into().into(),
            retry_after: None,
            source: None,
        }
    }

    /// Adds the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Adds how long the store asked to be left alone.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// What the caller may conclude.
    pub fn kind(&self) -> LockErrorKind {
        self.kind
    }

    /// How long the store asked to be left alone, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)?;
        // The source is part of the message: whoever logs an event sees the reason without walking the chain.
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl StdError for LockError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// A shared lock is a lock, so that `Arc<dyn ResourceLock>` goes wherever a lock goes.
#[async_trait]
impl<L: ResourceLock + ?Sized> ResourceLock for Arc<L> {
    async fn get(&self) -> Result<Observation, LockError> {
        (**self).get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        (**self).compare_and_swap(expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        (**self).watch().await
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
}
