//! A namespace in which a user has the Role, or less, and nothing else.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::Method;
use leaderelection::{
    Clock, Event, LeaderElector, LeaseTiming, LockError, LockErrorKind, Operation, ResourceLock, SystemClock,
};
use leaderelection_kube::{EventRecorder, EventRecording, KubeConnection, LockRef};
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::kube_door::KubeDoor;
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{sleep, within};
use serde_json::{Value, json};

use super::{LIMIT, TestResult};
use crate::manifests;

/// A verb, a resource, and the name that it is restricted to, or none.
pub(super) type Permission = (String, String, String);

/// A kind of lock: what `--lock` calls it, and what rules about it name.
pub(super) struct Kind {
    pub(super) form: &'static str,
    group: &'static str,
    resource: &'static str,
}

/// The kinds for which the Role is tried; it is written for Leases.
pub(super) const KINDS: &[Kind] = &[
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

/// What a Role does not grant of what is in `deploy/`.
#[derive(Clone, Copy)]
pub(super) enum Less {
    Nothing,
    /// A verb on the lock's object.
    Verb(&'static str),
    /// What `--events` needs.
    Events,
    /// The object: it names [`OTHER`] instead.
    Name,
}

/// The name of an object that is not the lock's.
const OTHER: &str = "other";

/// A namespace in which `restricted` has the Role, or less.
pub(super) struct Stage {
    pub(super) server: &'static KubeApiserver,
    pub(super) namespace: String,
    pub(super) kind: &'static Kind,
    pub(super) rules: Vec<Value>,
    pub(super) lock: LockRef,
    connection: KubeConnection,
    /// What was asked before only waited for the rules to be known.
    known_at: DateTime<Utc>,
}

impl Stage {
    pub(super) async fn new(kind: &'static Kind, less: Less) -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::shared()?;
        let namespace = server.namespace("role")?;
        let mut role = manifests::object("Role", &namespace)?;
        let mut rules = rules(&role, kind, less)?;
        let name = named(&rules).ok_or("no resourceNames")?;
        if let Less::Name = less {
            for names in rules.iter_mut().filter_map(|rule| rule.get_mut("resourceNames")) {
                *names = json!([OTHER]);
            }
        }
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
        stage.rules_are_known().await?;
        stage.known_at = SystemClock.wall();
        Ok(stage)
    }

    pub(super) fn lock(&self) -> Arc<dyn ResourceLock> {
        self.connection.lock(&self.lock)
    }

    /// The lock on the object that the rules name.
    pub(super) fn granted(&self) -> Result<Arc<dyn ResourceLock>, Box<dyn Error>> {
        let name = named(&self.rules).ok_or("no resourceNames")?;
        let lock: LockRef = format!("{}:{}/{name}", self.kind.form, self.namespace).parse()?;
        Ok(self.connection.lock(&lock))
    }

    /// The server is told of rules a moment later; no Role here lacks both of these.
    async fn rules_are_known(&self) -> TestResult {
        let lock = self.granted()?;
        let known = async {
            while lock.get().await.is_err() && lock.watch().await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        within(LIMIT, "the rules to be known", known).await;
        Ok(())
    }

    pub(super) fn recorded(&self, identity: &str) -> Result<(Candidate, EventRecording), Box<dyn Error>> {
        let elector = LeaderElector::builder(self.lock(), identity)
            .timing(LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?)
            .build()?;
        let recording = EventRecorder::new(&self.connection, &self.lock, "deploy").record(&elector)?;
        let events = elector.events();
        let handle = elector.spawn()?;
        Ok((Candidate { handle, events }, recording))
    }

    /// What `restricted` has asked for here, as a rule would name it: verb, resource, and the name if it has one.
    pub(super) fn asked(&self) -> Result<BTreeSet<Permission>, Box<dyn Error>> {
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

    /// How many Events there are.
    pub(super) fn events(&self) -> Result<usize, Box<dyn Error>> {
        let path = format!("/api/v1/namespaces/{}/events", self.namespace);
        let events: Value = serde_json::from_str(&self.server.get(&path)?)?;
        Ok(events["items"].as_array().ok_or("no list")?.len())
    }

    pub(super) fn gets(&self) -> Result<usize, Box<dyn Error>> {
        let gets = self.server.requests(|request| {
            request.namespace == self.namespace && request.user == "restricted" && request.verb == "get"
        })?;
        Ok(gets.len())
    }

    /// Waits for a call to be denied for want of that verb.
    pub(super) async fn denied(&self, candidate: &mut Candidate, operation: Operation, verb: &str) {
        let reason = self.refusal(verb);
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
        self.is_denied(&error, verb);
    }

    pub(super) fn is_denied(&self, error: &LockError, verb: &str) {
        assert_eq!(error.kind(), LockErrorKind::Denied, "{error}");
        assert!(error.to_string().contains(&self.refusal(verb)), "{error}");
    }

    /// What the apiserver says to who lacks a verb.
    fn refusal(&self, verb: &str) -> String {
        format!("cannot {verb} resource \"{}\"", self.kind.resource)
    }
}

/// The Role's rules, for that kind of lock, and without what is not granted but by its name.
fn rules(role: &Value, kind: &Kind, less: Less) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut rules = role["rules"].as_array().ok_or("no rules")?.clone();
    let mut found = 0;
    for rule in rules
        .iter_mut()
        .filter(|rule| rule["resources"] == json!([WRITTEN_FOR]))
    {
        found += 1;
        rule["apiGroups"] = json!([kind.group]);
        rule["resources"] = json!([kind.resource]);
        if let (Less::Verb(missing), Some(verbs)) = (less, rule["verbs"].as_array_mut()) {
            verbs.retain(|verb| verb != missing);
        }
    }
    assert_eq!(found, 2, "one rule for the name, one for create");
    rules.retain(|rule| rule["verbs"] != json!([]));
    if let Less::Events = less {
        let all = rules.len();
        rules.retain(|rule| rule["resources"] != json!(["events"]));
        assert_eq!(rules.len(), all - 1, "one rule for Events");
    }
    Ok(rules)
}

/// The one name that a rule is restricted to.
fn named(rules: &[Value]) -> Option<String> {
    let mut names = rules.iter().filter_map(|rule| rule["resourceNames"].as_array());
    names.next()?.first()?.as_str().map(str::to_owned)
}

/// Everything that the rules allow.
pub(super) fn allowed(rules: &[Value]) -> BTreeSet<Permission> {
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
