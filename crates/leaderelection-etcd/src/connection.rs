//! A connection to an etcd cluster, which many locks share.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use leaderelection::SharedWatch;

use crate::lock::EtcdLock;
use crate::login::{Credentials, Password};
use crate::members::{Member, Members};
use crate::setup::SetupError;
#[cfg(feature = "tls")]
use crate::tls::EtcdTls;
use crate::{url, watch};

/// A connection to the members of one etcd cluster. Cheap to clone; any number of locks share it.
///
/// It is lazy: nothing is sent until a lock is used, and an etcd that is down is an error of that call, not of the
/// connection. A lost connection is made anew by the next call.
///
/// It belongs to the tokio runtime in which it was made, and dies with it.
#[derive(Clone)]
pub struct EtcdConnection {
    members: Arc<Members>,
    /// Before the key of every lock.
    prefix: Vec<u8>,
    /// The watch of its locks, if they share one.
    shared: Option<SharedWatch<Vec<u8>>>,
}

/// Sets up an [`EtcdConnection`]. Made by [`EtcdConnection::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct EtcdConnectionBuilder {
    endpoints: Vec<String>,
    connect_timeout: Duration,
    keep_alive_interval: Duration,
    keep_alive_timeout: Duration,
    user: Option<Credentials>,
    #[cfg(feature = "tls")]
    tls: Option<EtcdTls>,
}

impl EtcdConnection {
    /// A connection with the defaults of [`builder`](Self::builder).
    ///
    /// # Errors
    /// As [`EtcdConnectionBuilder::connect`]; not when etcd is down.
    pub async fn connect<E: Into<String>>(
        endpoints: impl IntoIterator<Item = E>,
    ) -> Result<Self, SetupError> {
        Self::builder(endpoints).connect().await
    }

    /// Starts to set up a connection to the members of one cluster, each `HOST:PORT`, `http://HOST:PORT`, or with TLS
    /// `https://HOST:PORT`.
    pub fn builder<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> EtcdConnectionBuilder {
        EtcdConnectionBuilder {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            connect_timeout: Duration::from_secs(2),
            keep_alive_interval: Duration::from_secs(6),
            keep_alive_timeout: Duration::from_secs(3),
            user: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Takes a client that you made, with whatever you need that [`builder`](Self::builder) does not offer.
    ///
    /// Give it `with_require_leader(true)`, so that a member that has lost its cluster says so; a keepalive of at least
    /// 5 s, which is the least that etcd tolerates, and none while idle, which it does not; no timeout: the elector has
    /// its own; and with a user `with_auto_token_refresh(true)`, or the election ends for good with its first token.
    pub fn from_client(client: Client) -> Self {
        Self {
            members: Arc::new(Members::new(vec![Member::new(None, client)], false)),
            prefix: Vec::new(),
            shared: None,
        }
    }

    /// The same connection, for locks whose keys all begin with this prefix, behind the one that there is already. One
    /// permission for the prefix serves all of them.
    ///
    /// ```
    /// use leaderelection_etcd::EtcdConnection;
    ///
    /// # async fn example() -> Result<(), leaderelection_etcd::SetupError> {
    /// let etcd = EtcdConnection::connect(["127.0.0.1:2379"]).await?;
    /// let lock = etcd.with_key_prefix("elections/").lock("my-service")?;
    /// assert_eq!(lock.key(), b"elections/my-service");
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn with_key_prefix(&self, prefix: impl AsRef<[u8]>) -> Self {
        Self {
            members: Arc::clone(&self.members),
            prefix: [&self.prefix, prefix.as_ref()].concat(),
            shared: self.shared.clone(),
        }
    }

    /// The same connection, whose locks share one watch: of all keys that begin with its [prefix](Self::with_key_prefix). So etcd
    /// serves one watch to a process however many elections it takes part in, and an election that begins opens none.
    ///
    /// It shows the process every election below the prefix, its own and those that it has no part in: give each set of elections
    /// that a process takes part in a prefix. When it breaks, it breaks for all of its locks, and is opened once for all of them.
    /// With users, the process needs to read the whole prefix.
    ///
    /// ```
    /// use leaderelection_etcd::EtcdConnection;
    ///
    /// # async fn example() -> Result<(), leaderelection_etcd::SetupError> {
    /// let etcd = EtcdConnection::connect(["127.0.0.1:2379"]).await?;
    /// let shards = etcd.with_key_prefix("shards/").with_shared_watch();
    /// let locks: Result<Vec<_>, _> = (0..1_000).map(|shard| shards.lock(shard.to_string())).collect();
    /// # locks.map(|_| ())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn with_shared_watch(&self) -> Self {
        Self {
            shared: Some(watch::shared(&self.members, &self.prefix)),
            ..self.clone()
        }
    }

    /// The lock whose record is the value of `key`, behind the connection's [prefix](Self::with_key_prefix).
    ///
    /// The lock also puts and deletes the key beside it, `KEY.term`, for the [fence](EtcdLock::fence): keep nothing else there.
    ///
    /// # Errors
    /// When the key is empty, or ends in `.term`, where the [fence](EtcdLock::fence) of another lock is.
    pub fn lock(&self, key: impl AsRef<[u8]>) -> Result<EtcdLock, SetupError> {
        let key = key.as_ref();
        // Not the prefix alone: it names many elections and no single one.
        if key.is_empty() {
            return Err(SetupError::EmptyKey);
        }
        EtcdLock::on(
            Arc::clone(&self.members),
            [&self.prefix, key].concat(),
            self.shared.as_ref(),
        )
    }

    /// The endpoints, each `HOST:PORT`; none where you brought the client, which does not tell them.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.members.endpoints()
    }
}

