//! What the tests of the whole workspace share: fixtures that run real servers, and the model of the shipped machine.
//!
//! `tests/run.sh` sets up what they need and runs everything. A test whose server is missing fails and says so; none
//! is skipped.

pub mod model;
pub mod servers;
