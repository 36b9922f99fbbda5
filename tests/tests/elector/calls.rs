//! How long a call to the lock is waited for: never longer than the renew deadline, whatever the lock does.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Clock, Expected, LeaderElectionRecord, LockError, MonoTime, Observation, ObservationStream,
    PausedClock, ResourceLock, Swap,
};
use leaderelection_memory::MemoryLock;

use crate::stage::Stage;
use crate::{candidate, s, sleep};

/// What there is to call, and how many of a kind may be under way at once.
const CALLS: [(&str, usize); 3] = [("swap", 2), ("get", 1), ("watch", 1)];

/// A call that was made: what, when, and when it was answered or given up.
#[derive(Clone, Debug)]
struct Made {
    what: &'static str,
    sent: MonoTime,
    over: Option<MonoTime>,
}

/// A lock that never answers while it hangs, and all calls to it.
#[derive(Clone)]
struct Hanging {
    lock: MemoryLock,
    hangs: Arc<AtomicBool>,
    made: Arc<Mutex<Vec<Made>>>,
}

/// A call that is under way. It is dropped when the call is over, also where it is given up.
struct UnderWay(Arc<Mutex<Vec<Made>>>, usize);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap()[self.1].over = Some(PausedClock.mono());
    }
}

impl Hanging {
    async fn begin(&self, what: &'static str) -> UnderWay {
        let under_way = {
            let mut made = self.made.lock().unwrap();
            made.push(Made {
                what,
                sent: PausedClock.mono(),
                over: None,
            });
            UnderWay(Arc::clone(&self.made), made.len() - 1)
        };
        if self.hangs.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        under_way
    }

    /// How long calls of each kind took at most, and how many were under way at once.
    fn longest(&self, what: &str) -> (Duration, usize) {
        let made = self.made.lock().unwrap();
        let calls: Vec<_> = made.iter().filter(|made| made.what == what).collect();
        let over = |made: &Made| made.over.unwrap_or(PausedClock.mono());
        let longest = calls.iter().map(|made| over(made).since(made.sent)).max();
        let at_once = calls.iter().map(|made| {
            let others = calls.iter();
            others
                .filter(|other| other.sent <= made.sent && over(other) > made.sent)
                .count()
        });
        (longest.unwrap_or_default(), at_once.max().unwrap_or_default())
    }
}

#[async_trait]
impl ResourceLock for Hanging {
    async fn get(&self) -> Result<Observation, LockError> {
        let _under_way = self.begin("get").await;
        self.lock.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let _under_way = self.begin("swap").await;
        self.lock.compare_and_swap(expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        let _under_way = self.begin("watch").await;
        self.lock.watch().await
    }

    fn describe(&self) -> String {
        self.lock.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.lock.capabilities()
    }
}

/// A lock that hangs from the beginning, under a leader, under a follower, and at a stop. A swap is waited for until its success
/// could bring nothing any more, `R` (SAFETY 1), so that a late answer still tells something (SAFETY 9); a read and the opening
/// of a watch until the next is sent, `R / 2`. No more than a few are ever under way.
#[tokio::test(start_paused = true)]
async fn no_call_is_waited_for_beyond_the_renew_deadline() {
    let mut longest = [Duration::ZERO; 3];
    for hangs_first in [false, true] {
        let (lock, stage) = (MemoryLock::new(), Stage::default());
        let hanging = Hanging {
            lock: lock.clone(),
            hangs: Arc::new(AtomicBool::new(hangs_first)),
            made: Arc::default(),
        };
        stage.run("a", candidate(hanging.clone(), "a"));
        sleep(s(60)).await;
        assert_eq!(stage.now().is_empty(), hangs_first);
        // Another one takes over, and `a` hangs on as a follower whose swaps and reads come to nothing.
        stage.run("b", candidate(lock, "b"));
        hanging.hangs.store(true, Ordering::Relaxed);
        sleep(s(600)).await;
        assert_eq!(stage.now(), ["b"]);
        assert_eq!(stage.overlap(), Duration::ZERO);
        // It is well again, leads in its turn, and hangs when it is to release.
        hanging.hangs.store(false, Ordering::Relaxed);
        sleep(s(30)).await;
        stage.leave("b");
        sleep(s(30)).await;
        assert_eq!(stage.now(), ["a"]);
        hanging.hangs.store(true, Ordering::Relaxed);
        stage.leave("a");
        sleep(s(60)).await;
        assert!(stage.now().is_empty());

        for ((what, at_once), longest) in CALLS.iter().zip(&mut longest) {
            let (took, most) = hanging.longest(what);
            assert!(most <= *at_once, "{what}: {most} at once");
            *longest = took.max(*longest);
        }
    }
    // Each did hang.
    assert_eq!(longest, [s(10), s(5), s(5)]);
}
