//! The example of a controller, as real processes on a real kube-apiserver: who gains the lead reconciles what changed while
//! it stood by, a stop hands over at once, and no two ever write at once.

#![allow(clippy::indexing_slicing, reason = "a failing assertion is how a test speaks")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use leaderelection::MonoTime;
use leaderelection_kube::KubeConnection;
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::leaderelect::Leaderelect;
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, sleep, within};
use rustix::process::Signal;
use serde_json::{Value, json};

type TestResult = Result<(), Box<dyn Error>>;

/// For what must come, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(3);
/// Far less than the lease, on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(1_500);
const OBJECTS: usize = 20;

const KEYS: &str = "example.com/keys";
const BY: &str = "example.com/counted-by";
const TOKEN: &str = "example.com/counted-in-term";

/// A namespace in which `restricted` may do what the controller needs.
struct Stage {
    server: &'static KubeApiserver,
    namespace: String,
    kubeconfig: PathBuf,
    objects: Api<ConfigMap>,
}

/// A term, as its leader announced it.
#[derive(Debug, Clone)]
struct Term {
    leader: String,
    token: u64,
    at: MonoTime,
}

/// A write of a controller, as its object shows it.
#[derive(Debug, Clone)]
struct Write {
    by: String,
    token: u64,
    version: u64,
}

