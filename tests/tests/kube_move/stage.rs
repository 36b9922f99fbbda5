//! The two objects, and who joins an election by one of them.

use std::process::Command;

use chrono::{DateTime, Utc};
use leaderelection_kube::KubeConnection;
use leaderelection_tests::beside_go::{ClientGo, WORK};
use leaderelection_tests::kube_door::{ANNOTATION, Kind, KubeDoor};
use leaderelection_tests::leaderelect::Leaderelect;
use leaderelection_tests::servers::{GoContender, KubeApiserver};
use serde_json::Value;

use super::candidate::{Candidate, Process, candidate};
use super::{FLAGS, PROGRAM, Result, STOP_GRACE, TIMING};

/// The name of the old object, and of the new one.
pub(crate) const NAMES: [&str; 2] = ["job", "job-new"];

/// Where an election is moved from an object of some kind, which old candidates know by some client-go, to a Lease.
pub(crate) struct Stage {
    pub(crate) server: &'static KubeApiserver,
    pub(crate) namespace: String,
    client_go: ClientGo,
    kind: Kind,
}

impl Stage {
    pub(crate) fn new(client_go: ClientGo, kind: Kind) -> Result<Self> {
        let server = KubeApiserver::shared()?;
        Ok(Self {
            server,
            namespace: server.namespace("move")?,
            client_go,
            kind,
        })
    }

    pub(crate) fn from(&self) -> String {
        format!("{}:{}/{}", self.kind.plural(), self.namespace, NAMES[0])
    }

    pub(crate) fn to(&self) -> String {
        format!("leases:{}/{}", self.namespace, NAMES[1])
    }

    /// A candidate of the old object, by the client-go that knows it.
    pub(crate) fn old(&self, name: &str) -> Result<Candidate> {
        self.go(self.client_go, self.kind, NAMES[0], name)
    }

    /// A candidate of the new object, by today's client-go.
    pub(crate) fn new_by_go(&self, name: &str) -> Result<Candidate> {
        self.go(ClientGo::Today, Kind::Lease, NAMES[1], name)
    }

    /// A candidate of the new object.
    pub(crate) fn new_by_us(&self, name: &str) -> Result<Candidate> {
        let flags: Vec<&str> = FLAGS.into_iter().chain(STOP_GRACE).collect();
        let (kubeconfig, lock) = (self.server.kubeconfig(), self.to());
        let program = PROGRAM.as_ref();
        let ours = Leaderelect::start_in(&kubeconfig, program, &lock, name, &flags, &[PROGRAM, WORK])?;
        Ok(candidate(name, Process::Ours(ours)))
    }

    /// `leaderelect move`, with these flags beside those of the timing.
    pub(crate) fn mover(&self, flags: &[&str]) -> Result<Leaderelect> {
        self.moves(&self.from(), &self.to(), flags)
    }

    /// The way back.
    pub(crate) fn mover_back(&self) -> Result<Leaderelect> {
        self.moves(&self.to(), &self.from(), &[])
    }

    fn moves(&self, from: &str, to: &str, flags: &[&str]) -> Result<Leaderelect> {
        let mut process = Command::new(PROGRAM);
        process
            .args(["move", "--from", from, "--to", to])
            .args(FLAGS)
            .args(flags)
            .env("KUBECONFIG", self.server.kubeconfig())
            .env("RUST_LOG", "info");
        Ok(Leaderelect::spawn(process)?)
    }

    fn go(&self, client_go: ClientGo, kind: Kind, object: &str, name: &str) -> Result<Candidate> {
        let contender = match client_go {
            ClientGo::Old => GoContender::endpoints,
            ClientGo::Today => GoContender::lease,
        };
        let [lease_duration, renew_deadline, retry_period] = TIMING;
        let go = contender(self.server.kubeconfig(), &self.namespace, object, name)
            .lock(kind.plural())
            .timing(lease_duration, renew_deadline, retry_period)
            .release_on_cancel()
            .start()?;
        Ok(candidate(name, Process::Go(Box::new(go))))
    }

    /// The old object, for what others do to it.
    pub(crate) async fn old_door(&self) -> Result<KubeDoor> {
        let admin = KubeConnection::from_kubeconfig(self.server.kubeconfig()).await?;
        Ok(KubeDoor::on(
            self.kind,
            admin.client().clone(),
            &self.namespace,
            NAMES[0],
        ))
    }

    /// How often old candidates have looked at the old object.
    pub(crate) fn looks_by_go(&self) -> Result<usize> {
        let looks = self.server.requests_in(&self.namespace, |request| {
            request.verb == "get" && request.name == NAMES[0] && request.user_agent.starts_with("contender")
        })?;
        Ok(looks.len())
    }

    /// Who has asked since then to write the old object, with which verb, and how many milliseconds after the first.
    pub(crate) fn writes_since(&self, then: DateTime<Utc>) -> Result<Vec<String>> {
        let writes = self.server.requests_in(&self.namespace, |request| {
            request.at >= then
                && request.name == NAMES[0]
                && ["update", "patch"].contains(&request.verb.as_str())
        })?;
        let begin = writes.first().map(|write| write.at).unwrap_or_default();
        let told = writes.iter().map(|write| {
            let who = if write.user_agent.starts_with("contender") {
                "client-go"
            } else {
                "ours"
            };
            format!("{who} {} {}", write.verb, (write.at - begin).num_milliseconds())
        });
        Ok(told.collect())
    }

    /// The holder and the duration, as they are in the object.
    fn record(&self, kind: Kind, name: &str) -> Result<[Value; 2]> {
        let path = format!(
            "{}/namespaces/{}/{}/{name}",
            kind.api(),
            self.namespace,
            kind.plural()
        );
        let object: Value = serde_json::from_str(&self.server.get(&path)?)?;
        let record = match kind {
            Kind::Lease => object["spec"].clone(),
            _ => {
                let text = object["metadata"]["annotations"][ANNOTATION].as_str();
                serde_json::from_str(text.ok_or("no record")?)?
            }
        };
        Ok(["holderIdentity", "leaseDurationSeconds"].map(|field| record[field].clone()))
    }

    /// As it is in the old object.
    pub(crate) fn old_record(&self) -> Result<[Value; 2]> {
        self.record(self.kind, NAMES[0])
    }

    fn is_closed(&self, kind: Kind, name: &str, holder: &str) -> bool {
        let Ok([found, duration]) = self.record(kind, name) else {
            return false;
        };
        found == holder && (duration == i32::MAX || duration == i32::MAX.to_string().as_str())
    }

    /// Whether candidates of the new object wait for the move.
    pub(crate) fn new_is_closed(&self) -> bool {
        self.is_closed(Kind::Lease, NAMES[1], &format!("not before {}", self.from()))
    }

    pub(crate) fn old_is_closed(&self) -> bool {
        self.is_closed(self.kind, NAMES[0], &format!("moved to {}", self.to()))
    }
}
