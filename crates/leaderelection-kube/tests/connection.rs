//! What can be wrong with a kubeconfig, and with the way to the apiserver.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use kube::Config;
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

/// A user whose credentials come from this script.
fn plugin(script: &str) -> String {
    let script = serde_json::Value::from(script);
    SOUND.replace(
        "token: the-secret",
        &format!(
            "exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      \
             command: sh\n      args: [-c, {script}]\n      env: [{{ name: PASSWORD, value: the-secret }}]"
        ),
    )
}

/// A plugin that once gave a token which must be renewed at once, and then does what the script says.
fn plugin_that_fails_later(folder: &std::path::Path, script: &str) -> String {
    let token = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t","expirationTimestamp":"2001-01-01T00:00:00Z"}}"#;
    let seen = folder.join("seen");
    let seen = seen.display();
    plugin(&format!(
        "if [ -e {seen} ]; then {script}; else : > {seen}; echo '{token}'; fi"
    ))
}

/// Everything that a person or a log may be shown of an error.
fn all_of(error: &dyn Error) -> String {
    let mut told = format!("{error}\n{error:?}\n");
    if let Some(cause) = error.source() {
        told.push_str(&all_of(cause));
    }
    told
}

/// What a credential plugin prints, also in failing, and what it is given, is nobody's business: neither at the start nor
/// when a token is renewed under an election.
#[tokio::test]
async fn no_error_shows_what_a_credential_plugin_printed_or_was_given() -> TestResult {
    let answer = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":"#;
    for (script, said) in [
        (
            "echo the-secret; echo the-secret >&2; exit 3".to_owned(),
            "exit status: 3",
        ),
        ("echo '{\"token\": the-secret'".to_owned(), "no ExecCredential"),
        ("echo the-secret".to_owned(), "no ExecCredential"),
        (format!("echo '{answer}\"the-secret\"}}'"), "no ExecCredential"),
        (
            format!("echo '{answer}{{\"token\":\"t\",\"expirationTimestamp\":\"the-secret\"}}}}'"),
            "expire",
        ),
        (
            format!(
                "echo '{answer}{{\"token\":\"the-secret\\u0001\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"}}}}'"
            ),
            "invalid bearer token",
        ),
    ] {
        // At the start. A token is only looked at when it is used.
        match connect(&plugin(&script)).await {
            Err(error) => {
                let shown = all_of(&error);
                assert!(shown.contains(said), "{said}: {shown}");
                assert!(!shown.contains("the-secret"), "{script}: {shown}");
            }
            Ok(_) => assert_eq!(said, "invalid bearer token"),
        }
        // Later.
        let folder = tempfile::tempdir()?;
        let connection = connect(&plugin_that_fails_later(folder.path(), &script)).await?;
        let error = connection.endpoints("ns", "leader")?.get().await.unwrap_err();
        assert_eq!(error.kind(), LockErrorKind::Denied, "{error}");
        let shown = all_of(&error);
        assert!(shown.contains(said), "{said}: {shown}");
        assert!(!shown.contains("the-secret"), "{script}: {shown}");
    }
    Ok(())
}

/// A server that answers one request per connection, and what it was asked.
fn answering(answer: &'static [u8]) -> std::io::Result<(String, std::sync::mpsc::Receiver<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (asked, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or_default();
            let request = request.get(..read).unwrap_or_default();
            let _ = asked.send(String::from_utf8_lossy(request).into_owned());
            let _ = stream.write_all(answer);
        }
    });
    Ok((address, seen))
}

/// A proxy of the kubeconfig is used, with its password, which no error shows.
#[tokio::test]
async fn a_proxy_is_asked_for_the_cluster_and_its_password_is_not_told() -> TestResult {
    for (answer, said) in [
        (
            &b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"[..],
            "proxy authorization required",
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
            "unsuccessful",
        ),
        (b"the-secret", "tunnel error"),
        (b"", "tunnel error"),
    ] {
        let (proxy, seen) = answering(answer)?;
        let connection = connect(&SOUND.replace(
            "https://127.0.0.1:1\n",
            &format!("https://cluster.example:6443\n    proxy-url: http://me:the-secret@{proxy}\n"),
        ))
        .await?;
        let swapped = connection
            .endpoints("ns", "leader")?
            .compare_and_swap(Expected::Absent, &LeaderElectionRecord::default())
            .await;
        let error = swapped.unwrap_err();
        // SAFETY 9: nothing was sent to the cluster.
        assert_eq!(error.kind(), LockErrorKind::Unavailable, "{error}");
        let shown = all_of(&error);
        assert!(shown.contains(said), "{said}: {shown}");
        assert!(!shown.contains("the-secret"), "{shown}");
        let asked = seen.recv()?;
        assert!(
            asked.starts_with("CONNECT cluster.example:6443 HTTP/1.1\r\n"),
            "{asked}"
        );
        // me:the-secret
        assert!(asked.contains("Basic bWU6dGhlLXNlY3JldA=="), "{asked}");
    }
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_an_error_without_its_password() {
    for (url, said) in [
        ("ftp://me:the-secret@proxy:3128", "ftp://proxy:3128"),
        ("ht tp://me:the-secret@proxy", "proxy url"),
    ] {
        let kubeconfig = SOUND.replace("127.0.0.1:1\n", &format!("127.0.0.1:1\n    proxy-url: {url}\n"));
        let error = connect(&kubeconfig).await.unwrap_err();
        let shown = all_of(&error);
        assert!(shown.contains(said), "{said}: {shown}");
        assert!(!shown.contains("the-secret"), "{shown}");
    }
}

#[tokio::test]
async fn outside_a_pod_there_is_no_configuration_of_one() {
    if std::path::Path::new("/var/run/secrets/kubernetes.io/serviceaccount").exists() {
        let _ = writeln!(std::io::stderr(), "DID NOT RUN: outside_a_pod_…: this is a pod");
        return;
    }
    let error = KubeConnection::in_cluster().await.unwrap_err().to_string();
    for said in [
        "in-cluster configuration: ",
        "/var/run/secrets/kubernetes.io/serviceaccount",
    ] {
        assert!(error.contains(said), "{error}: {said}");
    }
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

/// kube's client would panic there.
#[test]
fn a_lock_outside_a_runtime_is_an_error_and_no_panic() -> TestResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let lock = runtime.block_on(connect(SOUND))?.endpoints("ns", "leader")?;
    let mut reading = std::pin::pin!(lock.get());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match reading.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => assert!(all_of(&error).contains("runtime"), "{error}"),
        other => panic!("{other:?}"),
    }
    Ok(())
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
