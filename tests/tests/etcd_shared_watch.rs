//! Elections on one connection and prefix share one watch, counted at the server, also after that has gone and come back.

use std::error::Error;

use leaderelection::{Leadership, ResourceLock as _};
use leaderelection_etcd::{EtcdConnection, EtcdLock};
use leaderelection_tests::candidate::{Candidate, LEASE};
use leaderelection_tests::figures::connections_to;
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::time::{sleep, within};

type TestResult = Result<(), Box<dyn Error>>;

/// How many elections each process takes part in.
const ELECTIONS: usize = 50;

/// One process: a connection, and as many candidates on it as there are elections.
struct Fleet(Vec<Candidate>);

impl Fleet {
    fn start(etcd: &EtcdConnection, identity: &str) -> Result<Self, Box<dyn Error>> {
        let start = |election: usize| -> Result<_, Box<dyn Error>> {
            Ok(Candidate::unhurried(etcd.lock(election.to_string())?, identity)?)
        };
        Ok(Self((0..ELECTIONS).map(start).collect::<Result<_, _>>()?))
    }

    async fn leads(&self) -> Result<Vec<Leadership>, Box<dyn Error>> {
        let mut led = Vec::new();
        for candidate in &self.0 {
            led.push(candidate.leads(LEASE).await?);
        }
        Ok(led)
    }

    async fn stops(self) -> TestResult {
        for candidate in self.0 {
            candidate.handle.shutdown().await?;
        }
        Ok(())
    }
}

/// How many watches, and streams of them, the server has open.
fn open_watches(etcd: &Etcd) -> Result<(u64, u64), Box<dyn Error>> {
    let metrics = etcd.metrics()?;
    let gauge = |name: &str| -> Result<u64, Box<dyn Error>> {
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or_else(|| format!("no {name}"))?.parse()?)
    };
    Ok((
        gauge("etcd_debugging_mvcc_watcher_total")?,
        gauge("etcd_debugging_mvcc_watch_stream_total")?,
    ))
}

async fn has_open(etcd: &Etcd, wanted: (u64, u64)) {
    let opened = async {
        while open_watches(etcd).ok() != Some(wanted) {
            sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let limit = LEASE * 2;
    within(limit, &format!("{wanted:?} watches and streams"), opened).await;
}

#[tokio::test]
async fn elections_on_one_prefix_share_one_watch_however_many_they_are() -> TestResult {
    let mut etcd = Etcd::start()?;
    let connect = async || EtcdConnection::connect([etcd.endpoint()]).await;
    let shared =
        async || Ok::<_, Box<dyn Error>>(connect().await?.with_key_prefix("shards/").with_shared_watch());
    let (leaders, followers) = (shared().await?, shared().await?);
    let leaders = Fleet::start(&leaders, "leader")?;
    let led = leaders.leads().await?;
    let followers = Fleet::start(&followers, "follower")?;
    // Of two processes, one each.
    has_open(&etcd, (2, 2)).await;

    // What a follower is told, it is told by it: nobody asks for anything else. Until then each has read once.
    sleep(LEASE).await;
    let before = etcd.requests_by_method()?;
    sleep(LEASE * 2).await;
    let after = etcd.requests_by_method()?;
    for method in ["etcdserverpb.KV/Range", "etcdserverpb.Watch/Watch"] {
        assert!(before.contains_key(method), "{before:?}");
        let asked = (before.get(method), after.get(method));
        assert_eq!(asked.0, asked.1, "steady followers ask for no {method}");
    }
    assert!(led.iter().all(Leadership::is_valid));
    // Of two processes, one each.
    let port = etcd.endpoint().rsplit(':').next().ok_or("no port")?.parse()?;
    assert_eq!(connections_to(port)?, 2);
    assert!(
        followers
            .0
            .iter()
            .all(|follower| follower.handle.leader().as_deref() == Some("leader")),
        "each has seen its own leader"
    );

    // It ends for all with the server, and is opened once for all of them.
    etcd.restart()?;
    has_open(&etcd, (2, 2)).await;
    // The stream, and what is asked on it.
    let opened = etcd.requests(|method| method == "etcdserverpb.Watch/Watch")?;
    assert!(opened < ELECTIONS as u64, "{opened} requests for two watches");
    drop(led);
    leaders.stops().await?;
    followers.leads().await?;
    has_open(&etcd, (1, 1)).await;
    followers.stops().await?;
    // Nobody is left to watch for.
    has_open(&etcd, (0, 0)).await;
    Ok(())
}

/// The count would show it.
#[tokio::test]
async fn without_it_each_election_has_a_watch() -> TestResult {
    let etcd = Etcd::start()?;
    let connection = EtcdConnection::connect([etcd.endpoint()])
        .await?
        .with_key_prefix("shards/");
    let fleet = Fleet::start(&connection, "leader")?;
    let _led = fleet.leads().await?;
    has_open(&etcd, (ELECTIONS as u64, ELECTIONS as u64)).await;
    Ok(())
}

/// Of the locks of one connection each sees what is its own, by whatever way it was made.
#[tokio::test]
async fn a_deeper_prefix_and_a_copy_take_part_in_the_same_watch() -> TestResult {
    let etcd = Etcd::start()?;
    let connection = EtcdConnection::connect([etcd.endpoint()]).await?;
    let shards = connection.with_key_prefix("shards/").with_shared_watch();
    let deeper = shards.clone().with_key_prefix("deeper/");
    let locks: [EtcdLock; 3] = [shards.lock("a")?, deeper.lock("a")?, deeper.lock("b")?];
    let mut open = Vec::new();
    for lock in &locks {
        open.push(lock.watch().await?);
    }
    has_open(&etcd, (1, 1)).await;
    Ok(())
}
