//! The one request that the fixtures send: GET over plain HTTP/1.0.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::ServerError;

/// The body of a 200 answer from a server on loopback.
pub(super) fn get(port: u16, path: &str, timeout: Duration) -> Result<String, ServerError> {
    let failed = || ServerError::io(format!("GET http://127.0.0.1:{port}{path}"));
    let bad = |problem: String| ServerError::BadAnswer {
        path: path.to_owned(),
        problem,
    };

    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), timeout)
        .map_err(failed())?;
    stream.set_read_timeout(Some(timeout)).map_err(failed())?;
    stream.set_write_timeout(Some(timeout)).map_err(failed())?;
    // Version 1.0: the server sends the body as it is and closes after it.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").map_err(failed())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed())?;

    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| bad("the answer has no end of header".to_owned()))?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(bad(format!("{status}: {}", body.trim())));
    }
    Ok(body.to_owned())
}
