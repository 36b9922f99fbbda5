//! Credentials that a server takes no longer are fetched anew, from wherever they came; never for another server, and not at
//! every refusal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failing assertion is how a test speaks"
)]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use leaderelection::{Clock, LockError, LockErrorKind, ResourceLock, SystemClock};
use leaderelection_kube::KubeConnection;

type TestResult = Result<(), Box<dyn Error>>;

const LEASE: &str = r#"{"metadata":{"name":"leader","resourceVersion":"7"}}"#;

/// A server that lets in who bears the one token that is good now, and every `Authorization` that it was sent.
#[derive(Clone)]
struct Server {
    address: String,
    good: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(good: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self {
            address: listener.local_addr()?.to_string(),
            good: Arc::new(Mutex::new(good.to_owned())),
            asked: Arc::default(),
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

    fn serve(&self, stream: &TcpStream) {
        let mut bearer = String::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(token) = line.strip_prefix("authorization: Bearer ") {
                token.clone_into(&mut bearer);
            }
            if !line.is_empty() {
                continue;
            }
            let good = bearer == *self.good.lock().unwrap();
            self.asked.lock().unwrap().push(std::mem::take(&mut bearer));
            let (status, body) = if good {
                ("200 OK", LEASE)
            } else {
                (
                    "401 Unauthorized",
                    r#"{"kind":"Status","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
                )
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut stream = stream;
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn now_takes(&self, token: &str) {
        token.clone_into(&mut self.good.lock().unwrap());
    }

    /// A kubeconfig for it.
    fn kubeconfig(&self, user: &str) -> String {
        format!(
            "
apiVersion: v1
kind: Config
clusters: [{{ name: c, cluster: {{ server: 'http://{}' }} }}]
users: [{{ name: u, user: {user} }}]
contexts: [{{ name: x, context: {{ cluster: c, user: u }} }}]
current-context: x
",
            self.address
        )
    }
}

/// A plugin that says what is in a file, without an end, and counts its runs.
fn plugin(folder: &Path) -> String {
    let script = format!(
        r#"echo >> {0}/runs; echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"'$(cat {0}/token)'"}}}}'"#,
        folder.display()
    );
    serde_json::json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "sh",
        "args": ["-c", script],
    }})
    .to_string()
}

async fn read(connection: &KubeConnection) -> Result<(), LockError> {
    connection
        .lease("ns", "leader")
        .map_err(|error| LockError::new(LockErrorKind::Invalid, error.to_string()))?
        .get()
        .await
        .map(drop)
}

async fn pause(time: Duration) {
    SystemClock.sleep_until(SystemClock.mono().after(time)).await;
}

/// The call that is refused fails, and within a few seconds one is not.
async fn refused_then_let_in(connection: &KubeConnection) -> TestResult {
    let error = read(connection)
        .await
        .expect_err("the old token is good no longer");
    assert_eq!(error.kind(), LockErrorKind::Denied, "{error}");
    for _ in 0..200 {
        if read(connection).await.is_ok() {
            return Ok(());
        }
        pause(Duration::from_millis(50)).await;
    }
    Err("still refused".into())
}

fn file(folder: &Path, text: &str) -> std::io::Result<PathBuf> {
    let path = folder.join("kubeconfig");
    std::fs::write(&path, text)?;
    Ok(path)
}

#[tokio::test]
async fn a_token_of_a_kubeconfig_is_read_anew() -> TestResult {
    let server = Server::start("old")?;
    let folder = tempfile::tempdir()?;
    let path = file(folder.path(), &server.kubeconfig("{ token: old }"))?;
    let connection = KubeConnection::from_kubeconfig(&path).await?;
    read(&connection).await?;
    server.now_takes("new");
    // The new one is there a little later than the old one has ended.
    assert!(read(&connection).await.is_err());
    pause(Duration::from_millis(200)).await;
    file(folder.path(), &server.kubeconfig("{ token: new }"))?;
    refused_then_let_in(&connection).await?;
    // What else is done with the client has it, too.
    let version = connection.client().apiserver_version().await;
    let said = format!("{version:?}");
    assert!(!said.contains("Unauthorized"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_named_no_end_runs_again() -> TestResult {
    for given in [false, true] {
        let server = Server::start("old")?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("token"), "old")?;
        let path = file(folder.path(), &server.kubeconfig(&plugin(folder.path())))?;
        let connection = if given {
            let kubeconfig = Kubeconfig::read_from(&path)?;
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
            KubeConnection::from_config(config).await?
        } else {
            KubeConnection::from_kubeconfig(&path).await?
        };
        read(&connection).await?;
        std::fs::write(folder.path().join("token"), "new")?;
        server.now_takes("new");
        refused_then_let_in(&connection).await?;
    }
    Ok(())
}

/// Somebody has chosen another context meanwhile.
#[tokio::test]
async fn no_other_cluster_is_taken_and_none_is_sent_a_token_of_another() -> TestResult {
    let (server, other) = (Server::start("old")?, Server::start("other")?);
    let folder = tempfile::tempdir()?;
    let path = file(folder.path(), &server.kubeconfig("{ token: old }"))?;
    let connection = KubeConnection::from_kubeconfig(&path).await?;
    server.now_takes("new");
    file(folder.path(), &other.kubeconfig("{ token: other }"))?;
    for _ in 0..20 {
        assert!(read(&connection).await.is_err());
        pause(Duration::from_millis(100)).await;
    }
    assert!(other.asked().is_empty(), "{:?}", other.asked());
    assert!(
        server.asked().iter().all(|token| token == "old"),
        "{:?}",
        server.asked()
    );
    // And back.
    file(folder.path(), &server.kubeconfig("{ token: new }"))?;
    refused_then_let_in(&connection).await
}

/// A plugin may ask a person: it is run ever less often for a client that is not let in at all.
#[tokio::test]
async fn a_client_that_is_not_let_in_does_not_run_its_plugin_for_every_call() -> TestResult {
    let server = Server::start("another")?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("token"), "mine")?;
    let path = file(folder.path(), &server.kubeconfig(&plugin(folder.path())))?;
    let connection = KubeConnection::from_kubeconfig(path).await?;
    let runs = || std::fs::read_to_string(folder.path().join("runs")).map(|runs| runs.lines().count());
    // kube runs it several times to make one client.
    let each = runs()?;
    for _ in 0..100 {
        assert!(read(&connection).await.is_err());
        pause(Duration::from_millis(50)).await;
    }
    let clients = runs()? / each;
    // At the start, and after 0 s, 1 s and 3 s.
    assert!(
        (3..=5).contains(&clients),
        "{clients} clients in {} calls",
        server.asked().len()
    );
    Ok(())
}

/// A plugin of whose runs the first after `hang` was made hangs until `hanging` is taken away, or all while `all-hang` is there.
/// `end` is when its tokens come to their end, as JSON.
fn plugin_that_hangs(folder: &Path, end: &str) -> String {
    let script = format!(
        r#"cd {0} || exit 1; echo >> runs
while [ -e all-hang ]; do sleep 0.1; done
if mv hang hanging 2>/dev/null; then while [ -e hanging ]; do sleep 0.1; done; fi
echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"'$(cat token)'"{end}}}}}'"#,
        folder.display()
    );
    serde_json::json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "sh",
        "args": ["-c", script],
    }})
    .to_string()
}

