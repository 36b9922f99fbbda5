//! A real etcd of one member.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::patience::Patience;
use super::process::Process;
use super::{EtcdSettings, ServerError, http, ports};

/// It takes half a second (an election of one); a busy machine may take its time.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long one of the fixture's own requests may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// How often a start is tried again with other ports when somebody took them first.
const PORT_TRIES: usize = 5;

/// A real etcd of one member on loopback, serving.
///
/// Dropping it ends the server and removes its data, also while a test panics.
///
/// ```no_run
/// let mut etcd = leaderelection_tests::servers::Etcd::start()?;
/// println!("connect to {}", etcd.endpoint());
/// etcd.kill();
/// etcd.restart()?;
/// # Ok::<(), leaderelection_tests::servers::ServerError>(())
/// ```
#[derive(Debug)]
pub struct Etcd {
    // Before the folder: fields are dropped in this order.
    process: Option<Process>,
    folder: TempDir,
    client_port: u16,
    peer_port: u16,
    /// For what the fixture asks itself, without TLS and without a user.
    metrics_port: u16,
    settings: EtcdSettings,
}

impl Etcd {
    /// Starts an empty etcd and waits until it serves.
    ///
    /// # Errors
    /// When the program is not built (the message names `tests/run.sh`), does not start, or does not serve within 30 s
    /// (the message ends with the server's log).
    pub fn start() -> Result<Self, ServerError> {
        Self::start_with(&EtcdSettings::new())
    }

    /// As [`start`](Self::start), with those settings.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(settings: &EtcdSettings) -> Result<Self, ServerError> {
        Self::trying_ports(|| {
            let mut etcd = Self::prepare(settings)?;
            etcd.launch()?;
            Ok(etcd)
        })
    }

    /// Tries again when somebody took a port between its choice and its use.
    pub(super) fn trying_ports<T>(start: impl Fn() -> Result<T, ServerError>) -> Result<T, ServerError> {
        let mut tries_left = PORT_TRIES;
        loop {
            tries_left -= 1;
            match start() {
                Err(ServerError::PortTaken { .. }) if tries_left > 0 => {}
                done => return done,
            }
        }
    }

    /// One that does not run yet.
    pub(super) fn prepare(settings: &EtcdSettings) -> Result<Self, ServerError> {
        let port = || ports::free().map_err(ServerError::io("find a free port"));
        Ok(Self {
            process: None,
            folder: tempfile::Builder::new()
                .prefix("leaderelection-etcd-")
                .tempdir()
                .map_err(ServerError::io("make a temporary folder"))?,
            client_port: port()?,
            peer_port: port()?,
            metrics_port: port()?,
            settings: settings.clone(),
        })
    }

    /// Where clients connect: `127.0.0.1:PORT`. It stays the same across [`Etcd::restart`].
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.client_port)
    }

    /// The temporary folder that holds the data and the log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// SIGKILL: clients see their connections reset, then refused. The data stays for [`Etcd::restart`].
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same ports with the same data, after a [`kill`](Etcd::kill) if it still runs.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        let patience = Patience::new(START_LIMIT);
        loop {
            match self.launch() {
                // The port has to be this one; who took it may give it back.
                Err(ServerError::PortTaken { .. }) if patience.pause() => {}
                done => return done,
            }
        }
    }

    /// SIGSTOP: connections stay open and nothing answers, until [`Etcd::cont`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&self) -> Result<(), ServerError> {
        self.running()?.stop()
    }

    /// SIGCONT after [`Etcd::stop`]: it answers what has been waiting.
    ///
    /// # Errors
    /// When it does not run.
    pub fn cont(&self) -> Result<(), ServerError> {
        self.running()?.cont()
    }

    /// Whether it can serve a linearizable read now, by its own account.
    ///
    /// # Errors
    /// When it is killed, stopped (after 2 s) or unhealthy.
    pub fn health(&self) -> Result<(), ServerError> {
        health(self.metrics_port)
    }

    /// Its metrics, in Prometheus' text format.
    ///
    /// # Errors
    /// When it does not answer within 2 s.
    pub fn metrics(&self) -> Result<String, ServerError> {
        http::get(self.metrics_port, "/metrics", REQUEST_LIMIT)
    }

    /// How many requests clients have sent to the methods that `wanted` selects, since the server's (re)start.
    ///
    /// A method is named as in gRPC's paths: `etcdserverpb.KV/Txn`, `etcdserverpb.Watch/Watch`. Each unary call counts
    /// as one, and so does each opened stream and each message that a client sends on it; what the server sends counts
    /// nothing. They count when they arrive, answered or not. The fixture's own requests are plain HTTP and not among
    /// them.
    ///
    /// # Errors
    /// As [`Etcd::metrics`].
    pub fn requests(&self, wanted: impl Fn(&str) -> bool) -> Result<u64, ServerError> {
        Ok(self
            .requests_by_method()?
            .iter()
            .filter(|(method, _)| wanted(method))
            .map(|(_, count)| count)
            .sum())
    }

    /// As [`Etcd::requests`], for each method that had any: what a failing test prints.
    ///
    /// # Errors
    /// As [`Etcd::metrics`].
    pub fn requests_by_method(&self) -> Result<BTreeMap<String, u64>, ServerError> {
        Ok(count_requests(&self.metrics()?))
    }

    fn running(&self) -> Result<&Process, ServerError> {
        self.process
            .as_ref()
            .ok_or(ServerError::NotRunning(self.settings.program()))
    }

    /// Where it listens for other members: `127.0.0.1:PORT`.
    pub(super) fn peer_endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.peer_port)
    }

    pub(super) fn set_variable(&mut self, name: &'static str, value: String) {
        self.settings.variables.push((name, value));
    }

    /// Where its data are.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Kills it, and takes away its data, as of a machine that is lost.
    pub(super) fn forget(&mut self) -> Result<(), ServerError> {
        self.kill();
        match std::fs::remove_dir_all(self.data()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ServerError::io("remove an etcd's data")(error))
            }
            _ => Ok(()),
        }
    }

    /// The last of a name counts.
    pub(super) fn set_flag(&mut self, name: &str, value: &str) {
        self.settings.flags.extend([name.into(), value.into()]);
    }

    /// Whether it leads the members of its cluster, by its own account.
    ///
    /// # Errors
    /// As [`Etcd::metrics`].
    pub fn leads(&self) -> Result<bool, ServerError> {
        self.running()?;
        Ok(self
            .metrics()?
            .lines()
            .any(|line| line == "etcd_server_is_leader 1"))
    }

    fn launch(&mut self) -> Result<(), ServerError> {
        self.spawn()?;
        self.wait_until_it_serves()
    }

    /// Starts the process, and does not wait.
    pub(super) fn spawn(&mut self) -> Result<(), ServerError> {
        let url = |port: u16| OsString::from(format!("http://127.0.0.1:{port}"));
        let scheme = if self.settings.tls.is_empty() {
            "http"
        } else {
            "https"
        };
        let clients = OsString::from(format!("{scheme}://127.0.0.1:{}", self.client_port));
        let mut args = vec![
            "--data-dir".into(),
            self.data().into(),
            // What is lost with the machine's power does not matter here; what is lost with the process is not affected.
            "--unsafe-no-fsync".into(),
            "--log-level".into(),
            "warn".into(),
            "--listen-client-urls".into(),
            clients.clone(),
            "--advertise-client-urls".into(),
            clients,
            "--listen-peer-urls".into(),
            url(self.peer_port),
            "--listen-metrics-urls".into(),
            url(self.metrics_port),
        ];
        args.extend(self.settings.tls.iter().chain(&self.settings.flags).cloned());
        self.process = Some(Process::spawn_with(
            self.settings.program(),
            &args,
            &self.settings.variables,
            &self.folder.path().join("log"),
        )?);
        Ok(())
    }

    pub(super) fn wait_until_it_serves(&mut self) -> Result<(), ServerError> {
        let port = self.metrics_port;
        let process = self
            .process
            .as_mut()
            .ok_or(ServerError::NotRunning(self.settings.program()))?;
        process.wait_until(START_LIMIT, || health(port))
    }
}

