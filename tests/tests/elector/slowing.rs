//! A store that slows down step by step: the work is warned, the durations are judged, the lead is kept for as long as it can be, and
//! where it cannot it ends in time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leaderelection::{
    Clock, Event, LeaseTiming, LossReason, PausedClock, Risk, TermEnd, TimingAdvice, TimingVerdict,
};
use leaderelection_conformance::{Fault, FaultLock, Faults, Op};
use leaderelection_memory::MemoryLock;

use crate::{candidate, ms, s, since, sleep};

/// A leader at 15 s / 10 s / 2 s on a store whose writes take as long as is said, and what it tells.
struct Scene {
    faults: Faults,
    handle: leaderelection::ElectionHandle,
    leadership: leaderelection::Leadership,
    told: Arc<Mutex<Vec<Event>>>,
}

#[allow(clippy::disallowed_methods, reason = "who listens in a test is a task")]
async fn leading(timing: LeaseTiming) -> Scene {
    let faulty = FaultLock::new(MemoryLock::new());
    let faults = faulty.faults();
    let handle = candidate(faulty, "a")
        .timing(timing)
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (mut events, tell) = (handle.events(), Arc::clone(&told));
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            tell.lock().unwrap().push(event);
        }
    });
    let leadership = handle.leadership().await.unwrap();
    Scene {
        faults,
        handle,
        leadership,
        told,
    }
}

impl Scene {
    /// From now on writes take so long, and the watch shows them no sooner than the reply does.
    fn slow_to(&self, round_trip: Duration) {
        self.faults.latency(Op::Cas, round_trip / 2, round_trip / 2);
        self.faults.lag_watches(round_trip / 2);
    }

    /// Twenty seconds at this round trip, in which what was sent before comes to its end, and two minutes: how often it was at
    /// risk in these, and what was advised in all.
    async fn at(&self, round_trip: Duration) -> (usize, Vec<TimingAdvice>) {
        self.told.lock().unwrap().clear();
        self.slow_to(round_trip);
        sleep(s(20)).await;
        let before = self.risks();
        sleep(s(120)).await;
        let told = self.told.lock().unwrap().clone();
        let advice = told.into_iter().filter_map(|event| match event {
            Event::Advice(advice) => Some(*advice),
            _ => None,
        });
        (self.risks() - before, advice.collect())
    }

    fn risks(&self) -> usize {
        let told = self.told.lock().unwrap();
        told.iter()
            .filter(|event| matches!(event, Event::AtRisk(_)))
            .count()
    }
}

fn near(duration: Duration, wanted: Duration) -> bool {
    duration >= wanted && duration < wanted + ms(100)
}

/// At 10 s / 2 s two round trips have to fit the deadline: one that is on its way, and the next. Below 5 s the lead is kept, and
/// from 5 s on nobody could.
#[tokio::test(start_paused = true)]
async fn warned_advised_kept_and_lost_in_time() {
    let scene = leading(LeaseTiming::default()).await;
    let verdict = || scene.handle.timing_advice().verdict;

    // All is well: a renewal needs none of the reserve of 8 s.
    for round_trip in [ms(10), ms(500), ms(1_900)] {
        let (risks, _) = scene.at(round_trip).await;
        assert_eq!((risks, verdict()), (0, TimingVerdict::Fine), "{round_trip:?}");
        assert_eq!(scene.leadership.risk(), None);
    }
    // The work is warned with every renewal that is out for longer than it may, and where that goes on the durations are too tight,
    // though more than half of the reserve is left: told once, with durations that would put nothing at risk.
    let (risks, advice) = scene.at(ms(2_900)).await;
    assert!(risks >= 35, "{risks} warnings in 120 s of renewals 2.9 s apart");
    let verdicts: Vec<_> = advice.iter().map(|advice| advice.verdict).collect();
    assert_eq!(verdicts, [TimingVerdict::TooTight], "once");
    let advice = scene.handle.timing_advice();
    assert_eq!(advice.verdict, TimingVerdict::TooTight, "{advice}");
    assert_eq!((advice.terms_lost, advice.takeovers), (0, 0));
    assert!(advice.risks >= 35, "{advice}");
    assert!(near(advice.slowest_renewal, ms(2_900)), "{advice}");
    assert!(near(advice.longest_unrenewed, ms(5_800)), "{advice}");
    // 2 s and five times the 3.8 s that were needed, and L in proportion.
    let fitting = advice.suggestion.unwrap();
    assert_eq!(
        (fitting.lease_duration(), fitting.renew_deadline()),
        (s(32), s(21))
    );
    let (_, advice) = scene.at(ms(4_900)).await;
    assert_eq!(advice, [], "it is told when it changes");
    assert!(
        scene.leadership.is_valid(),
        "kept, with all of the deadline used up"
    );

    // Now it has to be lost: at the end of the last renewal's lease, and for that reason.
    let told = |what: fn(&Event) -> bool| scene.told.lock().unwrap().iter().any(what);
    scene.slow_to(ms(5_200));
    let mut until = PausedClock.mono().after(scene.leadership.remaining());
    while !told(|event| matches!(event, Event::Lost { .. })) {
        sleep(ms(1)).await;
        let remaining = scene.leadership.remaining();
        if !remaining.is_zero() {
            until = PausedClock.mono().after(remaining);
        }
        assert!(since(until) < ms(5), "it did not end in time");
    }
    assert_eq!(scene.leadership.lost().await, LossReason::DeadlineExceeded);
    assert_eq!(scene.handle.timing_advice().terms_lost, 1);
    drop(scene.leadership);
    sleep(ms(10)).await;
    let told = scene.told.lock().unwrap();
    let end = told.iter().find_map(|event| match event {
        Event::Stopped { end, .. } => Some(end.clone()),
        _ => None,
    });
    assert_eq!(end, Some(TermEnd::Lost(LossReason::DeadlineExceeded)));
}