/// It has ended already: kube asks the plugin for another before every call.
const ENDED: &str = r#","expirationTimestamp":"2001-01-01T00:00:00Z""#;

/// Calls that are given up after 100 ms, for so long, or until one is answered.
async fn answered_within(connection: &KubeConnection, limit: Duration) -> bool {
    let end = SystemClock.mono().after(limit);
    while SystemClock.mono() < end {
        let call = async {
            tokio::select! {
                read = read(connection) => read.is_ok(),
                () = pause(Duration::from_millis(100)) => false,
            }
        };
        if call.await {
            return true;
        }
        pause(Duration::from_millis(10)).await;
    }
    false
}

/// After 3 s it is run again beside, and whoever is first is taken: when a token was refused, and when it came to its end.
#[tokio::test]
async fn a_plugin_that_hangs_once_keeps_nobody_out() -> TestResult {
    for end in ["", ENDED] {
        let server = Server::start("old")?;
        let folder = tempfile::tempdir()?;
        let file_of = |name: &str| folder.path().join(name);
        std::fs::write(file_of("token"), "old")?;
        let path = file(
            folder.path(),
            &server.kubeconfig(&plugin_that_hangs(folder.path(), end)),
        )?;
        let connection = KubeConnection::from_kubeconfig(&path).await?;
        read(&connection).await?;
        std::fs::write(file_of("token"), "new")?;
        server.now_takes("new");
        std::fs::write(file_of("hang"), "")?;
        let began = SystemClock.mono();
        assert!(
            answered_within(&connection, Duration::from_secs(20)).await,
            "still refused: {end}"
        );
        println!("let in after {:?}", SystemClock.mono().since(began));
        assert!(file_of("hanging").exists(), "it hangs no more");
        // What it says in the end is not needed any more.
        std::fs::remove_file(file_of("hanging"))?;
        pause(Duration::from_millis(500)).await;
        read(&connection).await?;
    }
    Ok(())
}

/// As it is run by no call of its own, a plugin that hangs does not take every thread of the runtime; and when it hangs no more,
/// calls are let in.
#[tokio::test]
async fn a_plugin_that_always_hangs_is_not_run_for_every_call() -> TestResult {
    for end in ["", ENDED] {
        let server = Server::start("old")?;
        let folder = tempfile::tempdir()?;
        let file_of = |name: &str| folder.path().join(name);
        std::fs::write(file_of("token"), "old")?;
        let path = file(
            folder.path(),
            &server.kubeconfig(&plugin_that_hangs(folder.path(), end)),
        )?;
        let connection = KubeConnection::from_kubeconfig(&path).await?;
        read(&connection).await?;
        let runs = || std::fs::read_to_string(file_of("runs")).map(|runs| runs.lines().count());
        let before = runs()?;
        std::fs::write(file_of("token"), "new")?;
        server.now_takes("new");
        std::fs::write(file_of("all-hang"), "")?;
        assert!(!answered_within(&connection, Duration::from_secs(8)).await);
        let hanging = runs()? - before;
        // At once, beside that after 3 s, and beside both after 6 s more; where a call was waiting for the first, one later.
        assert!((2..=3).contains(&hanging), "{hanging} runs: {end}");
        std::fs::remove_file(file_of("all-hang"))?;
        assert!(
            answered_within(&connection, Duration::from_secs(20)).await,
            "still refused: {end}"
        );
    }
    Ok(())
}
