//! A network between the members of one cluster, which can be parted.
//!
//! Every member has one URL at which all others reach it, so who connects there cannot be told by where. Hence each member makes
//! its connections through a SOCKS5 proxy of its own, as `HTTP_PROXY` says to Go's HTTP client: that tells who connects, and the
//! request to the proxy tells to whom. Go asks no proxy for an address of loopback; so the members' are of a net that is kept for
//! documentation, and which nobody but these proxies knows where to find.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{Proxy, Way};

/// RFC 5737's first; the last part is a member's number, and one.
const NET: [u8; 3] = [192, 0, 2];
/// Every member's, at its own address.
const PORT: u16 = 2380;

/// See the module. Dropping it closes all connections through it.
#[derive(Debug)]
pub struct Network {
    doors: Vec<SocketAddr>,
    /// By who connects, and to whom.
    roads: Arc<Vec<Vec<Proxy>>>,
    closed: Arc<AtomicBool>,
}

impl Network {
    /// Between members that listen at these addresses, `HOST:PORT`, or will.
    ///
    /// # Errors
    /// When the system refuses a port, or an address is none.
    pub fn between(members: &[String]) -> io::Result<Self> {
        let roads: Vec<Vec<Proxy>> = members
            .iter()
            .map(|_| members.iter().map(|member| Proxy::before(member)).collect())
            .collect::<io::Result<_>>()?;
        let roads = Arc::new(roads);
        let closed = Arc::new(AtomicBool::new(false));
        let mut doors = Vec::new();
        for from in 0..members.len() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            doors.push(listener.local_addr()?);
            let (roads, closed) = (Arc::clone(&roads), Arc::clone(&closed));
            thread::spawn(move || {
                for client in listener.incoming().map_while(io::Result::ok) {
                    if closed.load(Ordering::Relaxed) {
                        return;
                    }
                    let roads = Arc::clone(&roads);
                    // A connection that cannot be made is closed, and its member told by that.
                    thread::spawn(move || roads.get(from).map(|roads| pass(client, roads)));
                }
            });
        }
        Ok(Self { doors, roads, closed })
    }

    /// At which the others reach a member: `HOST:PORT`.
    pub fn address(&self, member: usize) -> String {
        let [a, b, c] = NET;
        format!("{a}.{b}.{c}.{}:{PORT}", member + 1)
    }

    /// Through which a member has to make its connections to the others: a value of `HTTP_PROXY`. `None` where there is none of
    /// that number.
    pub fn proxy(&self, member: usize) -> Option<String> {
        self.doors.get(member).map(|door| format!("socks5://{door}"))
    }

    /// Lets nothing pass between these members and all others any more, in neither direction, until [`heal`](Self::heal). As
    /// in a network that loses packets, nobody is told.
    pub fn part(&self, members: &[usize]) {
        for (from, roads) in self.roads.iter().enumerate() {
            for (to, road) in roads.iter().enumerate() {
                if members.contains(&from) != members.contains(&to) {
                    road.hold(Way::Request);
                    road.hold(Way::Reply);
                }
            }
        }
    }

    /// Lets everything pass again, what was held first.
    pub fn heal(&self) {
        self.roads.iter().flatten().for_each(Proxy::release);
    }

    /// How many bytes have passed from one member's connections to another, both ways together.
    pub fn passed(&self, from: usize, to: usize) -> u64 {
        let road = self.roads.get(from).and_then(|roads| roads.get(to));
        road.map_or(0, Proxy::passed)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        for door in &self.doors {
            // Wakes the listener; if it cannot be reached, it is gone already.
            let _ = TcpStream::connect(door);
        }
        // What is still connected holds the proxies.
        self.roads.iter().flatten().for_each(Proxy::cut);
    }
}

/// Leads one connection to the proxy before whom it asks for.
fn pass(mut client: TcpStream, roads: &[Proxy]) -> io::Result<()> {
    let to = greet(&mut client)?;
    let road = roads
        .get(to)
        .ok_or_else(|| io::Error::other(format!("no member {to}")))?;
    let server = TcpStream::connect(road.endpoint())?;
    // Granted, from an address of no importance.
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, from_server) = (client.try_clone()?, server.try_clone()?);
    let requests = thread::spawn(move || pump(from_client, server));
    pump(from_server, client);
    // Both have ended when one has.
    let _ = requests.join();
    Ok(())
}

/// RFC 1928, as far as Go's client uses it: which member is asked for.
fn greet(client: &mut TcpStream) -> io::Result<usize> {
    let unknown = |what| io::Error::other(format!("SOCKS5: {what}"));
    let mut head = [0; 2];
    client.read_exact(&mut head)?;
    let [5, methods] = head else {
        return Err(unknown("another version"));
    };
    client.read_exact(&mut vec![0; usize::from(methods)])?;
    // No authentication.
    client.write_all(&[5, 0])?;
    let mut request = [0; 10];
    client.read_exact(&mut request)?;
    // Connect, to an address of IPv4.
    let [5, 1, 0, 1, a, b, c, number, port @ ..] = request else {
        return Err(unknown("another request"));
    };
    if [a, b, c] != NET || u16::from_be_bytes(port) != PORT {
        return Err(unknown("nobody's address"));
    }
    usize::from(number)
        .checked_sub(1)
        .ok_or_else(|| unknown("nobody's address"))
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    // Either end may be gone.
    let _ = io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