/// What was advised fits: the same store, with the durations that were suggested for it.
#[tokio::test(start_paused = true)]
async fn what_is_suggested_fits() {
    let tight = leading(LeaseTiming::default()).await;
    tight.at(ms(4_900)).await;
    let advice = tight.handle.timing_advice();
    assert_eq!(advice.verdict, TimingVerdict::TooTight);
    let suggested = advice.suggestion.unwrap();
    let ratio = |timing: &LeaseTiming| timing.tolerated_clock_rate_ratio();
    assert!(ratio(&suggested) >= ratio(&LeaseTiming::default()));
    let fitting = leading(suggested).await;
    fitting.at(ms(4_900)).await;
    assert_eq!(fitting.handle.timing_advice().verdict, TimingVerdict::Fine);
}

/// "No renewal has succeeded for 4 s, 6 s left": told, and shown by the guard, from that moment on; a success ends it.
#[tokio::test(start_paused = true)]
async fn at_risk_says_since_when_and_how_much_is_left() {
    let scene = leading(LeaseTiming::default()).await;
    scene
        .faults
        .partition(leaderelection_conformance::Partition::Full);
    let start = PausedClock.mono();
    scene.leadership.at_risk().await;
    assert!(
        s(4) - since(start) <= Duration::from_nanos(1),
        "{:?}",
        since(start)
    );
    let risk = scene.leadership.risk().unwrap();
    // A lease ends at an even nanosecond, or one early (`elector/validity.rs`).
    let exact = |risk: Risk| {
        let off = (risk.unrenewed_for - s(4)).max(s(6) - risk.remaining);
        off <= Duration::from_nanos(1)
    };
    assert!(exact(risk), "{risk:?}");
    assert_eq!(risk.to_string(), "no renewal has succeeded for 4.0s, 6.0s left");
    assert_eq!(scene.leadership.view().risk(), Some(risk));
    sleep(s(3)).await;
    let told = scene.told.lock().unwrap().clone();
    let risks: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            Event::AtRisk(risk) => Some(*risk),
            _ => None,
        })
        .collect();
    assert!(matches!(risks[..], [risk] if exact(risk)), "once: {risks:?}");
    let remaining = scene.leadership.risk().unwrap().remaining;
    assert!(s(3) - remaining <= Duration::from_nanos(1), "{remaining:?}");
    // `at_risk` is ready for whoever asks later, and not any more when a renewal has succeeded.
    scene.leadership.at_risk().await;
    scene
        .faults
        .partition(leaderelection_conformance::Partition::None);
    sleep(ms(2_500)).await;
    assert_eq!(scene.leadership.risk(), None);
    tokio::select! {
        () = scene.leadership.at_risk() => panic!("all is well"),
        () = sleep(s(60)) => {}
    }
}

/// Who waits for it is told also where the elector does nothing any more: by the clock.
#[tokio::test(start_paused = true)]
async fn a_loss_is_a_risk_that_came() {
    let lock = MemoryLock::new();
    let handle = candidate(lock.clone(), "a").build().unwrap().spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    lock.delete();
    leadership.at_risk().await;
    assert_eq!(leadership.risk(), None, "there is nothing left to risk");
    assert!(!leadership.is_valid());
}

/// An hour in which nothing used up anything: the lease could be shorter, and by how much.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_longer_than_anything_asks_for_is_told() {
    let slow = LeaseTiming::new(s(90), s(60), s(2)).unwrap();
    let scene = leading(slow).await;
    scene.slow_to(ms(10));
    sleep(s(30 * 60)).await;
    assert_eq!(
        scene.handle.timing_advice().verdict,
        TimingVerdict::Fine,
        "too early to say"
    );
    sleep(s(31 * 60)).await;
    let advice = scene.handle.timing_advice();
    assert_eq!(advice.verdict, TimingVerdict::NeedlesslySlow);
    let fitting = advice.suggestion.unwrap();
    assert_eq!(
        (fitting.lease_duration(), fitting.renew_deadline()),
        (s(11), s(7))
    );
    let told = scene.told.lock().unwrap();
    let verdicts: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            Event::Advice(advice) => Some(advice.verdict),
            _ => None,
        })
        .collect();
    assert_eq!(verdicts, [TimingVerdict::Fine, TimingVerdict::NeedlesslySlow]);
}

