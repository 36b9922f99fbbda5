//! The system that a leader writes to, as it has to be for fencing tokens to protect it (SAFETY 19).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leaderelection::FencingToken;

/// A register that takes a write with a fencing token and refuses one with a token older than the newest it has seen.
///
/// Clones share the register. The log tells every attempt in the order in which it arrived, so that a test can assert
/// that no write of an old term came through after a newer term's.
///
/// ```
/// use leaderelection::FencingToken;
/// use leaderelection_conformance::FencedRegister;
///
/// let register = FencedRegister::new();
/// assert!(register.write(FencingToken::new(2), "by the new leader").is_ok());
/// assert!(register.write(FencingToken::new(1), "by the old one, late").is_err());
/// assert_eq!(register.read(), Some("by the new leader"));
/// ```
#[derive(Debug)]
pub struct FencedRegister<T> {
    log: Arc<Mutex<Vec<FencedWrite<T>>>>,
}

/// One attempt to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FencedWrite<T> {
    /// The token that came with it.
    pub token: FencingToken,
    /// What was to be written.
    pub value: T,
    /// Whether it was.
    pub accepted: bool,
}

/// A write came with a token older than the newest that the register has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("token {offered} is older than {newest}, the newest seen")]
pub struct StaleToken {
    /// The token that came with the write.
    pub offered: FencingToken,
    /// The newest token seen.
    pub newest: FencingToken,
}

impl<T: Clone> FencedRegister<T> {
    /// An empty register that has seen no token.
    pub fn new() -> Self {
        Self { log: Arc::default() }
    }

    /// Writes, unless a newer token was seen. Any number of writes may come with one token.
    ///
    /// # Errors
    /// When the token is older than the newest seen. Nothing is written then.
    pub fn write(&self, token: FencingToken, value: T) -> Result<(), StaleToken> {
        let mut log = self.lock();
        // Accepted tokens never fall, so the last accepted one is the newest.
        let newest = log
            .iter()
            .rev()
            .find(|write| write.accepted)
            .map(|write| write.token);
        let refusal = newest.filter(|newest| token < *newest).map(|newest| StaleToken {
            offered: token,
            newest,
        });
        log.push(FencedWrite {
            token,
            value,
            accepted: refusal.is_none(),
        });
        refusal.map_or(Ok(()), Err)
    }

    /// What was written last.
    pub fn read(&self) -> Option<T> {
        self.lock()
            .iter()
            .rev()
            .find(|write| write.accepted)
            .map(|write| write.value.clone())
    }

    /// The newest token seen.
    pub fn newest(&self) -> Option<FencingToken> {
        self.lock()
            .iter()
            .rev()
            .find(|write| write.accepted)
            .map(|write| write.token)
    }

    /// Every attempt, in the order of arrival.
    pub fn log(&self) -> Vec<FencedWrite<T>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<FencedWrite<T>>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Default for FencedRegister<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for FencedRegister<T> {
    fn clone(&self) -> Self {
        Self {
            log: Arc::clone(&self.log),
        }
    }
}
