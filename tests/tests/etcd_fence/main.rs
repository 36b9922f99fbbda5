//! The fence of a lock in etcd: what a term's own transactions may, and nobody's else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing assertion is how a test speaks"
)]

mod frozen;
mod rules;

use std::error::Error;

type TestResult = Result<(), Box<dyn Error>>;
