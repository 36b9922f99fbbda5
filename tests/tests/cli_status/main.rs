//! `leaderelect status`, as a real process on real stores: what it says, by which exit code, and that it never writes.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "JSON that is missing is null, and a failing assertion is how a test speaks"
)]

mod etcd;
mod kube;

use std::error::Error;
use std::path::Path;
use std::process::{Command, Output};

use leaderelection_tests::leaderelect::Leaderelect;
use serde_json::Value;

type TestResult = Result<(), Box<dyn Error>>;

/// `leaderelect` when it has arguments.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover");

/// `leaderelect status`, in the cluster of that kubeconfig if there is one.
fn status(lock: &str, kubeconfig: Option<&Path>, flags: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["status", "--lock", lock])
        .args(flags)
        .env_remove("RUST_LOG")
        .envs(kubeconfig.map(|file| ("KUBECONFIG", file)));
    command
}

/// One look: the exit code, and the JSON that it says.
fn look(lock: &str, kubeconfig: Option<&Path>, flags: &[&str]) -> (i32, Value) {
    let output = status(lock, kubeconfig, &[&["--output", "json"], flags].concat())
        .output()
        .unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let json = serde_json::from_slice(&stdout);
    let json = json.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stderr)));
    (status.code().unwrap(), json)
}

/// A `status --watch --output json`.
struct Watching(Leaderelect);

impl Watching {
    fn start(lock: &str, kubeconfig: Option<&Path>) -> Self {
        let flags = ["--watch", "--output", "json", "--timeout", "2s"];
        Self(Leaderelect::spawn(status(lock, kubeconfig, &flags)).unwrap())
    }

    /// The next thing that it says, of which this is true.
    fn until(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let json: Value = serde_json::from_str(&self.0.said("{").unwrap().text).unwrap();
            if is_it(&json) {
                return json;
            }
        }
    }

    fn event(&self, event: &str) -> Value {
        self.until(|json| json["event"] == event)
    }

    /// SIGTERM, and the code of what it saw last.
    fn ends(mut self) -> i32 {
        self.0.send(rustix::process::Signal::TERM).unwrap();
        self.0.exited().unwrap().code().unwrap()
    }
}
