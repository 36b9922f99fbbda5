//! Faults of the network between a client and a real server, and between servers.

mod network;
mod proxy;

pub use self::network::Network;
pub use self::proxy::{Proxy, Way};
