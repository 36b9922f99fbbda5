//! The locks on a real kube-apiserver run the whole suite, on each kind of object, and with a watch that locks share.
//!
//! A lock goes through a proxy, which disturbs what the suite asks it to; its peer and the side doors go around it.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use leaderelection_conformance::{Door, Fixture, Subject, suite};
use leaderelection_kube::{KubeConnection, LockRef};
use leaderelection_tests::faults::{Proxy, Way};
use leaderelection_tests::kube_door::{Kind, KubeDoor, connect_through};
use leaderelection_tests::servers::KubeApiserver;

suite!(kube_endpoints, OneNamespacePerCase(Kind::Endpoints, Watch::Own));
suite!(kube_config_maps, OneNamespacePerCase(Kind::ConfigMap, Watch::Own));
suite!(kube_leases, OneNamespacePerCase(Kind::Lease, Watch::Own));
suite!(
    kube_shared_watch,
    OneNamespacePerCase(Kind::Endpoints, Watch::Shared)
);

const NAME: &str = "leader";

struct OneNamespacePerCase(Kind, Watch);

/// Whether a lock's watch is its own, or that of all locks in the namespace.
#[derive(Clone, Copy)]
enum Watch {
    Own,
    Shared,
}

#[async_trait]
impl Fixture for OneNamespacePerCase {
    async fn fresh(&self, case: &'static str) -> Result<Subject, String> {
        fresh(self.0, self.1, case)
            .await
            .map_err(|error| error.to_string())
    }
}

async fn fresh(kind: Kind, watch: Watch, case: &'static str) -> Result<Subject, Box<dyn std::error::Error>> {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace(case)?;
    let proxy = Proxy::before(server.url().trim_start_matches("https://"))?;
    let disturbed = connect_through(&server.kubeconfig(), &proxy.endpoint()).await?;
    let direct = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let (disturbed, direct) = match watch {
        Watch::Own => (disturbed, direct),
        Watch::Shared => (disturbed.with_shared_watches(), direct.with_shared_watches()),
    };
    let door = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let lock: LockRef = format!("{}:{namespace}/{NAME}", kind.plural()).parse()?;
    Ok(Subject::new(disturbed.lock(&lock))
        .with_peer(direct.lock(&lock))
        .with_side_door(Doors {
            kind,
            door: KubeDoor::on(kind, door.client().clone(), namespace, NAME),
            proxy,
            lose_the_request: AtomicBool::new(false),
        }))
}

struct Doors {
    kind: Kind,
    door: KubeDoor,
    proxy: Proxy,
    /// Else the reply; each in turn.
    lose_the_request: AtomicBool,
}

fn done<T>(result: Result<T, kube::Error>) -> Result<Door, String> {
    result.map(|_| Door::Done).map_err(|error| error.to_string())
}

#[async_trait]
impl leaderelection_conformance::SideDoor for Doors {
    async fn delete(&self) -> Result<Door, String> {
        done(self.door.delete().await)
    }

    async fn put_raw(&self, bytes: &[u8]) -> Result<Door, String> {
        if self.kind == Kind::Lease {
            // `kube_locks` shows it, and the tests of leaderelection-kube what is made of such a spec.
            return Ok(Door::Impossible(
                "the spec of a Lease has types, which the apiserver checks",
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        done(self.door.put(text).await)
    }

    async fn put_empty(&self) -> Result<Door, String> {
        done(self.door.put(None).await)
    }

    async fn touch(&self) -> Result<Door, String> {
        done(self.door.touch().await)
    }

    async fn disturb_next_swap(&self) -> Result<Door, String> {
        let request = self.lose_the_request.fetch_xor(true, Ordering::Relaxed);
        self.proxy
            .lose_next(if request { Way::Request } else { Way::Reply });
        Ok(Door::Done)
    }
}