impl fmt::Debug for EtcdConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdConnection")
            .field("endpoints", &self.endpoints().collect::<Vec<_>>())
            .finish()
    }
}

impl EtcdConnectionBuilder {
    /// How long the opening of a connection may take, and with TLS its handshake once more; 2 s unless set. Nothing has been
    /// written when it passes.
    ///
    /// There is no limit here for a call on an open connection, because a swap that is given up may land all the same (SAFETY 9):
    /// that is the elector's, [`LeaseTiming::with_attempt_timeout`](leaderelection::LeaseTiming::with_attempt_timeout).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// After how long a silence a member is asked whether it is still there, and how long it has for an answer; 6 s and 3 s
    /// unless set. Then the connection is broken, and calls and watches on it fail.
    ///
    /// Only connections with a call or a watch under way are asked. etcd closes connections that ask more often than every
    /// 5 s (`--grpc-keepalive-min-time`).
    pub fn keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keep_alive_interval = interval;
        self.keep_alive_timeout = timeout;
        self
    }

    /// With TLS. It is so, as by [`EtcdTls::new`], also where an endpoint begins with `https://`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: EtcdTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Logs in with user and password, at the first call and whenever etcd knows the token no longer that it gave for them:
    /// when it was not used for 5 minutes (`--auth-token-ttl`), say. Where authentication is not
    /// enabled, etcd does without.
    ///
    /// A login happens within the call that needs it. It costs etcd some 50 ms of work, for the password is hashed.
    pub fn user(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(Credentials {
            user: user.into(),
            password: Password::Given(password.into()),
        });
        self
    }

    /// As [`user`](Self::user), with the password from a file, less the end of its last line. It is read for every login, so
    /// that it may change.
    pub fn user_with_password_file(
        mut self,
        user: impl Into<String>,
        password_file: impl Into<PathBuf>,
    ) -> Self {
        self.user = Some(Credentials {
            user: user.into(),
            password: Password::File(password_file.into()),
        });
        self
    }

    /// Makes the connection. It reads the files of TLS, sends nothing and does not wait.
    ///
    /// # Errors
    /// When there is no endpoint, one is not `HOST:PORT`, a file of TLS is missing or wrong, or there is no tokio runtime; not
    /// when etcd is down.
    pub async fn connect(self) -> Result<EtcdConnection, SetupError> {
        if self.endpoints.is_empty() {
            return Err(SetupError::NoEndpoint);
        }
        tokio::runtime::Handle::try_current().map_err(|_| SetupError::NoRuntime)?;
        let endpoints = self
            .endpoints
            .iter()
            .map(|given| url::endpoint(given))
            .collect::<Result<Vec<_>, _>>()?;
        let tls = self.load_tls(&endpoints)?;
        let mut members = Vec::new();
        for (_, endpoint) in endpoints {
            let options = self.options();
            #[cfg(feature = "tls")]
            let options = match &tls {
                Some(tls) => options.with_tls(tls.options(endpoint, self.connect_timeout)),
                None => options,
            };
            let client = Client::connect([endpoint], Some(options))
                .await
                .map_err(|error| SetupError::Client {
                    endpoint: endpoint.to_owned(),
                    reason: error.to_string(),
                })?;
            members.push(Member::new(Some(endpoint.to_owned()), client).with_login(self.user.clone()));
        }
        Ok(EtcdConnection {
            members: Arc::new(Members::new(members, tls.is_some())),
            prefix: Vec::new(),
            shared: None,
        })
    }

    /// What TLS needs, if there is to be any.
    fn load_tls(&self, endpoints: &[(Option<bool>, &str)]) -> Result<Option<Tls>, SetupError> {
        let wanted = endpoints.iter().any(|(tls, _)| *tls == Some(true));
        #[cfg(not(feature = "tls"))]
        let set: Option<&Tls> = None;
        #[cfg(feature = "tls")]
        let set = self.tls.as_ref();
        if set.is_none() && !wanted {
            return Ok(None);
        }
        if let Some((_, plain)) = endpoints.iter().find(|(tls, _)| *tls == Some(false)) {
            return Err(SetupError::NotAllTls((*plain).to_owned()));
        }
        #[cfg(not(feature = "tls"))]
        return Err(SetupError::NoTls);
        #[cfg(feature = "tls")]
        set.unwrap_or(&EtcdTls::new()).load().map(Some)
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions::new()
            // A member without a leader refuses at once instead of holding calls, and ends its watches.
            .with_require_leader(true)
            .with_connect_timeout(self.connect_timeout)
            .with_keep_alive(self.keep_alive_interval, self.keep_alive_timeout)
            // The client's default is to ask while idle, too, which etcd answers by closing the connection.
            .with_keep_alive_while_idle(false)
            // For a connection that is idle: the next call should find out that it is dead, not wait for it.
            .with_tcp_keepalive(self.keep_alive_interval)
    }
}

