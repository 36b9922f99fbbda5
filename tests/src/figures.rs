//! What was measured, kept as JSON for `docs/PERFORMANCE.md`; and what is counted from outside.

use std::net::SocketAddr;
use std::path::Path;
use std::{env, fs, io};

use procfs::net::{TcpNetEntry, TcpState};
use serde::Serialize;

/// Writes the figures to `docs/performance/NAME.json`.
///
/// # Errors
/// When they cannot be written.
pub fn keep(name: &str, figures: &impl Serialize) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance");
    fs::write(
        folder.join(format!("{name}.json")),
        serde_json::to_string_pretty(figures)? + "\n",
    )
}

/// The same for a test: only where `KEEP_FIGURES` is set, so that tests change no file by themselves.
///
/// # Errors
/// When they cannot be written.
pub fn keep_if_asked(name: &str, figures: &impl Serialize) -> io::Result<()> {
    if env::var_os("KEEP_FIGURES").is_some() {
        keep(name, figures)?;
    }
    Ok(())
}

/// How many TCP connections this machine has to that port of its own.
///
/// # Errors
/// When the system does not tell.
pub fn connections_to(port: u16) -> Result<usize, procfs::ProcError> {
    let to_it =
        |entry: &TcpNetEntry| is_there(entry.remote_address, port) && entry.state == TcpState::Established;
    Ok(procfs::net::tcp()?.iter().filter(|entry| to_it(entry)).count())
}

fn is_there(address: SocketAddr, port: u16) -> bool {
    address.ip().is_loopback() && address.port() == port
}
