//! Faults of the network between a client and a real server.

mod proxy;

pub use self::proxy::{Proxy, Way};
