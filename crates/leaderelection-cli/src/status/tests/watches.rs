//! Following a lock on paused time.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use leaderelection::{Clock as _, LockErrorKind, PausedClock, ResourceLock};
use leaderelection_conformance::{Fault, FaultLock, Faults, Op, WatchEnd};
use leaderelection_memory::MemoryLock;

use super::super::follow::{Tell, follow};
use super::super::report::Report;
use super::super::seen::Viewer;
use super::super::source::Source;
use super::super::text;
use super::record;

/// What was told while `script` ran: seconds since the start, event, state, token.
async fn told(lock: Arc<dyn ResourceLock>, script: impl Future<Output = ()>) -> Vec<(u64, Report)> {
    let began = PausedClock.mono();
    let told = RefCell::new(Vec::new());
    let tell = Tell::new(&PausedClock, async |report: Report| {
        told.borrow_mut()
            .push((PausedClock.mono().since(began).as_secs(), report));
        Ok(())
    });
    let source = Source::new(lock, Duration::from_secs(10));
    tokio::select! {
        error = follow(&source, Viewer::default(), &tell) => panic!("{error}"),
        () = script => {}
    }
    told.into_inner()
}

fn lines(told: &[(u64, Report)]) -> String {
    told.iter()
        .map(|(second, report)| {
            let token = match (report.token, report.token_at_most) {
                (Some(token), _) => format!("{token}"),
                (None, Some(most)) => format!("<={most}"),
                (None, None) => "-".to_owned(),
            };
            let left = report.lease_left_seconds_at_most;
            let seen = report.renewal_seen_seconds_ago;
            format!(
                "{second}s {} {:?} v{:?} token {token} left {left:?} seen {seen:?} {}\n",
                report.event.unwrap(),
                report.state,
                report.version,
                report.reason.unwrap_or("")
            )
        })
        .collect()
}

async fn sleep(seconds: u64) {
    PausedClock
        .sleep_until(PausedClock.mono().after(Duration::from_secs(seconds)))
        .await;
}

fn faulty(memory: &MemoryLock) -> (Arc<dyn ResourceLock>, Faults) {
    let lock = FaultLock::new(memory.clone());
    let faults = lock.faults();
    (Arc::new(lock), faults)
}

/// Acquired, renewed twice, labelled, released, taken by another, who dies.
async fn life(memory: &MemoryLock) {
    // Never at the moment of a poll.
    let begin = PausedClock.mono().after(Duration::from_millis(1_100));
    PausedClock.sleep_until(begin).await;
    memory.put_raw(record("a", 1, 1, 0).as_bytes());
    sleep(2).await;
    memory.put_raw(record("a", 1, 3, 0).as_bytes());
    sleep(1).await;
    memory.touch();
    sleep(1).await;
    memory.put_raw(record("a", 1, 5, 0).as_bytes());
    sleep(1).await;
    memory.put_raw(record("", 6, 6, 0).replace(":15,", ":1,").as_bytes());
    sleep(1).await;
    memory.put_raw(record("b", 7, 7, 1).as_bytes());
    sleep(20).await;
}