#[cfg(feature = "tls")]
type Tls = crate::tls::Loaded;
#[cfg(not(feature = "tls"))]
type Tls = std::convert::Infallible;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_needs_endpoints_that_are_ones() {
        let none: [&str; 0] = [];
        assert_eq!(
            EtcdConnection::connect(none).await.unwrap_err(),
            SetupError::NoEndpoint
        );
        let error = EtcdConnection::connect(["h:1", "h"]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "etcd endpoint \"h\": it has no port (etcd's own is 2379)"
        );
        let error = EtcdConnection::connect(["<>:1"]).await.unwrap_err();
        assert!(matches!(error, SetupError::Client { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_connection_is_with_tls_or_without() {
        let error = EtcdConnection::connect(["https://h:1", "http://i:1"])
            .await
            .unwrap_err();
        assert_eq!(error, SetupError::NotAllTls("i:1".to_owned()));
        #[cfg(not(feature = "tls"))]
        assert_eq!(
            EtcdConnection::connect(["https://h:1", "i:1"]).await.unwrap_err(),
            SetupError::NoTls
        );
        #[cfg(feature = "tls")]
        {
            use leaderelection::ResourceLock as _;

            let key = rcgen::KeyPair::generate().unwrap();
            let authority = rcgen::CertificateParams::default().self_signed(&key).unwrap();
            let tls = || EtcdTls::new().ca(authority.pem());
            for endpoints in [["h:1", "[::1]:1"], ["https://h:1", "[::1]:1"]] {
                let connecting = EtcdConnection::builder(endpoints).tls(tls()).connect();
                let lock = connecting.await.unwrap().lock("k").unwrap();
                assert_eq!(lock.describe(), "etcds://h:1,[::1]:1/k");
            }
            let connecting = EtcdConnection::builder(["http://h:1"]).tls(tls()).connect();
            let error = connecting.await.unwrap_err();
            assert_eq!(error, SetupError::NotAllTls("h:1".to_owned()));
        }
    }

    /// Who accepts a connection and says nothing.
    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn a_handshake_that_does_not_end_is_given_up_and_nothing_was_written() {
        use leaderelection::{
            Clock as _, Expected, LeaderElectionRecord, LockErrorKind, ResourceLock as _, SystemClock,
        };

        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = silent.local_addr().unwrap().to_string();
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let connecting = EtcdConnection::builder([endpoint])
            .tls(EtcdTls::new().ca(authority.pem()))
            .connect_timeout(Duration::from_millis(50))
            .connect();
        let lock = connecting.await.unwrap().lock("k").unwrap();
        // Without that limit it would wait for ever.
        let limit = SystemClock.sleep_until(SystemClock.mono().after(Duration::from_secs(20)));
        let record = LeaderElectionRecord::default();
        let swap = lock.compare_and_swap(Expected::Absent, &record);
        tokio::select! {
            swapped = swap => assert_eq!(swapped.unwrap_err().kind(), LockErrorKind::Unavailable),
            () = limit => panic!("it goes on waiting"),
        }
    }

    #[test]
    fn outside_a_runtime_it_is_an_error_and_no_panic() {
        let mut making = std::pin::pin!(EtcdConnection::connect(["h:1"]));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(made) = making.as_mut().poll(&mut context) else {
            panic!("it waits");
        };
        assert_eq!(made.unwrap_err(), SetupError::NoRuntime);
    }

    #[tokio::test]
    async fn a_key_that_is_none_is_refused_by_name() {
        let etcd = EtcdConnection::connect(["127.0.0.1:1"]).await.unwrap();
        assert_eq!(etcd.lock("").unwrap_err(), SetupError::EmptyKey);
        let prefixed = etcd.with_key_prefix("a/").with_key_prefix("b/");
        assert_eq!(prefixed.lock("").unwrap_err(), SetupError::EmptyKey);
        assert_eq!(prefixed.lock("k").unwrap().key(), b"a/b/k");
        assert_eq!(
            etcd.lock("k").unwrap().key(),
            b"k",
            "the connection itself has none"
        );
        let said = etcd.lock("a.term").unwrap_err().to_string();
        assert!(said.contains("\"a.term\""), "{said}");
    }
}
