//! The lock on a real etcd runs the whole suite.
//!
//! The lock goes through a proxy, which disturbs what the suite asks it to; its peer and the side doors go around it.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use leaderelection_conformance::{Door, Fixture, Subject, suite};
use leaderelection_etcd::EtcdConnection;
use leaderelection_tests::faults::{Proxy, Way};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::side_door::SideDoor;

suite!(etcd, OneEtcdPerCase);

struct OneEtcdPerCase;

#[async_trait]
impl Fixture for OneEtcdPerCase {
    async fn fresh(&self, case: &'static str) -> Result<Subject, String> {
        let etcd = Etcd::start().map_err(|error| error.to_string())?;
        let proxy = Proxy::before(&etcd.endpoint()).map_err(|error| error.to_string())?;
        let lock = async |endpoint: String| {
            let connection = EtcdConnection::connect([endpoint])
                .await
                .map_err(|error| error.to_string())?;
            connection.lock(case).map_err(|error| error.to_string())
        };
        let subject = Subject::new(lock(proxy.endpoint()).await?).with_peer(lock(etcd.endpoint()).await?);
        let door = SideDoor::open(etcd.endpoint(), case)
            .await
            .map_err(|error| error.to_string())?;
        Ok(subject.with_side_door(Doors {
            door,
            proxy,
            lose_the_request: AtomicBool::new(false),
            _etcd: etcd,
        }))
    }
}

struct Doors {
    door: SideDoor,
    proxy: Proxy,
    /// Else the reply; each in turn.
    lose_the_request: AtomicBool,
    /// Lives as long as the case.
    _etcd: Etcd,
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
