//! What an election asks of its lock, call by call: exactly so much, whatever the machine it runs on.

use std::collections::BTreeMap;

use leaderelection::{ElectionHandle, PausedClock};
use leaderelection_conformance::{History, Operation, RecordingLock};
use leaderelection_memory::MemoryLock;

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
