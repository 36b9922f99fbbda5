//! `LeaderElector::spawn`: a handle for work that lives elsewhere.

use futures_util::StreamExt;
use leaderelection::{
    Clock, ElectionError, ElectionEvent, Event, LeaderElectionRecord, LossReason, PausedClock, TermEnd,
};
use leaderelection_memory::MemoryLock;

use crate::{candidate, holder, ms, s, since, sleep};

#[tokio::test(start_paused = true)]
async fn a_handle_leads_and_shuts_down() {
    let lock = MemoryLock::new();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    assert!(handle.is_leader());
    assert_eq!(handle.leader().as_deref(), Some("a"));
    assert_eq!(handle.view().unwrap().token(), leadership.token());
    drop(leadership);
    handle.shutdown().await.unwrap();
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

/// Every call gives a clone of the same leadership while the term lasts, and the end of the last one ends the work.
#[tokio::test(start_paused = true)]
async fn the_last_clone_ends_the_work() {
    let lock = MemoryLock::new();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    let first = handle.leadership().await.unwrap();
    let second = handle.leadership().await.unwrap();
    let third = second.clone();
    assert_eq!(first.token(), second.token());
    drop((first, second));
    sleep(s(60)).await;
    assert!(third.is_valid(), "renewed as long as somebody works");
    drop(third);
    sleep(ms(1)).await;
    assert_eq!(holder(&lock).as_deref(), Some(""), "released at once");
    // SAFETY 14: P later it campaigns again.
    let start = PausedClock.mono();
    let next = handle.leadership().await.unwrap();
    assert!(
        since(start) >= ms(1_990) && since(start) <= s(3),
        "{:?}",
        since(start)
    );
    assert!(next.is_valid());
}

/// SAFETY 13: clones that outlive the lease hold the release back, and the next term of this process too.
#[tokio::test(start_paused = true)]
async fn nothing_is_released_while_a_clone_lives() {
    let lock = MemoryLock::new();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    let stopping = handle.shutdown();
    let mut stopping = std::pin::pin!(stopping);
    tokio::select! {
        _ = &mut stopping => unreachable!("a clone lives"),
        () = sleep(s(100)) => {}
    }
    assert_eq!(leadership.check().unwrap_err().reason, LossReason::DrainTimeout);
    assert_eq!(holder(&lock).as_deref(), Some("a"), "not released");
    drop(leadership);
    stopping.await.unwrap();
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

/// A leadership that nobody has taken has no work to wait for.
#[tokio::test(start_paused = true)]
async fn an_untaken_leadership_is_released_at_once() {
    let lock = MemoryLock::new();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    sleep(s(30)).await;
    assert!(handle.is_leader(), "it leads, observed only");
    let start = PausedClock.mono();
    handle.shutdown().await.unwrap();
    assert!(since(start) < ms(5), "{:?}", since(start));
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

/// Dropping the handle is a clean stop.
#[tokio::test(start_paused = true)]
async fn dropping_the_handle_stops() {
    let lock = MemoryLock::new();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    drop(handle);
    leadership.stop_requested().await;
    assert!(leadership.is_valid(), "it may still finish");
    drop(leadership);
    sleep(ms(1)).await;
    assert_eq!(holder(&lock).as_deref(), Some(""));
}

/// One watch event and one swap.
#[tokio::test(start_paused = true)]
async fn a_step_down_hands_over_at_once() {
    let lock = MemoryLock::new();
    let first = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    let leadership = first.leadership().await.unwrap();
    let second = candidate(lock.clone(), "b").build().unwrap().spawn().unwrap();
    sleep(s(20)).await;
    let start = PausedClock.mono();
    first.step_down();
    leadership.stop_requested().await;
    drop(leadership);
    let next = second.leadership().await.unwrap();
    assert!(since(start) < ms(5), "{:?}", since(start));
    assert_eq!(next.transitions(), 1);
    sleep(s(60)).await;
    assert!(next.is_valid() && !first.is_leader());
    assert_eq!(first.leader().as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_leadership_ends_with_the_election() {
    let lock = MemoryLock::new();
    lock.put_record(&LeaderElectionRecord {
        holder_identity: "b".into(),
        lease_duration_seconds: 15,
        ..Default::default()
    });
    let handle = candidate(lock, "a").build().unwrap().spawn().unwrap();
    let (waited, ()) = tokio::join!(handle.leadership(), async {
        sleep(s(1)).await;
        handle.stop();
    });
    assert_eq!(waited.unwrap_err(), ElectionError::Stopped);
}

/// The whole story of a term, in order.
#[tokio::test(start_paused = true)]
async fn events_tell_the_story() {
    let lock = MemoryLock::new();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    let events = handle.events();
    let leadership = handle.leadership().await.unwrap();
    sleep(s(3)).await;
    lock.put_raw(b"not a record");
    leadership.lost().await;
    drop(leadership);
    sleep(s(1)).await;
    handle.shutdown().await.unwrap();
    let story: Vec<String> = events
        .map(|event| match event {
            Event::Started { transitions, .. } => format!("started, transitions {transitions}"),
            Event::Renewed { .. } => "renewed".to_owned(),
            Event::Lost { reason, .. } => format!("lost: {reason}"),
            Event::Stopped { end, .. } => format!("stopped: {end}"),
            Event::Noticed(ElectionEvent::HolderChanged(holder)) => format!("holder {holder:?}"),
            Event::Noticed(ElectionEvent::Unreadable { waited_out, .. }) => {
                format!("unreadable, for {waited_out:?}")
            }
            other => format!("{other:?}"),
        })
        .collect()
        .await;
    let overwritten = "the record was overwritten by something that is not a record";
    assert_eq!(
        story,
        [
            "holder None",
            "holder Some(\"a\")",
            "started, transitions 0",
            "renewed",
            "holder None",
            &format!("lost: {overwritten}"),
            "unreadable, for 15s",
            &format!("stopped: {overwritten}"),
        ]
    );
}

/// Go's check: who does not lead is healthy; a leader is not when its work outlives its lease by more than the tolerance.
#[tokio::test(start_paused = true)]
async fn health_is_go_s_check() {
    let lock = MemoryLock::new();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    handle.health(s(20)).unwrap();
    let leadership = handle.leadership().await.unwrap();
    sleep(s(100)).await;
    handle.health(s(20)).unwrap();
    lock.put_record(&LeaderElectionRecord {
        holder_identity: "b".into(),
        lease_duration_seconds: 15,
        ..Default::default()
    });
    // The last renewal was sent at 98 s: 15 s of lease and 20 s of tolerance end at 133 s.
    sleep(s(32)).await;
    handle.health(s(20)).unwrap();
    sleep(s(2)).await;
    let unhealthy = handle.health(s(20)).unwrap_err();
    assert!(unhealthy.overdue <= s(3), "{unhealthy}");
    drop(leadership);
    sleep(ms(1)).await;
    handle.health(s(20)).unwrap();
}

/// Events end, and callbacks are called, also for a term that ends with the election.
#[tokio::test(start_paused = true)]
async fn a_finished_term_is_told() {
    let handle = candidate(MemoryLock::new(), "a")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let mut events = handle.events();
    drop(handle.leadership().await.unwrap());
    handle.shutdown().await.unwrap();
    let mut ends = Vec::new();
    while let Some(event) = events.recv().await {
        if let Event::Stopped { end, .. } = event {
            ends.push(end);
        }
    }
    assert_eq!(ends, [TermEnd::Finished]);
}
