//! The component configuration: what Go's makes of the same files, every error, and the flags.
//!
//! What Go says is in `tests/go`, with the programs that asked it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

mod file;
#[cfg(feature = "clap")]
mod flags;

use leaderelection::LeaderElectionConfiguration;

/// What a YAML file becomes, or why it does not.
fn read(file: &str) -> Result<LeaderElectionConfiguration, String> {
    let read: LeaderElectionConfiguration = serde_saphyr::from_str(file).map_err(|error| {
        let said = error.to_string();
        // A picture of the place follows.
        said.lines().next().unwrap_or_default().to_owned()
    })?;
    match read.validate() {
        Ok(()) => Ok(read),
        Err(error) => Err(error.under("leaderElection").to_string()),
    }
}
