//! How terms and elections end.

use leaderelection::{Ended, Event, LeaderElectionRecord, LeaseTiming, LossReason, TermEnd};
use leaderelection_conformance::{FaultLock, Partition};
use leaderelection_memory::MemoryLock;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::{shown, value};
use crate::{candidate, ms, s, sleep};

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

/// How long each take-over took, in seconds.
fn takeovers(snapshotter: &Snapshotter) -> Vec<f64> {
    let shown = snapshotter.snapshot().into_vec().into_iter();
    let values = shown.filter_map(|(key, _, _, value)| match value {
        DebugValue::Histogram(values) if key.key().name().contains("takeover") => Some(values),
        _ => None,
    });
    values.flatten().map(|value| value.into_inner()).collect()
}

/// A take-over is as slow as it is late: another's lease has to be waited out, and nobody's fault is that.
#[tokio::test(start_paused = true)]
async fn a_lease_that_was_waited_out_is_no_part_of_the_take_over() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let lock = MemoryLock::new();
    let dead = LeaderElectionRecord {
        holder_identity: "dead".to_owned(),
        lease_duration_seconds: 15,
        ..LeaderElectionRecord::default()
    };
    lock.put_record(&dead);
    let handle = candidate(lock, "a").name("job").build().unwrap().spawn().unwrap();
    let _leadership = handle.leadership().await.unwrap();
    let takeovers = takeovers(&snapshotter);
    assert!(
        takeovers.len() == 1 && takeovers.iter().all(|took| *took < 1.0),
        "{takeovers:?}"
    );
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
    let takeovers = takeovers(&snapshotter);
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
