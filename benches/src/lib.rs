//! What benchmarks and the guards against regressions share.

pub mod steps;