#[tokio::test(start_paused = true)]
async fn a_life_by_a_watch() {
    let memory = MemoryLock::new();
    let told = told(Arc::new(memory.clone()), life(&memory)).await;
    expect![[r#"
        0s seen Free vNone token - left None seen None noObject
        1s acquired Led vSome(1) token 1 left Some(15.0) seen Some(0.0) 
        3s renewed Led vSome(2) token 1 left Some(15.0) seen Some(0.0) 
        4s touched Led vSome(3) token 1 left Some(14.0) seen Some(1.0) 
        5s renewed Led vSome(4) token 1 left Some(15.0) seen Some(0.0) 
        6s freed Free vSome(5) token - left None seen Some(0.0) released
        7s acquired Led vSome(6) token 6 left Some(15.0) seen Some(0.0) 
        22s leaseRanOut Free vSome(6) token 6 left Some(0.0) seen Some(15.0) leaseRanOut
    "#]]
    .assert_eq(&lines(&told));
}

/// Every two seconds, so the token can only be bounded.
#[tokio::test(start_paused = true)]
async fn a_life_by_polling() {
    let memory = MemoryLock::builder().without_watch().build();
    let told = told(Arc::new(memory.clone()), life(&memory)).await;
    expect![[r#"
        0s seen Free vNone token - left None seen None noObject
        2s acquired Led vSome(1) token <=1 left Some(15.0) seen Some(0.0) 
        4s renewed Led vSome(2) token <=1 left Some(15.0) seen Some(0.0) 
        6s renewed Led vSome(4) token <=1 left Some(15.0) seen Some(0.0) 
        8s acquired Led vSome(6) token <=6 left Some(15.0) seen Some(0.0) 
        23s leaseRanOut Free vSome(6) token <=6 left Some(0.0) seen Some(15.0) leaseRanOut
    "#]]
    .assert_eq(&lines(&told));
}

/// Where the watch is denied it is polled, too.
#[tokio::test(start_paused = true)]
async fn without_a_watch_it_polls() {
    let memory = MemoryLock::new();
    let (lock, faults) = faulty(&memory);
    faults.standing(Op::Watch, Fault::Error(LockErrorKind::Denied));
    let told = told(lock, life(&memory)).await;
    expect![[r#"
        0s seen Free vNone token - left None seen None noObject
        2s acquired Led vSome(1) token <=1 left Some(15.0) seen Some(0.0) 
        4s renewed Led vSome(2) token <=1 left Some(15.0) seen Some(0.0) 
        5s touched Led vSome(3) token <=1 left Some(14.0) seen Some(1.0) 
        7s freed Free vSome(5) token - left None seen Some(0.0) released
        9s acquired Led vSome(6) token <=6 left Some(15.0) seen Some(0.0) 
        24s leaseRanOut Free vSome(6) token <=6 left Some(0.0) seen Some(15.0) leaseRanOut
    "#]]
    .assert_eq(&lines(&told));
    assert!(faults.watches() < 6, "{}", faults.watches());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_there_runs_out_from_the_first_look_on() {
    let memory = MemoryLock::new();
    memory.put_raw(record("a", 0, 8, 0).as_bytes());
    let told = told(Arc::new(memory.clone()), async {
        sleep(10).await;
        // A label keeps no dead leader alive (SAFETY 5).
        memory.touch();
        sleep(30).await;
    })
    .await;
    expect![[r#"
        0s seen Led vSome(1) token <=1 left Some(15.0) seen None 
        10s touched Led vSome(2) token <=1 left Some(5.0) seen None 
        15s leaseRanOut Free vSome(2) token <=1 left Some(0.0) seen None leaseRanOut
    "#]]
    .assert_eq(&lines(&told));
}

/// What was acquired before the watch may have been labelled since: its version is no token.
#[tokio::test(start_paused = true)]
async fn an_acquisition_that_was_there_gives_no_token() {
    let memory = MemoryLock::new();
    memory.put_raw(record("a", 0, 0, 0).as_bytes());
    memory.touch();
    let told = told(Arc::new(memory.clone()), async {
        sleep(1).await;
        memory.touch();
        sleep(1).await;
    })
    .await;
    expect![[r#"
        0s seen Led vSome(2) token <=2 left Some(15.0) seen None 
        1s touched Led vSome(3) token <=2 left Some(14.0) seen None 
    "#]]
    .assert_eq(&lines(&told));
}

/// Only what is newer counts (SAFETY 4).
#[tokio::test(start_paused = true)]
async fn a_watch_out_of_order_takes_nothing_back() {
    let memory = MemoryLock::new();
    memory.put_raw(record("a", 0, 0, 0).as_bytes());
    let (lock, faults) = faulty(&memory);
    faults.reorder_watches(Some(Duration::from_secs(3)));
    let told = told(lock, async {
        for second in 1..60 {
            sleep(1).await;
            memory.put_raw(record("a", 0, second, 0).as_bytes());
        }
        sleep(5).await;
    })
    .await;
    let versions: Vec<_> = told.iter().map(|(_, report)| report.version.unwrap()).collect();
    assert!(versions.is_sorted() && versions.len() > 10, "{versions:?}");
    assert_eq!(versions.last(), Some(&60), "{versions:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_unreachable_within_the_time_limit() {
    let (lock, faults) = faulty(&MemoryLock::new());
    for op in [Op::Get, Op::Watch] {
        faults.standing(op, Fault::Hang { lands: false });
    }
    let told = told(lock, sleep(100)).await;
    let [(second, report)] = &told[..] else {
        panic!("{}", lines(&told));
    };
    assert_eq!((*second, report.reason), (10, Some("timedOut")));
}

/// For people, a line for each change.
#[tokio::test(start_paused = true)]
async fn a_life_in_words() {
    let memory = MemoryLock::builder().name("the-lock").build();
    let told = told(Arc::new(memory.clone()), async {
        life(&memory).await;
        memory.put_raw(b"nonsense");
        sleep(1).await;
        memory.put_raw(br#"{"holderIdentity":"bing","strategy":"s"}"#);
        sleep(1).await;
        memory.delete();
        sleep(1).await;
    })
    .await;
    let mut problems = Vec::new();
    let words = told.iter().map(|(_, report)| text::line(report, &mut problems));
    let words: String = words.collect();
    // The clock of paused time is the process' own.
    let words: Vec<_> = words
        .lines()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    expect![[r#"
        seen: free: there is no object, as before the first election, or when somebody has deleted it
        acquired: led by "a"; version 1; token 1; since 2026-01-01T00:00:01Z by the holder's clock; transitions 0; at most 15s of its lease left; PROBLEM: it is dated 2026-01-01T00:00:01Z, which is to come by the clock of this machine: this clock or the holder's is wrong. No election depends on it
        renewed: led by "a"; version 2; token 1; at most 15s of its lease left
        touched: led by "a"; version 3; token 1; at most 14s of its lease left
        renewed: led by "a"; version 4; token 1; at most 15s of its lease left
        freed: free: the last leader has released it; version 5
        acquired: led by "b"; version 6; token 6; since 2026-01-01T00:00:07Z by the holder's clock; transitions 1; at most 15s of its lease left; PROBLEM: it is dated 2026-01-01T00:00:07Z, which is to come by the clock of this machine: this clock or the holder's is wrong. No election depends on it
        leaseRanOut: free: the lease of "b" has run out: its record has stood still for 15s, and candidates whose own lease is no longer take it over; version 6; token 6
        unreadable: not a leader election record: expected ident at line 1 column 2; candidates wait for their own lease and take it over; version 7
        acquired: led by "bing"; version 8; token at most 8; transitions 0; strategy: "s"; PROBLEM: a duration of 0s: each candidate waits for its own lease instead; PROBLEM: the record does not say when it was acquired; PROBLEM: the record does not say when it was renewed
        freed: free: there is no object, as before the first election, or when somebody has deleted it"#]].assert_eq(&words.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn unreachable_is_told_once_and_that_it_is_back_too() {
    let memory = MemoryLock::new();
    memory.put_raw(record("a", 0, 8, 0).as_bytes());
    let (lock, faults) = faulty(&memory);
    let told = told(lock, async {
        sleep(1).await;
        faults.standing(Op::Get, Fault::Error(LockErrorKind::Unavailable));
        faults.standing(Op::Watch, Fault::Error(LockErrorKind::Unavailable));
        faults.end_watches(WatchEnd::Quietly);
        sleep(120).await;
        faults.clear_all();
        sleep(30).await;
    })
    .await;
    expect![[r#"
        0s seen Led vSome(1) token <=1 left Some(15.0) seen None 
        1s unreachable Unreachable vNone token - left None seen None unavailable
        121s reachable Free vSome(1) token <=1 left Some(0.0) seen None leaseRanOut
        121s leaseRanOut Free vSome(1) token <=1 left Some(0.0) seen None leaseRanOut
    "#]]
    .assert_eq(&lines(&told));
    // With back-off: not every half second.
    assert!(faults.gets() < 30, "{}", faults.gets());
}

/// A watch that is dead without knowing it costs some seconds (SAFETY 20), and nobody is said to have lost the lease meanwhile.
#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_verified() {
    let memory = MemoryLock::new();
    memory.put_raw(record("a", 0, 0, 0).as_bytes());
    let (lock, faults) = faulty(&memory);
    let told = told(lock, async {
        sleep(1).await;
        faults.stall_watches(true);
        for second in 2..20 {
            sleep(1).await;
            memory.put_raw(record("a", 0, second, 0).as_bytes());
        }
    })
    .await;
    assert!(told.len() >= 3, "{}", lines(&told));
    assert!(
        told.iter()
            .skip(1)
            .all(|(_, report)| report.event == Some("renewed")),
        "{}",
        lines(&told)
    );
}

/// And is replaced when a read has shown what it has not: one that is dead for good would cost these seconds each time.
#[tokio::test(start_paused = true)]
async fn a_watch_that_is_behind_is_opened_anew() {
    let memory = MemoryLock::new();
    memory.put_raw(record("a", 0, 0, 0).as_bytes());
    let (lock, faults) = faulty(&memory);
    told(lock, async {
        sleep(1).await;
        assert_eq!(faults.watches(), 1);
        faults.stall_watches(true);
        memory.put_raw(record("a", 0, 1, 0).as_bytes());
        sleep(10).await;
    })
    .await;
    assert_eq!(faults.watches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_restored_is_told() {
    let memory = MemoryLock::builder().without_watch().build();
    memory.put_raw(record("a", 0, 0, 0).as_bytes());
    let snapshot = memory.snapshot();
    for second in 1..9 {
        memory.put_raw(record("a", 0, second, 0).as_bytes());
    }
    let told = told(Arc::new(memory.clone()), async {
        sleep(1).await;
        memory.restore(snapshot);
        sleep(2).await;
    })
    .await;
    let (_, last) = told.last().unwrap();
    assert_eq!(
        last.problems.first().unwrap().code,
        "storeWentBack",
        "{}",
        lines(&told)
    );
}
