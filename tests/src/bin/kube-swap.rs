//! Measures what a renewal by a lock on a Lease costs beside the same patch by kube's client alone, on a real kube-apiserver:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin kube-swap [ROUNDS]
//! ```
//!
//! The raw figures are written to `docs/performance/swap-kube.json`.

use std::path::Path;
use std::process::Command;

use leaderelection_tests::fleet::as_released;
use leaderelection_tests::servers::KubeApiserver;

const ROUNDS: usize = 5_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = match std::env::args().nth(1) {
        Some(rounds) => rounds.parse()?,
        None => ROUNDS,
    };
    let program = as_released("lease-swap")?;
    let server = KubeApiserver::start()?;
    let status = Command::new(program)
        .arg(server.kubeconfig())
        .arg(rounds.to_string())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance/swap-kube.json"))
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("it ended with {status}").into())
    }
}
