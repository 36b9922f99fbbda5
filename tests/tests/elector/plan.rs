//! What `LeaseTiming` says follows from durations, and `leaderelect plan` prints, against the elector itself: fail-over,
//! hand-over, requests, outages and the end.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use leaderelection::LockErrorKind::Unavailable;
use leaderelection::{Clock, LeaderElector, LeaderElectorBuilder, LeaseTiming, MonoTime, PausedClock};
use leaderelection_conformance::{Fault, FaultLock, Faults, Op, Partition};
use leaderelection_memory::MemoryLock;
use tokio::sync::Notify;

use crate::stage::Stage;
use crate::{ms, s, sleep};

/// For a swap in memory and the timers' own milliseconds.
const SOON: Duration = ms(10);

fn timings() -> [LeaseTiming; 4] {
    let timing = |lease, deadline, period| LeaseTiming::new(lease, deadline, period).unwrap();
    [
        LeaseTiming::default(),
        timing(s(60), s(40), s(5)).with_stop_grace(s(3)).unwrap(),
        // Written as 2 s.
        timing(ms(1_500), ms(1_000), ms(250)),
        timing(s(15), s(10), s(2)).with_rival_margin(s(2)).unwrap(),
    ]
}

fn behind(lock: MemoryLock, name: &str, timing: &LeaseTiming) -> (LeaderElectorBuilder, Faults) {
    let faulty = FaultLock::new(lock);
    let faults = faulty.faults();
    let candidate = LeaderElector::builder(faulty, name)
        .clock(PausedClock)
        .timing(timing.clone());
    (candidate, faults)
}

/// `a` leads and `b` follows.
struct Pair {
    stage: Stage,
    a: Faults,
    b: Faults,
    timing: LeaseTiming,
}

impl Pair {
    async fn on(lock: MemoryLock, timing: &LeaseTiming, seed: u64) -> Self {
        let stage = Stage::default();
        let (a, a_faults) = behind(lock.clone(), "a", timing);
        stage.run("a", a);
        sleep(timing.retry_period() / 2).await;
        let (b, b_faults) = behind(lock, "b", timing);
        stage.run("b", b.seed(seed));
        sleep(timing.retry_period() * 5).await;
        assert_eq!(stage.now(), ["a"]);
        Self {
            stage,
            a: a_faults,
            b: b_faults,
            timing: timing.clone(),
        }
    }

    /// When the leader's next renewal has landed.
    async fn renewal(&self) -> MonoTime {
        next(&self.a, Op::Cas).await
    }

    /// When the follower leads, and since then its work runs.
    async fn next_leader(&self) -> MonoTime {
        let before = self.stage.shifts().len();
        sleep(self.timing.worst_failover() * 2).await;
        let shifts = self.stage.shifts();
        assert_eq!(shifts.len(), before + 1, "{shifts:#?}");
        assert_eq!(shifts[before].who, "b");
        assert_eq!(self.stage.overlap(), Duration::ZERO);
        shifts[before].from
    }
}

/// When the next call of that kind has been done.
async fn next(faults: &Faults, op: Op) -> MonoTime {
    let done = Arc::new(Notify::new());
    let tell = Arc::clone(&done);
    faults.once(op, Fault::after(move || tell.notify_one()));
    done.notified().await;
    PausedClock.mono()
}

fn near(found: Duration, told: Duration, what: &str) {
    assert!(
        found.abs_diff(told) <= SOON,
        "{what}: {found:?}, and was told {told:?}"
    );
}

/// A crash in each tenth of the period between two renewals: the mean is the typical, and the first, right after a renewal,
/// the worst.
#[tokio::test(start_paused = true)]
async fn a_crash_is_outlived_as_long_as_was_told() {
    for timing in timings() {
        let (mut all, mut worst) = (Duration::ZERO, Duration::ZERO);
        for tenth in 0..10 {
            let pair = Pair::on(MemoryLock::new(), &timing, 1).await;
            pair.renewal().await;
            sleep(timing.retry_period() * (2 * tenth + 1) / 20).await;
            let crashed = PausedClock.mono();
            pair.a.partition(Partition::Full);
            let took = pair.next_leader().await.since(crashed);
            (all, worst) = (all + took, worst.max(took));
            pair.stage.close().await;
        }
        near(all / 10, timing.typical_failover(), "the mean");
        let nearly = timing.worst_failover_with_watch() - timing.retry_period() / 20;
        near(worst, nearly, "the worst of these");
    }
}

