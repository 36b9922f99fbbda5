//! When the fence holds and when it does not, write by write.

use std::time::Duration;

use etcd_client::{Client, Txn, TxnOp};
use leaderelection::{Expected, FencingToken, LeaderElectionRecord, ResourceLock as _, Swap, Version};
use leaderelection_etcd::{EtcdConnection, EtcdLock};
use leaderelection_tests::candidate::{Candidate, RETRY_PERIOD};
use leaderelection_tests::faults::{Proxy, Way};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::side_door::SideDoor;
use leaderelection_tests::time::{now, sleep, within};

use super::TestResult;

const KEY: &str = "leader";
const SOON: Duration = Duration::from_secs(10);

struct Stage {
    etcd: Etcd,
    lock: EtcdLock,
    client: Client,
    door: SideDoor,
}

/// A record as an election writes it, `renewed` seconds behind its acquisition.
fn record(holder: &str, transitions: i64, renewed: u32) -> LeaderElectionRecord {
    let json = format!(
        r#"{{"holderIdentity":"{holder}","leaseDurationSeconds":15,"acquireTime":"2026-01-02T03:04:05Z","renewTime":"2026-01-02T03:04:{:02}Z","leaderTransitions":{transitions}}}"#,
        5 + renewed
    );
    LeaderElectionRecord::from_json(json.as_bytes()).unwrap()
}

fn token(version: Version) -> FencingToken {
    FencingToken::from_version(version)
}

impl Stage {
    async fn set() -> Result<Self, Box<dyn std::error::Error>> {
        let etcd = Etcd::start()?;
        Ok(Self {
            lock: EtcdConnection::connect([etcd.endpoint()]).await?.lock(KEY)?,
            client: Client::connect([etcd.endpoint()], None).await?,
            door: SideDoor::open(etcd.endpoint(), KEY).await?,
            etcd,
        })
    }

    async fn swap(&self, expected: Expected, record: &LeaderElectionRecord) -> Version {
        match self.lock.compare_and_swap(expected, record).await.unwrap() {
            Swap::Done(version) => version,
            conflict => panic!("{conflict:?}"),
        }
    }

    async fn create(&self) -> Version {
        self.swap(Expected::Absent, &record("a", 0, 0)).await
    }

    /// Whether a user's transaction by that token comes through, and that it has written then and only then.
    async fn admits(&self, token: FencingToken) -> bool {
        let kv = || self.client.kv_client();
        let write =
            Txn::new()
                .when(self.lock.fence(token))
                .and_then([TxnOp::put("config", token.to_string(), None)]);
        kv().delete("config", None).await.unwrap();
        let admitted = kv().txn(write).await.unwrap().succeeded();
        let written = kv().get("config", None).await.unwrap().count() == 1;
        assert_eq!(admitted, written);
        admitted
    }
}

/// SAFETY 19.
#[tokio::test]
async fn it_holds_for_the_term_and_its_renewals_and_for_no_other_token() -> TestResult {
    let stage = Stage::set().await?;
    let first = stage.create().await;
    let mut newest = first;
    for renewed in 0..3 {
        assert!(stage.admits(token(first)).await, "after {renewed} renewals");
        newest = stage
            .swap(Expected::Version(newest), &record("a", 0, renewed + 1))
            .await;
    }
    for other in [0, first.get() - 1, first.get() + 1, newest.get(), u64::MAX] {
        assert!(!stage.admits(FencingToken::new(other)).await, "token {other}");
    }
    Ok(())
}

#[tokio::test]
async fn it_ends_with_a_release_and_with_the_next_term() -> TestResult {
    let stage = Stage::set().await?;
    let first = stage.create().await;
    let released = stage.swap(Expected::Version(first), &record("", 0, 0)).await;
    assert!(!stage.admits(token(first)).await, "released");
    assert!(!stage.admits(token(released)).await, "a release is no term");
    let second = stage.swap(Expected::Version(released), &record("b", 1, 0)).await;
    assert!(!stage.admits(token(first)).await && stage.admits(token(second)).await);

    // The same identity takes over from itself, as a twin or in its next life, within the same second.
    let twin = stage.swap(Expected::Version(second), &record("b", 2, 0)).await;
    assert!(!stage.admits(token(second)).await && stage.admits(token(twin)).await);
    Ok(())
}

