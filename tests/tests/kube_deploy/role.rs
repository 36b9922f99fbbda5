//! The Role, given to a user who may nothing else.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::Method;
use leaderelection::{
    Clock, Event, LeaderElector, LeaseTiming, LockErrorKind, Operation, ResourceLock, SystemClock,
};
use leaderelection_kube::{EventRecorder, EventRecording, KubeConnection, LockRef};
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{sleep, within};
use serde_json::{Value, json};

use crate::manifests;

type TestResult = Result<(), Box<dyn Error>>;

/// For what must come, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A verb, a resource, and the name that it is restricted to, or none.
type Permission = (String, String, String);

/// A kind of lock: what `--lock` calls it, and what rules about it name.
struct Kind {
    form: &'static str,
    group: &'static str,
    resource: &'static str,
}

/// The kinds for which the Role is tried; it is written for Leases.
const KINDS: &[Kind] = &[
    Kind {
        form: "leases",
        group: "coordination.k8s.io",
        resource: "leases",
    },
    Kind {
        form: "configmaps",
        group: "",
        resource: "configmaps",
    },
    Kind {
        form: "endpoints",
        group: "",
        resource: "endpoints",
    },
];

const WRITTEN_FOR: &str = "leases";

/// A namespace in which `restricted` has the Role, less a verb.
struct Stage {
    server: &'static KubeApiserver,
    namespace: String,
    kind: &'static Kind,
    rules: Vec<Value>,
    lock: LockRef,
    connection: KubeConnection,
    /// What was asked before only waited for the rules to be known.
    known_at: DateTime<Utc>,
}

impl Stage {
    async fn new(kind: &'static Kind, missing: Option<&str>) -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::shared()?;
        let namespace = server.namespace("role")?;
        let mut role = manifests::object("Role", &namespace)?;
        let rules = rules(&role, kind, missing)?;
        role["rules"] = rules.clone().into();
        let binding = json!({
            "metadata": {"name": "election"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
        });
        let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
        let door = KubeDoor::new(admin.client().clone(), &namespace, "unused");
        for (resource, object) in [("roles", role), ("rolebindings", binding)] {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
            let _made: Value = door
                .request(Method::POST, &path, "application/json", &object)
                .await?;
        }
        let name = named(&rules).ok_or("no resourceNames")?;
        let lock: LockRef = format!("{}:{namespace}/{name}", kind.form).parse()?;
        let kubeconfig = server.kubeconfig_for(server.restricted_token())?;
        let mut stage = Self {
            connection: KubeConnection::from_kubeconfig(kubeconfig).await?,
            server,
            namespace,
            kind,
            rules,
            lock,
            known_at: DateTime::UNIX_EPOCH,
        };
        stage.rules_are_known().await;
        stage.known_at = SystemClock.wall();
        Ok(stage)
    }

    fn lock(&self) -> Arc<dyn ResourceLock> {
        self.connection.lock(&self.lock)
    }

    /// The server is told of rules a moment later; no Role here lacks both of these.
    async fn rules_are_known(&self) {
        let lock = self.lock();
        let known = async {
            while lock.get().await.is_err() && lock.watch().await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        within(LIMIT, "the rules to be known", known).await;
    }

    fn recorded(&self, identity: &str) -> Result<(Candidate, EventRecording), Box<dyn Error>> {
        let elector = LeaderElector::builder(self.lock(), identity)
            .timing(LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?)
            .build()?;
        let recording = EventRecorder::new(&self.connection, &self.lock, "deploy").record(&elector)?;
        let events = elector.events();
        let handle = elector.spawn()?;
        Ok((Candidate { handle, events }, recording))
    }

    /// What `restricted` has asked for here, as a rule would name it: verb, resource, and the name if it has one.
    fn asked(&self) -> Result<BTreeSet<Permission>, Box<dyn Error>> {
        let requests = self.server.requests(|request| {
            request.namespace == self.namespace && request.user == "restricted" && request.at > self.known_at
        })?;
        let asked = requests.into_iter().map(|request| {
            // A create is not restricted to a name, and the audit has the one that was sent.
            let name = if request.verb == "create" {
                String::new()
            } else {
                request.name
            };
            (request.verb, request.resource, name)
        });
        Ok(asked.collect())
    }

    fn gets(&self) -> Result<usize, Box<dyn Error>> {
        let gets = self.server.requests(|request| {
            request.namespace == self.namespace && request.user == "restricted" && request.verb == "get"
        })?;
        Ok(gets.len())
    }

    /// Waits for a call to be denied for want of that verb.
    async fn denied(&self, candidate: &mut Candidate, operation: Operation, verb: &str) {
        let reason = format!("cannot {verb} resource \"{}\"", self.kind.resource);
        let error = candidate
            .event(LIMIT, &reason, |event| match event {
                Event::CallFailed {
                    operation: failed,
                    error,
                    ..
                } if failed == operation => Some(error),
                _ => None,
            })
            .await;
        assert_eq!(error.kind(), LockErrorKind::Denied, "{error}");
        assert!(error.to_string().contains(&reason), "{error}");
    }
}

/// The Role's rules, for that kind of lock, and without a verb of the lock's.
fn rules(role: &Value, kind: &Kind, missing: Option<&str>) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut rules = role["rules"].as_array().ok_or("no rules")?.clone();
    let mut found = 0;
    for rule in rules
        .iter_mut()
        .filter(|rule| rule["resources"] == json!([WRITTEN_FOR]))
    {
        found += 1;
        rule["apiGroups"] = json!([kind.group]);
        rule["resources"] = json!([kind.resource]);
        if let (Some(missing), Some(verbs)) = (missing, rule["verbs"].as_array_mut()) {
            verbs.retain(|verb| verb != missing);
        }
    }
    assert_eq!(found, 2, "one rule for the name, one for create");
    rules.retain(|rule| rule["verbs"] != json!([]));
    Ok(rules)
}

/// The one name that a rule is restricted to.
fn named(rules: &[Value]) -> Option<String> {
    let mut names = rules.iter().filter_map(|rule| rule["resourceNames"].as_array());
    names.next()?.first()?.as_str().map(str::to_owned)
}

/// Everything that the rules allow.
fn allowed(rules: &[Value]) -> BTreeSet<Permission> {
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut allowed = BTreeSet::new();
    for rule in rules {
        let names = match texts(&rule["resourceNames"]) {
            names if names.is_empty() => vec![String::new()],
            names => names,
        };
        for verb in texts(&rule["verbs"]) {
            for resource in texts(&rule["resources"]) {
                for name in &names {
                    allowed.insert((verb.clone(), resource.clone(), name.clone()));
                }
            }
        }
    }
    allowed
}

/// To create, to renew, to follow, to release, to take over, with Events; and nothing of it is never used.
#[tokio::test]
async fn it_is_enough_for_the_whole_life_of_an_election_and_all_of_it_is_used() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, None).await?;
        let (mut leader, first) = stage.recorded("a")?;
        let leadership = leader.leads(LIMIT).await?;
        let (mut follower, second) = stage.recorded("b")?;
        for _ in 0..4 {
            leader
                .event(LIMIT, "a renewal", |event| {
                    matches!(event, Event::Renewed { .. }).then_some(())
                })
                .await;
        }
        drop(leadership);
        within(LIMIT, "the release", leader.handle.shutdown()).await?;
        let leadership = follower.leads(LIMIT).await?;
        drop(leadership);
        within(LIMIT, "the end", follower.handle.shutdown()).await?;
        assert!(first.finish(LIMIT).await && second.finish(LIMIT).await);
        for candidate in [&mut leader.events, &mut follower.events] {
            while let Some(event) = candidate.recv().await {
                assert!(!matches!(event, Event::CallFailed { .. }), "{event:?}");
            }
        }
        assert_eq!(stage.asked()?, allowed(&stage.rules), "{}", kind.form);
        let path = format!("/api/v1/namespaces/{}/events", stage.namespace);
        let events: Value = serde_json::from_str(&stage.server.get(&path)?)?;
        assert_eq!(events["items"].as_array().map(Vec::len), Some(4));
    }
    Ok(())
}

