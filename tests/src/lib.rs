//! What the tests of the whole workspace share: fixtures that run real servers and real candidates, faults between
//! servers and their clients, ways behind a lock's back, and the model of the shipped machine.
//!
//! `tests/run.sh` sets up what they need and runs everything. A test whose server is missing fails and says so; none
//! is skipped.

pub mod beats;
pub mod beside_go;
pub mod beside_go_faults;
pub mod candidate;
pub mod clocked;
pub mod etcd_faults;
pub mod fault_table;
pub mod faults;
pub mod fenced;
pub mod figures;
pub mod fleet;
pub mod handover;
pub mod histories;
pub mod interop;
pub mod kube_door;
pub mod kube_faults;
pub mod leaderelect;
pub mod model;
pub mod pod;
pub mod random;
pub mod servers;
pub mod side_door;
pub mod time;

/// The README's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Those of MOVING too.
#[cfg(doctest)]
#[doc = include_str!("../../docs/MOVING.md")]
pub struct Moving;

/// That of FENCING.
#[cfg(doctest)]
#[doc = include_str!("../../docs/FENCING.md")]
pub struct Fencing;
