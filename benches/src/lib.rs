//! What benchmarks and the guards against regressions share.

pub mod race;
pub mod steps;
