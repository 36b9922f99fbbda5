//! The names, labels and values that a dashboard sees. `deploy/` is checked against the same list.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leaderelection::{Ended, Event, LeaderElectionRecord, LeaseTiming, LossReason, TermEnd};
use leaderelection_conformance::{Fault, FaultLock, Op, Partition, WatchEnd};
use leaderelection_memory::MemoryLock;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
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
        // As in Go, those which the store has answered: the conflict and two refusals.
        ("leader_election_slowpath_total{name=job}", "3"),
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

/// Every reason has its label.
#[tokio::test(start_paused = true)]
async fn losses_are_counted_by_reason() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let lock = MemoryLock::new();
    let old = lock.snapshot();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    type Lose<'a> = Box<dyn Fn() + 'a>;
    let seize: [(&str, Lose<'_>); 5] = [
        (
            "record_gone",
            Box::new(|| {
                lock.delete();
            }),
        ),
        (
            "taken",
            Box::new(|| {
                lock.put_record(&LeaderElectionRecord {
                    holder_identity: "other".to_owned(),
                    lease_duration_seconds: 1,
                    ..Default::default()
                });
            }),
        ),
        (
            "record_unreadable",
            Box::new(|| {
                lock.put_raw(b"nonsense");
            }),
        ),
        ("drain_timeout", Box::new(|| handle.step_down())),
        ("store_went_back", Box::new(|| lock.restore(old.clone()))),
    ];
    for (reason, lose) in seize {
        let leadership = handle.leadership().await.unwrap();
        lose();
        leadership.lost().await;
        sleep(ms(10)).await;
        let lines = shown(&snapshotter);
        // The name is the lock's own where none was given.
        let metric = lines.iter().find(|line| {
            line.starts_with("leader_election_losses_total") && line.contains(&format!("reason={reason}}} 1"))
        });
        assert!(metric.is_some(), "{reason}: {lines:#?}");
        drop(leadership);
    }
}

/// A term that ends by its deadline is lost also where its work is dropped at that very moment, or returns because of it: told so, and
/// counted.
#[tokio::test(start_paused = true)]
async fn work_that_leaves_with_its_lease_has_lost_it() {
    for (grace, leaves) in [(s(0), false), (s(0), true), (s(2), true), (s(2), false)] {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let faulty = FaultLock::new(MemoryLock::new());
        let faults = faulty.faults();
        let elector = candidate(faulty, "a")
            .name("job")
            .timing(LeaseTiming::default().with_stop_grace(grace).unwrap())
            .build()
            .unwrap();
        let mut events = elector.events();
        let ended = elector
            .run(sleep(s(60)), |leadership| {
                faults.partition(Partition::Full);
                async move {
                    if leaves {
                        leadership.lost().await;
                    } else {
                        std::future::pending::<()>().await;
                    }
                }
            })
            .await;
        assert_eq!(ended, Ok(Ended::Stopped));
        let mut told = Vec::new();
        while let Some(event) = events.recv().await {
            match event {
                Event::Lost { reason, .. } => told.push(TermEnd::Lost(reason)),
                Event::Stopped { end, .. } => told.push(end),
                _ => {}
            }
        }
        let lost = TermEnd::Lost(LossReason::DeadlineExceeded);
        assert_eq!(told, [lost.clone(), lost], "{grace:?}, {leaves}");
        let lines = shown(&snapshotter);
        let losses = "leader_election_losses_total{name=job,reason=deadline_exceeded}";
        assert_eq!(value(&lines, losses), "1", "{grace:?}, {leaves}");
    }
}

/// A recorder whose gauges panic from some moment on.
struct Broken(Arc<AtomicBool>);

impl metrics::GaugeFn for Broken {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, _: f64) {
        assert!(!self.0.load(Ordering::Relaxed), "no more gauges");
    }
}

impl metrics::Recorder for Broken {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Self(Arc::clone(&self.0))))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// It ends the election, and not the program.
#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_is_an_elector_that_is_gone() {
    let broken = Arc::new(AtomicBool::new(false));
    let recorder = Broken(Arc::clone(&broken));
    let _guard = metrics::set_default_local_recorder(&recorder);
    let handle = candidate(MemoryLock::new(), "a")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let leadership = handle.leadership().await.unwrap();
    broken.store(true, Ordering::Relaxed);
    assert_eq!(leadership.lost().await, LossReason::ElectorGone);
    assert!(!leadership.is_valid());
    drop(leadership);
    handle.shutdown().await.unwrap_err();
}

