//! What can be wrong with a kubeconfig, and with the way to the apiserver.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use kube::{Client, Config};
use leaderelection::{Expected, LeaderElectionRecord, LockError, LockErrorKind, ResourceLock, Version};
use leaderelection_kube::{EndpointsLock, KubeConnection, LockRef, SetupError};

type TestResult = Result<(), Box<dyn Error>>;

const SOUND: &str = "
apiVersion: v1
kind: Config
clusters:
- name: c
  cluster:
    server: https://127.0.0.1:1
users:
- name: u
  user:
    token: the-secret
contexts:
- name: x
  context: { cluster: c, user: u, namespace: mine }
current-context: x
";

async fn connect(kubeconfig: &str) -> Result<KubeConnection, SetupError> {
    let folder = tempfile::tempdir().map_err(|_| SetupError::NoRuntime)?;
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, kubeconfig).map_err(|_| SetupError::NoRuntime)?;
    KubeConnection::from_kubeconfig(path).await
}

#[tokio::test]
async fn a_sound_kubeconfig_connects_to_nobody_yet() -> TestResult {
    let connection = connect(SOUND).await?;
    assert_eq!(connection.default_namespace(), "mine");
    let lock = connection.endpoints("ns", "leader")?;
    assert_eq!((lock.namespace(), lock.name()), ("ns", "leader"));
    assert_eq!(lock.describe(), "endpoints:ns/leader");
    let same: LockRef = lock.describe().parse()?;
    assert_eq!(connection.lock(&same).describe(), lock.describe());
    let shown = format!("{connection:?} {lock:?}");
    assert!(
        shown.contains("https://127.0.0.1:1") && !shown.contains("secret"),
        "{shown}"
    );
    Ok(())
}

/// It names the file and what is wrong, and repeats nothing of what stands in it.
#[tokio::test]
async fn a_broken_kubeconfig_is_an_error_that_says_where() {
    for (kubeconfig, said) in [
        (String::new(), "current context"),
        ("no: kubeconfig".to_owned(), "current context"),
        ("<html>".to_owned(), "no kubeconfig in YAML"),
        (SOUND.replace("token: the-secret", "token: [the-secret"), "line 1"),
        (
            SOUND.replace("token: the-secret", "token: { the-secret: the-secret }"),
            "line",
        ),
        (
            SOUND.replace("current-context: x", "current-context: y"),
            "failed to load current context: y",
        ),
        (
            SOUND.replace("cluster: c,", "cluster: d,"),
            "failed to load the cluster of context: d",
        ),
        (
            SOUND.replace("server: https://127.0.0.1:1", "server: ht tp://x"),
            "cluster url",
        ),
        (
            SOUND.replace("server: https://127.0.0.1:1", "proxy-url: http://x"),
            "cluster url is missing",
        ),
        (
            SOUND.replace(
                "127.0.0.1:1\n",
                "127.0.0.1:1\n    certificate-authority: /missing/ca.crt\n",
            ),
            "/missing/ca.crt",
        ),
        (
            SOUND.replace(
                "127.0.0.1:1\n",
                "127.0.0.1:1\n    certificate-authority-data: '****'\n",
            ),
            "base64",
        ),
    ] {
        let error = connect(&kubeconfig).await.expect_err(said).to_string();
        assert!(
            error.contains("kubeconfig") && error.contains(said),
            "{error}: {said}"
        );
        assert!(!error.contains("the-secret"), "{error}");
    }
}

#[tokio::test]
async fn a_kubeconfig_that_is_missing_or_no_file_is_an_error_that_names_it() {
    for path in ["/missing/kubeconfig", "/"] {
        let error = KubeConnection::from_kubeconfig(path)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&format!("kubeconfig {path}: ")), "{error}");
        assert_eq!(error.matches(path).count(), 1, "named once: {error}");
    }
}

/// What kube's client finds wrong is an error too, and no panic.
#[tokio::test]
async fn credentials_that_cannot_be_had_are_an_error() {
    for (user, said) in [
        ("tokenFile: /missing/token", "/missing/token"),
        (
            "exec: { apiVersion: client.authentication.k8s.io/v1, command: /missing/plugin, interactiveMode: Never }",
            "auth exec",
        ),
        (
            "client-certificate-data: bm9uZQ==\n    client-key-data: bm9uZQ==",
            "identity PEM",
        ),
    ] {
        let error = connect(&SOUND.replace("token: the-secret", user))
            .await
            .expect_err(said)
            .to_string();
        assert!(error.contains(said), "{error}: {said}");
    }
}

#[tokio::test]
async fn outside_a_pod_there_is_no_configuration_of_one() {
    let error = KubeConnection::in_cluster().await.unwrap_err().to_string();
    assert!(error.starts_with("in-cluster configuration: "), "{error}");
}

