//! What was written to a register with tokens, and when.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leaderelection::FencingToken;
use leaderelection_conformance::{FencedRegister, StaleToken};
use serde_json::{Value, json};

/// A register that takes writes by token.
pub trait Register: Send + Sync {
    /// Writes, unless a newer token was seen.
    ///
    /// # Errors
    /// When one was.
    fn write(&self, token: FencingToken, value: String) -> Result<(), StaleToken>;

    /// What was written last.
    fn read(&self) -> Option<String>;
}

impl Register for FencedRegister<String> {
    fn write(&self, token: FencingToken, value: String) -> Result<(), StaleToken> {
        Self::write(self, token, value)
    }

    fn read(&self) -> Option<String> {
        Self::read(self)
    }
}

/// Wrong on purpose: it looks at the newest token first and writes then, so that a stale token gets in between.
#[derive(Debug, Default)]
pub struct CheckThenWrite {
    last: Mutex<Option<(FencingToken, String)>>,
}

impl CheckThenWrite {
    fn last(&self) -> MutexGuard<'_, Option<(FencingToken, String)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register for CheckThenWrite {
    fn write(&self, token: FencingToken, value: String) -> Result<(), StaleToken> {
        let newest = self.last().as_ref().map(|(token, _)| *token);
        if let Some(newest) = newest.filter(|newest| token < *newest) {
            return Err(StaleToken {
                offered: token,
                newest,
            });
        }
        std::thread::park_timeout(Duration::from_millis(2));
        *self.last() = Some((token, value));
        Ok(())
    }

    fn read(&self) -> Option<String> {
        self.last().as_ref().map(|(_, value)| value.clone())
    }
}

/// A register, and the calls to it.
pub struct FenceHistory<R> {
    register: R,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    lines: Vec<Value>,
    refused: u64,
    /// Counts starts and ends.
    steps: u64,
}

impl<R: Register> FenceHistory<R> {
    pub(super) fn new(register: R) -> Self {
        Self {
            register,
            log: Mutex::default(),
        }
    }

    pub(super) fn write(&self, token: FencingToken, value: &str) {
        let start = self.step();
        let answer = self.register.write(token, value.to_owned());
        let newest = answer.err().map(|refusal| refusal.newest.get());
        self.end(
            start,
            json!({ "token": token.get(), "value": value, "newest": newest }),
        );
        if newest.is_some() {
            self.log().refused += 1;
        }
    }

    pub(super) fn read(&self) {
        let start = self.step();
        let value = self.register.read().unwrap_or_default();
        self.end(start, json!({ "read": true, "value": value }));
    }

    pub(super) fn refused(&self) -> u64 {
        self.log().refused
    }

    /// One line for each call: `start_step`, `end_step` and `value`; a write has its `token` and, if it was refused, the `newest`;
    /// a read has `read`.
    pub(super) fn to_json_lines(&self) -> String {
        self.log().lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn step(&self) -> u64 {
        let mut log = self.log();
        log.steps += 1;
        log.steps
    }

    fn end(&self, start: u64, mut line: Value) {
        let end = self.step();
        if let Some(line) = line.as_object_mut() {
            line.insert("start_step".to_owned(), start.into());
            line.insert("end_step".to_owned(), end.into());
        }
        self.log().lines.push(line);
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
