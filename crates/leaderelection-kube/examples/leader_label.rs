//! A label on the own pod while it leads, so that a Service can route to the leader. `docs/KUBERNETES.md` has the Service, the
//! permissions, and what such a label cannot do: it lags behind, and is never a fence.
//!
//! ```sh
//! NAMESPACE=my-namespace POD_NAME=my-service-0 cargo run -p leaderelection-kube --example leader_label
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "those rules are for the election itself; this is a program beside it"
)]

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use leaderelection::{Identity, LeaderElector, Leadership};
use leaderelection_kube::KubeConnection;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

const LABEL: &str = "example.com/leader";
/// Between a patch that failed and the next.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a patch may take; so long the end of the program waits for the label to be gone.
const LAST_PATCH: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let election = KubeConnection::infer().await?;
    let (namespace, pod) = (std::env::var("NAMESPACE")?, std::env::var("POD_NAME")?);
    // Not the election's connection: a label must not hold up a renewal.
    let pods = Api::<Pod>::namespaced(Client::try_default().await?, &namespace);

    let leads = watch::Sender::new(false);
    let label = tokio::spawn(keep_label(pods, pod, leads.subscribe()));
    LeaderElector::builder(election.lease(namespace, "my-service")?, Identity::unique())
        .build()?
        .run(terminated()?, |leadership| work(leadership, leads.clone()))
        .await?;
    drop(leads);
    let _ = tokio::time::timeout(LAST_PATCH, label).await;
    Ok(())
}

/// The work of one term. It does not wait for the label.
async fn work(leadership: Leadership, leads: watch::Sender<bool>) {
    let _shown = Shown::on(leads);
    println!("leading {}", leadership.token());
    // Yours.
    leadership.stop_requested().await;
}

/// Tells that this pod leads, until the work has ended or was dropped.
struct Shown(watch::Sender<bool>);

impl Shown {
    fn on(leads: watch::Sender<bool>) -> Self {
        leads.send_replace(true);
        Self(leads)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// Keeps the label as it should be: at first absent, for a container that starts anew in its old pod may find the label of its
/// earlier life.
async fn keep_label(pods: Api<Pod>, pod: String, mut leads: watch::Receiver<bool>) {
    loop {
        let value = leads.borrow_and_update().then_some("true");
        // `null` takes it away.
        let patch = Patch::Merge(json!({"metadata": {"labels": {LABEL: value}}}));
        let params = PatchParams::default();
        let patched = pods.patch_metadata(&pod, &params, &patch);
        // A connection that died in silence would keep the label that was for minutes.
        let problem = match tokio::time::timeout(LAST_PATCH, patched).await {
            // Ended, and the last patch was of the last news.
            Ok(Ok(_)) if leads.changed().await.is_err() => return,
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {LAST_PATCH:?}"),
        };
        eprintln!("the label of {pod} is not as it should be: {problem}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// SIGTERM or Ctrl-C.
fn terminated() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
}
