//! One election: a leader at work, and two who follow it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::Method;
use leaderelection_kube::KubeConnection;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{LEASE, LIMIT, RENEW_DEADLINE, RETRY_PERIOD, Result, Row, STOP_GRACE, WORK};
use crate::beats::{self, Beats};
use crate::faults::Proxy;
use crate::kube_door::{Kind, KubeDoor};
use crate::leaderelect::Leaderelect;
use crate::servers::{KubeApiserver, monotonic};
use crate::time::{pause, wait};

/// The object's.
const NAME: &str = "job";
const LEADER: &str = "leader";
const FOLLOWERS: [&str; 2] = ["follower-1", "follower-2"];

/// An election on a Lease.
pub(super) struct Stage {
    // Before the folder in which their work writes.
    pub(super) leader: Leaderelect,
    _followers: [Leaderelect; 2],
    /// Between the leader and the server; in [`Row::ConnectionsCut`] before the server for all.
    pub(super) proxy: Proxy,
    pub(super) namespace: String,
    pub(super) url: String,
    folder: TempDir,
    runtime: Runtime,
    door: KubeDoor,
}

impl Stage {
    /// Waits until the leader works and both others know it.
    pub(super) fn new(server: &KubeApiserver, program: &Path, row: Row) -> Result<Self> {
        let namespace = server.namespace("faults")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = runtime
            .block_on(KubeConnection::from_kubeconfig(server.kubeconfig()))?
            .client()
            .clone();
        let door = KubeDoor::on(Kind::Lease, client, &namespace, NAME);
        let url = server.url();
        let proxy = Proxy::before(url.trim_start_matches("https://"))?;
        let folder = tempfile::Builder::new()
            .prefix("leaderelection-faults-")
            .tempdir()?;
        let direct = server.kubeconfig();
        let leaders = match row {
            Row::Forbidden => server.kubeconfig_for(server.restricted_token())?,
            _ => direct.clone(),
        };
        let through = folder.path().join("through-the-proxy");
        let text = std::fs::read_to_string(&leaders)?;
        std::fs::write(
            &through,
            text.replace(&url, &format!("https://{}", proxy.endpoint())),
        )?;
        let beats = folder.path().join("beats");
        std::fs::create_dir(&beats)?;
        if row == Row::Forbidden {
            runtime.block_on(grant(&door, &namespace))?;
        }
        let join =
            |kubeconfig: &Path, identity| start(program, kubeconfig, &namespace, &beats, row, identity);
        let leader = join(&through, LEADER)?;
        wait_until("the leader to work", || Ok(!beats::read(&beats)?.is_empty()))?;
        let kubeconfig = if row == Row::ConnectionsCut {
            &through
        } else {
            &direct
        };
        let followers = [join(kubeconfig, FOLLOWERS[0])?, join(kubeconfig, FOLLOWERS[1])?];
        for follower in &followers {
            follower.follows(LEADER)?;
        }
        Ok(Self {
            leader,
            _followers: followers,
            proxy,
            namespace,
            url,
            folder,
            runtime,
            door,
        })
    }

    /// When which work ran so far.
    pub(super) fn beats(&self) -> Result<Vec<Beats>> {
        Ok(beats::read(&self.folder.path().join("beats"))?)
    }

    /// Waits until the leader has just renewed.
    pub(super) fn renewed(&self) -> Result<()> {
        let before = self.runtime.block_on(self.door.version())?;
        wait_until("a renewal", || {
            Ok(self.runtime.block_on(self.door.version())? != before)
        })
    }

    /// Signals all that the leader runs, its work first: what it guards its work with, and itself.
    pub(super) fn signal_leader(&self, signal: Signal) -> Result<()> {
        let mut all: Vec<u32> = self
            .beats()?
            .iter()
            .filter(|run| run.identity == LEADER)
            .map(|run| run.pid)
            .collect();
        let children = children(self.leader.pid())?;
        all.extend(
            children
                .into_iter()
                .filter(|child| !all.contains(child))
                .collect::<Vec<_>>(),
        );
        if all.len() < 2 {
            return Err(format!("work and its guard are two processes, not {all:?}").into());
        }
        for pid in all {
            let pid = Pid::from_raw(i32::try_from(pid)?).ok_or("no process 0")?;
            rustix::process::kill_process(pid, signal)?;
        }
        self.leader.send(signal)?;
        Ok(())
    }