/// A trouble that is over is forgotten after two hours.
#[tokio::test(start_paused = true)]
async fn what_is_long_past_is_forgotten() {
    let scene = leading(LeaseTiming::default()).await;
    scene.at(ms(4_900)).await;
    assert_eq!(scene.handle.timing_advice().verdict, TimingVerdict::TooTight);
    scene.at(ms(10)).await;
    sleep(s(55 * 60)).await;
    assert_eq!(scene.handle.timing_advice().verdict, TimingVerdict::TooTight);
    sleep(s(65 * 60)).await;
    assert_eq!(scene.handle.timing_advice().verdict, TimingVerdict::Fine);
}

/// A follower has no renewals of its own. It judges by how often others take over from leaders that have not released.
#[tokio::test(start_paused = true)]
async fn a_follower_sees_a_lock_that_changes_hands() {
    let lock = MemoryLock::new();
    // One that may only read, so that it does not lead in between.
    let faulty = FaultLock::new(lock.clone());
    faulty
        .faults()
        .standing(Op::Cas, Fault::Error(leaderelection::LockErrorKind::Denied));
    let follower = candidate(faulty, "z").build().unwrap();
    let observer = follower.observer();
    let seize = |holder: &str| {
        lock.put_record(&leaderelection::LeaderElectionRecord {
            holder_identity: holder.to_owned(),
            lease_duration_seconds: 15,
            ..Default::default()
        });
    };
    seize("a");
    let _follower = follower.spawn().unwrap();
    let advice = || observer.timing_advice().unwrap();
    for (holder, verdict) in [
        ("b", TimingVerdict::Unknown),
        ("", TimingVerdict::Unknown),
        ("c", TimingVerdict::Unknown),
        ("d", TimingVerdict::Unknown),
        ("e", TimingVerdict::Unknown),
        ("f", TimingVerdict::TooTight),
    ] {
        sleep(s(1)).await;
        seize(holder);
        if !holder.is_empty() {
            sleep(ms(10)).await;
            assert_eq!(advice().verdict, verdict, "{holder}: {}", advice());
        }
    }
    assert_eq!((advice().takeovers, advice().renewals), (4, 0));
    assert_eq!(
        advice().suggestion.map(|fitting| fitting.renew_deadline()),
        Some(s(18)),
        "twice the reserve"
    );
}

/// Work that saves what it can and leaves whenever it is at risk loses nothing, and shows all the same that the lease is too short.
#[tokio::test(start_paused = true)]
async fn work_that_leaves_at_every_risk_shows_that_it_is_too_tight() {
    let faulty = FaultLock::new(MemoryLock::new());
    let faults = faulty.faults();
    let timing = LeaseTiming::default()
        .with_attempt_timeout(ms(1_500))
        .and_then(|timing| timing.with_drain_timeout(s(60)))
        .and_then(|timing| timing.with_stop_grace(s(1)))
        .and_then(|timing| timing.with_rival_margin(s(2)))
        .unwrap()
        .with_expected_candidates(20);
    let handle = candidate(faulty, "a")
        .timing(timing.clone())
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    for _ in 0..12 {
        let leadership = handle.leadership().await.unwrap();
        faults.partition(leaderelection_conformance::Partition::Full);
        leadership.at_risk().await;
        drop(leadership);
        faults.partition(leaderelection_conformance::Partition::None);
    }
    let advice = handle.timing_advice();
    assert_eq!(
        (advice.verdict, advice.terms_lost),
        (TimingVerdict::TooTight, 0),
        "{advice}"
    );
    let fitting = advice.suggestion.unwrap();
    assert!(fitting.renew_deadline() > s(10), "{fitting:?}");
    let rest = |timing: &LeaseTiming| {
        (
            (
                timing.attempt_timeout(),
                timing.drain_timeout(),
                timing.stop_grace(),
            ),
            (timing.rival_margin(), timing.expected_candidates()),
        )
    };
    assert_eq!(rest(&fitting), rest(&timing), "the rest is the user's");
}

/// What cannot be made shorter is not needlessly slow: at 60 s / 40 s / 30 s the retry period takes most of it.
#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_shorter_is_fine() {
    let scene = leading(LeaseTiming::new(s(60), s(40), s(30)).unwrap()).await;
    sleep(s(3 * 60 * 60)).await;
    let advice = scene.handle.timing_advice();
    assert_eq!(
        (advice.verdict, advice.suggestion.clone()),
        (TimingVerdict::Fine, None),
        "{advice}"
    );
}