#[tokio::test]
async fn it_ends_with_the_record_whoever_creates_another() -> TestResult {
    let stage = Stage::set().await?;
    let first = stage.create().await;
    stage.door.delete().await?;
    assert!(!stage.admits(token(first)).await, "deleted");
    // The same to the letter, by the lock, and by another program that knows of no fence.
    let second = stage.create().await;
    assert!(!stage.admits(token(first)).await && stage.admits(token(second)).await);
    stage.door.delete().await?;
    let third = stage.door.put(record("a", 0, 0).to_json()).await?;
    for old in [first.get(), second.get(), third] {
        assert!(!stage.admits(FencingToken::new(old)).await, "token {old}");
    }
    Ok(())
}

/// The term's key, deleted by hand, shuts the term out, and its renewals do not bring it back.
#[tokio::test]
async fn it_ends_with_the_key_of_the_term() -> TestResult {
    let stage = Stage::set().await?;
    let first = stage.create().await;
    stage
        .client
        .kv_client()
        .delete(stage.lock.term_key(), None)
        .await?;
    let renewed = stage.swap(Expected::Version(first), &record("a", 0, 1)).await;
    assert!(!stage.admits(token(first)).await);
    let next = stage.swap(Expected::Version(renewed), &record("b", 1, 0)).await;
    assert!(stage.admits(token(next)).await);
    Ok(())
}

/// SAFETY 9: an acquisition whose answer was lost has its fence, for that was the same write.
#[tokio::test]
async fn an_acquisition_whose_answer_was_lost_has_its_fence() -> TestResult {
    let stage = Stage::set().await?;
    let proxy = Proxy::before(&stage.etcd.endpoint())?;
    let lock = EtcdConnection::connect([proxy.endpoint()]).await?.lock(KEY)?;
    lock.get().await?;
    proxy.hold(Way::Reply);
    let landed = async {
        loop {
            if let Some((_, revision)) = stage.door.get().await? {
                proxy.cut();
                return Ok::<_, etcd_client::Error>(revision);
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let record = record("a", 0, 0);
    let swap = lock.compare_and_swap(Expected::Absent, &record);
    let (answer, revision) = within(SOON, "the swap", async { tokio::join!(swap, landed) }).await;
    answer.unwrap_err();
    let revision = revision?;
    assert!(stage.admits(FencingToken::new(revision)).await);
    Ok(())
}

/// An elector's own renewals, release and next term.
#[tokio::test]
async fn an_electors_writes_come_through_while_it_leads() -> TestResult {
    let stage = Stage::set().await?;
    let leader = Candidate::start(stage.lock.clone(), "a")?;
    let term = leader.leads(SOON).await?;
    let end = now().after(RETRY_PERIOD * 5);
    let before = stage.etcd.requests(|method| method.ends_with("/Txn"))?;
    let mut written = 0;
    while now() < end {
        let valid = term.is_valid();
        assert!(stage.admits(term.token()).await && valid);
        written += 1;
        sleep(Duration::from_millis(50)).await;
    }
    let renewals = stage.etcd.requests(|method| method.ends_with("/Txn"))? - before - written;
    assert!(renewals >= 3, "{renewals} renewals beside {written} writes");

    let token = term.token();
    drop(term);
    leader.handle.shutdown().await?;
    assert!(!stage.admits(token).await, "released");
    let next = Candidate::start(stage.lock.clone(), "b")?;
    let term = next.leads(SOON).await?;
    assert!(!stage.admits(token).await && stage.admits(term.token()).await);
    Ok(())
}
