//! An election on one object, and what the server knows of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::candidate::Process;
use super::{Candidate, ClientGo, LIMIT, Result, Side, WORK};
use crate::clocked::Moment;
use crate::kube_door::{ANNOTATION, Kind};
use crate::leaderelect::Leaderelect;
use crate::servers::{GoContender, KubeApiserver, KubeRequest};
use crate::time::wait;

/// The object's.
const NAME: &str = "job";

/// An election, and how its candidates are started.
#[derive(Debug)]
pub struct Stage<'a> {
    server: &'a KubeApiserver,
    namespace: String,
    program: PathBuf,
    /// Lease duration, renew deadline, retry period.
    timing: [Duration; 3],
    /// For ours, beside those of the timing.
    flags: Vec<String>,
    client_go: ClientGo,
    kind: Kind,
    started: usize,
}

impl<'a> Stage<'a> {
    /// An election that nobody has held, in a namespace of its own. `program` is `leaderelect`, or with the argument
    /// [`WORK`] its work. The flags go to ours.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn new(
        server: &'a KubeApiserver,
        name: &str,
        program: impl Into<PathBuf>,
        timing: [Duration; 3],
        flags: &[&str],
    ) -> Result<Self> {
        let names = ["--lease-duration", "--renew-deadline", "--retry-period"];
        let durations = names
            .into_iter()
            .zip(timing)
            .flat_map(|(name, duration)| [name.to_owned(), format!("{}ms", duration.as_millis())]);
        Ok(Self {
            server,
            namespace: server.namespace(name)?,
            program: program.into(),
            timing,
            flags: durations
                .chain(flags.iter().map(|&flag| flag.to_owned()))
                .collect(),
            client_go: ClientGo::Old,
            kind: Kind::Endpoints,
            started: 0,
        })
    }

    /// On an object of that kind, beside that client-go; unless said, on Endpoints beside the old one.
    #[must_use]
    pub fn on(self, kind: Kind, client_go: ClientGo) -> Self {
        Self {
            client_go,
            kind,
            ..self
        }
    }

    /// How often a leader renews.
    pub fn retry_period(&self) -> Duration {
        let [.., retry_period] = self.timing;
        retry_period
    }

    /// Starts a candidate.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn join(&mut self, side: Side) -> Result<Candidate> {
        let identity = format!("{side:?}-{}", self.started).to_lowercase();
        self.started += 1;
        let kubeconfig = self.server.kubeconfig();
        let process = match side {
            Side::Ours => {
                let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
                let program = self.program.display().to_string();
                Process::Ours(Leaderelect::start_in(
                    &kubeconfig,
                    Path::new(&program),
                    &format!("{}:{}/{NAME}", self.kind.plural(), self.namespace),
                    &identity,
                    &flags,
                    &[&program, WORK],
                )?)
            }
            Side::Go => {
                let [lease_duration, renew_deadline, retry_period] = self.timing;
                let contender = match self.client_go {
                    ClientGo::Old => GoContender::endpoints,
                    ClientGo::Today => GoContender::lease,
                };
                let go = contender(kubeconfig, &self.namespace, NAME, &identity)
                    .lock(self.kind.plural())
                    .timing(lease_duration, renew_deadline, retry_period)
                    .release_on_cancel()
                    .start()?;
                Process::Go(Box::new(go))
            }
        };
        Ok(Candidate::new(process, identity))
    }

    /// The requests of that kind about the object, as the server logged their arrival.
    ///
    /// # Errors
    /// When there is no log.
    pub fn requests(&self, wanted: impl Fn(&KubeRequest) -> bool) -> Result<Vec<KubeRequest>> {
        let about = |request: &KubeRequest| request.resource == self.kind.plural() && wanted(request);
        Ok(self.server.requests_in(&self.namespace, about)?)
    }

    /// The writes of one side's candidates.
    ///
    /// # Errors
    /// When there is no log.
    pub fn writes(&self, side: Side) -> Result<Vec<DateTime<Utc>>> {
        let writes = self.requests(|request| side.verbs().contains(&request.verb.as_str()))?;
        Ok(writes.into_iter().map(|request| request.at).collect())
    }

    /// Waits until somebody writes, as a leader does when it renews.
    ///
    /// # Errors
    /// When nobody does.
    pub fn renewed(&self) -> Result<()> {
        let version = |object: Value| object.pointer("/metadata/resourceVersion").cloned();
        let before = version(self.object()?);
        let begin = Moment::now();
        while version(self.object()?) == before {
            if Moment::now().since(begin) > LIMIT.as_secs_f64() * 1e3 {
                return Err(format!("no renewal within {LIMIT:?}").into());
            }
            wait(Duration::from_millis(10));
        }
        Ok(())
    }

    /// How often the lead has changed hands, now that the last leader has released it. One of client-go v0.23 may not have: told to
    /// stop while a renewal is on its way, it loses its release (docs/INTEROP.md).
    ///
    /// # Errors
    /// When somebody else holds it, or there is no record.
    pub fn transitions_when_free(&self) -> Result<u64> {
        let object = self.object()?;
        let (record, transitions) = match self.kind {
            Kind::Lease => (object.get("spec").cloned(), "leaseTransitions"),
            Kind::Endpoints | Kind::ConfigMap => {
                let annotations = object.pointer("/metadata/annotations");
                let text = annotations.and_then(|all| all.get(ANNOTATION)?.as_str());
                (
                    text.and_then(|text| serde_json::from_str(text).ok()),
                    "leaderTransitions",
                )
            }
        };
        let record: Value = record.ok_or_else(|| format!("no record in {object}"))?;
        let holder = record.get("holderIdentity").and_then(Value::as_str);
        let lost = |holder: &str| self.client_go == ClientGo::Old && holder.starts_with("go-");
        if !holder.is_some_and(|holder| holder.is_empty() || lost(holder)) {
            return Err(format!("the last leader has not released {record}").into());
        }
        let transitions = record.get(transitions).and_then(Value::as_u64);
        Ok(transitions.ok_or_else(|| format!("no transitions in {record}"))?)
    }

    fn object(&self) -> Result<Value> {
        let (api, plural) = (self.kind.api(), self.kind.plural());
        let path = format!("{api}/namespaces/{}/{plural}/{NAME}", self.namespace);
        Ok(serde_json::from_str(&self.server.get(&path)?)?)
    }
}
