//! A live election moved from one object to another of a real kube-apiserver, while everybody is there at once: candidates of
//! the old object (client-go), those that move first (`leaderelect move`, then `leaderelect run`), and those of the new one
//! (ours, and client-go of today). Who was at work is judged by the notes that the work takes itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

mod candidate;
mod command;
mod frozen;
mod rollout;
mod stage;

use std::time::Duration;

use leaderelection_tests::servers::monotonic;
use leaderelection_tests::time::wait;

/// `leaderelect`, or its work.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_interop");

/// L, R and P of everybody. client-go leads until P + R and an answer after its last success: two seconds less than L.
pub(crate) const TIMING: [Duration; 3] = [
    Duration::from_secs(8),
    Duration::from_secs(5),
    Duration::from_secs(1),
];
pub(crate) const FLAGS: [&str; 6] = [
    "--lease-duration",
    "8s",
    "--renew-deadline",
    "5s",
    "--retry-period",
    "1s",
];
pub(crate) const STOP_GRACE: [&str; 2] = ["--stop-grace", "500ms"];
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Looks again and again.
fn until(what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = monotonic() + LIMIT;
    while !is()? {
        if monotonic() > end {
            return Err(format!("not within {LIMIT:?}: {what}").into());
        }
        wait(Duration::from_millis(5));
    }
    Ok(())
}
