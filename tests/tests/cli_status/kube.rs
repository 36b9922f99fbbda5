//! On a kube-apiserver.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use leaderelection_kube::KubeConnection;
use leaderelection_tests::kube_door::{Kind, KubeDoor};
use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, WORK};
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::now;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{PROGRAM, TestResult, Watching, look};

const HELD: &str = r#"{"holderIdentity":"a","leaseDurationSeconds":15,"acquireTime":"2026-01-01T00:00:00Z","renewTime":"2026-01-01T00:00:00Z","leaderTransitions":3}"#;

/// A namespace, and whoever may do anything there.
struct Stage {
    server: &'static KubeApiserver,
    namespace: String,
}

impl Stage {
    fn new(test: &str) -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::shared()?;
        let namespace = server.namespace(test)?;
        Ok(Self { server, namespace })
    }

    fn lock(&self, kind: Kind) -> String {
        format!("{}:{}/leader", kind.plural(), self.namespace)
    }

    fn run(&self, kind: Kind, identity: &str) -> Result<Leaderelect, Box<dyn Error>> {
        let (kubeconfig, lock) = (self.server.kubeconfig(), self.lock(kind));
        let command = ["sh", "-c", WORK];
        Ok(Leaderelect::start_in(
            &kubeconfig,
            Path::new(PROGRAM),
            &lock,
            identity,
            &SHORT_LEASE,
            &command,
        )?)
    }

    fn door<T>(&self, kind: Kind, act: impl AsyncFnOnce(KubeDoor) -> T) -> Result<T, Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let kube = KubeConnection::from_kubeconfig(self.server.kubeconfig()).await?;
            Ok(act(KubeDoor::on(
                kind,
                kube.client().clone(),
                &self.namespace,
                "leader",
            ))
            .await)
        })
    }

    /// Somebody who may do this to the object and nothing else.
    fn restricted(&self, kind: Kind, verbs: &[&str]) -> Result<PathBuf, Box<dyn Error>> {
        let roles = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", self.namespace);
        let api = "rbac.authorization.k8s.io/v1";
        let role = json!({
            "apiVersion": api, "kind": "Role", "metadata": {"name": "status"},
            "rules": [{"apiGroups": [kind.group()], "resources": [kind.plural()], "resourceNames": ["leader"], "verbs": verbs}],
        });
        let binding = json!({
            "apiVersion": api, "kind": "RoleBinding", "metadata": {"name": "status"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "status"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
        });
        self.door(kind, async |door| {
            for (plural, object) in [("roles", role), ("rolebindings", binding)] {
                let path = format!("{roles}/{plural}");
                door.request(Method::POST, &path, "application/json", &object)
                    .await?;
            }
            Ok::<_, kube::Error>(())
        })??;
        Ok(self.server.kubeconfig_for(self.server.restricted_token())?)
    }

    /// What was asked here by `restricted`.
    fn asked(&self) -> Result<Vec<String>, Box<dyn Error>> {
        let requests = self
            .server
            .requests_in(&self.namespace, |request| request.user == "restricted")?;
        let mut verbs: Vec<_> = requests.into_iter().map(|request| request.verb).collect();
        verbs.sort_unstable();
        verbs.dedup();
        Ok(verbs)
    }
}

#[test]
fn on_every_kind_of_object_led_free_and_why() -> TestResult {
    for kind in Kind::ALL {
        let stage = Stage::new("status")?;
        let kubeconfig = stage.server.kubeconfig();
        let looked = || look(&stage.lock(kind), Some(&kubeconfig), &[]);
        let (code, said) = looked();
        assert_eq!((code, &said["reason"]), (3, &json!("noObject")), "{said}");
        stage.door(kind, async |door| door.put(None).await)??;
        let (code, said) = looked();
        assert_eq!((code, &said["reason"]), (3, &json!("noRecord")), "{said}");

        let version = stage.door(kind, async |door| door.put(HELD).await)??;
        let (code, said) = looked();
        assert_eq!(
            (code, &said["holderIdentity"], &said["leaderTransitions"]),
            (0, &json!("a"), &json!(3)),
            "{said}"
        );
        assert_eq!(
            (&said["version"], &said["tokenAtMost"]),
            (&json!(version), &json!(version)),
            "{said}"
        );
        assert_eq!(said["lock"], json!(stage.lock(kind)));
        if !matches!(kind, Kind::Lease) {
            stage.door(kind, async |door| door.put("nonsense").await)??;
            let (code, said) = looked();
            assert_eq!((code, &said["state"]), (4, &json!("unreadable")), "{said}");
        }
    }
    Ok(())
}

