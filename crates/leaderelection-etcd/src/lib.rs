//! Leader election on etcd.
//!
//! Building needs `protoc`; the README says more.
//!
//! The record is the value of one key. Its version is the key's `mod_revision`, which etcd never repeats, also not across
//! delete and re-create; a term's fencing token is therefore a revision of etcd too.
//!
//! | [`ResourceLock`](leaderelection::ResourceLock) | etcd |
//! |---|---|
//! | `get` | one linearizable range; its header's revision is the version of an absence |
//! | `compare_and_swap` | one transaction: compare `mod_revision` (to create: `create_revision` with 0), then put, else get. The write that begins a term puts `KEY.term`, too, and that which ends one deletes it |
//! | `watch` | a range, then a watch from the revision after it |
//!
//! ```no_run
//! use leaderelection::LeaderElector;
//! use leaderelection_etcd::EtcdConnection;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let etcd = EtcdConnection::connect(["10.0.0.1:2379", "10.0.0.2:2379", "10.0.0.3:2379"]).await?;
//! let elector = LeaderElector::builder(etcd.lock("my-service/leader")?, "candidate-1").build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # The fence
//!
//! No clock can stop a write that a paused leader has already decided on. For what is kept in the same etcd,
//! [`EtcdLock::fence`] can: it gives the compares that make a transaction of yours succeed only while the term is current.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod connection;
mod failure;
mod fence;
mod garbage;
mod lock;
mod login;
mod members;
mod reason;
mod setup;
#[cfg(feature = "tls")]
mod tls;
mod url;
mod watch;

pub use etcd_client;

pub use connection::{EtcdConnection, EtcdConnectionBuilder};
pub use lock::EtcdLock;
pub use setup::SetupError;
#[cfg(feature = "tls")]
pub use tls::EtcdTls;
pub use url::EtcdUrl;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