fn health(port: u16) -> Result<(), ServerError> {
    let body = http::get(port, "/health", REQUEST_LIMIT)?;
    if body.contains(r#""health":"true""#) {
        Ok(())
    } else {
        Err(ServerError::BadAnswer {
            request: "GET /health".to_owned(),
            problem: body,
        })
    }
}

/// From Prometheus' text to requests per method; see [`Etcd::requests`] for what counts.
fn count_requests(metrics: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in metrics.lines() {
        let Some((name, rest)) = line.split_once('{') else {
            continue;
        };
        let Some((labels, value)) = rest.split_once("} ") else {
            continue;
        };
        let label = |wanted: &str| {
            labels.split(',').find_map(|label| {
                let (name, value) = label.split_once('=')?;
                (name == wanted).then(|| value.trim_matches('"'))
            })
        };
        let (Some(service), Some(method)) = (label("grpc_service"), label("grpc_method")) else {
            continue;
        };
        let counts_here = match name {
            "grpc_server_started_total" => true,
            // A unary call's one message is the call itself.
            "grpc_server_msg_received_total" => label("grpc_type") != Some("unary"),
            _ => false,
        };
        let Ok(value) = value.parse::<f64>() else { continue };
        if counts_here && value > 0.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a counter: whole, positive, and far below 2^53"
            )]
            let value = value as u64;
            *counts.entry(format!("{service}/{method}")).or_insert(0) += value;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unary_calls_count_once_and_streams_by_opening_and_message() {
        let metrics = r#"
# TYPE grpc_server_started_total counter
grpc_server_started_total{grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"} 3
grpc_server_started_total{grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 0
grpc_server_started_total{grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"} 1
grpc_server_msg_received_total{grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"} 3
grpc_server_msg_received_total{grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"} 1e+06
grpc_server_msg_sent_total{grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"} 7
grpc_server_handled_total{grpc_code="OK",grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"} 2
process_open_fds 12
"#;
        let expected = BTreeMap::from([
            ("etcdserverpb.KV/Txn".to_owned(), 3),
            ("etcdserverpb.Watch/Watch".to_owned(), 1_000_001),
        ]);
        assert_eq!(count_requests(metrics), expected);
    }
}
