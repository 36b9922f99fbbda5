//! What those see who watch an election: health, readiness, who leads.

use std::future::pending;

use leaderelection::{NotReady, Readiness, Unhealthy};
use leaderelection_conformance::{FaultLock, Partition};
use leaderelection_memory::MemoryLock;

use crate::{candidate, ms, s, sleep};

/// Before the election, as a standby, as the leader, and after it.
#[tokio::test(start_paused = true)]
async fn an_observer_sees_the_election_from_before_its_start_until_after_its_end() {
    let lock = MemoryLock::new();
    let elector = candidate(lock.clone(), "a").build().unwrap();
    let observer = elector.observer();
    let look = |readiness| observer.ready(readiness);
    assert_eq!(look(Readiness::Anyone), Err(NotReady::NotRunning));
    assert_eq!(look(Readiness::LeaderOnly), Err(NotReady::NotRunning));
    assert_eq!((observer.health(s(20)), observer.leader()), (Ok(()), None));

    let leading = elector.spawn().unwrap();
    let leadership = leading.leadership().await.unwrap();
    assert_eq!(look(Readiness::Anyone), Ok(()));
    assert_eq!(look(Readiness::LeaderOnly), Ok(()));
    assert!(observer.is_leader() && observer.view().unwrap().is_valid());

    let standby = candidate(lock, "b").build().unwrap();
    let beside = standby.observer();
    let standby = standby.spawn().unwrap();
    sleep(ms(10)).await;
    assert_eq!(beside.ready(Readiness::Anyone), Ok(()));
    let other = NotReady::NotLeading {
        leader: Some("a".to_owned()),
    };
    assert_eq!(other.to_string(), "this candidate does not lead; \"a\" does");
    assert_eq!(beside.ready(Readiness::LeaderOnly), Err(other));
    assert_eq!(
        (beside.leader().as_deref(), beside.is_leader()),
        (Some("a"), false)
    );
    standby.shutdown().await.unwrap();

    drop(leadership);
    leading.shutdown().await.unwrap();
    assert_eq!(look(Readiness::Anyone), Err(NotReady::NotRunning));
    assert_eq!((observer.is_leader(), observer.leader()), (false, None));
}

/// A candidate that has seen nothing of its lock could not take over.
#[tokio::test(start_paused = true)]
async fn who_has_seen_nothing_is_not_ready() {
    let faulty = FaultLock::new(MemoryLock::new());
    let faults = faulty.faults();
    faults.partition(Partition::Full);
    let elector = candidate(faulty, "a").build().unwrap();
    let observer = elector.observer();
    let _handle = elector.spawn().unwrap();
    sleep(s(60)).await;
    assert_eq!(observer.ready(Readiness::Anyone), Err(NotReady::NothingSeen));
    faults.partition(Partition::None);
    sleep(s(60)).await;
    assert_eq!(observer.ready(Readiness::Anyone), Ok(()));
    // An outage later does not make a standby one that could not take over.
    faults.partition(Partition::Full);
    sleep(s(60)).await;
    assert_eq!(observer.ready(Readiness::Anyone), Ok(()));
}

/// Go's check: work that does not end though its term is over is what makes a leader unhealthy, when the lease and the tolerance
/// have passed since the last renewal was sent; at once when it ends, it is healthy again.
#[tokio::test(start_paused = true)]
async fn work_that_outlives_its_term_is_unhealthy() {
    let faulty = FaultLock::new(MemoryLock::new());
    let faults = faulty.faults();
    let elector = candidate(faulty, "a").build().unwrap();
    let observer = elector.observer();
    let handle = elector.spawn().unwrap();
    let held_too_long = handle.leadership().await.unwrap();
    sleep(s(4)).await;
    faults.partition(Partition::Full);
    let left = held_too_long.remaining();
    // R after the renewal's send the term is over, L after it another may lead, and 20 s more are tolerated.
    sleep(left + s(15) - s(10) + s(20) - ms(5)).await;
    assert!(!held_too_long.is_valid());
    assert!(observer.ready(Readiness::LeaderOnly).is_err());
    assert_eq!(observer.health(s(20)), Ok(()));
    sleep(s(3)).await;
    let Err(Unhealthy { overdue }) = observer.health(s(20)) else {
        panic!("it is overdue");
    };
    assert!(overdue > s(2) && overdue < s(4), "{overdue:?}");
    drop(held_too_long);
    sleep(ms(10)).await;
    assert_eq!(observer.health(s(20)), Ok(()));
}

/// The observer keeps nothing alive: an elector that is dropped ends.
#[tokio::test(start_paused = true)]
async fn an_observer_keeps_no_election_alive() {
    let lock = MemoryLock::new();
    let elector = candidate(lock.clone(), "a").build().unwrap();
    let observer = elector.observer();
    let mut events = elector.events();
    let mut election = Box::pin(elector.run(pending::<()>(), |_| pending::<()>()));
    tokio::select! {
        _ = &mut election => unreachable!(),
        () = sleep(s(1)) => {}
    }
    assert!(observer.is_leader());
    drop(election);
    while events.recv().await.is_some() {}
    assert!(!observer.is_leader());
    assert_eq!(crate::holder(&lock).as_deref(), Some(""));
}
