//! Connections, of which none may hold up a renewal: the election is on the same thread.
//!
//! A connection serves one request and has little time for it, whether its client is slow to ask or slow to read. There are at most
//! so many of them; who comes then takes the place of the oldest, so that a probe is answered also while somebody holds all of
//! them open. Bodies of requests are not read. And they are served in turns with the election, which comes first.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, abortable};
use futures_util::stream::FuturesUnordered;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use leaderelection::{Clock as _, SystemClock};
use tokio::net::{TcpListener, TcpStream};

use super::answers::Answers;
use super::args::ListenAddr;

/// How many connections are open at once.
const MOST: usize = 64;

/// How long a client may take for the head of its request, and for all of it.
const HEAD: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);

/// The largest head; the least that hyper can have.
const LARGEST_HEAD: usize = 8 * 1024;

/// After an accept that failed, as where there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the recorder tidies up what it has collected, as it asks to be told.
const UPKEEP: Duration = Duration::from_secs(5);

/// Who listens.
pub(super) struct Server(TcpListener);

impl Server {
    /// On the first of the addresses that can be had.
    pub(super) fn bind(address: &ListenAddr) -> io::Result<Self> {
        let listener = net::TcpListener::bind(address.tries())?;
        listener.set_nonblocking(true)?;
        Ok(Self(TcpListener::from_std(listener)?))
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(super) async fn serve(&self, answers: &Answers<'_>) -> Infallible {
        let mut connections = FuturesUnordered::new();
        let mut handles: BTreeMap<u64, AbortHandle> = BTreeMap::new();
        let mut number = 0_u64;
        let mut tidy_at = SystemClock.mono().after(UPKEEP);
        loop {
            tokio::select! {
                accepted = self.0.accept() => match accepted {
                    Ok((stream, _)) => {
                        if handles.len() >= MOST && let Some((_, oldest)) = handles.pop_first() {
                            oldest.abort();
                        }
                        let (connection, handle) = abortable(connection(stream, answers));
                        handles.insert(number, handle);
                        connections.push(async move {
                            // Its end is its own affair, and so is how it came to it.
                            let _ = connection.await;
                            number
                        });
                        number += 1;
                    }
                    Err(error) => {
                        tracing::debug!("a connection could not be accepted: {error}");
                        SystemClock.sleep_until(SystemClock.mono().after(PAUSE)).await;
                    }
                },
                Some(ended) = connections.next() => {
                    handles.remove(&ended);
                }
                () = SystemClock.sleep_until(tidy_at) => {
                    answers.metrics.run_upkeep();
                    tidy_at = SystemClock.mono().after(UPKEEP);
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, answers: &Answers<'_>) {
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let answer = answers.to(request.method(), request.uri().path());
        async { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD)
        .keep_alive(false)
        .half_close(false);
    tokio::select! {
        served = http.serve_connection(TokioIo::new(stream), service) => {
            if let Err(error) = served {
                tracing::debug!("a connection has ended: {error}");
            }
        }
        () = SystemClock.sleep_until(SystemClock.mono().after(WHOLE)) => {}
    }
}
