//! Credentials that end under an election, on a real kube-apiserver: the new ones are there, nobody tells the elector, and it
//! leads on in the same term.

mod in_a_pod;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use leaderelection::{Event, LeaderElector, Leadership, LeaseTiming, LockErrorKind};
use leaderelection_kube::{KubeConnection, LeaseLock};
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, sleep, within};
use serde_json::{Value, json};

type TestResult = Result<(), Box<dyn Error>>;

/// An apiserver may take a token that it has seen for 10 s after that has ended, and looks at files when it is told that they
/// have changed, or once a minute.
const LIMIT: Duration = Duration::from_secs(90);

async fn lock(kubeconfig: &Path, namespace: &str) -> Result<LeaseLock, Box<dyn Error>> {
    let connection = KubeConnection::from_kubeconfig(kubeconfig).await?;
    Ok(connection.lease(namespace, "leader")?)
}

/// The next call that is refused, and then a renewal that is not, both in this term.
async fn outlives_a_refusal(leader: &mut Candidate, leadership: &Leadership) -> TestResult {
    leader
        .event(LIMIT, "a refusal", |event| match event {
            Event::CallFailed { error, .. } if error.kind() == LockErrorKind::Denied => Some(()),
            _ => None,
        })
        .await;
    leader
        .event(RENEW_DEADLINE, "a renewal", |event| {
            matches!(event, Event::Renewed { .. }).then_some(())
        })
        .await;
    assert_eq!(leadership.check()?, leadership.token());
    Ok(())
}

/// It is refused with what it had when it made its connection, and leads all the same.
async fn takes_over(leader: Candidate, leadership: Leadership, follower: Candidate) -> TestResult {
    let token = leadership.token();
    drop(leadership);
    within(LEASE, "the end of the election", leader.handle.shutdown()).await?;
    let leadership = follower.leads(LEASE * 3).await?;
    assert!(leadership.token() > token);
    drop(leadership);
    Ok(within(LEASE, "the end of the election", follower.handle.shutdown()).await?)
}

/// The users whom the apiserver saw, in that order, each once.
fn users(server: &KubeApiserver, namespace: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut users: Vec<_> = server
        .requests_in(namespace, |request| request.resource == "leases")?
        .into_iter()
        .map(|request| request.user)
        // Who is refused is nobody.
        .filter(|user| !user.is_empty())
        .collect();
    users.dedup();
    Ok(users)
}

struct Accounts {
    server: &'static KubeApiserver,
    namespace: String,
    door: KubeDoor,
}

impl Accounts {
    /// A namespace whose service accounts may elect.
    async fn new(test: &str) -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::shared()?;
        let namespace = server.namespace(test)?;
        let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
        let door = KubeDoor::new(admin.client().clone(), &namespace, "leader");
        let role = json!({"metadata": {"name": "election"}, "rules": [{
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "patch", "watch", "create"],
        }]});
        let binding = json!({
            "metadata": {"name": "election"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "election"},
            "subjects": [{
                "apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
                "name": format!("system:serviceaccounts:{namespace}"),
            }],
        });
        for (resource, object) in [("roles", role), ("rolebindings", binding)] {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
            door.request(Method::POST, &path, "application/json", &object)
                .await?;
        }
        Ok(Self {
            server,
            namespace,
            door,
        })
    }

    fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/serviceaccounts", self.namespace)
    }

    /// A new account, and a token of it.
    async fn token(&self, account: &str) -> Result<String, Box<dyn Error>> {
        let json = "application/json";
        let made = json!({"metadata": {"name": account}});
        self.door.request(Method::POST, &self.path(), json, &made).await?;
        let path = format!("{}/{account}/token", self.path());
        let asked = json!({"spec": {"expirationSeconds": 3600}});
        let answer: Value = self.door.request(Method::POST, &path, json, &asked).await?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        Ok(token.ok_or("no token")?.to_owned())
    }

    /// Its tokens end with it.
    async fn delete(&self, account: &str) -> TestResult {
        let path = format!("{}/{account}", self.path());
        self.door
            .request(Method::DELETE, &path, "application/json", &json!({}))
            .await?;
        Ok(())
    }

    /// A kubeconfig of that user, in a folder of its own.
    fn kubeconfig(&self, folder: &Path, user: &str) -> Result<PathBuf, Box<dyn Error>> {
        let text = std::fs::read_to_string(self.server.kubeconfig())?;
        let token = format!("token: {}", self.server.admin_token());
        assert!(text.contains(&token));
        let path = folder.join("kubeconfig");
        std::fs::write(&path, text.replace(&token, user))?;
        Ok(path)
    }

    fn user(&self, account: &str) -> String {
        format!("system:serviceaccount:{}:{account}", self.namespace)
    }
}

