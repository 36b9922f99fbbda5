//! What the real apiserver says: that it does not know a token, that it has no room, that its etcd does not do its part.

use std::path::PathBuf;

use bytes::Bytes;
use etcd_client::{AlarmAction, AlarmType};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::permissions::{grant, rules_are_known};

/// Credentials that the apiserver does not know, as after a revocation or while a token is rotated.
struct Revoked {
    credential: PathBuf,
    token: &'static str,
}

impl Revoked {
    fn write(&self, token: &str) -> TestResult {
        // It has expired already: the plugin is run before every call.
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"},
        });
        let new = self.credential.with_extension("new");
        std::fs::write(&new, credential.to_string())?;
        Ok(std::fs::rename(new, &self.credential)?)
    }
}

impl Trouble for Revoked {
    async fn begin(&mut self) -> TestResult {
        self.write("nobodys-token")
    }

    async fn end(&mut self) -> TestResult {
        self.write(self.token)
    }
}

#[tokio::test]
async fn credentials_that_are_not_known() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("revoked")?;
    let folder = tempfile::tempdir()?;
    let mut revoked = Revoked {
        credential: folder.path().join("credential"),
        token: server.admin_token(),
    };
    revoked.end().await?;
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "cat",
        "args": [revoked.credential],
    });
    let token = format!("token: {}", server.admin_token());
    let text = std::fs::read_to_string(server.kubeconfig())?;
    assert!(text.contains(&token));
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, text.replace(&token, &format!("exec: {plugin}")))?;
    let signs = Signs {
        renewal: "401 Unauthorized",
        calls: &[
            ("get", "401 Unauthorized"),
            ("create", "401 Unauthorized"),
            ("patch", "401 Unauthorized"),
            ("watch", "401 Unauthorized"),
        ],
    };
    Ways::by(kubeconfig, &namespace)
        .await?
        .outlive(revoked, &signs)
        .await
}

/// Somebody else's write without an end keeps the only place that an apiserver has for writes.
struct Crowded {
    client: kube::Client,
    path: String,
    writing: JoinSet<()>,
}

impl Trouble for Crowded {
    async fn begin(&mut self) -> TestResult {
        // kube makes a body of a stream nowhere but of a response.
        let echo = kube::Client::new(
            tower::service_fn(|_: http::Request<kube::client::Body>| async {
                let never = stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
                Ok::<_, std::io::Error>(http::Response::new(StreamBody::new(never)))
            }),
            "",
        );
        let body = echo
            .send(http::Request::new(Vec::new().into()))
            .await?
            .into_body();
        let request = http::Request::post(&self.path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)?;
        let client = self.client.clone();
        self.writing.spawn(async move {
            let ended = client.send(request).await.map(|response| response.status());
            println!("the write without an end ended: {ended:?}");
        });
        Ok(())
    }

    async fn end(&mut self) -> TestResult {
        self.writing.shutdown().await;
        Ok(())
    }
}

#[tokio::test]
async fn too_many_writes() -> TestResult {
    let server = KubeApiserver::start_with(&[
        "--enable-priority-and-fairness=false",
        "--max-mutating-requests-inflight=1",
    ])?;
    let namespace = server.namespace("crowded")?;
    let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let door = KubeDoor::new(admin.client().clone(), &namespace, NAME);
    grant(&door, &namespace, &["get", "patch", "watch"], true).await?;
    // Administrators are let in however many there are.
    let ways = Ways::by(server.kubeconfig_for(server.restricted_token())?, &namespace).await?;
    rules_are_known(&ways.looking.lock(&namespace)?).await;
    let crowded = Crowded {
        client: admin.client().clone(),
        path: door.collection(),
        writing: JoinSet::new(),
    };
    let signs = Signs {
        renewal: "429 Too Many Requests: Too many requests, please try again later.",
        calls: &[
            ("create", "429 Too Many Requests"),
            ("patch", "429 Too Many Requests"),
        ],
    };
    ways.outlive(crowded, &signs).await?;
    ways.stay_away(&[]);
    Ok(())
}

/// The etcd behind the apiserver hangs.
struct Stopped(KubeApiserver);

impl Trouble for Stopped {
    async fn begin(&mut self) -> TestResult {
        Ok(self.0.etcd().stop()?)
    }

    async fn end(&mut self) -> TestResult {
        Ok(self.0.etcd().cont()?)
    }
}

#[tokio::test]
async fn an_etcd_that_hangs() -> TestResult {
    let server = KubeApiserver::start_with(&["--request-timeout=1s"])?;
    let ways = Ways::by(server.kubeconfig(), &server.namespace("hangs")?).await?;
    let signs = Signs {
        renewal: "504 Gateway Timeout",
        calls: &[
            // Now and then the apiserver closes the connection instead.
            ("get", ""),
            ("create", "504 Gateway Timeout"),
            ("patch", "504 Gateway Timeout"),
        ],
    };
    ways.outlive(Stopped(server), &signs).await
}

/// The etcd behind the apiserver has no room and takes no more writes until an operator has made some.
struct Full(etcd_client::MaintenanceClient);

impl Trouble for Full {
    async fn begin(&mut self) -> TestResult {
        let raise = AlarmAction::Activate;
        Ok(self.0.alarm(raise, AlarmType::Nospace, None).await.map(drop)?)
    }

    async fn end(&mut self) -> TestResult {
        let disarm = AlarmAction::Deactivate;
        Ok(self.0.alarm(disarm, AlarmType::Nospace, None).await.map(drop)?)
    }
}

#[tokio::test]
async fn an_etcd_without_space() -> TestResult {
    let server = KubeApiserver::start()?;
    let ways = Ways::by(server.kubeconfig(), &server.namespace("full")?).await?;
    let etcd = etcd_client::Client::connect([server.etcd().endpoint()], None).await?;
    let signs = Signs {
        renewal: "500 Internal Server Error: etcdserver: mvcc: database space exceeded",
        // A patch on a version that is gone is a conflict: it would write nothing.
        calls: &[(
            "create",
            "500 Internal Server Error: etcdserver: mvcc: database space exceeded",
        )],
    };
    ways.outlive(Full(etcd.maintenance_client()), &signs).await
}
