//! A Kubernetes controller, by kube-rs, of which any number of copies may run and one at a time works.
//!
//! It counts the keys of every ConfigMap with the label `example.com/counted=yes`, and writes the number into an annotation,
//! with its own name and the fencing token of its term:
//!
//! ```sh
//! NAMESPACE=my-namespace cargo run -p leaderelection-kube --example controller
//! ```
//!
//! What makes it right:
//!
//! * Every term has a [`Controller`] of its own. A standby has none, so it costs the apiserver nothing and can miss nothing: the
//!   new controller begins with a list of everything, which was asked for after the lease was won and so shows all that the
//!   leader before it wrote. What changed while nobody led is reconciled with the rest.
//! * Every reconciliation holds a clone of its term's [`Leadership`]. kube runs each on a task of its own, which is aborted, but
//!   not yet gone, when the controller is dropped: the lease is released only when the last clone is dropped, hence never
//!   while anything here may still write.
//! * Before a write the leadership is checked, and the write names the version of the object that was looked at. A write that was
//!   on its way when the lease ran out cannot undo what the next leader did to the object: its version is no longer the newest.
//!   Nor is an object written that bears a later term's token.
//! * At SIGTERM what is being reconciled is finished, the lease is released, and the next is at work at once. When the lease is
//!   lost, nothing new is begun, and what is not finished within the stop grace is dropped.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use leaderelection::{Identity, LeaderElector, Leadership, LeadershipLost, LeaseTiming};
use leaderelection_kube::KubeConnection;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const SELECTOR: &str = "example.com/counted=yes";
/// What it writes: the result, who wrote it, and in which term.
const KEYS: &str = "example.com/keys";
const BY: &str = "example.com/counted-by";
const TOKEN: &str = "example.com/counted-in-term";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The election has a connection of its own: however much the controller asks of its client, renewals do not queue behind it.
    let election = KubeConnection::infer().await?;
    // kube's retry is on in this one. It may repeat a write after the check; that names its version, so it can land once.
    let client = Client::try_default().await?;

    let namespace = std::env::var("NAMESPACE").unwrap_or_else(|_| election.default_namespace().to_owned());
    let config_maps = Api::<ConfigMap>::namespaced(client, &namespace);
    let identity = Identity::unique();
    let me = identity.to_string();
    LeaderElector::builder(election.lease(namespace, "key-counter")?, identity)
        .timing(timing()?)
        .build()?
        .run(terminated()?, |leadership| {
            lead(config_maps.clone(), me.clone(), leadership)
        })
        .await?;
    println!("ended");
    Ok(())
}

/// What the reconciliations of one term share.
struct Term {
    config_maps: Api<ConfigMap>,
    me: String,
    leadership: Leadership,
}

/// One term: a new controller, until a stop is asked for or the lease is lost.
async fn lead(config_maps: Api<ConfigMap>, me: String, leadership: Leadership) {
    println!("leading {me} {}", leadership.token());
    let term = Arc::new(Term {
        config_maps: config_maps.clone(),
        me,
        leadership: leadership.clone(),
    });
    // Between the two, because kube wants a future that is `Sync`.
    let (stop, stopped) = oneshot::channel::<()>();
    let controller = Controller::new(config_maps, watcher::Config::default().labels(SELECTOR))
        .graceful_shutdown_on(stopped.map(drop))
        .run(reconcile, error_policy, term)
        .for_each(|outcome| async {
            if let Err(error) = outcome {
                eprintln!("{error}");
            }
        });
    let told = async move {
        leadership.stop_requested().await;
        drop(stop);
    };
    // Ends when what was being reconciled is finished. Dropped before that, if it takes too long.
    tokio::join!(controller, told);
}

/// With the last of what a term runs, whether it was finished or dropped.
impl Drop for Term {
    fn drop(&mut self) {
        println!("stopped {} {}", self.me, self.leadership.token());
    }
}

/// Why an object is not reconciled.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Lost(#[from] LeadershipLost),
    #[error("the object was written in a later term, {0}")]
    Superseded(u64),
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

/// Makes one object as it should be.
async fn reconcile(object: Arc<ConfigMap>, term: Arc<Term>) -> Result<Action, Failure> {
    let annotations = object.annotations();
    let count = object.data.as_ref().map_or(0, |data| data.len()).to_string();
    if annotations.get(KEYS) == Some(&count) {
        return Ok(Action::await_change());
    }
    let patch = |token: u64| {
        json!({"metadata": {
            "resourceVersion": object.metadata.resource_version,
            "annotations": {KEYS: count, BY: term.me, TOKEN: token.to_string()},
        }})
    };
    let written_in = annotations.get(TOKEN).and_then(|token| token.parse::<u64>().ok());
    // The last thing before the write.
    let token = term.leadership.check()?.get();
    if let Some(later) = written_in.filter(|written_in| *written_in > token) {
        return Err(Failure::Superseded(later));
    }
    term.config_maps
        .patch(
            &object.name_any(),
            &PatchParams::default(),
            &Patch::Merge(patch(token)),
        )
        .await?;
    Ok(Action::await_change())
}

fn error_policy(_object: Arc<ConfigMap>, failure: &Failure, _term: Arc<Term>) -> Action {
    match failure {
        Failure::Lost(_) | Failure::Superseded(_) => Action::await_change(),
        Failure::Kube(_) => Action::requeue(Duration::from_secs(1)),
    }
}

/// SIGTERM or Ctrl-C. The controller gets no `shutdown_on_signal`: the election is told, and it tells the work.
fn terminated() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
}

/// 15 s / 10 s / 2 s, or in that proportion to the lease of so many seconds.
fn timing() -> Result<LeaseTiming, Box<dyn Error>> {
    let Ok(seconds) = std::env::var("LEASE_SECONDS") else {
        return Ok(LeaseTiming::default());
    };
    let lease = Duration::from_secs(seconds.parse()?);
    Ok(LeaseTiming::new(lease, lease * 2 / 3, lease * 2 / 15)?)
}
