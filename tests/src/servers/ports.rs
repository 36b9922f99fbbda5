//! Free loopback ports that stay free while their server is down.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports below the range from which Linux serves port 0 and outgoing connections (32768 and up).
///
/// In that range a port may go to somebody else while a killed server waits for its restart: to another test's port 0,
/// or even to a client that retries that very port and is connected to itself.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

/// How many ports one process takes before it enters its neighbour's.
const PER_PROCESS: u32 = 64;

/// A port on which nothing listens now, never the same twice in one process until all were handed out.
pub(super) fn free() -> io::Result<u16> {
    static HANDED_OUT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(PER_PROCESS);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(HANDED_OUT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset).map_err(io::Error::other)?;
        // Released at once: the server binds it itself, and the fixture tries again if somebody was faster.
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "no free port on 127.0.0.1",
    ))
}
