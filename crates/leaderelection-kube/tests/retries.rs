//! One call is one request on the wire, whatever is answered (clause 12, SAFETY 8): kube's own retry is off in every client
//! that is made here, and does not repeat what a lock sends by a client of the user's that has it.

#![allow(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::{Client, Config};
use leaderelection::{
    Clock, Expected, LeaderElectionRecord, LockErrorKind, ResourceLock, SystemClock, Version,
};
use leaderelection_kube::KubeConnection;

type TestResult = Result<(), Box<dyn Error>>;

/// For a call that is answered at once. kube's retry would go on for minutes, and asks eight times in the first second.
const LIMIT: Duration = Duration::from_secs(2);

/// What the server makes of a request.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Answer(u16),
    /// It may be tried again at once.
    RetryAfter0(u16),
    /// The connection is closed when the request has been read.
    Cut,
}

const TROUBLES: [Trouble; 7] = [
    Trouble::Answer(429),
    Trouble::RetryAfter0(429),
    Trouble::Answer(500),
    Trouble::Answer(503),
    Trouble::RetryAfter0(503),
    Trouble::Answer(504),
    Trouble::Cut,
];

/// A server that does this to every request, and the methods that it was asked with.
#[derive(Clone)]
struct Server {
    address: String,
    trouble: Arc<Mutex<Trouble>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// The last that it was sent.
    token: Arc<Mutex<String>>,
}

impl Server {
    fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self {
            address: listener.local_addr()?.to_string(),
            trouble: Arc::new(Mutex::new(Trouble::Cut)),
            asked: Arc::default(),
            token: Arc::default(),
        };
        let shared = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = shared.clone();
                std::thread::spawn(move || server.serve(&stream));
            }
        });
        Ok(server)
    }

    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut requests = BufReader::new(stream);
        loop {
            let (mut line, mut length) = (String::new(), 0);
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let method = line.split(' ').next().unwrap_or_default().to_owned();
            while line != "\r\n" {
                line.clear();
                requests.read_line(&mut line)?;
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap_or(0);
                }
                if let Some(token) = line.strip_prefix("authorization: Bearer ") {
                    token.trim().clone_into(&mut self.token.lock().unwrap());
                }
            }
            std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink())?;
            self.asked.lock().unwrap().push(method);
            let trouble = *self.trouble.lock().unwrap();
            let (code, more) = match trouble {
                Trouble::Answer(code) => (code, ""),
                Trouble::RetryAfter0(code) => (code, "retry-after: 0\r\n"),
                Trouble::Cut => return stream.shutdown(std::net::Shutdown::Both),
            };
            write!(
                stream,
                "HTTP/1.1 {code} Trouble\r\n{more}content-length: 0\r\n\r\n"
            )?;
        }
    }

    fn set(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    /// What it was asked since the last look.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// As kube makes it by default: with the retry.
    fn config(&self) -> Result<Config, Box<dyn Error>> {
        let config = Config::new(format!("http://{}", self.address).parse()?);
        assert!(config.default_retry);
        Ok(config)
    }

    fn kubeconfig(&self, token: &str) -> String {
        format!(
            "
apiVersion: v1
kind: Config
clusters: [{{ name: c, cluster: {{ server: 'http://{}' }} }}]
users: [{{ name: u, user: {{ token: {token} }} }}]
contexts: [{{ name: x, context: {{ cluster: c, user: u }} }}]
current-context: x
",
            self.address
        )
    }

    /// What one call was on the wire, and its outcome.
    async fn wire<T>(&self, call: impl Future<Output = T>) -> (Vec<String>, Option<T>) {
        self.asked();
        let outcome = tokio::select! {
            outcome = call => Some(outcome),
            () = SystemClock.sleep_until(SystemClock.mono().after(LIMIT)) => None,
        };
        (self.asked(), outcome)
    }
}

/// Each call of a lock is sent once, and fails as what it met allows to conclude (SAFETY 9).
async fn each_call_is_sent_once(server: &Server, connection: &KubeConnection, made: &str) -> TestResult {
    let lock = connection.lease("ns", "leader")?;
    let record = LeaderElectionRecord::default();
    for trouble in TROUBLES {
        server.set(trouble);
        let swap = |expected| lock.compare_and_swap(expected, &record);
        let version = Expected::Version(Version::new(7));
        let (created, create) = server.wire(swap(Expected::Absent)).await;
        let (patched, patch) = server.wire(swap(version)).await;
        let (got, get) = server.wire(lock.get()).await;
        let (watched, watch) = server.wire(lock.watch()).await;
        let wire = [created, patched, got, watched];
        assert_eq!(
            wire,
            [["POST"], ["PATCH"], ["GET"], ["GET"]],
            "{made}: {trouble:?}"
        );
        for outcome in [create, patch] {
            let error = outcome.and_then(Result::err).ok_or("no error in time")?;
            let refused = matches!(trouble, Trouble::Answer(429) | Trouble::RetryAfter0(429));
            let expected = if refused {
                LockErrorKind::Unavailable
            } else {
                LockErrorKind::Ambiguous
            };
            assert_eq!(error.kind(), expected, "{made}: {trouble:?}: {error}");
        }
        let reads = [get.map(|read| read.is_err()), watch.map(|watch| watch.is_err())];
        assert_eq!(reads, [Some(true); 2], "{made}: {trouble:?}");
    }
    Ok(())
}

/// An ordinary request by it, which kube's retry would repeat.
async fn the_retry_is_off(server: &Server, connection: &KubeConnection, made: &str) {
    for trouble in TROUBLES {
        server.set(trouble);
        let (asked, failed) = server.wire(connection.client().apiserver_version()).await;
        assert_eq!(asked, ["GET"], "{made}: {trouble:?}");
        assert!(
            failed.is_some_and(|outcome| outcome.is_err()),
            "{made}: {trouble:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_is_made_here_has_no_retry() -> TestResult {
    let server = Server::start()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, server.kubeconfig("first"))?;
    let renewed = KubeConnection::from_kubeconfig(&path).await?;
    std::fs::write(&path, server.kubeconfig("second"))?;
    server.set(Trouble::Answer(401));
    while *server.token.lock().unwrap() != "second" {
        // Each of these may be the first by the client that was made anew.
        assert!(renewed.client().apiserver_version().await.is_err());
        tokio::task::yield_now().await;
    }
    for (connection, made) in [
        (
            KubeConnection::from_config(server.config()?).await?,
            "from_config",
        ),
        (KubeConnection::from_kubeconfig(&path).await?, "from_kubeconfig"),
        (renewed, "with credentials that were fetched anew"),
    ] {
        the_retry_is_off(&server, &connection, made).await;
        each_call_is_sent_once(&server, &connection, made).await?;
    }
    Ok(())
}

#[tokio::test]
async fn by_a_users_client_that_retries_a_lock_sends_each_call_once() -> TestResult {
    let server = Server::start()?;
    let client = Client::try_from(server.config()?)?;
    // The retry is on, and the count shows it.
    server.set(Trouble::Answer(503));
    let (asked, _) = server.wire(client.apiserver_version()).await;
    assert!(asked.len() > 3, "{asked:?}");
    each_call_is_sent_once(&server, &KubeConnection::from_client(client), "the user's").await
}
