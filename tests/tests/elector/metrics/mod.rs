//! The names, labels and values that a dashboard sees. `deploy/` is checked against the same list.

mod ends;
mod recorder;
mod seen;

use leaderelection::{LeaderElectionRecord, LossReason};
use leaderelection_conformance::{Fault, FaultLock, Op, Partition, WatchEnd};
use leaderelection_memory::MemoryLock;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::{candidate, ms, s, sleep};

/// Every metric by name and labels, with its value: what has come since it was shown last, which is 0 of a gauge that was not set.
fn shown(snapshotter: &Snapshotter) -> Vec<String> {
    let mut lines: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let (_, key) = key.into_parts();
            let mut labels: Vec<_> = key
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            labels.sort();
            let value = match value {
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Gauge(value) => format!("{:.3}", value.into_inner()),
                DebugValue::Histogram(values) => format!("{} values", values.len()),
            };
            format!("{}{{{}}} {value}", key.name(), labels.join(","))
        })
        .collect();
    lines.sort();
    lines
}

fn value(lines: &[String], metric: &str) -> String {
    let line = lines.iter().find_map(|line| line.strip_prefix(metric));
    line.unwrap_or_else(|| panic!("no {metric} in {lines:#?}"))
        .trim()
        .to_owned()
}

/// From the start, and on a follower, too: what is 0 is there as 0. These names are a contract.
#[tokio::test(start_paused = true)]
async fn a_follower_shows_everything_from_the_start() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let lock = MemoryLock::new();
    lock.put_record(&LeaderElectionRecord {
        holder_identity: "other".to_owned(),
        lease_duration_seconds: 15,
        ..Default::default()
    });
    let _handle = candidate(lock, "a").name("job").build().unwrap().spawn().unwrap();
    expect_test::expect![[r#"
        leader_election_at_risk_total{name=job} 0
        leader_election_call_failures_total{name=job,operation=compare_and_swap} 0
        leader_election_call_failures_total{name=job,operation=get} 0
        leader_election_call_failures_total{name=job,operation=watch} 0
        leader_election_last_observation_age_seconds{name=job} 0.000
        leader_election_lease_remaining_seconds{name=job} 0.000
        leader_election_losses_total{name=job,reason=deadline_exceeded} 0
        leader_election_losses_total{name=job,reason=drain_timeout} 0
        leader_election_losses_total{name=job,reason=record_gone} 0
        leader_election_losses_total{name=job,reason=record_unreadable} 0
        leader_election_losses_total{name=job,reason=store_went_back} 0
        leader_election_losses_total{name=job,reason=taken} 0
        leader_election_master_status{name=job} 0.000
        leader_election_record_transitions{name=job} 0.000
        leader_election_renewal_duration_seconds{name=job} 0 values
        leader_election_renewals_total{name=job,outcome=ambiguous} 0
        leader_election_renewals_total{name=job,outcome=conflict} 0
        leader_election_renewals_total{name=job,outcome=denied} 0
        leader_election_renewals_total{name=job,outcome=invalid} 0
        leader_election_renewals_total{name=job,outcome=success} 0
        leader_election_renewals_total{name=job,outcome=unavailable} 0
        leader_election_slowpath_total{name=job} 0
        leader_election_takeover_duration_seconds{name=job} 0 values
        leader_election_transitions_total{name=job} 0
        leader_election_watch_restarts_total{name=job} 0
    "#]]
    .assert_eq(&(shown(&snapshotter).join("\n") + "\n"));
}

/// A term with trouble of every kind, and its end.
#[tokio::test(start_paused = true)]
async fn a_term_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let memory = MemoryLock::new();
    let faulty = FaultLock::new(memory.clone());
    let faults = faulty.faults();
    let elector = candidate(faulty, "a").name("job").build().unwrap();
    let observer = elector.observer();
    let handle = elector.spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    sleep(s(7)).await;
    let lines = shown(&snapshotter);
    assert_eq!(value(&lines, "leader_election_master_status{name=job}"), "1.000");
    assert_eq!(
        value(&lines, "leader_election_renewals_total{name=job,outcome=success}"),
        "3"
    );
    assert_eq!(
        value(&lines, "leader_election_renewal_duration_seconds{name=job}"),
        "3 values"
    );
    assert_eq!(
        value(&lines, "leader_election_takeover_duration_seconds{name=job}"),
        "1 values"
    );
    assert_eq!(
        value(&lines, "leader_election_transitions_total{name=job}"),
        "0",
        "a first holder follows nobody"
    );
    // The last renewal was at 6 s; the gauges are of then until they are asked to be of now.
    observer.refresh_metrics();
    let lines = shown(&snapshotter);
    assert_eq!(
        value(&lines, "leader_election_lease_remaining_seconds{name=job}"),
        "9.000"
    );
    assert_eq!(
        value(&lines, "leader_election_last_observation_age_seconds{name=job}"),
        "1.000"
    );

    for fault in [
        Fault::Conflict,
        Fault::LostReply,
        Fault::Error(leaderelection::LockErrorKind::Unavailable),
        Fault::Error(leaderelection::LockErrorKind::Denied),
        Fault::Error(leaderelection::LockErrorKind::Invalid),
    ] {
        faults.once(Op::Cas, fault);
        sleep(s(20)).await;
    }
    faults.end_watches(WatchEnd::With(leaderelection::LockErrorKind::Unavailable));
    faults.once(Op::Get, Fault::Error(leaderelection::LockErrorKind::Unavailable));
    sleep(s(20)).await;
    let lines = shown(&snapshotter);
    for (metric, count) in [
        ("leader_election_renewals_total{name=job,outcome=conflict}", "1"),
        ("leader_election_renewals_total{name=job,outcome=ambiguous}", "1"),
        (
            "leader_election_renewals_total{name=job,outcome=unavailable}",
            "1",
        ),
        ("leader_election_renewals_total{name=job,outcome=denied}", "1"),
        ("leader_election_renewals_total{name=job,outcome=invalid}", "1"),
        ("leader_election_slowpath_total{name=job}", "5"),
        (
            "leader_election_call_failures_total{name=job,operation=compare_and_swap}",
            "4",
        ),
        (
            "leader_election_call_failures_total{name=job,operation=watch}",
            "1",
        ),
        ("leader_election_watch_restarts_total{name=job}", "1"),
        // The next try is P after the first: that is when 4 s have passed.
        ("leader_election_at_risk_total{name=job}", "4"),
    ] {
        assert_eq!(value(&lines, metric), count, "{metric}");
    }

    faults.partition(Partition::Full);
    assert_eq!(leadership.lost().await, LossReason::DeadlineExceeded);
    sleep(ms(10)).await;
    let lines = shown(&snapshotter);
    assert_eq!(value(&lines, "leader_election_at_risk_total{name=job}"), "1");
    let slow = "leader_election_slowpath_total{name=job}";
    assert_eq!(value(&lines, slow), "0", "an outage is none, as in Go");
    assert_eq!(
        value(
            &lines,
            "leader_election_losses_total{name=job,reason=deadline_exceeded}"
        ),
        "1"
    );
    drop(leadership);
    drop(handle);
}
