//! What a RecordingLock writes down.

use futures_util::{FutureExt, StreamExt};
use leaderelection::{Expected, LeaderElectionRecord, LockErrorKind, PausedClock, ResourceLock, Version};
use leaderelection_conformance::{CallResult, Fault, FaultLock, History, Op, RecordingLock};
use leaderelection_memory::MemoryLock;
use std::time::Duration;

fn record(holder: &str) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.into(),
        lease_duration_seconds: 15,
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_two_clients_are_one_history_as_json_lines() {
    let memory = MemoryLock::new();
    let faulty = FaultLock::new(memory.clone());
    let faults = faulty.faults();
    faults.latency(Op::Cas, Duration::from_millis(2), Duration::from_millis(3));
    let history = History::new(PausedClock);
    let a = RecordingLock::new(faulty, "a", history.clone());
    let b = RecordingLock::new(memory.clone(), "b", history.clone());

    a.get().await.unwrap();
    a.compare_and_swap(Expected::Absent, &record("a")).await.unwrap();
    b.compare_and_swap(Expected::Absent, &record("b")).await.unwrap();
    faults.once(Op::Cas, Fault::Error(LockErrorKind::Denied));
    a.compare_and_swap(Expected::Version(Version::new(1)), &record("c"))
        .await
        .unwrap_err();
    let mut watch = b.watch().await.unwrap().unwrap();
    watch.next().await.unwrap().unwrap();
    memory.put_raw(b"?");
    watch.next().await.unwrap().unwrap();
    memory.delete();
    watch.next().await.unwrap().unwrap();
    memory.put_empty();
    watch.next().await.unwrap().unwrap();

    let start = history.entries()[0].start.as_nanos();
    let held = |holder: &str| {
        format!(
            r#""record":{{"acquireTime":null,"holderIdentity":"{holder}","leaderTransitions":0,"leaseDurationSeconds":15,"renewTime":null}}"#
        )
    };
    let (by_a, by_b, by_c) = (held("a"), held("b"), held("c"));
    // start_ns and end_ns are told from the first start on.
    let expected = [
        r#"{"client":"a","end_ns":0,"end_step":1,"id":0,"op":"get","result":{"observed":{"absent":0}},"start_ns":0,"start_step":0}"#.into(),
        format!(r#"{{"client":"a","end_ns":5000000,"end_step":3,"expected":"absent","id":1,"op":"cas",{by_a},"result":{{"done":1}},"start_ns":0,"start_step":2}}"#),
        format!(r#"{{"client":"b","end_ns":5000000,"end_step":5,"expected":"absent","id":2,"op":"cas",{by_b},"result":{{"conflict":{{{by_a},"version":1}}}},"start_ns":5000000,"start_step":4}}"#),
        format!(r#"{{"client":"a","end_ns":10000000,"end_step":7,"expected":1,"id":3,"op":"cas",{by_c},"result":{{"error":"denied","message":"denied: memory://lock: compare_and_swap: as ordered"}},"start_ns":5000000,"start_step":6}}"#),
        r#"{"client":"b","end_ns":10000000,"end_step":9,"id":4,"op":"watch","result":{"watching":true},"start_ns":10000000,"start_step":8}"#.into(),
        format!(r#"{{"client":"b","end_ns":10000000,"end_step":11,"id":5,"op":"shown","result":{{"observed":{{{by_a},"version":1}}}},"start_ns":10000000,"start_step":10,"watch":4}}"#),
        r#"{"client":"b","end_ns":10000000,"end_step":13,"id":6,"op":"shown","result":{"observed":{"unreadable":"?","version":2}},"start_ns":10000000,"start_step":12,"watch":4}"#.into(),
        r#"{"client":"b","end_ns":10000000,"end_step":15,"id":7,"op":"shown","result":{"observed":{"absent":3}},"start_ns":10000000,"start_step":14,"watch":4}"#.into(),
        r#"{"client":"b","end_ns":10000000,"end_step":17,"id":8,"op":"shown","result":{"observed":{"version":4}},"start_ns":10000000,"start_step":16,"watch":4}"#.into(),
    ];
    let told: Vec<String> = history
        .to_json_lines()
        .lines()
        .map(|line| rebased(line, start))
        .collect();
    assert_eq!(told, expected);
}

/// The line with nanoseconds counted from `start`, since the paused clocks of one process share an origin.
fn rebased(line: &str, start: i64) -> String {
    let mut line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    for moment in ["start_ns", "end_ns"] {
        if let Some(moment) = line.get_mut(moment) {
            *moment = moment.as_i64().map(|nanos| nanos - start).into();
        }
    }
    line.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_and_one_under_way_are_told_apart() {
    let lock = FaultLock::new(MemoryLock::new());
    lock.faults().standing(Op::Get, Fault::Hang { lands: false });
    let lock = RecordingLock::new(lock, "a", History::new(PausedClock));
    assert!(lock.history().is_empty());
    assert!(lock.get().now_or_never().is_none());
    let mut second = lock.get();
    assert!(second.as_mut().now_or_never().is_none());
    let entries = lock.history().entries();
    assert_eq!(entries[0].result, Some(CallResult::Dropped));
    assert_eq!((entries[0].start_step, entries[0].end_step), (0, Some(1)));
    assert_eq!((&entries[1].result, entries[1].end_step), (&None, None));
    assert_eq!(lock.history().len(), 2);
}
