//! Elections on three real members: what becomes of them when members die, freeze and come back.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing assertion is how a test speaks"
)]

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leaderelection::{Event, LeaderElector, LeadershipView, LeaseTiming, Operation, ResourceLock as _};
use leaderelection_etcd::EtcdConnection;
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE};
use leaderelection_tests::servers::EtcdCluster;
use leaderelection_tests::time::{now, sleep, within};
use tokio::task::JoinSet;

type TestResult = Result<(), Box<dyn Error>>;

/// What must come on a busy machine: an election among the members, a lease, and a swap.
const LIMIT: Duration = Duration::from_secs(30);

/// Two candidates, and the terms that they had.
struct Election {
    terms: Arc<Mutex<Vec<LeadershipView>>>,
    tasks: JoinSet<()>,
}

impl Election {
    /// All members are known to both, each in an order of its own.
    async fn begin(cluster: &EtcdCluster) -> Result<Self, Box<dyn Error>> {
        let terms: Arc<Mutex<Vec<LeadershipView>>> = Arc::default();
        let mut tasks = JoinSet::new();
        for (number, identity) in ["a", "b"].into_iter().enumerate() {
            let mut endpoints = cluster.endpoints();
            endpoints.rotate_left(number);
            let lock = EtcdConnection::connect(endpoints).await?.lock("leader")?;
            let candidate = Candidate::start(lock, identity)?;
            let terms = Arc::clone(&terms);
            tasks.spawn(async move {
                while let Ok(term) = candidate.handle.leadership().await {
                    terms.lock().unwrap().push(term.view());
                    term.lost().await;
                }
            });
        }
        // SAFETY 19, and that there are never two.
        let judged = Arc::clone(&terms);
        tasks.spawn(async move {
            loop {
                {
                    let terms = judged.lock().unwrap();
                    let leaders = terms.iter().filter(|term| term.is_valid()).count();
                    assert!(leaders <= 1, "{leaders} lead at once");
                    assert!(terms.is_sorted_by(|one, next| one.token() < next.token()));
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
        Ok(Self { terms, tasks })
    }

    fn leads(&self) -> bool {
        self.terms.lock().unwrap().iter().any(LeadershipView::is_valid)
    }

    /// Somebody leads, and goes on to for longer than a renewal that came before could last.
    async fn goes_on(&mut self) {
        let steady = async {
            let mut since = now();
            while now() < since.after(RENEW_DEADLINE * 2) {
                if !self.leads() {
                    since = now();
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        within(LIMIT, "a leader who stays", steady).await;
        assert!(self.tasks.try_join_next().is_none(), "two led, or tokens fell");
    }
}

/// With the majority there is a leader, whichever member is lost, dead or frozen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_election_goes_on_without_any_one_member() -> TestResult {
    let mut cluster = EtcdCluster::start()?;
    let mut election = Election::begin(&cluster).await?;
    election.goes_on().await;
    for leads in [true, false] {
        for freezes in [false, true] {
            let leader = cluster.leader()?;
            let struck = if leads { leader } else { (leader + 1) % 3 };
            println!("member {struck} of leader {leader}, frozen: {freezes}");
            if freezes {
                cluster.member_mut(struck).stop()?;
            } else {
                cluster.member_mut(struck).kill();
            }
            election.goes_on().await;
            if freezes {
                cluster.member_mut(struck).cont()?;
            } else {
                cluster.member_mut(struck).restart()?;
            }
            election.goes_on().await;
        }
    }
    Ok(())
}

/// SAFETY 8: nothing is retried, and yet a term outlives the member that served it: the next renewal asks another.
#[tokio::test]
async fn a_term_outlives_the_member_that_served_it() -> TestResult {
    let mut cluster = EtcdCluster::start()?;
    let leader = cluster.leader()?;
    // The first serves while it answers. It does not lead the others, so nothing but it is missing.
    let mut endpoints = cluster.endpoints();
    endpoints.rotate_left((leader + 1) % 3);
    let lock = EtcdConnection::connect(endpoints).await?.lock("leader")?;
    let candidate = Candidate::start(lock, "a")?;
    let term = candidate.leads(LIMIT).await?;
    cluster.member_mut((leader + 1) % 3).kill();
    let end = now().after(RENEW_DEADLINE * 3);
    while now() < end {
        assert_eq!(term.check()?, term.token());
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Elections that share a connection share what becomes of its members: one that is gone costs each of them what was on its way, and
/// nothing after that, however many calls are under way at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_gone_attracts_no_calls_of_many_elections_on_one_connection() -> TestResult {
    const ELECTIONS: usize = 100;
    let mut cluster = EtcdCluster::start()?;
    // Calls go to the first; to the others where it is busy. The last leads them, so that nothing but the struck one is missing.
    let leader = cluster.leader()?;
    let mut endpoints = cluster.endpoints();
    endpoints.rotate_left((leader + 1) % 3);
    let connection = EtcdConnection::connect(endpoints).await?;
    // As many renewals per second as there are elections, at a length that a busy machine does not make late.
    let [lease, deadline, period] = [12, 8, 1].map(Duration::from_secs);
    let timing = LeaseTiming::new(lease, deadline, period)?;
    let failed = Arc::new(AtomicUsize::new(0));
    let (mut terms, mut watching) = (Vec::new(), JoinSet::new());
    for number in 0..ELECTIONS {
        let lock = connection.lock(format!("many-{number}"))?;
        let elector = LeaderElector::builder(lock, "a").timing(timing.clone()).build()?;
        let handle = elector.spawn()?;
        let (mut events, failed) = (handle.events(), Arc::clone(&failed));
        watching.spawn(async move {
            while let Some(event) = events.recv().await {
                if let Event::CallFailed {
                    operation: Operation::CompareAndSwap,
                    ..
                } = event
                {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let term = within(LIMIT, "leadership", handle.leadership()).await?;
        terms.push((handle, term));
    }
    for (struck, frozen) in [((leader + 2) % 3, false), ((leader + 1) % 3, true)] {
        if frozen {
            cluster.member_mut(struck).stop()?;
        } else {
            cluster.member_mut(struck).kill();
        }
        // What was under way, or was sent before anybody knew: the longest attempt is over.
        sleep(timing.attempt_timeout() + period).await;
        let known = failed.load(Ordering::Relaxed);
        sleep(deadline).await;
        let more = failed.load(Ordering::Relaxed) - known;
        println!("frozen: {frozen}: {known} renewals failed by then, and {more} later");
        assert!(more < ELECTIONS / 10, "{more} renewals failed after it was known");
        for (_, term) in &terms {
            assert_eq!(term.check()?, term.token());
        }
        if frozen {
            cluster.member_mut(struck).cont()?;
        } else {
            cluster.member_mut(struck).restart()?;
        }
    }
    Ok(())
}

/// Who has served, failed, and come back is asked again before one that hangs is asked a second time; else the second renewal would be
/// lost like the first, and the lead with it.
#[tokio::test]
async fn a_term_outlives_a_frozen_member_though_the_others_had_failed_before() -> TestResult {
    let mut cluster = EtcdCluster::start()?;
    let leader = cluster.leader()?;
    let mut endpoints = cluster.endpoints();
    endpoints.rotate_left((leader + 1) % 3);
    let lock = EtcdConnection::connect(endpoints).await?.lock("leader")?;
    // Two attempts within the deadline, and time for the members to elect another.
    let [lease, deadline, period] = [12, 8, 1].map(Duration::from_secs);
    let timing = LeaseTiming::new(lease, deadline, period)?;
    let handle = LeaderElector::builder(lock, "a")
        .timing(timing)
        .build()?
        .spawn()?;
    let term = within(LIMIT, "leadership", handle.leadership()).await?;
    let lasts = async |time: Duration| -> TestResult {
        let end = now().after(time);
        while now() < end {
            assert_eq!(term.check()?, term.token());
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    for struck in [(leader + 1) % 3, (leader + 2) % 3] {
        cluster.member_mut(struck).kill();
        lasts(period * 3).await?;
        cluster.member_mut(struck).restart()?;
    }
    // Now that serves which leads the others.
    cluster.member_mut(leader).stop()?;
    lasts(deadline * 2).await?;
    cluster.member_mut(leader).cont()?;
    Ok(())
}

/// Without a majority nobody leads for longer than the deadline, and with it somebody does again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nobody_leads_and_with_it_somebody_does_again() -> TestResult {
    let mut cluster = EtcdCluster::start()?;
    let mut election = Election::begin(&cluster).await?;
    election.goes_on().await;
    for struck in [[0, 1], [1, 2]] {
        for member in struck {
            cluster.member_mut(member).kill();
        }
        sleep(RENEW_DEADLINE + LEASE).await;
        assert!(!election.leads(), "who would have renewed it?");
        cluster.restart_all()?;
        election.goes_on().await;
    }
    Ok(())
}

/// What one member has taken, another shows at once (clause 1).
#[tokio::test]
async fn each_member_shows_the_newest() -> TestResult {
    let cluster = EtcdCluster::shared()?;
    let key = "each-member-shows-the-newest";
    let mut locks = Vec::new();
    for endpoint in cluster.endpoints() {
        locks.push(EtcdConnection::connect([endpoint]).await?.lock(key)?);
    }
    let mut expected = leaderelection::Expected::Absent;
    for round in 0..30 {
        let record = leaderelection::LeaderElectionRecord {
            leader_transitions: round,
            ..Default::default()
        };
        let writer = &locks[usize::try_from(round)? % 3];
        let leaderelection::Swap::Done(version) = writer.compare_and_swap(expected, &record).await? else {
            panic!("a conflict on the newest version");
        };
        for lock in &locks {
            let there = leaderelection::Observation::record(version, record.clone());
            assert_eq!(lock.get().await?, there);
        }
        expected = leaderelection::Expected::Version(version);
    }
    Ok(())
}
