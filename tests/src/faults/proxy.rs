//! A TCP proxy that delays and loses what passes through it.
//!
//! It knows no protocol. What it loses it loses with the connection, as a network does: a stream of bytes with a hole in
//! it is no fault that TCP would show.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use leaderelection::{Clock, SystemClock};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Reply,
}

/// A proxy before one server, on a loopback port of its own. Without faults until it is told otherwise.
///
/// Dropping it closes the port and every connection through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
    passed: [AtomicU64; 2],
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Grows with every cut; a connection that is older than the last one is over.
    cuts: u64,
    held: Vec<Way>,
    refuses: bool,
    lose_next: Option<Way>,
    delay: Duration,
    connections: Vec<TcpStream>,
}

impl Proxy {
    /// Starts a proxy before a server, `HOST:PORT`, which need not run yet.
    ///
    /// # Errors
    /// When the system refuses a port, or the address is none.
    pub fn before(target: &str) -> io::Result<Self> {
        let target = target
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::other(format!("{target} is no address")))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Self {
            address: listener.local_addr()?,
            shared: Arc::new(Shared {
                target,
                state: Mutex::default(),
                changed: Condvar::new(),
                passed: Default::default(),
            }),
        };
        let shared = Arc::clone(&proxy.shared);
        thread::spawn(move || shared.accept(&listener));
        Ok(proxy)
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// How many bytes have passed, both ways together.
    pub fn passed(&self) -> u64 {
        self.passed_this_way(Way::Request) + self.passed_this_way(Way::Reply)
    }

    /// How many bytes have passed this way.
    pub fn passed_this_way(&self, way: Way) -> u64 {
        self.shared.counter(way).load(Ordering::Relaxed)
    }

    /// Lets nothing pass this way, without losing it, until [`release`](Self::release).
    pub fn hold(&self, way: Way) {
        self.shared.state().held.push(way);
    }

    /// From now on whatever comes takes so long to pass, each way.
    pub fn delay(&self, by: Duration) {
        self.shared.state().delay = by;
    }

    /// Closes every connection, and each new one at once, until [`release`](Self::release).
    pub fn refuse(&self) {
        let mut state = self.shared.state();
        state.refuses = true;
        self.shared.cut(state);
    }

    /// Lets everything pass again, what was held first.
    pub fn release(&self) {
        let mut state = self.shared.state();
        state.held.clear();
        state.refuses = false;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Loses the next bytes that go this way, and every connection with them.
    pub fn lose_next(&self, way: Way) {
        self.shared.state().lose_next = Some(way);
    }

    /// Closes every connection, and loses what is held on it. New ones may be made.
    pub fn cut(&self) {
        self.shared.cut(self.shared.state());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        self.shared.cut(state);
        // Wakes the listener, which then sees that it is over; if it cannot be reached, it is over already.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self, mut state: MutexGuard<'_, State>) {
        state.cuts += 1;
        for connection in state.connections.drain(..) {
            // It may be closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let mut state = self.state();
            if state.closed {
                return;
            }
            if state.refuses {
                continue;
            }
            let cuts = state.cuts;
            // A server that is down closes the client's connection, too.
            let Ok(pipes) = client.and_then(|client| Ok((client, TcpStream::connect(self.target)?))) else {
                continue;
            };
            let Ok([client, server, from_client, from_server]) = doubled(&pipes.0, &pipes.1) else {
                continue;
            };
            state.connections.extend([pipes.0, pipes.1]);
            drop(state);
            let (requests, replies) = (Arc::clone(&self), Arc::clone(&self));
            thread::spawn(move || requests.pump(Way::Request, from_client, server, cuts));
            thread::spawn(move || replies.pump(Way::Reply, from_server, client, cuts));
        }
    }

    /// Moves bytes one way until one end closes or the connection is cut.
    fn pump(&self, way: Way, mut from: TcpStream, mut to: TcpStream, cuts: u64) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let passes = self.passes(way, cuts);
            if passes {
                self.counter(way)
                    .fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
            }
            if !passes || to.write_all(buffer.get(..count).unwrap_or_default()).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn counter(&self, way: Way) -> &AtomicU64 {
        let [requests, replies] = &self.passed;
        match way {
            Way::Request => requests,
            Way::Reply => replies,
        }
    }

    fn passes(&self, way: Way, cuts: u64) -> bool {
        let mut state = self.state();
        if state.cuts == cuts && state.lose_next == Some(way) {
            state.lose_next = None;
            self.cut(state);
            return false;
        }
        let arrived = SystemClock.mono();
        loop {
            let left = arrived.after(state.delay).since(SystemClock.mono());
            if state.cuts != cuts || left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        while state.cuts == cuts && state.held.contains(&way) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.cuts == cuts
    }
}

/// A second handle of each, for the other way.
fn doubled(client: &TcpStream, server: &TcpStream) -> io::Result<[TcpStream; 4]> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok([
        client.try_clone()?,
        server.try_clone()?,
        client.try_clone()?,
        server.try_clone()?,
    ])
}
