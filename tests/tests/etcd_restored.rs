//! An etcd that was restored from an older snapshot (SAFETY 19): a real one, by `etcdutl snapshot restore`. What candidates have
//! seen lies in its future. They notice, and lead by nothing older; two never lead at once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing assertion is how a test speaks"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leaderelection::{
    ElectionEvent, ElectionHandle, Event, FencingToken, Identity, LeaderElector, Leadership, LeadershipView,
    LeaseTiming,
};
use leaderelection_etcd::EtcdConnection;
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::etcd_faults::Operator;
use leaderelection_tests::fault_table::Result;
use leaderelection_tests::servers::EtcdCluster;
use leaderelection_tests::time::{sleep, wait, within};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// For an election of members, a restart, and a lease.
const LIMIT: Duration = Duration::from_secs(30);
/// More than an election of this test writes.
const WRITES: u64 = 300;
/// As etcd's documentation has it.
const BUMP: u64 = 1_000_000_000;

/// Candidates, whose terms are judged as they come.
struct Fleet {
    runtime: Runtime,
    terms: Arc<Mutex<Vec<LeadershipView>>>,
    judge: JoinHandle<()>,
}

impl Fleet {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let terms: Arc<Mutex<Vec<LeadershipView>>> = Arc::default();
        let judged = Arc::clone(&terms);
        let judge = runtime.spawn(async move {
            loop {
                {
                    let terms = judged.lock().unwrap();
                    let leaders = terms.iter().filter(|term| term.is_valid()).count();
                    assert!(leaders <= 1, "{leaders} lead at once");
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
        Ok(Self {
            runtime,
            terms,
            judge,
        })
    }

    fn join(&self, cluster: &EtcdCluster) -> Result<Candidate> {
        self.runtime.block_on(async {
            let lock = EtcdConnection::connect(cluster.endpoints())
                .await?
                .lock("restored")?;
            let timing = LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?;
            let handle = LeaderElector::builder(lock, Identity::unique())
                .timing(timing)
                .build()?
                .spawn()?;
            let events = handle.events();
            Ok(Candidate { handle, events })
        })
    }

    /// The term that this candidate comes to; it ends when that is dropped.
    fn leads(&self, candidate: &Candidate) -> Result<Leadership> {
        let term = self.runtime.block_on(candidate.leads(LIMIT))?;
        self.terms.lock().unwrap().push(term.view());
        Ok(term)
    }

    fn follows(&self, candidate: &Candidate) {
        self.until("the leader seen", || candidate.handle.leader().is_some());
    }

    fn until(&self, what: &str, done: impl Fn() -> bool) {
        let looking = async {
            while !done() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        self.runtime.block_on(within(LIMIT, what, looking));
        self.judged();
    }

    fn judged(&self) {
        assert!(!self.judge.is_finished(), "two led");
    }

    /// Nobody of these leads for so long.
    fn nobody_leads(&self, candidates: &[&Candidate], length: Duration) {
        let looking = async {
            let end = leaderelection_tests::time::now().after(length);
            while leaderelection_tests::time::now() < end {
                let leads = |candidate: &&Candidate| ElectionHandle::is_leader(&candidate.handle);
                assert!(
                    !candidates.iter().any(leads),
                    "somebody leads who has seen what is lost"
                );
                sleep(Duration::from_millis(5)).await;
            }
        };
        self.runtime.block_on(looking);
        self.judged();
    }

    /// It notices by itself, and tells by how much.
    fn went_back(&self, candidate: &mut Candidate) {
        let noticed = |event| match event {
            Event::Noticed(ElectionEvent::StoreWentBack { highest, shown }) => Some((highest, shown)),
            _ => None,
        };
        let noticing = candidate.event(LIMIT, "that the store went back", noticed);
        let (highest, shown) = self.runtime.block_on(noticing);
        println!("the store went back: {highest} was seen, and it shows {shown:?}");
        assert!(shown.is_some_and(|shown| shown < highest));
    }

    fn shut_down(&self, candidate: Candidate) -> Result<()> {
        let ending = within(LIMIT, "the end of an election", candidate.handle.shutdown());
        Ok(self.runtime.block_on(ending)?)
    }
}

/// A leader, a follower, and a cluster that was restored beneath them from a snapshot of a while ago.
struct Restored {
    fleet: Fleet,
    cluster: EtcdCluster,
    operator: Operator,
    first: Candidate,
    second: Candidate,
    /// The highest that there was.
    token: FencingToken,
}

/// Returns when both have noticed, and nobody leads.
fn restored(bump: Option<u64>) -> Result<Restored> {
    let mut cluster = EtcdCluster::start()?;
    let operator = Operator::of(&cluster)?;
    let fleet = Fleet::new()?;
    let mut first = fleet.join(&cluster)?;
    let before = fleet.leads(&first)?;
    let mut second = fleet.join(&cluster)?;
    fleet.follows(&second);
    let folder = tempfile::tempdir()?;
    let snapshot = folder.path().join("snapshot");
    operator.snapshot(&snapshot)?;
    // The lead changes hands, so that there is a token that the snapshot does not know.
    for _ in 0..WRITES {
        operator.write()?;
    }
    let from = before.token();
    drop(before);
    let term = fleet.leads(&second)?;
    let token = term.token();
    assert!(token.get() > from.get() + WRITES);
    wait(RETRY_PERIOD * 3);
    fleet.judged();

    cluster.restore(&snapshot, bump)?;
    fleet.until("the end of the term", || !term.is_valid());
    drop(term);
    fleet.went_back(&mut first);
    fleet.went_back(&mut second);
    // It holds the record that was restored, and does not build on that either.
    fleet.nobody_leads(&[&first, &second], LEASE * 2);
    // The old one's connections are gone.
    let operator = Operator::of(&cluster)?;
    Ok(Restored {
        fleet,
        cluster,
        operator,
        first,
        second,
        token,
    })
}

impl Restored {
    /// A candidate that was started anew leads, with a token of this kind; the others see it, and are its followers again.
    fn somebody_new_leads(&self, greater: bool) -> Result<(Candidate, Leadership)> {
        let third = self.fleet.join(&self.cluster)?;
        let term = self.fleet.leads(&third)?;
        let (token, before) = (term.token(), self.token);
        println!("a new candidate leads by {token}; {before} was there before");
        assert_eq!(token > before, greater);
        Ok((third, term))
    }

    fn the_others_follow(&self, third: &Candidate) {
        let known = third.handle.leader();
        self.fleet.until("the new leader seen", || {
            [&self.first, &self.second].map(|old| old.handle.leader()) == [known.clone(), known.clone()]
        });
    }

    /// When the new one goes, one of the old takes over, by a greater token than all before.
    fn an_old_one_takes_over(self, third: Candidate, term: Leadership) -> Result<()> {
        assert!(term.is_valid());
        drop(term);
        self.fleet.shut_down(third)?;
        self.fleet.until("an old candidate to lead", || {
            self.first.handle.is_leader() || self.second.handle.is_leader()
        });
        let old = if self.first.handle.is_leader() {
            &self.first
        } else {
            &self.second
        };
        let term = self.fleet.leads(old)?;
        assert!(term.token() > self.token);
        wait(RENEW_DEADLINE * 2);
        self.fleet.judged();
        assert!(term.is_valid());
        drop(term);
        self.fleet.shut_down(self.first)?;
        self.fleet.shut_down(self.second)
    }
}

/// Revisions are counted on from the snapshot's, and pass those that were seen by whatever is written; the record's only when it is
/// written itself, which those who refuse do not do.
#[test]
fn a_store_that_went_back_is_led_again_by_newer_versions_only() -> Result<()> {
    let stage = restored(None)?;
    while stage.operator.write()? <= stage.token.get() + WRITES {}
    stage.fleet.nobody_leads(&[&stage.first, &stage.second], LEASE);
    let (third, term) = stage.somebody_new_leads(true)?;
    stage.the_others_follow(&third);
    stage.an_old_one_takes_over(third, term)
}

/// Who has seen nothing cannot know: it leads by a token that is lower than one before. Nobody else does meanwhile, and when the
/// versions have passed all that was seen, the others follow it.
#[test]
fn who_has_not_seen_what_is_lost_leads_alone() -> Result<()> {
    let stage = restored(None)?;
    let (third, term) = stage.somebody_new_leads(false)?;
    stage
        .fleet
        .nobody_leads(&[&stage.first, &stage.second], LEASE * 2);
    assert!(term.is_valid());
    while stage.operator.write()? <= stage.token.get() + WRITES {}
    stage.the_others_follow(&third);
    assert!(term.is_valid());
    stage.an_old_one_takes_over(third, term)
}

/// What a watch alone has shown does not bind: it may have lied. A follower that has never asked since takes the restored record
/// for what it is, and leads when that has stood for a lease; no two do.
#[test]
fn who_has_only_watched_leads_when_the_restored_lease_has_passed() -> Result<()> {
    let mut cluster = EtcdCluster::start()?;
    let operator = Operator::of(&cluster)?;
    let fleet = Fleet::new()?;
    let mut first = fleet.join(&cluster)?;
    let term = fleet.leads(&first)?;
    let mut watcher = fleet.join(&cluster)?;
    fleet.follows(&watcher);
    let folder = tempfile::tempdir()?;
    let snapshot = folder.path().join("snapshot");
    operator.snapshot(&snapshot)?;
    wait(RETRY_PERIOD * 3);
    cluster.restore(&snapshot, None)?;
    fleet.went_back(&mut first);
    drop(term);
    fleet.went_back(&mut watcher);
    let next = fleet.leads(&watcher)?;
    fleet.nobody_leads(&[&first], LEASE * 2);
    assert!(next.is_valid());
    drop(next);
    fleet.shut_down(first)?;
    fleet.shut_down(watcher)
}

/// As etcd's documentation wants it done, no token comes back.
#[test]
fn a_store_restored_with_later_revisions_has_no_token_twice() -> Result<()> {
    let stage = restored(Some(BUMP))?;
    let (third, term) = stage.somebody_new_leads(true)?;
    stage.the_others_follow(&third);
    stage.an_old_one_takes_over(third, term)
}
