//! What an election asks of its lock, call by call: exactly so much, whatever the machine it runs on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use leaderelection::{
    Capabilities, Clock, Content, Crowd, ElectionHandle, Expected, LeaderElectionRecord, LeaseTiming,
    LockError, MonoTime, Observation, ObservationStream, PausedClock, ResourceLock, Swap,
};
use leaderelection_conformance::{CallResult, History, Operation, RecordingLock};
use leaderelection_memory::MemoryLock;
use leaderelection_tests::time::within;
use tokio::sync::Mutex;

use crate::{candidate, s, sleep};

/// An elector on a lock that others share, and all its calls.
struct Counted {
    _handle: ElectionHandle,
    history: History,
    seen: usize,
}

impl Counted {
    fn new(lock: &MemoryLock, name: &str) -> Self {
        let history = History::new(PausedClock);
        let lock = RecordingLock::new(lock.clone(), name, history.clone());
        Self {
            _handle: candidate(lock, name).build().unwrap().spawn().unwrap(),
            history,
            seen: 0,
        }
    }

    /// How often it has called what since the last time.
    fn calls(&mut self) -> BTreeMap<&'static str, usize> {
        let entries = self.history.entries();
        let mut calls = BTreeMap::new();
        for entry in &entries[self.seen..] {
            let name = match entry.operation {
                Operation::Get => "get",
                Operation::CompareAndSwap { .. } => "swap",
                Operation::Watch => "watch",
                Operation::Shown { .. } => continue,
            };
            *calls.entry(name).or_default() += 1;
        }
        self.seen = entries.len();
        calls
    }
}

/// A leader writes once every retry period and asks for nothing; a follower does neither, however long that goes on.
#[tokio::test(start_paused = true)]
async fn a_steady_leader_writes_and_a_steady_follower_asks_nothing() {
    let lock = MemoryLock::new();
    let mut leader = Counted::new(&lock, "a");
    sleep(s(1)).await;
    let mut followers: Vec<_> = (0..10).map(|n| Counted::new(&lock, &format!("f{n}"))).collect();
    sleep(s(60)).await;
    leader.calls();
    for follower in &mut followers {
        assert_eq!(
            follower.calls(),
            [("get", 2), ("watch", 1)].into(),
            "a look at once, and one when the watch is open"
        );
    }
    sleep(s(3600)).await;
    assert_eq!(leader.calls(), [("swap", 1800)].into());
    for follower in &mut followers {
        assert_eq!(follower.calls(), [].into());
    }
}

/// To begin: a look, a watch and a write; and a take-over is one write, without a read.
#[tokio::test(start_paused = true)]
async fn a_take_over_is_one_write() {
    let lock = MemoryLock::new();
    let mut leader = Counted::new(&lock, "a");
    sleep(s(1)).await;
    assert_eq!(leader.calls(), [("get", 2), ("swap", 1), ("watch", 1)].into());
    let mut follower = Counted::new(&lock, "b");
    sleep(s(60)).await;
    follower.calls();
    drop(leader);
    sleep(s(1)).await;
    assert_eq!(follower.calls(), [("swap", 1)].into());
}

/// A lock in a crowd, and a store that serves one call after another, each in so long.
struct Crowded {
    lock: MemoryLock,
    crowd: Arc<Crowd>,
    store: Arc<Mutex<Duration>>,
}

impl Crowded {
    async fn served(&self) {
        let takes = self.store.lock().await;
        sleep(*takes).await;
    }
}

#[async_trait::async_trait]
impl ResourceLock for Crowded {
    async fn get(&self) -> Result<Observation, LockError> {
        let call = || async {
            self.served().await;
            self.lock.get().await
        };
        self.crowd.one_of(call).await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let call = || async {
            self.served().await;
            self.lock.compare_and_swap(expected, record).await
        };
        self.crowd.one_of(call).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        self.lock.watch().await
    }

    fn describe(&self) -> String {
        self.lock.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.lock.capabilities()
    }
}

/// Where nothing is answered more are let in, before the elector gives the call up, which at these durations is after a second; else
/// nothing would ever be sent.
#[tokio::test(start_paused = true)]
async fn a_crowd_that_does_not_move_costs_time_and_no_leader() {
    let crowd = Arc::new(Crowd::with_clock(1, PausedClock));
    let mut first = Box::pin(crowd.one_of(std::future::pending::<Result<(), LockError>>));
    assert!((&mut first).now_or_never().is_none());
    let lock = Crowded {
        lock: MemoryLock::new(),
        crowd: Arc::clone(&crowd),
        store: Arc::default(),
    };
    let timing = LeaseTiming::new(s(3), s(2), Duration::from_millis(500)).unwrap();
    let handle = candidate(lock, "a")
        .timing(timing)
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let leadership = within(s(30), "the lead", handle.leadership()).await.unwrap();
    sleep(s(4)).await;
    assert!(leadership.is_valid(), "and it is renewed");
}

/// A clock of the user's, ten days behind the crowd's.
struct Behind;

const TEN_DAYS: Duration = Duration::from_secs(864_000);

#[async_trait::async_trait]
impl Clock for Behind {
    fn mono(&self) -> MonoTime {
        PausedClock.mono().before(TEN_DAYS)
    }

