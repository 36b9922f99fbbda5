//! Leader election on Kubernetes.
//!
//! The record is where client-go's leader election keeps it, so that programs in Go and in Rust can elect one leader among
//! themselves. Its version is the object's `resourceVersion`, which grows for the life of the cluster; a term's fencing
//! token is therefore one, too.
//!
//! | lock | record | what goes over the wire |
//! |---|---|---|
//! | [`LeaseLock`], for new elections | `spec` of a Lease | the Lease |
//! | [`ConfigMapLock`] | annotation `control-plane.alpha.kubernetes.io/leader` of a ConfigMap | its metadata only |
//! | [`EndpointsLock`] | the same of an Endpoints object | its metadata only |
//!
//! | [`ResourceLock`](leaderelection::ResourceLock) | Kubernetes |
//! |---|---|
//! | `get` | GET |
//! | `compare_and_swap` on nothing | POST of an object that has the record, and the labels and owners that you chose |
//! | `compare_and_swap` on a version | merge PATCH of the record, with that `resourceVersion`; never PUT, which would bring back a deleted object |
//! | `watch` | a watch of the one name, from no version: it begins with what is there |
//!
//! A patch leaves everything else on the object alone, and of an object with a thousand addresses, or with a large
//! ConfigMap's data, only metadata is shipped.
//!
//! ```no_run
//! use leaderelection::LeaderElector;
//! use leaderelection_kube::KubeConnection;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let kube = KubeConnection::infer().await?;
//! let elector = LeaderElector::builder(kube.lease("my-namespace", "my-controller")?, "candidate-1").build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # From a configuration file and flags
//!
//! A file that serves a program in Go, and Go's flags `--leader-elect…`, of which those that are given override it (feature `clap`
//! of `leaderelection`):
//!
//! ```no_run
//! use std::path::PathBuf;
//!
//! use clap::Parser;
//! use leaderelection::{Identity, LeaderElectionConfiguration, LeaderElectionFlags, LeaderElector};
//! use leaderelection_kube::{KubeConnection, LockRef};
//!
//! #[derive(Parser)]
//! struct Args {
//!     #[arg(long)]
//!     config: PathBuf,
//!     #[command(flatten)]
//!     leader_election: LeaderElectionFlags,
//! }
//!
//! #[derive(serde::Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Config {
//!     #[serde(default)]
//!     leader_election: LeaderElectionConfiguration,
//! }
//!
//! async fn work() {
//!     // …
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let args = Args::parse();
//!     let config: Config = serde_saphyr::from_str(&std::fs::read_to_string(&args.config)?)?;
//!     let mut config = args.leader_election.over(config.leader_election);
//!     if config.resource_name.is_empty() {
//!         config.resource_name = "my-controller".to_owned(); // a default of this program's own
//!     }
//!     if !config.leader_elect {
//!         // There is one copy, or each may work: no lock, no elector.
//!         work().await;
//!         return Ok(());
//!     }
//!     config.validate().map_err(|error| error.under("leaderElection"))?; // all that is wrong, at once
//!     let lock = KubeConnection::infer().await?.lock(&LockRef::try_from(&config)?);
//!     LeaderElector::builder(lock, Identity::unique())
//!         .timing(config.timing()?)
//!         .build()?
//!         .run(std::future::pending::<()>(), |_leadership| work())
//!         .await?;
//!     Ok(())
//! }
//! ```
//!
//! # Permissions
//!
//! Of the one object `get`, `patch` and `watch`; and `create`, which Kubernetes cannot restrict to a name. No `list`, no
//! `update`, no `delete`.
//!
//! ```yaml
//! rules:
//! - apiGroups: ["coordination.k8s.io"]   # "" for endpoints and configmaps
//!   resources: ["leases"]                # or "configmaps", or "endpoints"
//!   resourceNames: ["my-controller"]
//!   verbs: ["get", "patch", "watch"]
//! - apiGroups: ["coordination.k8s.io"]
//!   resources: ["leases"]
//!   verbs: ["create"]
//! ```
//!
//! `watch` of all of the kind in the namespace, too, where locks [share watches](KubeConnection::with_shared_watches); and
//! `create` of `events` where an [`EventRecorder`] is to tell there who became leader and who stopped leading.
//!
//! # What an object is created with
//!
//! Every lock has `with_labels` and `with_owner_reference`, for the object if the lock is what creates it; and
//! `with_field_manager`, for `managedFields` at every write.
//!
//! # What the annotation may hold
//!
//! An object without the annotation has no record and may be taken at once. An annotation that is there and is no record,
//! the empty string too, holds until it has stood still for a lease (SAFETY 17). Clients in Java and Python take an empty one
//! at once, and a Go leader that meets one leads on until its deadline: to wait is right beside all of them.
//!
//! # What a Lease may hold
//!
//! A Lease without a holder and without times has no record and may be taken at once, as may one that was released: its
//! holder is `null` or empty. `strategy`, `preferredHolder` and whatever else is in the spec is not part of the record: it
//! stays as it is, and who changes it has not renewed a lease (SAFETY 5). Times are written in whole seconds and read to the
//! microsecond.
//!
//! The apiserver checks the types of a Lease, so it holds no record with a duration below 0 s or above 2,147,483,647 s, with
//! such transitions, or with fields of its own; a swap of one is `Invalid` and is not sent. After the last of the
//! transitions an election goes on with 1.
//!
//! # Versions of Kubernetes, and TLS
//!
//! `kube` builds on `k8s-openapi`, of which a program has to choose one version feature, such as `latest`; this crate, being
//! a library, chooses none. TLS is rustls with ring unless you say `default-features = false` and choose among the features
//! `rustls-tls` (with `ring` or `aws-lc-rs`) and `openssl-tls`.
//!
//! # Proxies
//!
//! A proxy of the kubeconfig (`proxy-url`), or else of `HTTPS_PROXY` where `NO_PROXY` does not name the cluster, is used with
//! the features `http-proxy` (on by default) and `socks5`. Without its feature it is an error: nothing goes around it. A pod's
//! own service account reaches its cluster directly.
//!
//! # Credentials that end
//!
//! A pod's token is read anew about once a minute, and a plugin of the kubeconfig runs again when the time comes that it named
//! for its token. Whatever else ends (a token in a file, what a plugin gave without such a time, a client certificate), the
//! apiserver refuses with 401. Then the kubeconfig is read again, its files and its plugin with it, and the next call has the new
//! credentials: an election outlives it, where they are there before the renew deadline. It is tried after 1 s, 2 s, 4 s and so
//! on, at most once a minute, while calls are refused; only for the cluster that was connected to at first. A server that breaks
//! off the TLS handshake instead of answering 401 gets no new certificate: make a new connection then.
//!
//! A plugin that does not answer is run once more beside after 3 s, and then ever less often; the first answer is taken, and the
//! calls that wait for it go on. So one that hangs once costs a renewal 3 s, and one that hangs for long neither a thread for
//! every call nor the election for good.
//!
//! As kube runs a plugin, it writes to this process' standard error unless its `interactiveMode` is `Never`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod annotation;
mod component;
mod config;
mod config_map;
mod connection;
mod creation;
mod credentials;
mod endpoints;
mod events;
mod failure;
mod lease;
mod lock_ref;
mod lock_type;
mod names;
mod object;
mod once;
mod proxy;
mod renewal;
mod setup;
mod status;
mod told;
mod watch;
mod wire;

pub use config_map::ConfigMapLock;
pub use connection::KubeConnection;
pub use endpoints::EndpointsLock;
pub use events::{EventRecorder, EventRecording};
pub use lease::LeaseLock;
pub use lock_ref::LockRef;
pub use setup::SetupError;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