/// The gauge goes up with the lead and down with its end, also where the work does not end, as Prometheus shows it.
#[tokio::test(start_paused = true)]
async fn the_lead_is_seen_to_end() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let master = |value: u8| {
        let line = format!("leader_election_master_status{{name=\"job\"}} {value}");
        let text = shown.render();
        assert!(text.lines().any(|shown| shown == line), "not {line}: {text}");
    };
    let faulty = FaultLock::new(MemoryLock::new());
    let faults = faulty.faults();
    let handle = candidate(faulty, "a")
        .name("job")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    master(0);
    let leadership = handle.leadership().await.unwrap();
    master(1);
    faults.partition(Partition::Full);
    leadership.lost().await;
    sleep(ms(10)).await;
    master(0);
    faults.partition(Partition::None);
    drop(leadership);
    let leadership = handle.leadership().await.unwrap();
    master(1);
    drop(leadership);
    handle.shutdown().await.unwrap();
    master(0);
}

/// Those after the first holder that was seen, whoever leads: also the same one again. What the record says of them is there as well,
/// from when one was seen.
#[tokio::test(start_paused = true)]
async fn every_other_holder_is_a_transition() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let lock = MemoryLock::new();
    // One that may only read, so that it does not lead in between.
    let faulty = FaultLock::new(lock.clone());
    faulty
        .faults()
        .standing(Op::Cas, Fault::Error(leaderelection::LockErrorKind::Denied));
    let _handle = candidate(faulty, "a")
        .name("job")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    sleep(ms(10)).await;
    let of_the_record = "leader_election_record_transitions{name=job}";
    let lines = shown(&snapshotter);
    assert!(
        !lines.iter().any(|line| line.contains(of_the_record)),
        "{lines:#?}"
    );
    for (number, holder, transitions) in [
        (7, "other", "0"),
        (7, "other", "0"),
        (8, "b", "1"),
        (8, "", "0"),
        (9, "b", "1"),
        (10, "c", "1"),
        (10, "c", "0"),
    ] {
        lock.put_record(&LeaderElectionRecord {
            holder_identity: holder.to_owned(),
            lease_duration_seconds: 15,
            leader_transitions: number,
            ..Default::default()
        });
        sleep(ms(10)).await;
        let lines = shown(&snapshotter);
        let seen = value(&lines, "leader_election_transitions_total{name=job}");
        assert_eq!(seen, transitions, "{holder:?}");
        assert_eq!(
            value(&lines, of_the_record),
            format!("{number}.000"),
            "{holder:?}"
        );
    }
}

/// An election that is over is not blind, whoever keeps its handle, and who has stayed away after a panic was not slow.
#[tokio::test(start_paused = true)]
async fn what_was_meant_is_not_shown_as_trouble() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let elector = candidate(MemoryLock::new(), "a")
        .name("job")
        .campaign_again_after_panic(s(60), s(60))
        .build()
        .unwrap();
    let observer = elector.observer();
    let handle = elector.spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    let work = std::panic::AssertUnwindSafe(async move {
        let _leadership = leadership;
        panic!("no more coffee");
    });
    futures_util::FutureExt::catch_unwind(work).await.unwrap_err();
    let leadership = handle.leadership().await.unwrap();
    let takeovers =
        snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .find_map(|(key, _, _, value)| match value {
                DebugValue::Histogram(values) if key.key().name().contains("takeover") => Some(values),
                _ => None,
            });
    let takeovers: Vec<f64> = takeovers
        .unwrap()
        .into_iter()
        .map(|value| value.into_inner())
        .collect();
    assert!(
        takeovers.len() == 2 && takeovers.iter().all(|took| *took < 1.0),
        "{takeovers:?}"
    );
    drop(leadership);
    handle.stop();
    sleep(s(600)).await;
    observer.refresh_metrics();
    let lines = shown(&snapshotter);
    assert_eq!(
        value(&lines, "leader_election_last_observation_age_seconds{name=job}"),
        "0.000"
    );
    drop(handle);
}

/// Who has never seen its lock is blind for as long as it runs.
#[tokio::test(start_paused = true)]
async fn a_lock_that_was_never_seen_gets_older() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let faulty = FaultLock::new(MemoryLock::new());
    faulty.faults().partition(Partition::Full);
    let elector = candidate(faulty, "a").name("job").build().unwrap();
    let observer = elector.observer();
    let _handle = elector.spawn().unwrap();
    sleep(s(90)).await;
    observer.refresh_metrics();
    let lines = shown(&snapshotter);
    assert_eq!(
        value(&lines, "leader_election_last_observation_age_seconds{name=job}"),
        "90.000"
    );
}