    pub(super) fn delete(&self) -> Result<()> {
        Ok(self.runtime.block_on(self.door.delete())?)
    }

    /// Writes this into the record.
    pub(super) fn rewrite(&self, spec: Value) -> Result<()> {
        self.runtime.block_on(self.door.patch(json!({"spec": spec})))?;
        Ok(())
    }

    pub(super) fn forbid(&self) -> Result<()> {
        let path = format!("{}/election", of(&self.namespace, "rolebindings"));
        let nothing = json!({});
        let deleting = self
            .door
            .request(Method::DELETE, &path, "application/json", &nothing);
        self.runtime.block_on(deleting)?;
        Ok(())
    }

    pub(super) fn allow(&self) -> Result<()> {
        let binding = post(&self.door, &self.namespace, "rolebindings", binding());
        self.runtime.block_on(binding)
    }
}

/// The processes that this one has started.
fn children(parent: u32) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One may end while this reads.
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let of = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if of.map(str::trim) == Some(&parent.to_string()) {
            all.push(pid);
        }
    }
    Ok(all)
}

fn start(
    program: &Path,
    kubeconfig: &Path,
    namespace: &str,
    beats: &Path,
    row: Row,
    identity: &str,
) -> Result<Leaderelect> {
    let durations = [
        ("--lease-duration", LEASE),
        ("--renew-deadline", RENEW_DEADLINE),
        ("--retry-period", RETRY_PERIOD),
        ("--stop-grace", STOP_GRACE),
    ];
    let mut flags: Vec<String> = durations
        .into_iter()
        .flat_map(|(name, duration)| [name.to_owned(), format!("{}ms", duration.as_millis())])
        .collect();
    if row == Row::DeletedStrict {
        flags.extend(["--missing-record", "claim-then-lead"].map(str::to_owned));
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut process = Command::new(program);
    process.env("KUBECONFIG", kubeconfig);
    if row.work_is_stubborn() {
        process.env(beats::STUBBORN, "1");
    }
    let command = [
        program.display().to_string(),
        WORK.to_owned(),
        beats.display().to_string(),
    ];
    Ok(Leaderelect::start_by(
        process,
        &format!("leases:{namespace}/{NAME}"),
        identity,
        &flags,
        &command.each_ref().map(String::as_str),
    )?)
}

fn of(namespace: &str, resource: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}")
}

async fn post(door: &KubeDoor, namespace: &str, resource: &str, object: Value) -> Result<()> {
    door.request(
        Method::POST,
        &of(namespace, resource),
        "application/json",
        &object,
    )
    .await?;
    Ok(())
}

/// What `deploy/rbac.yaml` grants.
async fn grant(door: &KubeDoor, namespace: &str) -> Result<()> {
    let group = ["coordination.k8s.io"];
    let rules = [
        json!({"apiGroups": group, "resources": ["leases"], "resourceNames": [NAME], "verbs": ["get", "patch", "watch"]}),
        json!({"apiGroups": group, "resources": ["leases"], "verbs": ["create"]}),
    ];
    let role = json!({"metadata": {"name": "election"}, "rules": rules});
    post(door, namespace, "roles", role).await?;
    post(door, namespace, "rolebindings", binding()).await
}

fn binding() -> Value {
    json!({
        "metadata": {"name": "election"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "election"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
    })
}

/// Looks again and again.
pub(super) fn wait_until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = monotonic() + LIMIT;
    while !done()? {
        if monotonic() > end {
            return Err(format!("not within {LIMIT:?}: {what}").into());
        }
        wait(Duration::from_millis(5));
    }
    pause();
    Ok(())
}
