//! What the tests of the whole workspace share: fixtures that run real servers.
//!
//! `tests/run.sh` sets up what they need and runs everything. A test whose server is missing fails and says so; none
//! is skipped.

pub mod servers;
