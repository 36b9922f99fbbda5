//! What the tests of the whole workspace share: fixtures that run real servers, faults between them and
//! their clients, and ways behind a lock's back.
//!
//! `tests/run.sh` sets up what they need and runs everything. A test whose server is missing fails and says so; none
//! is skipped.

pub mod faults;
pub mod servers;
pub mod side_door;
pub mod time;