#[tokio::test]
async fn without_get_nobody_learns_that_the_lock_is_free() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Some("get")).await?;
        let mut candidate = Candidate::start(stage.lock(), "a")?;
        stage.denied(&mut candidate, Operation::Get, "get").await;
        assert!(!candidate.handle.is_leader());
        within(LIMIT, "the end", candidate.handle.shutdown()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_create_nobody_leads_where_there_is_no_object() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Some("create")).await?;
        let mut candidate = Candidate::start(stage.lock(), "a")?;
        stage
            .denied(&mut candidate, Operation::CompareAndSwap, "create")
            .await;
        assert!(!candidate.handle.is_leader());
        within(LIMIT, "the end", candidate.handle.shutdown()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_patch_a_leader_cannot_renew_and_loses_its_lease() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Some("patch")).await?;
        let mut candidate = Candidate::start(stage.lock(), "a")?;
        let leadership = candidate.leads(LIMIT).await?;
        stage
            .denied(&mut candidate, Operation::CompareAndSwap, "patch")
            .await;
        within(LIMIT, "the loss", leadership.lost()).await;
        drop(leadership);
        within(LIMIT, "the end", candidate.handle.shutdown()).await?;
    }
    Ok(())
}

/// It says so, asks again and again, and so takes over all the same.
#[tokio::test]
async fn without_watch_a_follower_polls() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Some("watch")).await?;
        let leader = Candidate::start(stage.lock(), "a")?;
        let leadership = leader.leads(LIMIT).await?;
        let mut follower = Candidate::start(stage.lock(), "b")?;
        stage.denied(&mut follower, Operation::Watch, "watch").await;
        let before = stage.gets()?;
        let polled = async {
            while stage.gets()? < before + 3 {
                sleep(Duration::from_millis(20)).await;
            }
            Ok::<_, Box<dyn Error>>(())
        };
        within(LIMIT, "three reads", polled).await?;
        drop(leadership);
        within(LIMIT, "the release", leader.handle.shutdown()).await?;
        follower.leads(LIMIT).await?;
        within(LIMIT, "the end", follower.handle.shutdown()).await?;
    }
    Ok(())
}