    fn wall(&self) -> DateTime<Utc> {
        PausedClock.wall()
    }

    async fn sleep_until(&self, deadline: MonoTime) {
        PausedClock.sleep_until(deadline.after(TEN_DAYS)).await;
    }
}

/// What a leader has left is a duration: a crowd has a clock of its own.
#[tokio::test(start_paused = true)]
async fn a_leader_by_another_clock_than_the_crowds_waits_for_its_turn() {
    let crowd = Arc::new(Crowd::with_clock(1, PausedClock));
    let history = History::new(PausedClock);
    let lock = Crowded {
        lock: MemoryLock::new(),
        crowd: Arc::clone(&crowd),
        store: Arc::default(),
    };
    let lock = RecordingLock::new(lock, "a", history.clone());
    let handle = candidate(lock, "a")
        .clock(Behind)
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let leadership = within(s(30), "the lead", handle.leadership()).await.unwrap();
    let others = async {
        loop {
            let call = || async {
                sleep(Duration::from_millis(450)).await;
                Ok(())
            };
            crowd.one_of(call).await.unwrap();
        }
    };
    tokio::select! {
        () = others => {}
        () = sleep(s(60)) => {}
    }
    assert!(leadership.is_valid());
    let waited = history.entries().into_iter().filter_map(|entry| {
        assert!(
            !matches!(entry.result, Some(CallResult::Failed { .. })),
            "{entry:?}"
        );
        Some(entry.end?.since(entry.start))
    });
    assert!(
        waited.max().unwrap() > Duration::from_millis(200),
        "nobody had to wait"
    );
}

/// Three hundred elections in one process, at 15 / 10 / 2 s, on a store that serves 25 calls a second: it can keep some of them. Those
/// that lead go on, as who leads is let in first; among those who only ask they would lose their leases again and again.
#[tokio::test(start_paused = true)]
async fn where_there_is_too_little_of_everything_what_is_held_is_kept() {
    let crowd = Arc::new(Crowd::with_clock(4, PausedClock));
    let store = Arc::new(Mutex::new(Duration::from_millis(40)));
    let locks: Vec<_> = (0..300).map(|_| MemoryLock::new()).collect();
    let handles: Vec<_> = locks
        .iter()
        .map(|lock| {
            let lock = Crowded {
                lock: lock.clone(),
                crowd: Arc::clone(&crowd),
                store: Arc::clone(&store),
            };
            candidate(lock, "a").build().unwrap().spawn().unwrap()
        })
        .collect();
    sleep(s(600)).await;
    let leading = handles.iter().filter(|handle| handle.is_leader()).count();
    assert!(leading > 45, "{leading} of 300 lead");
    // Nobody has lost a lease: who has ever led leads, by his first write.
    for (lock, handle) in locks.iter().zip(&handles) {
        if let Observation::Present {
            content: Content::Record(record),
            ..
        } = lock.get().await.unwrap()
        {
            assert_eq!((&*record.holder_identity, record.leader_transitions), ("a", 0));
            assert!(handle.is_leader(), "a lease was lost");
        }
    }
}

/// A term that is over keeps nothing: what its elector then reads waits for as long as anybody's where there is no room, behind those who
/// hold a lease, and is not refused at once for a lease that has ended.
#[tokio::test(start_paused = true)]
async fn after_a_lost_term_a_read_waits_as_long_as_any_other() {
    let crowd = Arc::new(Crowd::with_clock(1, PausedClock));
    let store = Arc::new(Mutex::new(Duration::ZERO));
    let history = History::new(PausedClock);
    let handles: Vec<_> = (0..300)
        .map(|n| {
            let lock = Crowded {
                // Who is shown nothing reads, while the work of a lost term has not ended.
                lock: MemoryLock::builder().without_watch().build(),
                crowd: Arc::clone(&crowd),
                store: Arc::clone(&store),
            };
            let lock = RecordingLock::new(lock, &n.to_string(), history.clone());
            candidate(lock, "a").build().unwrap().spawn().unwrap()
        })
        .collect();
    sleep(s(5)).await;
    let mut at_work = Vec::new();
    for handle in &handles {
        at_work.push(within(s(1), "the lead", handle.leadership()).await.unwrap());
    }
    // From now on the store answers nothing, and nobody ends his work.
    let _hangs = Arc::clone(&store).lock_owned().await;
    sleep(s(20)).await;
    assert!(at_work.iter().all(|leadership| !leadership.is_valid()));
    let lost = PausedClock.mono();
    sleep(s(20)).await;
    let refused: Vec<_> = history
        .entries()
        .into_iter()
        .filter(|entry| entry.start > lost && entry.operation == Operation::Get)
        .filter_map(|entry| match entry.result? {
            CallResult::Failed { message, .. } if message.contains("nothing was asked") => {
                Some(entry.end?.since(entry.start))
            }
            _ => None,
        })
        .collect();
    assert!(
        !refused.is_empty(),
        "three hundred elections have found room for all their reads"
    );
    for waited in refused {
        assert_eq!(waited, s(3), "three fifths of five seconds");
    }
}
