//! A store that was restored from a backup: what candidates have seen lies in its future. The apiserver answers a watch from
//! such a version with silence. The elector notices, leads by no version that is older, and goes on when there is a newer one.

use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::StreamExt;
use leaderelection::{ElectionEvent, Observation, Version};
use serde_json::json;

use super::*;

/// More writes than an apiserver does by itself while a test goes on.
const WRITES: u64 = 400;

/// A server of one's own, whose data can be put aside and taken back.
struct Restorable {
    server: KubeApiserver,
    namespace: String,
    backup: tempfile::TempDir,
}

fn copy(from: &Path, to: &Path) -> TestResult {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    Ok(done.success().then_some(()).ok_or("cp failed")?)
}

impl Restorable {
    /// With an empty namespace, of which there is a backup.
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut server = KubeApiserver::start()?;
        let namespace = server.namespace("restored")?;
        let backup = tempfile::tempdir()?;
        server.kill();
        server.etcd_mut().kill();
        let data = server.etcd().folder().join("data");
        copy(&data, backup.path())?;
        server.etcd_mut().restart()?;
        server.restart()?;
        Ok(Self {
            server,
            namespace,
            backup,
        })
    }

    /// The backup instead of what there is; the apiserver is started anew, or does not know.
    async fn restore(self, apiserver_too: bool) -> Result<Self, Box<dyn Error>> {
        let restored = tokio::task::spawn_blocking(move || {
            let mut this = self;
            let done = this
                .restore_here(apiserver_too)
                .map_err(|error| error.to_string());
            done.map(|()| this)
        });
        Ok(restored.await??)
    }

    fn restore_here(&mut self, apiserver_too: bool) -> TestResult {
        if apiserver_too {
            self.server.kill();
        }
        self.server.etcd_mut().kill();
        let data: PathBuf = self.server.etcd().folder().join("data");
        std::fs::remove_dir_all(&data)?;
        copy(&self.backup.path().join("data"), self.server.etcd().folder())?;
        self.server.etcd_mut().restart()?;
        if apiserver_too {
            self.server.restart()?;
        }
        Ok(())
    }

    /// Others write: any object of the cluster has its part in the versions.
    async fn others_write(&self, name: &str) -> Result<Version, Box<dyn Error>> {
        let admin = KubeConnection::from_kubeconfig(self.server.kubeconfig()).await?;
        let other = KubeDoor::on(Kind::ConfigMap, admin.client().clone(), &self.namespace, name);
        let mut version = other.create(json!({})).await?;
        for _ in 0..WRITES {
            version = other.touch().await?;
        }
        Ok(Version::new(version))
    }

    async fn lock(&self) -> Result<LeaseLock, Box<dyn Error>> {
        lock_on(&self.server, &self.namespace).await
    }
}

async fn went_back(candidate: &mut Candidate) {
    candidate
        .event(LEASE * 5, "that the store went back", |event| match event {
            Event::Noticed(ElectionEvent::StoreWentBack { highest, shown }) => {
                println!("the store went back: {highest} was seen, and it shows {shown:?}");
                Some(())
            }
            _ => None,
        })
        .await;
}

/// SAFETY 19: nobody leads while the versions are behind, and a term after that has a greater token than every one before.
async fn a_restored_store(apiserver_too: bool) -> TestResult {
    let stage = Restorable::start()?;
    let mut first = unique(stage.lock().await?)?;
    let leadership = first.leads(LEASE).await?;
    // It has seen what comes after this, too, in the answer to a renewal.
    stage.others_write("before").await?;
    let mut second = unique(stage.lock().await?)?;
    follows(&mut second).await;
    sleep(RETRY_PERIOD * 3).await;
    let token = leadership.token();

    let stage = stage.restore(apiserver_too).await?;
    let back = now();
    let reason = within(LEASE * 2, "the loss", leadership.lost()).await;
    println!("lost because {reason}");
    drop(leadership);
    tokio::join!(went_back(&mut first), went_back(&mut second));
    println!("noticed {:?} after the restoration", now().since(back));
    let end = now().after(LEASE * 2);
    while now() < end {
        assert!(
            !first.handle.is_leader() && !second.handle.is_leader(),
            "somebody leads by an old version"
        );
        sleep(Duration::from_millis(10)).await;
    }

    // A watch from the future is a trap: it is opened, and is silent about what is written.
    let admin = KubeConnection::from_kubeconfig(stage.server.kubeconfig()).await?;
    let door = KubeDoor::on(Kind::Lease, admin.client().clone(), &stage.namespace, "other");
    door.put(None).await?;
    let path = format!(
        "{}?watch=true&resourceVersion={}&timeoutSeconds=2",
        door.collection(),
        token.get() + WRITES * 10
    );
    let server = &stage.server;
    let (trapped, touched) = tokio::join!(
        async { tokio::task::block_in_place(|| server.get(&path)) },
        async { door.touch().await }
    );
    println!(
        "a watch from the future: {:?}",
        trapped.as_ref().map(|events| events.trim())
    );
    assert!(touched.is_ok() && !trapped?.contains("MODIFIED"));

    // The lock's is from no version. Only where the apiserver itself was not started anew, whose cache is in the future then, it
    // is as silent as every watch there, and reads find out.
    let other = KubeConnection::from_client(admin.client().clone()).lease(&stage.namespace, "other")?;
    let mut watch = other.watch().await?.ok_or("no watch")?;
    let touched = Version::new(door.touch().await?);
    let shown = async {
        while let Some(shown) = watch.next().await {
            if matches!(shown?, Observation::Present { version, .. } if version == touched) {
                return Ok(());
            }
        }
        Err::<(), Box<dyn Error>>("it ended".into())
    };
    let shown = tokio::select! {
        shown = shown => { shown?; true },
        () = sleep(SOON * 2) => false,
    };
    assert_eq!(shown, apiserver_too, "what was written after the restoration");

    // The cluster's versions catch up by whatever is written; the object's only by a write to it, which none of these two makes.
    let caught_up = stage.others_write("after").await?;
    assert!(caught_up.get() > token.get() + WRITES);
    sleep(LEASE).await;
    assert!(!first.handle.is_leader() && !second.handle.is_leader());

    // A process that was started anew has seen nothing. It leads, with a greater token than anybody before, and they see that.
    let third = start(stage.lock().await?, "third")?;
    let leadership = third.leads(LEASE * 2).await?;
    assert!(leadership.token() > token);
    let seen = async {
        for candidate in [&first, &second] {
            while candidate.handle.leader().as_deref() != Some("third") {
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    within(LEASE, "the new leader seen", seen).await;
    let end = now().after(LEASE * 2);
    while now() < end {
        assert!(leadership.is_valid() && !first.handle.is_leader() && !second.handle.is_leader());
        sleep(Duration::from_millis(10)).await;
    }
    let token = leadership.token();
    drop(leadership);
    shut_down(third).await?;
    let next = tokio::select! {
        next = first.leads(LEASE) => next?,
        next = second.leads(LEASE) => next?,
    };
    assert!(next.token() > token);
    assert!(first.handle.is_leader() != second.handle.is_leader());
    drop(next);
    shut_down(first).await?;
    shut_down(second).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_restored_is_led_by_newer_versions_only() -> TestResult {
    a_restored_store(true).await
}

/// The apiserver's own cache, from which it serves watches, is in the future then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_restored_beneath_its_apiserver_is_too() -> TestResult {
    a_restored_store(false).await
}
