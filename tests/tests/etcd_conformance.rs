//! The lock on a real etcd runs the whole suite: on one member and on three, of the newest etcd and of the oldest that still gets fixes, and
//! with keys that hang on a lease of etcd for garbage collection, or a watch that locks share.
//!
//! The lock goes through a proxy, which disturbs what the suite asks it to; its peer and the side doors go around it, and on three
//! members to others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use leaderelection_conformance::{Door, Fixture, Subject, suite};
use leaderelection_etcd::{EtcdConnection, EtcdLock};
use leaderelection_tests::faults::{Proxy, Way};
use leaderelection_tests::servers::{Etcd, EtcdCluster, EtcdSettings, ServerError};
use leaderelection_tests::side_door::SideDoor;

suite!(etcd, OneEtcdPerCase);
suite!(three_members, OneKeyPerCase);
suite!(oldest_etcd, OldestEtcdPerCase);
suite!(oldest_three_members, OldestKeyPerCase);
suite!(garbage_collected, GarbageCollected);
suite!(shared_watch, SharedWatch);

struct OneEtcdPerCase;

#[async_trait]
impl Fixture for OneEtcdPerCase {
    async fn fresh(&self, case: &'static str) -> Result<Subject, String> {
        let etcd = start()?;
        is_of(&etcd, "3.7.")?;
        alone(case, etcd, Form::Usual).await
    }
}

/// Or the wrong line is tested.
fn is_of(etcd: &Etcd, line: &str) -> Result<(), String> {
    let metrics = etcd.metrics().map_err(|error| error.to_string())?;
    let its_own = metrics
        .lines()
        .find(|line| line.starts_with("etcd_server_version{"));
    if its_own.is_some_and(|own| own.contains(&format!("\"{line}"))) {
        return Ok(());
    }
    Err(format!("it is to be of the line {line}: {its_own:?}"))
}

struct OldestEtcdPerCase;

#[async_trait]
impl Fixture for OldestEtcdPerCase {
    async fn fresh(&self, case: &'static str) -> Result<Subject, String> {
        let etcd = Etcd::start_with(&EtcdSettings::new().oldest()).map_err(|error| error.to_string())?;
        is_of(&etcd, "3.5.")?;
        alone(case, etcd, Form::Usual).await
    }
}

struct GarbageCollected;

#[async_trait]
impl Fixture for GarbageCollected {
    async fn fresh(&self, case: &'static str) -> Result<Subject, String> {
        alone(case, start()?, Form::GarbageIsCollected).await
    }
}

struct SharedWatch;

#[async_trait]
impl Fixture for SharedWatch {
    async fn fresh(&self, case: &'static str) -> Result<Subject, String> {
        alone(case, start()?, Form::SharesItsWatch).await
    }
}

/// How the lock is set up.
#[derive(Clone, Copy)]
enum Form {
    Usual,
    /// What becomes of keys that nobody writes.
    GarbageIsCollected,
    /// With other locks.
    SharesItsWatch,
}

fn start() -> Result<Etcd, String> {
    Etcd::start().map_err(|error| error.to_string())
}

/// On an etcd of one member, the case's own.
async fn alone(case: &str, etcd: Etcd, form: Form) -> Result<Subject, String> {
    let endpoint = etcd.endpoint();
    subject(case, [&endpoint, &endpoint, &endpoint], Some(etcd), form).await
}

/// The cluster is every case's: none kills it. The suite's lock asks a member that does not lead.
struct OneKeyPerCase;

#[async_trait]
impl Fixture for OneKeyPerCase {
    async fn fresh(&self, case: &'static str) -> Result<Subject, String> {
        of_three(case, EtcdCluster::shared(), "3.7.").await
    }
}

struct OldestKeyPerCase;

#[async_trait]
impl Fixture for OldestKeyPerCase {
    async fn fresh(&self, case: &'static str) -> Result<Subject, String> {
        of_three(case, EtcdCluster::shared_oldest(), "3.5.").await
    }
}

async fn of_three(
    case: &str,
    cluster: Result<&EtcdCluster, ServerError>,
    line: &str,
) -> Result<Subject, String> {
    let cluster = cluster.map_err(|error| error.to_string())?;
    for member in cluster.members() {
        is_of(member, line)?;
    }
    let leader = cluster.leader().map_err(|error| error.to_string())?;
    let mut endpoints = cluster.endpoints();
    endpoints.rotate_left(leader);
    let [leads, follows, follows_too] = &endpoints[..] else {
        return Err(format!("three members: {endpoints:?}"));
    };
    subject(case, [follows, leads, follows_too], None, Form::Usual).await
}

/// The member that the lock asks, its peer's, and that of the side doors.
async fn subject(
    case: &str,
    members: [&String; 3],
    etcd: Option<Etcd>,
    form: Form,
) -> Result<Subject, String> {
    let [member, peers, doors] = members;
    let proxy = Proxy::before(member).map_err(|error| error.to_string())?;
    let subject = Subject::new(lock(proxy.endpoint(), case, form).await?)
        .with_peer(lock(peers.clone(), case, form).await?);
    let door = SideDoor::open(doors, case)
        .await
        .map_err(|error| error.to_string())?;
    Ok(subject.with_side_door(Doors {
        door,
        proxy,
        lose_the_request: AtomicBool::new(false),
        _etcd: etcd,
    }))
}

async fn lock(endpoint: String, case: &str, form: Form) -> Result<EtcdLock, String> {
    let connection = EtcdConnection::connect([endpoint])
        .await
        .map_err(|error| error.to_string())?;
    let connection = match form {
        Form::SharesItsWatch => connection.with_shared_watch(),
        Form::Usual | Form::GarbageIsCollected => connection,
    };
    let lock = connection.lock(case).map_err(|error| error.to_string())?;
    match form {
        Form::GarbageIsCollected => lock
            .garbage_collect_after(Duration::from_secs(3_600))
            .map_err(|error| error.to_string()),
        Form::Usual | Form::SharesItsWatch => Ok(lock),
    }
}

struct Doors {
    door: SideDoor,
    proxy: Proxy,
    /// Else the reply; each in turn.
    lose_the_request: AtomicBool,
    /// Lives as long as the case, where it is the case's own.
    _etcd: Option<Etcd>,
}

#[async_trait]
impl leaderelection_conformance::SideDoor for Doors {
    async fn delete(&self) -> Result<Door, String> {
        self.door
            .delete()
            .await
            .map(|_| Door::Done)
            .map_err(|error| error.to_string())
    }

    async fn put_raw(&self, bytes: &[u8]) -> Result<Door, String> {
        self.door
            .put(bytes)
            .await
            .map(|_| Door::Done)
            .map_err(|error| error.to_string())
    }

    async fn touch(&self) -> Result<Door, String> {
        let touched = self.door.touch().await.map_err(|error| error.to_string())?;
        touched
            .map(|_| Door::Done)
            .ok_or_else(|| "there is no key to touch".to_owned())
    }

    async fn disturb_next_swap(&self) -> Result<Door, String> {
        let request = self.lose_the_request.fetch_xor(true, Ordering::Relaxed);
        self.proxy
            .lose_next(if request { Way::Request } else { Way::Reply });
        Ok(Door::Done)
    }
}
