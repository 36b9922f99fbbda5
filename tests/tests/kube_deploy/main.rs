//! What is in `deploy/`, on a real kube-apiserver: each manifest is one, and the Role is enough for an election's whole life
//! and no more than that.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "JSON that is missing is null, and a failing assertion is how a test speaks"
)]

mod flow;
mod manifests;
mod role;

/// `leaderelect` when it has arguments.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover-kube");
