//! Measures hand-overs and fail-overs between real `leaderelect run` processes on a real etcd, and prints the figures:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin handover
//! ```
//!
//! With arguments it is `leaderelect` itself: those are the processes that it measures.

use std::process::ExitCode;
use std::time::Duration;

use leaderelection_tests::handover::{after_kill, graceful, percentile};
use leaderelection_tests::leaderelect::SHORT_LEASE;

const HANDOVERS: usize = 50;
const FAILOVERS: usize = 20;
/// Of [`SHORT_LEASE`].
const LEASE: Duration = Duration::from_secs(3);
/// What is promised: the next starts within the lease and this after the last renewal.
const SLACK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        return leaderelection_cli::main();
    }
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("handover: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<bool, Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;

    let handovers = graceful(&program, HANDOVERS)?;
    println!("Graceful hand-over, {HANDOVERS} times, at 15s / 10s / 2s:");
    row(
        "SIGTERM to the next start",
        handovers.iter().map(|one| one.from_signal),
    );
    row("nobody at work", handovers.iter().map(|one| one.without_work));

    let failovers = after_kill(&program, &SHORT_LEASE, FAILOVERS)?;
    println!("SIGKILL of the leading supervisor, {FAILOVERS} times, lease {LEASE:?}:");
    row(
        "last renewal to the next start",
        failovers.iter().map(|one| one.from_renewal),
    );
    row(
        "SIGKILL to the next start",
        failovers.iter().map(|one| one.from_kill),
    );

    let worst = percentile(failovers.iter().map(|one| one.from_renewal), 100);
    let kept = worst <= LEASE + SLACK;
    println!(
        "Within the lease and {SLACK:?} of the last renewal: {}",
        if kept { "always" } else { "NOT always" }
    );
    Ok(kept)
}

fn row(name: &str, values: impl Iterator<Item = Duration> + Clone) {
    let milliseconds = |percent| percentile(values.clone(), percent).as_secs_f64() * 1e3;
    println!(
        "  {name:<32} p50 {:>8.1} ms   p99 {:>8.1} ms   least {:>8.1} ms   most {:>8.1} ms",
        milliseconds(50),
        milliseconds(99),
        milliseconds(0),
        milliseconds(100)
    );
}