#[test]
fn a_hand_over_is_seen_with_its_token() -> TestResult {
    for kind in Kind::ALL {
        let stage = Stage::new("watched")?;
        let kubeconfig = stage.server.kubeconfig();
        let watching = Watching::start(&stage.lock(kind), Some(&kubeconfig));
        watching.event("seen");
        let mut leader = stage.run(kind, "a")?;
        let token = leader.started()?.token;
        let acquired = watching.until(|json| json["holderIdentity"] == "a");
        assert_eq!(acquired["tokenAtMost"], json!(token), "{acquired}");
        let follower = stage.run(kind, "b")?;
        follower.follows("a")?;
        leader.send(Signal::TERM)?;
        leader.exited()?;
        let token = follower.started()?.token;
        let acquired = watching.until(|json| json["holderIdentity"] == "b");
        assert_eq!(
            (&acquired["event"], &acquired["token"]),
            (&json!("acquired"), &json!(token)),
            "{acquired}"
        );
        assert_eq!(watching.ends(), 0);
    }
    Ok(())
}

/// And with `get` alone it polls.
#[test]
fn it_needs_get_and_for_watching_watch_and_never_writes() -> TestResult {
    for (kind, verbs) in [
        (Kind::Lease, &["get", "watch"][..]),
        (Kind::Endpoints, &["get", "watch"]),
        (Kind::ConfigMap, &["get"]),
    ] {
        let stage = Stage::new("least")?;
        let lock = stage.lock(kind);
        let put = async |door: KubeDoor| door.put(HELD).await;
        let version = stage.door(kind, put)??;
        let nobody = stage.server.kubeconfig_for(stage.server.restricted_token())?;
        let (code, said) = look(&lock, Some(&nobody), &[]);
        assert_eq!(
            (code, &said["state"], &said["reason"]),
            (5, &json!("unreachable"), &json!("denied")),
            "{said}"
        );
        assert!(said["message"].as_str().unwrap().contains("restricted"), "{said}");

        let restricted = stage.restricted(kind, verbs)?;
        // The server is told of the role a moment later.
        let watching = Watching::start(&lock, Some(&restricted));
        watching.until(|json| json["state"] == "led");
        assert_eq!(look(&lock, Some(&restricted), &[]).0, 0);
        let resource_version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        let now = stage.door(kind, async |door| door.object().await)??;
        assert_eq!(
            resource_version(&now),
            json!(version.to_string()),
            "nobody has written"
        );
        let newer = stage.door(kind, async |door| {
            door.put(&*HELD.replace(r#""a""#, r#""b""#)).await
        })??;
        let acquired = watching.until(|json| json["holderIdentity"] == "b");
        assert_eq!(acquired["version"], json!(newer));
        if !verbs.contains(&"watch") {
            watching.0.logged("no watch, so it is asked every 2s: denied")?;
        }
        assert_eq!(watching.ends(), 0);
        assert_eq!(stage.asked()?, ["get", "watch"]);
    }
    Ok(())
}

/// A credential plugin runs before there is a lock, and may take its time. It is not waited for, and the answer names the lock all
/// the same.
#[test]
fn a_credential_plugin_that_hangs_is_unreachable() -> TestResult {
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "sleep", "args": ["5"],
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"exec": plugin}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    });
    std::fs::write(&kubeconfig, config.to_string())?;
    let asked = now();
    let (code, said) = look("leases:ns/leader", Some(&kubeconfig), &["--timeout", "1s"]);
    let took = now().since(asked);
    assert_eq!((code, &said["reason"]), (5, &json!("timedOut")), "{said}");
    assert_eq!(said["lock"], json!("leases:ns/leader"), "{said}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    Ok(())
}