/// The leader crashes as its renewal is sent, which a watch that is silent does not show. Read just before it, the record is read
/// again after `S .. 1.5 S`.
#[tokio::test(start_paused = true)]
async fn a_silent_watch_costs_no_more_than_was_told() {
    for timing in timings() {
        let mut worst = Duration::ZERO;
        for seed in 0..60 {
            let pair = Pair::on(MemoryLock::new(), &timing, seed).await;
            pair.b.stall_watches(true);
            // A read verifies, and the next renewal is the last.
            next(&pair.b, Op::Get).await;
            let renewed = pair.renewal().await;
            pair.a.partition(Partition::Full);
            worst = worst.max(pair.next_leader().await.since(renewed));
            pair.stage.close().await;
        }
        let told = timing.worst_failover();
        assert!(worst <= told + SOON, "{worst:?} of {told:?}");
        // The renewal follows the read by up to P, which is missing here.
        assert!(worst + timing.retry_period() >= told, "{worst:?} of {told:?}");
    }
}

/// The same, and a release, where the store has no watch.
#[tokio::test(start_paused = true)]
async fn without_a_watch_it_takes_as_long_as_was_told() {
    for timing in timings() {
        let (mut crash, mut release) = (Duration::ZERO, Duration::ZERO);
        for seed in 0..50 {
            let pair = Pair::on(MemoryLock::builder().without_watch().build(), &timing, seed).await;
            let renewed = pair.renewal().await;
            pair.a.partition(Partition::Full);
            crash = crash.max(pair.next_leader().await.since(renewed));
            pair.stage.close().await;

            let pair = Pair::on(MemoryLock::builder().without_watch().build(), &timing, seed).await;
            sleep(timing.retry_period() * u32::try_from(seed).unwrap() / 50).await;
            let released = PausedClock.mono();
            pair.stage.leave("a");
            release = release.max(pair.next_leader().await.since(released));
            pair.stage.close().await;
        }
        for (what, found, told) in [
            ("a crash", crash, timing.worst_failover_without_watch()),
            ("a release", release, timing.worst_handover_without_watch()),
        ] {
            assert!(found <= told + SOON, "{what}: {found:?} of {told:?}");
            assert!(
                found + timing.retry_period() / 4 >= told,
                "{what}: {found:?} of {told:?}"
            );
        }
    }
}

/// What an hour of an election sends, with a watch and without.
#[tokio::test(start_paused = true)]
async fn the_requests_of_an_hour_are_those_that_were_told() {
    for timing in timings() {
        for watched in [true, false] {
            let lock = match watched {
                true => MemoryLock::new(),
                false => MemoryLock::builder().without_watch().build(),
            };
            let pair = Pair::on(lock, &timing, 1).await;
            let before = (pair.a.calls(), pair.a.cas(), pair.b.calls());
            sleep(s(3_600)).await;
            let hour = |calls: u64, before: u64| f64::from(u32::try_from(calls - before).unwrap()) / 60.0;
            let renewals = hour(pair.a.cas(), before.1);
            assert!(
                (renewals - timing.renewals_per_minute()).abs() < 0.1,
                "{renewals}"
            );
            assert_eq!(
                pair.a.calls() - before.0,
                pair.a.cas() - before.1,
                "it only swaps"
            );
            let followers = hour(pair.b.calls(), before.2);
            if watched {
                assert_eq!(followers, 0.0);
            } else {
                // The spread is drawn.
                let told = timing.reads_per_minute_without_watch();
                assert!((followers / told - 1.0).abs() < 0.02, "{followers} of {told}");
            }
            pair.stage.close().await;
        }
    }
}

/// An outage, and how calls fail in it.
#[derive(Debug, Clone, Copy)]
struct Outage {
    /// How long after a renewal.
    begins: Duration,
    lasts: Duration,
    /// So many calls are refused, each so late; what follows is never answered.
    refused: usize,
    refused_after: Duration,
}

