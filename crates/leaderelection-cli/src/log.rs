//! Where the program says what happens.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// To standard error: standard output is COMMAND's.
pub(crate) fn to_stderr() {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = match wanted.parse::<Targets>() {
        Ok(filter) if !wanted.is_empty() => filter,
        // What kube's client has to say of every failed request, the election says once and with the lock's name.
        _ => Targets::new()
            .with_default(tracing::Level::INFO)
            .with_target("kube_client", LevelFilter::OFF),
    };
    let lines = tracing_subscriber::fmt::layer()
        .compact()
        .with_target(false)
        // A line that cannot be written is lost; it must not end the election.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    tracing_subscriber::registry().with(lines).with(filter).init();
}