#[tokio::test]
async fn a_token_in_a_kubeconfig_that_is_revoked_costs_no_leadership() -> TestResult {
    let accounts = Accounts::new("revoked").await?;
    let folder = tempfile::tempdir()?;
    let first = format!("token: {}", accounts.token("first").await?);
    let kubeconfig = accounts.kubeconfig(folder.path(), &first)?;
    let namespace = &accounts.namespace;
    let mut leader = Candidate::start(lock(&kubeconfig, namespace).await?, "a")?;
    let leadership = leader.leads(LEASE).await?;
    let follower = Candidate::start(lock(&kubeconfig, namespace).await?, "b")?;

    let second = format!("token: {}", accounts.token("second").await?);
    accounts.kubeconfig(folder.path(), &second)?;
    accounts.delete("first").await?;
    outlives_a_refusal(&mut leader, &leadership).await?;
    takes_over(leader, leadership, follower).await?;
    let seen = users(accounts.server, namespace)?;
    assert_eq!(
        (seen.first(), seen.last()),
        (Some(&accounts.user("first")), Some(&accounts.user("second"))),
        "{seen:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_plugins_token_that_is_revoked_before_its_time_costs_no_leadership() -> TestResult {
    let accounts = Accounts::new("revoked-plugin").await?;
    let folder = tempfile::tempdir()?;
    let answer = folder.path().join("answer");
    let say = |token: &str| {
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token},
        });
        std::fs::write(&answer, credential.to_string())
    };
    say(&accounts.token("first").await?)?;
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "cat",
        "args": [answer],
    });
    let kubeconfig = accounts.kubeconfig(folder.path(), &format!("exec: {plugin}"))?;
    let namespace = &accounts.namespace;
    let mut leader = Candidate::start(lock(&kubeconfig, namespace).await?, "a")?;
    let leadership = leader.leads(LEASE).await?;
    let follower = Candidate::start(lock(&kubeconfig, namespace).await?, "b")?;

    say(&accounts.token("second").await?)?;
    accounts.delete("first").await?;
    outlives_a_refusal(&mut leader, &leadership).await?;
    takes_over(leader, leadership, follower).await
}

/// The apiserver trusts another authority from now on, and the files of the kubeconfig hold a certificate of that one.
#[tokio::test]
async fn a_client_certificate_that_is_rotated_costs_no_leadership() -> TestResult {
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kube_credentials/certificates");
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let put = |from: &str, to: &str| {
        // As a rename, so that nobody reads half of it.
        std::fs::copy(certificates.join(from), file("new"))?;
        std::fs::rename(file("new"), file(to))
    };
    put("authority-1.crt", "authority.crt")?;
    put("client-1.crt", "client.crt")?;
    put("client-1.key", "client.key")?;
    let flag = format!("--client-ca-file={}", file("authority.crt").display());
    let server = KubeApiserver::start_with(&[&flag])?;
    let namespace = server.namespace("certificate")?;
    let text = std::fs::read_to_string(server.kubeconfig())?;
    let token = format!("token: {}", server.admin_token());
    assert!(text.contains(&token));
    let user = format!(
        "client-certificate: {}\n    client-key: {}",
        file("client.crt").display(),
        file("client.key").display()
    );
    std::fs::write(file("kubeconfig"), text.replace(&token, &user))?;

    let mut leader = Candidate::start(lock(&file("kubeconfig"), &namespace).await?, "a")?;
    let leadership = leader.leads(LEASE).await?;
    let follower = Candidate::start(lock(&file("kubeconfig"), &namespace).await?, "b")?;
    put("client-2.crt", "client.crt")?;
    put("client-2.key", "client.key")?;
    put("authority-2.crt", "authority.crt")?;
    outlives_a_refusal(&mut leader, &leadership).await?;
    takes_over(leader, leadership, follower).await?;
    let seen = users(&server, &namespace)?;
    assert_eq!(
        (seen.first().map(String::as_str), seen.last().map(String::as_str)),
        (Some("elector-1"), Some("elector-2")),
        "{seen:?}"
    );
    Ok(())
}

/// Its tokens end at once, so it runs before every renewal; and once it does not answer. Within the same renewal it is run again
/// beside.
#[tokio::test]
async fn a_plugin_that_hangs_once_under_a_leader_costs_no_leadership() -> TestResult {
    let accounts = Accounts::new("hangs").await?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": accounts.token("first").await?, "expirationTimestamp": "2001-01-01T00:00:00Z"},
    });
    std::fs::write(file("answer"), credential.to_string())?;
    let script = format!(
        "cd {} || exit 1; if mv hang hanging 2>/dev/null; then while [ -e hanging ]; do sleep 0.1; done; fi; cat answer",
        folder.path().display()
    );
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "sh",
        "args": ["-c", script],
    });
    let kubeconfig = accounts.kubeconfig(folder.path(), &format!("exec: {plugin}"))?;
    // The deadline is shorter than the default, and longer than the time after which a plugin is taken to hang.
    let timing = LeaseTiming::new(Duration::from_secs(9), Duration::from_secs(7), RETRY_PERIOD)?;
    let handle = LeaderElector::builder(lock(&kubeconfig, &accounts.namespace).await?, "a")
        .timing(timing)
        .build()?
        .spawn()?;
    let leadership = within(LEASE, "leadership", handle.leadership()).await?;
    std::fs::write(file("hang"), "")?;
    let end = now().after(Duration::from_secs(12));
    while now() < end {
        assert!(leadership.is_valid(), "{:?}", leadership.check());
        sleep(Duration::from_millis(10)).await;
    }
    assert!(file("hanging").exists(), "it did not hang all the time");
    assert!(leadership.remaining() > Duration::from_secs(5));
    std::fs::remove_file(file("hanging"))?;
    drop(leadership);
    Ok(within(LEASE, "the end of the election", handle.shutdown()).await?)
}
