//! The cases: one or more per clause of the contract, and what runs them.

mod clause_01_to_03;
mod clause_04;
mod clause_05_to_06;
mod clause_07_to_08;
mod clause_09_to_10;
mod clause_11;
mod clause_12;
mod context;
mod list;
mod race;
mod samples;

use std::fmt;
use std::io::Write;

use futures_util::future::LocalBoxFuture;

use crate::fixture::{Fixture, Time};
use context::{Context, Stop};

pub use list::CASES;

/// One promise of the contract, and how the suite examines it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// Its name, which is that of the test.
    pub name: &'static str,
    /// The clause of [`ResourceLock`](leaderelection::ResourceLock)'s contract.
    pub clause: u8,
    /// The rule of SAFETY.md that needs the clause.
    pub rule: &'static str,
    run: for<'a> fn(&'a Context<'a>) -> LocalBoxFuture<'a, Result<(), Stop>>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (clause {}, {})", self.name, self.clause, self.rule)
    }
}

/// How a case ended without a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The lock keeps the promise.
    Passed,
    /// The case did not examine it, for this reason: a capability is declared absent, or the fixture has no side door.
    DidNotRun(String),
}

/// The lock does not keep the promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{case}: clause {clause} of the ResourceLock contract ({rule}): {message}")]
#[non_exhaustive]
pub struct CaseFailure {
    /// The case.
    pub case: &'static str,
    /// The clause that is broken.
    pub clause: u8,
    /// The rule of SAFETY.md that needs the clause.
    pub rule: &'static str,
    /// What was done, what was seen, and what was promised.
    pub message: String,
}

impl Case {
    /// Runs the case against a fresh lock of the fixture, on a runtime of its own.
    ///
    /// # Errors
    /// When the lock does not keep the promise, or the fixture could not provide a lock.
    pub fn run(&self, fixture: &dyn Fixture) -> Result<Outcome, CaseFailure> {
        let ended = match runtime(fixture.time()) {
            Ok(runtime) => runtime.block_on(async {
                let context = Context::open(fixture, self.name).await?;
                (self.run)(&context).await
            }),
            Err(error) => Err(Stop::Failed(format!(
                "the suite's runtime did not start: {error}"
            ))),
        };
        match ended {
            Ok(()) => Ok(Outcome::Passed),
            Err(Stop::DidNotRun(reason)) => Ok(Outcome::DidNotRun(reason)),
            Err(Stop::Failed(message)) => Err(CaseFailure {
                case: self.name,
                clause: self.clause,
                rule: self.rule,
                message,
            }),
        }
    }
}

/// Runs all cases, in order, and tells how each ended.
pub fn run_all(fixture: &dyn Fixture) -> Vec<(&'static str, Result<Outcome, CaseFailure>)> {
    CASES.iter().map(|case| (case.name, case.run(fixture))).collect()
}

/// Runs one case by name and says on standard error when it did not run. What [`suite!`](crate::suite) calls.
///
/// # Panics
/// When the lock does not keep the promise, with what it did instead; or when there is no such case.
#[expect(clippy::panic, reason = "a failing test speaks by panicking")]
pub fn run_case(backend: &str, name: &str, fixture: &dyn Fixture) {
    let Some(case) = CASES.iter().find(|case| case.name == name) else {
        panic!("conformance: {backend}: there is no case {name}");
    };
    match case.run(fixture) {
        Ok(Outcome::Passed) => {}
        Ok(Outcome::DidNotRun(reason)) => did_not_run(backend, name, &reason),
        Err(failure) => panic!("conformance: {backend}: {failure}"),
    }
}

/// Says so past the capture of `cargo test`, which hides what a passing test prints.
fn did_not_run(backend: &str, name: &str, reason: &str) {
    let line = format!("conformance: {backend}: {name} did not run: {reason}\n");
    // In one piece, since other tests write at the same time. A closed standard error leaves nobody to tell.
    let _unheard = std::io::stderr().write_all(line.as_bytes());
}

fn runtime(time: Time) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(time == Time::Paused).build()
}
