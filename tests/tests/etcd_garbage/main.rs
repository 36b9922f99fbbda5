//! Keys that hang on a lease of etcd: those of an abandoned election vanish, and no other's do.

mod elections;
mod frozen;
mod hooks;

use std::error::Error;
use std::time::Duration;

use etcd_client::{Client, GetOptions, KeyValue};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::time::{now, sleep};

type TestResult = Result<(), Box<dyn Error>>;

/// How long what must come may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);

const KEY: &str = "leader";

/// etcd, as an operator sees it.
struct Operator {
    client: Client,
}

impl Operator {
    async fn of(etcd: &Etcd) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            client: Client::connect([etcd.endpoint()], None).await?,
        })
    }

    /// All keys that begin so: that of a lock, and of its term.
    async fn keys(&self, prefix: &str) -> Result<Vec<KeyValue>, Box<dyn Error>> {
        let all = Some(GetOptions::new().with_prefix());
        let mut read = self.client.kv_client().get(prefix, all).await?;
        Ok(read.take_kvs())
    }

    /// On which leases they hang; 0 is none.
    async fn leases_of(&self, prefix: &str) -> Result<Vec<i64>, Box<dyn Error>> {
        Ok(self.keys(prefix).await?.iter().map(KeyValue::lease).collect())
    }

    /// The leases that there are.
    async fn leases(&self) -> Result<Vec<i64>, Box<dyn Error>> {
        let leases = self.client.lease_client().leases().await?;
        Ok(leases.leases().iter().map(etcd_client::LeaseStatus::id).collect())
    }

    /// Waits until there are so many leases.
    async fn until_leases(&self, count: usize) -> Result<Vec<i64>, Box<dyn Error>> {
        let end = now().after(LIMIT);
        loop {
            let leases = self.leases().await?;
            if leases.len() == count {
                return Ok(leases);
            }
            if now() >= end {
                return Err(format!("{leases:?} after {LIMIT:?}, and {count} were to be left").into());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn revoke(&self, lease: i64) -> TestResult {
        self.client.lease_client().revoke(lease).await?;
        Ok(())
    }
}