#[tokio::test]
async fn names_that_kubernetes_does_not_allow_are_refused_at_once() -> TestResult {
    let connection = connect(SOUND).await?;
    for (namespace, name, said) in [
        ("", "leader", "namespace \"\": it is empty"),
        ("ns", "", "name \"\" of a lock: it is empty"),
        ("Ns", "leader", "namespace \"Ns\": only lower-case letters"),
        ("a.b", "leader", "namespace \"a.b\": only lower-case letters"),
        ("ns", "../secrets/x", "name \"../secrets/x\" of a lock: "),
    ] {
        let error = connection.endpoints(namespace, name).unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
        let client = connection.client().clone();
        assert_eq!(EndpointsLock::new(client, namespace, name).unwrap_err(), error);
    }
    Ok(())
}

#[test]
fn outside_a_runtime_it_is_an_error_and_no_panic() {
    let mut making = std::pin::pin!(KubeConnection::from_config(Config::new(
        "http://127.0.0.1:1".parse().unwrap()
    )));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match making.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => assert_eq!(error, SetupError::NoRuntime),
        other => panic!("{other:?}"),
    }
}

/// A server that does this with each connection, and where it listens.
fn server(serve: fn(TcpStream)) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    Ok(address)
}

/// How a get, a create and a patch fail.
async fn errors(url: &str) -> Result<[LockError; 3], Box<dyn Error>> {
    let connection = KubeConnection::from_config(Config::new(url.parse()?)).await?;
    let lock = connection.endpoints("ns", "leader")?;
    let record = LeaderElectionRecord::default();
    let create = lock.compare_and_swap(Expected::Absent, &record).await;
    let patch = lock
        .compare_and_swap(Expected::Version(Version::new(7)), &record)
        .await;
    let errors = [lock.get().await.err(), create.err(), patch.err()];
    let [Some(get), Some(create), Some(patch)] = errors else {
        return Err("something was answered".into());
    };
    for (error, verb) in [(&get, "get"), (&create, "create"), (&patch, "patch")] {
        let call = format!("{verb} of endpoints ns/leader at {url}: ");
        assert!(error.to_string().contains(&call), "{error}");
    }
    Ok([get, create, patch])
}

/// SAFETY 9: nothing was sent.
#[tokio::test]
async fn where_nothing_listens_nothing_was_written() -> TestResult {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    drop(listener);
    for error in errors(&url).await? {
        assert_eq!(error.kind(), LockErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
        assert_eq!(
            error.to_string().matches("refused").count(),
            1,
            "said once: {error}"
        );
    }
    Ok(())
}

/// SAFETY 9: nothing was sent, since TLS was never agreed on.
#[tokio::test]
async fn where_something_without_tls_listens_nothing_was_written() -> TestResult {
    let address = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno TLS here\r\n");
        let _ = stream.read(&mut [0; 1024]);
    })?;
    for error in errors(&format!("https://{address}")).await? {
        assert_eq!(error.kind(), LockErrorKind::Unavailable, "{error}");
    }
    Ok(())
}

/// SAFETY 9: what was sent may have been executed.
#[tokio::test]
async fn where_the_connection_breaks_a_swap_is_ambiguous() -> TestResult {
    let address = server(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    })?;
    let [get, create, patch] = errors(&format!("http://{address}")).await?;
    assert_eq!(get.kind(), LockErrorKind::Unavailable, "{get}");
    assert_eq!(create.kind(), LockErrorKind::Ambiguous, "{create}");
    assert_eq!(patch.kind(), LockErrorKind::Ambiguous, "{patch}");
    Ok(())
}

/// Clause 12, and SAFETY 8 from below: a call is one request on the wire, also by a client whose retry is on.
#[tokio::test]
async fn a_users_client_that_retries_sends_a_swap_once() -> TestResult {
    static ASKED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let address = server(|mut stream| {
        while let Ok(1..) = stream.read(&mut [0; 4096]) {
            ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let _ = stream.write_all(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n");
        }
    })?;
    // As kube makes it by default.
    let config = Config::new(format!("http://{address}").parse()?);
    assert!(config.default_retry);
    let lock = EndpointsLock::new(Client::try_from(config)?, "ns", "leader")?;
    let swapped = lock
        .compare_and_swap(Expected::Absent, &LeaderElectionRecord::default())
        .await;
    assert_eq!(
        swapped.map_err(|error| error.kind()),
        Err(LockErrorKind::Ambiguous)
    );
    assert_eq!(ASKED.load(std::sync::atomic::Ordering::Relaxed), 1);
    Ok(())
}
