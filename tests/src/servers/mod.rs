//! Real servers, one per fixture: on loopback, in a temporary folder, gone when the fixture is.
//!
//! Their programs are built by `tests/servers/build.sh` from the Go module beside it. Fixtures are synchronous and
//! need no runtime, so a test may start one before, inside or outside an async block.

mod error;
mod etcd;
mod http;
mod patience;
mod ports;
mod process;
mod programs;

pub use self::error::ServerError;
pub use self::etcd::Etcd;
pub(crate) use self::process::Guard;
