//! What an operator does with a cluster, by etcd's own interface.

use std::path::Path;
use std::time::Duration;

use etcd_client::{AlarmAction, AlarmType, Client, DeleteOptions, Error};
use tokio::runtime::Runtime;

use crate::fault_table::{LIMIT, Result, wait_until};
use crate::servers::{EtcdCluster, monotonic};
use crate::time::{sleep, wait};

/// Before the keys that no election uses.
const ELSEWHERE: &str = "elsewhere/";

/// As much as etcd takes in one request, or nearly.
const LARGE: usize = 1 << 20;

/// For one call, where another is tried.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Clients of all members, each of one.
pub struct Operator {
    runtime: Runtime,
    members: Vec<Client>,
}

impl Operator {
    /// Knows the members of this cluster.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub fn of(cluster: &EtcdCluster) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let members = runtime.block_on(async {
            let mut members = Vec::new();
            for endpoint in cluster.endpoints() {
                members.push(Client::connect([endpoint], None).await?);
            }
            Ok::<_, Error>(members)
        })?;
        Ok(Self { runtime, members })
    }

    /// A call may wait for ever, as for a leader that is lost.
    fn done<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                done = future => done,
                () = sleep(LIMIT) => Err(format!("etcd does not answer within {LIMIT:?}").into()),
            }
        })
    }

    fn member(&self, number: usize) -> Result<&Client> {
        Ok(self.members.get(number).ok_or("no such member")?)
    }

    fn id(&self, number: usize) -> Result<u64> {
        let client = self.member(number)?;
        self.done(async {
            let status = client.maintenance_client().status().await?;
            Ok(status.header().ok_or("no header")?.member_id())
        })
    }

    /// Lets this member lead the others, and waits until it does.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn make_leader(&self, cluster: &EtcdCluster, number: usize) -> Result<()> {
        wait_until("the member to lead", || {
            let leader = cluster.leader()?;
            if leader == number {
                return Ok(true);
            }
            let target = self.id(number)?;
            let leader = self.member(leader)?;
            // Who led when asked may lead no longer; then it is tried again.
            let _ = self.done(async { Ok(leader.maintenance_client().move_leader(target).await?) });
            wait(Duration::from_millis(100));
            Ok(false)
        })
    }

    /// Removes a member, whose machine is lost, and puts another in its place.
    ///
    /// # Errors
    /// When the others do not agree to it within some time, or it does not start.
    pub fn replace(&self, cluster: &mut EtcdCluster, number: usize) -> Result<()> {
        let lost = self.id(number)?;
        cluster.member_mut(number).kill();
        let others: Vec<&Client> = (0..)
            .zip(&self.members)
            .filter_map(|(other, client)| (other != number).then_some(client))
            .collect();
        let url = cluster.peer_url(number).to_owned();
        self.done(async {
            agree(&others, async |member| {
                let removed = member.cluster_client().member_remove(lost).await;
                // It was, though the answer was lost.
                removed
                    .map(drop)
                    .or_else(|error| error.to_string().contains("not found").then_some(()).ok_or(error))
            })
            .await?;
            agree(&others, async |member| {
                let added = member.cluster_client().member_add([url.clone()], None).await;
                added.map(drop).or_else(|error| {
                    error
                        .to_string()
                        .contains("already exists")
                        .then_some(())
                        .ok_or(error)
                })
            })
            .await
        })?;
        cluster.replace(number)?;
        Ok(())
    }

    /// Fills the store until etcd raises the alarm and takes nothing more, and tells when that began.
    ///
    /// # Errors
    /// When it takes everything.
    pub fn fill(&self) -> Result<Duration> {
        let client = self.member(0)?;
        self.done(async {
            for number in 0..1_000 {
                let began = monotonic();
                let key = format!("{ELSEWHERE}{number}");
                match client.kv_client().put(key, vec![0; LARGE], None).await {
                    Ok(_) => {}
                    Err(error) if error.to_string().contains("database space exceeded") => return Ok(began),
                    Err(error) => return Err(error.into()),
                }
            }
            Err("it is never full".into())
        })
    }

    /// What etcd's documentation says to do after that: deletes what is not needed, compacts, defragments, disarms.
    ///
    /// # Errors
    /// When etcd fails.
    pub fn make_room(&self) -> Result<()> {
        let client = self.member(0)?;
        self.done(async {
            let all = DeleteOptions::new().with_prefix();
            let deleted = client.kv_client().delete(ELSEWHERE, Some(all)).await?;
            let newest = deleted.header().ok_or("no header")?.revision();
            client.kv_client().compact(newest, None).await?;
            for member in &self.members {
                member.maintenance_client().defragment().await?;
            }
            let mut maintenance = client.maintenance_client();
            let raised = maintenance
                .alarm(AlarmAction::Get, AlarmType::Nospace, None)
                .await?;
            for alarm in raised.alarms() {
                let mut options = etcd_client::AlarmOptions::new();
                options.with_member(alarm.member_id());
                maintenance
                    .alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(options))
                    .await?;
            }
            Ok(())
        })
    }

    /// Writes and compacts without a pause until that moment. Calls `meanwhile` at every turn.
    ///
    /// # Errors
    /// When etcd fails.
    pub fn churn(&self, until: Duration, mut meanwhile: impl FnMut()) -> Result<()> {
        let mut kv = self.member(0)?.kv_client();
        self.done(async {
            while monotonic() < until {
                meanwhile();
                let put = kv.put(format!("{ELSEWHERE}churn"), "", None).await?;
                kv.compact(put.header().ok_or("no header")?.revision(), None)
                    .await?;
            }
            Ok(())
        })
    }

    /// Writes something of no importance, and tells the revision of that.
    ///
    /// # Errors
    /// When etcd fails.
    pub fn write(&self) -> Result<u64> {
        let mut kv = self.member(0)?.kv_client();
        self.done(async {
            let put = kv.put(format!("{ELSEWHERE}write"), "", None).await?;
            Ok(put.header().ok_or("no header")?.revision().unsigned_abs())
        })
    }

    /// Takes a snapshot, as `etcdctl snapshot save` does.
    ///
    /// # Errors
    /// When etcd fails, or the file cannot be written.
    pub fn snapshot(&self, into: &Path) -> Result<()> {
        let client = self.member(0)?;
        let bytes = self.done(async {
            let mut stream = client.maintenance_client().snapshot().await?;
            let mut bytes = Vec::new();
            while let Some(part) = stream.message().await? {
                bytes.extend_from_slice(part.blob());
            }
            Ok(bytes)
        })?;
        std::fs::write(into, bytes)?;
        Ok(())
    }
}

/// Asks one member after the other, again and again, until one does it: while they elect a leader none does, and a call that was sent
/// on to the leader before waits for ever.
async fn agree(
    members: &[&Client],
    ask: impl AsyncFn(&Client) -> std::result::Result<(), Error>,
) -> Result<()> {
    loop {
        for member in members {
            tokio::select! {
                done = ask(member) => if done.is_ok() {
                    return Ok(());
                },
                () = sleep(ATTEMPT) => {}
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
}
