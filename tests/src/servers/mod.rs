//! Real servers, one per fixture: on loopback, in a temporary folder, gone when the fixture is.
//!
//! Their programs are built by `tests/servers/build.sh` from the Go module beside it. Fixtures are synchronous and
//! need no runtime, so a test may start one before, inside or outside an async block.

mod audit;
mod authority;
mod contender;
mod error;
mod etcd;
mod etcd_cluster;
mod etcd_settings;
mod http;
mod janitor;
mod kube;
mod patience;
mod ports;
mod process;
mod programs;
mod tls;

pub use self::audit::KubeRequest;
pub use self::authority::{Authority, CertificateFiles};
pub use self::contender::{Contender, ContenderEvent, GoContender, Said, monotonic};
pub use self::error::ServerError;
pub use self::etcd::Etcd;
pub use self::etcd_cluster::EtcdCluster;
pub use self::etcd_settings::EtcdSettings;
pub use self::janitor::Janitor;
pub use self::kube::KubeApiserver;
pub use self::programs::find as find_program;