/// Whether the leader has kept the lead.
async fn survives(timing: &LeaseTiming, outage: Outage) -> bool {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, faults) = behind(lock, "a", timing);
    stage.run("a", a);
    sleep(timing.retry_period() * 2).await;
    next(&faults, Op::Cas).await;
    // Before the next renewal, which is due with it at the latest.
    sleep(outage.begins.saturating_sub(ms(1))).await;
    let end = PausedClock.mono().after(outage.lasts);
    faults.latency(Op::Cas, outage.refused_after, Duration::ZERO);
    faults.times(outage.refused, Op::Cas, Fault::Error(Unavailable));
    for op in Op::ALL {
        faults.standing(op, Fault::Hang { lands: false });
    }
    PausedClock.sleep_until(end).await;
    faults.clear_all();
    sleep(timing.renew_deadline() + s(1)).await;
    let survived = stage.shifts().len() == 1 && stage.now() == ["a"];
    stage.close().await;
    survived
}

/// Whenever it begins and however calls fail, an outage as long as was told is survived, but for the milliseconds that timers
/// and the end of the work take; in the worst way, one that is a little longer costs the lead.
#[tokio::test(start_paused = true)]
async fn the_longest_outage_that_is_survived_is_the_one_that_was_told() {
    let with = |attempt_timeout| {
        LeaseTiming::default()
            .with_attempt_timeout(attempt_timeout)
            .unwrap()
    };
    for timing in [
        LeaseTiming::default(),
        with(s(3)),
        with(s(1)),
        with(s(7)),
        LeaseTiming::new(s(15), s(10), s(4)).unwrap(),
        LeaseTiming::new(s(60), s(40), s(5)).unwrap(),
    ] {
        let (longest, period) = (timing.longest_outage_survived(), timing.retry_period());
        let latest = period.max(timing.attempt_timeout());
        for begins in 0..=4 {
            for (refused, late) in (0..=4).flat_map(|refused| (0..=8).map(move |late| (refused, late))) {
                let outage = Outage {
                    begins: period * begins / 4,
                    lasts: longest - SOON,
                    refused,
                    refused_after: latest * late / 8,
                };
                assert!(survives(&timing, outage).await, "{timing:?}: {outage:?}");
            }
        }
        // Calls are refused so late that the last one is sent with the last moment of the outage.
        let lasts = longest + SOON;
        let spare = timing.renew_deadline() - period - latest;
        let refused = usize::try_from(spare.as_nanos().div_ceil(latest.as_nanos())).unwrap();
        let worst = Outage {
            begins: period,
            lasts,
            refused,
            refused_after: (lasts - ms(5)) / u32::try_from(refused).unwrap(),
        };
        assert!(!survives(&timing, worst).await, "{timing:?}: {worst:?}");
        // And one of R never is survived, be every call of it refused at once.
        let hopeless = Outage {
            begins: Duration::ZERO,
            lasts: timing.renew_deadline(),
            refused: 100,
            refused_after: Duration::ZERO,
        };
        assert!(!survives(&timing, hopeless).await, "{timing:?}");
    }
}

/// Work that heeds no stop, and a store that does not answer when it is to be released.
#[tokio::test(start_paused = true)]
async fn a_stop_takes_no_longer_than_was_told() {
    for timing in timings() {
        let timing = timing.with_drain_timeout(s(30)).unwrap();
        let (a, faults) = behind(MemoryLock::new(), "a", &timing);
        let elector = a.build().unwrap();
        let drained = timing.drain_timeout() + timing.stop_grace();
        let hangs = async {
            sleep(s(20) + drained - ms(1)).await;
            faults.standing(Op::Cas, Fault::Hang { lands: false });
            pending::<()>().await;
        };
        let began = PausedClock.mono();
        let ended = tokio::select! {
            ended = elector.run(sleep(s(20)), |_| pending::<()>()) => ended,
            () = hangs => unreachable!("it never ends"),
        };
        assert!(ended.is_ok(), "{ended:?}");
        near(
            PausedClock.mono().since(began) - s(20),
            timing.longest_stop(),
            "a stop",
        );
    }
}
