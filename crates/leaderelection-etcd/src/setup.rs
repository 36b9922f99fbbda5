//! What can be wrong with how a connection or a lock is set up. Nothing here depends on whether etcd serves.

/// A connection or a lock cannot be set up as asked. An etcd that is down is no such error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The key is empty.
    #[error("the key of an etcd lock must not be empty: it names the election")]
    EmptyKey,
    /// The key is that in which the fence of another lock is kept.
    #[error("an etcd lock must not have the key {0:?}: what ends in \".term\" belongs to the lock without")]
    ReservedKey(String),
    /// The time after which a lock is garbage is none that etcd's leases can have.
    #[error("the keys of an etcd lock cannot be garbage after {0:?}: from 1 s to 9000000000 s they can")]
    GarbageTime(std::time::Duration),
    /// There is no endpoint.
    #[error("an etcd connection needs at least one endpoint, HOST:PORT")]
    NoEndpoint,
    /// An endpoint is not `HOST:PORT`.
    #[error("etcd endpoint {endpoint:?}: {problem}")]
    BadEndpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A URL of an etcd lock has another form than `etcd://HOST:PORT[,HOST:PORT…]/KEY`, or `etcds://` with TLS.
    #[error("etcd lock {url:?}: {problem}; the form is etcd://HOST:PORT[,HOST:PORT…]/KEY, with TLS etcds://")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An endpoint or a URL carries credentials. It is not repeated here, because logs are read by many.
    #[error("an etcd endpoint must not carry a user or a password (there is an '@' in it)")]
    CredentialsInEndpoint,
    /// TLS is asked for, and there is none.
    #[error("TLS to etcd is not compiled in: build leaderelection-etcd with the feature `tls`")]
    NoTls,
    /// Some endpoints are with TLS, and others without.
    #[error("TLS is set up for this etcd connection, and endpoint {0:?} is without (http://)")]
    NotAllTls(String),
    /// There is nobody to trust.
    #[error(
        "TLS to etcd needs the certificate of an authority to trust; \
         or build leaderelection-etcd with the feature `tls-native-roots` for those of the machine"
    )]
    NoAuthority,
    /// A certificate, a key or a name is no good.
    #[error("TLS to etcd: {what}: {problem}")]
    Tls {
        /// What it is for, and where it was read.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The connection was made outside a tokio runtime.
    #[error("an etcd connection needs a tokio runtime with I/O and time enabled")]
    NoRuntime,
    /// etcd's client refused.
    #[error("etcd's client refuses endpoint {endpoint:?}: {reason}")]
    Client {
        /// The endpoint.
        endpoint: String,
        /// What the client said.
        reason: String,
    },
}
