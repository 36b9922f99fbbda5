//! The few requests that the fixtures send themselves: HTTP/1.0, plain or over TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::ServerError;

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    /// The body of a 2xx answer; `request` names what was asked.
    pub(super) fn successful(self, request: &str) -> Result<String, ServerError> {
        if (200..300).contains(&self.status) {
            Ok(self.body)
        } else {
            Err(ServerError::BadAnswer {
                request: request.to_owned(),
                problem: format!("{}: {}", self.status, self.body.trim()),
            })
        }
    }
}

/// The body of a 200 answer to a plain GET from a server on loopback.
pub(super) fn get(port: u16, path: &str, timeout: Duration) -> Result<String, ServerError> {
    let request = format!("GET http://127.0.0.1:{port}{path}");
    let mut stream = connect(port, timeout).map_err(ServerError::io(request.clone()))?;
    exchange(&mut stream, &request, "GET", path, &[], "")?.successful(&request)
}

/// A connection to loopback on which neither connecting nor one read or write takes longer than that.
pub(super) fn connect(port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

/// Sends one request and reads its answer to the end of the stream. `request` names it in errors.
pub(super) fn exchange(
    stream: &mut (impl Read + Write),
    request: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, ServerError> {
    // Version 1.0: the server sends the body as it is and closes after it.
    let mut head = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut answer = String::new();
    write!(stream, "{head}\r\n{body}")
        .and_then(|()| stream.flush())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(ServerError::io(request))?;

    let bad = |problem: &str| ServerError::BadAnswer {
        request: request.to_owned(),
        problem: problem.to_owned(),
    };
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| bad("the answer has no end of header"))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| bad("the answer has no status"))?;
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}