impl Stage {
    async fn new(test: &str) -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::shared()?;
        let namespace = server.namespace(test)?;
        let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
        let client: Client = admin.client().clone();
        let role = json!({"metadata": {"name": "controller"}, "rules": [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["key-counter"],
             "verbs": ["get", "patch", "watch"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch", "patch"]},
        ]});
        let binding = json!({
            "metadata": {"name": "controller"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "controller"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
        });
        let door = KubeDoor::new(client.clone(), &namespace, "none");
        for (resource, object) in [("roles", role), ("rolebindings", binding)] {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
            let _made: Value = door
                .request(Method::POST, &path, "application/json", &object)
                .await?;
        }
        let objects = Api::<ConfigMap>::namespaced(client, &namespace);
        for number in 0..OBJECTS {
            let object = serde_json::from_value(json!({
                "metadata": {"name": name(number), "labels": {"example.com/counted": "yes"}},
                "data": data(1),
            }))?;
            objects.create(&PostParams::default(), &object).await?;
        }
        Ok(Self {
            server,
            kubeconfig: server.kubeconfig_for(server.restricted_token())?,
            namespace,
            objects,
        })
    }

    fn copy(&self) -> Result<Leaderelect, Box<dyn Error>> {
        let mut copy = Command::new(env!("CARGO_BIN_EXE_controller"));
        copy.env("KUBECONFIG", &self.kubeconfig)
            .env("NAMESPACE", &self.namespace)
            .env("LEASE_SECONDS", LEASE.as_secs().to_string());
        Ok(Leaderelect::spawn(copy)?)
    }

    /// Gives an object so many keys, and leaves the rest of it alone.
    async fn give(&self, object: usize, keys: usize) -> TestResult {
        // Of those that it had and has no longer, one: a count never falls by more.
        let mut data = data(keys);
        data[format!("key-{keys}")] = Value::Null;
        let patch = Patch::Merge(json!({"data": data}));
        self.objects
            .patch(&name(object), &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Until every object bears the count of its keys; by whom and in which terms they were counted.
    async fn counted(&self) -> Result<Vec<(String, u64)>, Box<dyn Error>> {
        let mut wrong = Vec::new();
        let end = now().after(LIMIT);
        while now() < end {
            let objects = self.objects.list(&ListParams::default()).await?.items;
            wrong = objects
                .iter()
                .filter(|object| object.annotations().get(KEYS) != Some(&count(object)))
                .map(ResourceExt::name_any)
                .collect();
            if wrong.is_empty() {
                return Ok(objects.iter().filter_map(author).collect());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(format!("not counted: {wrong:?}").into())
    }

    /// What the controllers asked of ConfigMaps: verbs, in order.
    fn asked(&self) -> Result<Vec<String>, Box<dyn Error>> {
        let requests = self.server.requests_in(&self.namespace, |request| {
            request.resource == "configmaps" && request.user == "restricted"
        })?;
        Ok(requests.into_iter().map(|request| request.verb).collect())
    }
}

fn name(object: usize) -> String {
    format!("object-{object}")
}

fn data(keys: usize) -> Value {
    (0..keys)
        .map(|key| (format!("key-{key}"), json!("value")))
        .collect()
}

fn count(object: &ConfigMap) -> String {
    object.data.as_ref().map_or(0, BTreeMap::len).to_string()
}

fn author(object: &ConfigMap) -> Option<(String, u64)> {
    let annotations = object.annotations();
    Some((
        annotations.get(BY)?.clone(),
        annotations.get(TOKEN)?.parse().ok()?,
    ))
}

fn term(copy: &Leaderelect) -> Result<Term, Box<dyn Error>> {
    let line = copy.said("leading ")?;
    let [_, leader, token] = line.text.split(' ').collect::<Vec<_>>()[..] else {
        return Err(line.text.into());
    };
    Ok(Term {
        leader: leader.to_owned(),
        token: token.parse()?,
        at: line.at,
    })
}

/// Two copies; all objects change while nobody works, the one frozen and then killed, the other standing by.
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_it_stood_by_is_reconciled_by_who_gains_the_lead() -> TestResult {
    let stage = Stage::new("controller-resync").await?;
    let first = stage.copy()?;
    let led = term(&first)?;
    let authors = stage.counted().await?;
    assert_eq!(authors, vec![(led.leader.clone(), led.token); OBJECTS]);

    let second = stage.copy()?;
    let lease = KubeDoor::on(
        leaderelection_tests::kube_door::Kind::Lease,
        stage.objects.clone().into_client(),
        &stage.namespace,
        "key-counter",
    );
    let before = stage.asked()?;
    // More than a lease: it follows, and asks nothing about what it would work on.
    sleep(LEASE * 2).await;
    assert_eq!(stage.asked()?, before, "a standby works or watches");
    assert_eq!(
        before.iter().filter(|verb| *verb == "list").count(),
        1,
        "{before:?}"
    );
    assert_eq!(lease.object().await?["spec"]["holderIdentity"], json!(led.leader));

    first.send(Signal::STOP)?;
    for object in 0..OBJECTS {
        stage.give(object, 2).await?;
    }
    drop(first);
    let took_over = term(&second)?;
    let authors = stage.counted().await?;
    assert_eq!(
        authors,
        vec![(took_over.leader.clone(), took_over.token); OBJECTS]
    );
    println!("reconciled all {:?} after it led", now().since(took_over.at));
    assert!(took_over.token > led.token && took_over.leader != led.leader);
    Ok(())
}

/// How a term ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGTERM.
    Asked,
    /// SIGKILL.
    Killed,
    /// SIGSTOP, and SIGCONT when another leads.
    Frozen,
}

/// Objects change all the time, and so do leaders, in every way.
///
/// A term's token is the version of the write that began it, and every write has its version from the same etcd: so a write
/// that bears a token has to have a version above it and below the next term's token. That is exact, by no clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_write_at_once_whatever_ends_their_terms() -> TestResult {
    use End::{Asked, Frozen, Killed};
    let stage = Arc::new(Stage::new("controller-turns").await?);
    let history = History::begin(&stage).await?;
    let changing = Changes::begin(&stage);

    let mut leader = stage.copy()?;
    let mut terms = vec![term(&leader)?];
    for end in [
        Asked, Frozen, Asked, Killed, Asked, Asked, Frozen, Asked, Killed, Asked,
    ] {
        let next = stage.copy()?;
        // It knows the leader, and works through some changes.
        sleep(AT_ONCE).await;
        let ended = now();
        leader.send(match end {
            Asked => Signal::TERM,
            Killed => Signal::KILL,
            Frozen => Signal::STOP,
        })?;
        let began = term(&next)?;
        let took = began.at.since(ended);
        println!("{end:?}: the next leads after {took:?}");
        match end {
            Asked => {
                assert!(took < AT_ONCE, "{took:?}");
                leader.said("stopped ")?;
                leader.said("ended")?;
                assert_eq!(leader.exited()?.code(), Some(0));
            }
            Killed => assert!(took < LEASE * 2, "{took:?}"),
            Frozen => {
                leader.send(Signal::CONT)?;
                // It wakes up as the leader that it was, with changes before it, and has to know better.
                leader.said("stopped ")?;
                sleep(Duration::from_millis(300)).await;
            }
        }
        terms.push(began);
        // Only now: a frozen one would campaign on.
        drop(std::mem::replace(&mut leader, next));
    }

    // The last one, too, has work to do.
    sleep(AT_ONCE).await;
    let changes = changing.end().await?;
    stage.counted().await?;
    let writes = history.writes_until(&stage).await?;
    println!(
        "{changes} changes, {} writes in {} terms",
        writes.len(),
        terms.len()
    );
    for pair in terms.windows(2) {
        assert!(pair[0].token < pair[1].token, "{terms:#?}");
    }
    for write in &writes {
        let at = terms
            .iter()
            .position(|term| term.token == write.token)
            .ok_or_else(|| format!("of no term: {write:?} {terms:#?}"))?;
        assert_eq!(terms[at].leader, write.by, "{write:?}");
        let next = terms.get(at + 1).map_or(u64::MAX, |next| next.token);
        assert!(
            write.token < write.version && write.version < next,
            "outside its term, which ended at {next}: {write:?}"
        );
    }
    for term in &terms {
        let its_own = writes.iter().filter(|write| write.token == term.token).count();
        assert!(its_own > OBJECTS / 2, "{its_own} writes in {term:?}");
    }
    Ok(())
}

/// Somebody who changes objects all the time.
struct Changes {
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Result<usize, String>>,
}

impl Changes {
    #[allow(clippy::disallowed_methods, reason = "beside the test")]
    fn begin(stage: &Arc<Stage>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (stage, until) = (Arc::clone(stage), Arc::clone(&over));
        let task = tokio::spawn(async move {
            let mut changes = 0;
            while !until.load(Ordering::Relaxed) {
                let (object, round) = (changes % OBJECTS, changes / OBJECTS);
                // Up and down, so that every change changes the count.
                let keys = 1 + [1, 2, 1, 0][round % 4];
                stage
                    .give(object, keys)
                    .await
                    .map_err(|error| error.to_string())?;
                changes += 1;
                sleep(Duration::from_millis(10)).await;
            }
            Ok(changes)
        });
        Self { over, task }
    }

    async fn end(self) -> Result<usize, Box<dyn Error>> {
        self.over.store(true, Ordering::Relaxed);
        Ok(self.task.await??)
    }
}

/// Every version of every object, by a watch.
struct History {
    versions: Arc<Mutex<Vec<ConfigMap>>>,
}

impl History {
    #[allow(clippy::disallowed_methods, reason = "beside the test")]
    async fn begin(stage: &Stage) -> Result<Self, Box<dyn Error>> {
        let from = stage.objects.list(&ListParams::default()).await?;
        let from = from.metadata.resource_version.unwrap_or_default();
        let versions = Arc::<Mutex<Vec<ConfigMap>>>::default();
        let (objects, seen) = (stage.objects.clone(), Arc::clone(&versions));
        let watching = objects
            .watch(
                &WatchParams::default()
                    .labels("example.com/counted=yes")
                    .timeout(290),
                &from,
            )
            .await?;
        tokio::spawn(watching.try_for_each(move |event| {
            if let WatchEvent::Modified(object) = event {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(object);
            }
            std::future::ready(Ok(()))
        }));
        Ok(Self { versions })
    }

    /// The writes of controllers, up to what the objects hold now.
    async fn writes_until(&self, stage: &Stage) -> Result<Vec<Write>, Box<dyn Error>> {
        stage
            .objects
            .patch(
                &name(0),
                &PatchParams::default(),
                &Patch::Merge(json!({"metadata": {"annotations": {"last": "yes"}}})),
            )
            .await?;
        let complete = async {
            loop {
                let versions = self
                    .versions
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                if versions
                    .iter()
                    .any(|object| object.annotations().contains_key("last"))
                {
                    return versions;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let versions = within(LIMIT, "the last change in the watch", complete).await;
        let mut before = BTreeMap::new();
        let mut writes = Vec::new();
        for object in versions {
            let written = [KEYS, BY, TOKEN].map(|key| object.annotations().get(key).cloned());
            let was = before.insert(object.name_any(), written.clone());
            if was.unwrap_or_default() == written {
                continue;
            }
            let (by, token) = author(&object).ok_or("an author is missing")?;
            let version = object.resource_version().unwrap_or_default().parse()?;
            writes.push(Write { by, token, version });
        }
        Ok(writes)
    }
}
