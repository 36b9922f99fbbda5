//! Somebody writes over a closed lock: a leader of client-go that was frozen for longer than its lease, and releases when it
//! wakes what it holds no longer. Without a guard old candidates lead by it for good; with one it is closed again.

use super::*;

/// A moved election at work by the new lock, with an old candidate left that is told late, as client-go's, which looks every 2 s;
/// and what writes over the old lock.
struct Moved {
    stage: Stage,
    from: MemoryLock,
    to: MemoryLock,
}

impl Moved {
    async fn new() -> Self {
        let (stage, (from, to)) = (Stage::default(), locks());
        assert_moved(
            mover(from.clone(), to.clone(), Life::of(Life::FOR_EVER, true), 0)
                .await
                .unwrap(),
        );
        stage.run("new", candidate(to.clone(), "new"));
        let late = FaultLock::new(from.clone());
        late.faults().lag_watches(ms(1_500));
        stage.run("old", candidate(late, "old"));
        sleep(s(60)).await;
        assert_eq!(stage.now(), ["new"]);
        Self { stage, from, to }
    }

    /// What client-go's `release` writes, whatever stands there.
    async fn a_frozen_leader_wakes(&self) {
        let empty = LeaderElectionRecord {
            lease_duration_seconds: 1,
            ..LeaderElectionRecord::default()
        };
        self.from.put_record(&empty);
        sleep(ms(100)).await;
    }
}

/// The schedule of docs/MOVING.md: nobody is to blame but the one who writes what it has not read.
#[tokio::test(start_paused = true)]
async fn without_a_guard_a_closed_lock_that_is_written_over_is_led_again() {
    let moved = Moved::new().await;
    moved.a_frozen_leader_wakes().await;
    sleep(s(600)).await;
    assert_eq!(moved.stage.now(), ["new", "old"]);
    moved.stage.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_guard_closes_it_before_anybody_leads_by_it() {
    let moved = Moved::new().await;
    let guards = [1, 2].map(|seed| guard(&moved.from, &moved.to, seed));
    sleep(s(60)).await;
    for round in 0..20 {
        // At any moment of what the old candidate does.
        sleep(ms(10_000 + round * 97)).await;
        if round % 3 == 0 {
            moved.from.delete();
        } else {
            moved.a_frozen_leader_wakes().await;
        }
        sleep(ms(200)).await;
        assert!(
            is_moved(&moved.from, &moved.to),
            "round {round}: {:?}",
            moved.from
        );
    }
    assert_eq!(moved.stage.now(), ["new"]);
    assert_eq!(moved.stage.shifts().len(), 1, "{:#?}", moved.stage.shifts());
    guards.iter().for_each(|guard| guard.abort());
    moved.stage.close().await;
}

/// An old candidate that was faster leads until it goes; then it is closed.
#[tokio::test(start_paused = true)]
async fn a_guard_that_comes_second_closes_it_when_the_other_has_gone() {
    let moved = Moved::new().await;
    moved.a_frozen_leader_wakes().await;
    sleep(s(60)).await;
    assert_eq!(moved.stage.now(), ["new", "old"]);
    let guard = guard(&moved.from, &moved.to, 1);
    sleep(s(600)).await;
    assert_eq!(moved.stage.now(), ["new", "old"], "nobody is driven out");
    moved.stage.leave("old");
    sleep(s(1)).await;
    assert!(is_moved(&moved.from, &moved.to), "{:?}", moved.from);
    assert_eq!(moved.stage.now(), ["new"]);
    guard.abort();
    moved.stage.close().await;
}

/// A move back goes on beside it, and ends it.
#[tokio::test(start_paused = true)]
async fn a_guard_lets_an_election_be_moved_back() {
    let moved = Moved::new().await;
    let guard = guard(&moved.from, &moved.to, 1);
    sleep(s(60)).await;
    let back = mover(
        moved.to.clone(),
        moved.from.clone(),
        Life::of(Life::FOR_EVER, true),
        7,
    );
    sleep(s(60)).await;
    assert!(is_closed(&moved.from, Closed::NotBefore(NEW)), "{:?}", moved.from);
    moved.stage.leave("new");
    sleep(s(60)).await;
    assert_moved(back.await.unwrap());
    assert!(matches!(guard.await.unwrap(), Ok(Ended::Finished(()))));
    assert!(is_moved(&moved.to, &moved.from));
    assert_eq!(moved.stage.now(), ["old"]);
    assert_eq!(moved.stage.at_once(), Duration::ZERO);
    moved.stage.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_guard_stops_when_it_is_told_to() {
    let moved = Moved::new().await;
    let elector = LeaderElector::builder(moved.from.clone(), Identity::known_unique("guard").unwrap());
    let elector = elector.clock(PausedClock).build().unwrap();
    let ended = Move::new(elector, moved.to.clone()).guard(sleep(s(60))).await;
    assert!(matches!(ended, Ok(Ended::Stopped)), "{ended:?}");
    moved.stage.close().await;
}

#[allow(clippy::disallowed_methods, reason = "a process of a test is a task")]
fn guard(
    from: &MemoryLock,
    to: &MemoryLock,
    seed: u64,
) -> tokio::task::JoinHandle<Result<Ended<()>, MoveError>> {
    let elector = LeaderElector::builder(
        from.clone(),
        Identity::known_unique(format!("guard-{seed}")).unwrap(),
    );
    let elector = elector.clock(PausedClock).seed(seed).build().unwrap();
    let guard = Move::new(elector, to.clone());
    tokio::spawn(async move { guard.guard(pending::<()>()).await })
}
