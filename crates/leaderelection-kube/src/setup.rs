//! What can be wrong with how a connection or a lock is set up. Nothing here depends on whether the apiserver serves.

use std::path::PathBuf;

/// A connection or a lock cannot be set up as asked. An apiserver that is down is no such error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A namespace has a name that Kubernetes does not allow.
    #[error("namespace {namespace:?}: {problem}")]
    BadNamespace {
        /// What was given.
        namespace: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An object has a name that Kubernetes does not allow.
    #[error("name {name:?} of a lock: {problem}")]
    BadName {
        /// What was given.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A reference to a lock has another form than `KIND:NAMESPACE/NAME`.
    #[error(
        "lock {reference:?}: {problem}; the form is leases:NAMESPACE/NAME, configmaps:NAMESPACE/NAME or endpoints:NAMESPACE/NAME"
    )]
    BadReference {
        /// What was given.
        reference: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A label that Kubernetes does not allow.
    #[error("label {key:?} = {value:?}: {problem}")]
    BadLabel {
        /// Its key, as it was given.
        key: String,
        /// Its value, as it was given.
        value: String,
        /// What is wrong with them.
        problem: String,
    },
    /// A reference to an owner that Kubernetes does not allow.
    #[error("owner reference to {kind} {name:?} (apiVersion {api_version:?}, uid {uid:?}): {problem}")]
    BadOwnerReference {
        /// The owner's API, as it was given.
        api_version: String,
        /// The owner's kind, as it was given.
        kind: String,
        /// The owner's name, as it was given.
        name: String,
        /// The owner's uid, as it was given.
        uid: String,
        /// What is wrong with them.
        problem: &'static str,
    },
    /// A name of a field manager that Kubernetes does not allow.
    #[error("field manager {name:?}: {problem}")]
    BadFieldManager {
        /// What was given.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no kubeconfig, and the program runs in no cluster.
    #[error("no cluster to connect to: KUBECONFIG is not set, there is no {}, and this is no pod (KUBERNETES_SERVICE_HOST is not set)", .looked_for.display())]
    NoConfig {
        /// The file that would have been read.
        looked_for: PathBuf,
    },
    /// A kubeconfig is missing, cannot be read, or names something that it does not hold.
    #[error("kubeconfig {path}: {reason}")]
    Kubeconfig {
        /// The file, or the list of files that `KUBECONFIG` names.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A proxy's URL cannot be read.
    #[error("the proxy that {named_by} names: {problem}")]
    Proxy {
        /// The variable, or the kubeconfig.
        named_by: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The pod's own configuration cannot be read.
    #[error("in-cluster configuration: {reason}")]
    InCluster {
        /// What is wrong with it.
        reason: String,
    },
    /// When credentials were fetched anew, the kubeconfig had become that of another cluster. They are not used: that would be
    /// another election. This is only told in the log.
    #[error("what was the configuration of {before} is now of {now}")]
    OtherCluster {
        /// The server that was connected to.
        before: String,
        /// The server that would be.
        now: String,
    },
    /// TLS by rustls was asked for, and no provider of cryptography.
    #[error(
        "rustls has no provider of cryptography: enable the feature `ring` or `aws-lc-rs` of leaderelection-kube, or install one"
    )]
    NoCryptoProvider,
    /// The connection was made outside a tokio runtime.
    #[error("a connection to Kubernetes needs a tokio runtime with I/O and time enabled")]
    NoRuntime,
    /// kube's client refuses the configuration.
    #[error("kube's client refuses the configuration: {reason}")]
    Client {
        /// What it said.
        reason: String,
    },
}
