//! Who a candidate is, which states of the store come after which, and the token that fences a leader's writes.

use std::fmt;

/// What a candidate writes as the holder. Not empty, because an empty holder means that nobody holds (SAFETY 15).
///
/// Two live candidates must never share one. [`Identity::unique`] makes one that no other process has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    name: String,
    unique: bool,
}

/// An identity was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identity must not be empty: an empty holder means that nobody holds the election")]
pub struct EmptyIdentity;

impl Identity {
    /// Takes a name as it is.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(name: impl Into<String>) -> Result<Self, EmptyIdentity> {
        let name = name.into();
        if name.is_empty() {
            Err(EmptyIdentity)
        } else {
            let unique = false;
            Ok(Self { name, unique })
        }
    }

    /// `hostname_uuid`, the convention of Kubernetes' components: unique to this process and this call.
    pub fn unique() -> Self {
        let host = gethostname::gethostname();
        Self {
            name: format!("{}_{}", host.to_string_lossy(), uuid::Uuid::new_v4()),
            unique: true,
        }
    }

    /// A name of which a check knows that nobody else has it.
    #[cfg(feature = "unsound-variants")]
    #[doc(hidden)]
    pub fn known_unique(name: impl Into<String>) -> Result<Self, EmptyIdentity> {
        let unique = true;
        Self::new(name).map(|identity| Self { unique, ..identity })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whether [`unique`](Self::unique) made it, so that no twin and no earlier life can have written a record under it.
    pub fn is_unique(&self) -> bool {
        self.unique
    }
}

impl TryFrom<&str> for Identity {
    type Error = EmptyIdentity;

    fn try_from(name: &str) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl TryFrom<String> for Identity {
    type Error = EmptyIdentity;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        identity.name
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Orders the states of one lock: it grows with every write for the life of the lock's name, also across delete and
/// re-create (SAFETY 4).
///
/// etcd's `mod_revision` and Kubernetes' `resourceVersion` are such numbers. A store that has only opaque tags keeps a
/// counter beside the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(u64);

impl Version {
    /// A version by its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The fencing token of a term: the version of the write that acquired it, so greater than that of every earlier term
/// (SAFETY 19).
///
/// No clock can bound a write that is already on its way. Whoever writes to another system sends the token along, and
/// that system refuses one that is older than the newest it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FencingToken(u64);

impl FencingToken {
    /// The token of the term that the write of `version` acquired.
    pub const fn from_version(version: Version) -> Self {
        Self(version.0)
    }

    /// A token by its number, as it came from another process.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number, to be sent along with a write.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
