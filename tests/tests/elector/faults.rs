//! Faults of the store, and what the work notices of them. Two or three candidates, each behind faults of its own, on one
//! lock in memory; the stage judges overlaps.

use std::time::Duration;

use leaderelection::LockErrorKind::{Ambiguous, Denied, Unavailable};
use leaderelection::{
    Clock, ElectionEvent, Event, LeaderElectionRecord, LeaderElectorBuilder, MissingRecord, PausedClock,
};
use leaderelection_conformance::{Fault, FaultLock, Faults, Op, Partition, WatchEnd};
use leaderelection_memory::MemoryLock;

use crate::stage::Stage;
use crate::{candidate, holder, ms, s, since, sleep};

/// A candidate behind faults of its own, and their control.
fn behind(lock: &MemoryLock, name: &str) -> (LeaderElectorBuilder, Faults) {
    let faulty = FaultLock::new(lock.clone());
    let faults = faulty.faults();
    (candidate(faulty, name), faults)
}

/// `a` leads and `b` follows, both behind faults.
async fn pair(lock: &MemoryLock, stage: &Stage) -> (Faults, Faults) {
    let (a, a_faults) = behind(lock, "a");
    stage.run("a", a);
    sleep(s(1)).await;
    let (b, b_faults) = behind(lock, "b");
    stage.run("b", b);
    sleep(s(20)).await;
    assert_eq!(stage.now(), ["a"]);
    (a_faults, b_faults)
}

/// The work is gone 10 s after the send of the last renewal; the next starts 15 s after its receipt.
#[tokio::test(start_paused = true)]
async fn a_partitioned_leader_stops_before_the_next_starts() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, _) = pair(&lock, &stage).await;
    a.partition(Partition::Full);
    sleep(s(30)).await;
    let shifts = stage.shifts();
    assert_eq!(shifts.len(), 2, "{shifts:#?}");
    let gap = shifts[1].from.since(shifts[0].to.unwrap());
    assert!(
        gap >= s(5) && gap <= s(5) + ms(10),
        "L - R between them, and one swap: {gap:?}"
    );
    a.partition(Partition::None);
    sleep(s(60)).await;
    assert_eq!(stage.now(), ["b"], "the old one follows");
    assert_eq!(stage.overlap(), Duration::ZERO);
}

/// The README's table, for Go: a renewal's reply 4.9 s or 9.9 s late, then a partition. Counting from the reply would lead
/// to 1.81 s and 6.80 s of overlap.
#[tokio::test(start_paused = true)]
async fn a_late_reply_before_a_partition_lengthens_nothing() {
    for late in [ms(4_900), ms(9_900)] {
        let (lock, stage) = (MemoryLock::new(), Stage::default());
        let (a, _) = pair(&lock, &stage).await;
        a.latency(Op::Cas, s(0), late);
        sleep(s(12)).await;
        a.partition(Partition::Full);
        sleep(s(40)).await;
        assert_eq!(stage.overlap(), Duration::ZERO, "{late:?}");
        assert_eq!(stage.now(), ["b"], "{late:?}: {:#?}", stage.shifts());
    }
}

/// SAFETY 9: lost replies, hangs, conflicts and landings that looked like conflicts cost no leadership.
#[tokio::test(start_paused = true)]
async fn what_a_retry_can_mend_is_no_loss() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, _) = pair(&lock, &stage).await;
    for fault in [
        Fault::LostReply,
        Fault::LostRequest,
        Fault::Conflict,
        Fault::LandsThenConflict,
        Fault::Hang { lands: true },
        Fault::Hang { lands: false },
        Fault::LateRequest(ms(700)),
        Fault::Error(Denied),
        Fault::Error(Unavailable),
        Fault::Error(Ambiguous),
    ] {
        a.once(Op::Cas, fault.clone());
        sleep(s(20)).await;
        assert_eq!(stage.shifts().len(), 1, "{fault:?} cost the leadership");
    }
}

/// SAFETY 22: with a round trip longer than R nobody can lead, and nobody pretends; who has a shorter one does.
#[tokio::test(start_paused = true)]
async fn a_round_trip_longer_than_the_deadline_leads_nowhere() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, faults) = behind(&lock, "a");
    faults.latency(Op::Cas, s(6), s(6));
    faults.latency(Op::Get, s(6), s(6));
    faults.lag_watches(s(5));
    stage.run("a", a);
    sleep(s(300)).await;
    assert!(stage.shifts().is_empty(), "{:#?}", stage.shifts());
    let (b, _) = behind(&lock, "b");
    stage.run("b", b);
    sleep(s(60)).await;
    assert_eq!(stage.now(), ["b"]);
}

/// Goal: a follower with a healthy watch sends nothing, a leader 30 swaps a minute, and no reads.
#[tokio::test(start_paused = true)]
async fn a_steady_follower_sends_nothing() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, b) = pair(&lock, &stage).await;
    let before = (a.gets(), a.cas(), a.watches(), b.calls());
    sleep(s(600)).await;
    assert_eq!(b.calls(), before.3, "the follower");
    assert_eq!(
        (a.gets(), a.watches()),
        (before.0, before.2),
        "the leader only swaps"
    );
    assert_eq!(a.cas() - before.1, 300, "every 2 s for 10 minutes");
}

/// SAFETY 20: a watch that shows nothing any more costs at most 1.5 S beyond the lease; one that ends costs nothing.
#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_noticed() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, b) = pair(&lock, &stage).await;
    let opened = b.watches();
    b.stall_watches(true);
    sleep(s(30)).await;
    assert!(
        b.watches() > opened,
        "the verifying read found something newer, so the watch was opened anew"
    );
    assert_eq!(stage.now(), ["a"], "and no live leader was robbed meanwhile");
    let crashed = PausedClock.mono();
    a.partition(Partition::Full);
    sleep(s(40)).await;
    let started = stage.shifts()[1].from;
    assert!(
        started.since(crashed) <= s(15 + 9) + ms(10),
        "L + 1.5 S: {:?}",
        started.since(crashed)
    );
    assert_eq!(stage.overlap(), Duration::ZERO);
}

/// Watches that repeat, reorder, lag and end tell nothing wrong (SAFETY 4).
#[tokio::test(start_paused = true)]
async fn a_disorderly_watch_robs_nobody() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, b) = pair(&lock, &stage).await;
    for faults in [&a, &b] {
        faults.repeat_watches(true);
        faults.reorder_watches(Some(ms(5_000)));
        faults.lag_watches(s(4));
    }
    for _ in 0..50 {
        sleep(s(7)).await;
        b.end_watches(WatchEnd::Quietly);
        a.end_watches(WatchEnd::With(Unavailable));
    }
    assert_eq!(stage.shifts().len(), 1, "{:#?}", stage.shifts());
}

/// A label written every 100 ms (SAFETY 5): no loss while the leader lives, and no life after it.
#[tokio::test(start_paused = true)]
async fn a_foreign_writer_neither_robs_nor_keeps_alive() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, _) = pair(&lock, &stage).await;
    let labels = || async {
        for _ in 0..300 {
            lock.touch();
            sleep(ms(100)).await;
        }
    };
    labels().await;
    assert_eq!(stage.shifts().len(), 1, "{:#?}", stage.shifts());
    let crashed = PausedClock.mono();
    a.partition(Partition::Full);
    labels().await;
    let shifts = stage.shifts();
    assert_eq!(shifts.len(), 2);
    assert!(shifts[1].from.since(crashed) <= s(15) + ms(200), "{shifts:#?}");
    assert_eq!(stage.overlap(), Duration::ZERO);
}

/// SAFETY 18: a deletion under the default makes two leaders for as long as the watch needs; in strict mode none.
#[tokio::test(start_paused = true)]
async fn a_deletion_is_bounded_by_default_and_harmless_in_strict_mode() {
    for (mode, allowed) in [
        (MissingRecord::LeadAtOnce, ms(60)),
        (MissingRecord::ClaimThenLead, s(0)),
    ] {
        let (lock, stage) = (MemoryLock::new(), Stage::default());
        let (a, a_faults) = behind(&lock, "a");
        stage.run("a", a.missing_record(mode));
        sleep(s(20)).await;
        let (b, _) = behind(&lock, "b");
        stage.run("b", b.missing_record(mode));
        // Between two renewals, either of which would tell the leader at once.
        sleep(s(21)).await;
        assert_eq!(stage.now(), ["a"]);
        a_faults.lag_watches(ms(50));
        lock.delete();
        sleep(s(60)).await;
        let overlap = stage.overlap();
        assert!(overlap <= allowed, "{mode:?}: {overlap:?}");
        assert_eq!(
            overlap.is_zero(),
            allowed.is_zero(),
            "by default it does harm: {overlap:?}"
        );
        assert_eq!(stage.now().len(), 1, "{mode:?}");
        assert!(stage.shifts().len() >= 2, "{mode:?}");
    }
}

/// SAFETY 17, through the elector: reported, waited out, replaced; the election goes on.
#[tokio::test(start_paused = true)]
async fn a_spoiled_record_is_waited_out_and_replaced() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    pair(&lock, &stage).await;
    let spoiled = PausedClock.mono();
    lock.put_raw(&[0xFF; 1000]);
    sleep(ms(1)).await;
    assert!(stage.now().is_empty(), "the leader stopped at once");
    sleep(s(20)).await;
    let shifts = stage.shifts();
    let waited = shifts[1].from.since(spoiled);
    assert!(waited >= s(15) && waited <= s(15) + ms(10), "{waited:?}");
    assert_eq!(stage.overlap(), Duration::ZERO);
}

/// Whatever a stranger writes: no panic, no second leader, and the election goes on when its time has come.
#[tokio::test(start_paused = true)]
async fn odd_records_end_in_an_election() {
    let record = |json: String| json;
    for (what, json, at_most) in [
        (
            "200 KiB",
            record(format!(
                r#"{{"holderIdentity":"x","p":"{}"}}"#,
                "p".repeat(200 << 10)
            )),
            15,
        ),
        (
            "a holder of 64 KiB",
            record(format!(r#"{{"holderIdentity":"{}"}}"#, "h".repeat(64 << 10))),
            15,
        ),
        (
            "year 0",
            record(r#"{"holderIdentity":"x","renewTime":"0000-01-01T00:00:00Z"}"#.into()),
            15,
        ),
        (
            "year 9999",
            record(r#"{"holderIdentity":"x","renewTime":"9999-12-31T23:59:59Z"}"#.into()),
            15,
        ),
        (
            "duration -1",
            record(r#"{"holderIdentity":"x","leaseDurationSeconds":-1}"#.into()),
            15,
        ),
        (
            "duration 0",
            record(r#"{"holderIdentity":"x","leaseDurationSeconds":0}"#.into()),
            15,
        ),
        (
            "transitions 2^63",
            record(r#"{"holderIdentity":"","leaderTransitions":9223372036854775808}"#.into()),
            0,
        ),
        ("not JSON", record("\u{0}\u{1}".into()), 15),
        ("nothing", record(String::new()), 15),
    ] {
        let (lock, stage) = (MemoryLock::new(), Stage::default());
        lock.put_raw(json.as_bytes());
        let start = PausedClock.mono();
        stage.run("a", candidate(lock.clone(), "a"));
        sleep(s(20)).await;
        let shifts = stage.shifts();
        let waited = shifts.first().map(|shift| shift.from.since(start));
        assert!(
            waited.is_some_and(|waited| waited >= s(at_most) && waited <= s(at_most) + ms(10)),
            "{what}: {waited:?}"
        );
        assert_eq!(holder(&lock).as_deref(), Some("a"), "{what}");
        stage.close().await;
    }
    // 2^63 seconds are respected, and reported: an operator has to free the record.
    let lock = MemoryLock::new();
    lock.put_raw(br#"{"holderIdentity":"x","leaseDurationSeconds":9223372036854775808}"#);
    let elector = candidate(lock.clone(), "a").build().unwrap();
    let mut events = elector.events();
    let handle = elector.spawn().unwrap();
    sleep(s(1_000_000)).await;
    assert!(!handle.is_leader());
    let mut reported = 0;
    while let Ok(Some(event)) =
        tokio::select! { event = events.recv() => Ok(event), () = sleep(ms(1)) => Err(()) }
    {
        reported += usize::from(matches!(
            event,
            Event::Noticed(ElectionEvent::LongLease {
                seconds: i64::MAX,
                ..
            })
        ));
    }
    assert_eq!(reported, 1);
    lock.put_record(&LeaderElectionRecord::default());
    sleep(s(1)).await;
    assert!(handle.is_leader());
}

/// A permission that is missing for a while is reported once per call, and the election goes on when it is back.
#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_is_led_again() {
    for fault in [
        Fault::Error(Denied),
        Fault::Error(Unavailable),
        Fault::Hang { lands: false },
    ] {
        let (lock, stage) = (MemoryLock::new(), Stage::default());
        let (a, _) = pair(&lock, &stage).await;
        for op in [Op::Get, Op::Cas, Op::Watch] {
            a.standing(op, fault.clone());
        }
        a.end_watches(WatchEnd::With(Unavailable));
        sleep(s(60)).await;
        assert_eq!(stage.now(), ["b"], "{fault:?}");
        a.clear_all();
        sleep(s(10)).await;
        let back = PausedClock.mono();
        stage.run("c", candidate(lock.clone(), "c"));
        sleep(s(10)).await;
        assert_eq!(stage.now(), ["b"], "{fault:?}: nobody is robbed");
        assert!(since(back) >= s(10));
        assert_eq!(stage.overlap(), Duration::ZERO, "{fault:?}");
    }
}

/// SAFETY 22: a leader that was cut off for longer than R and shorter than L leads again as soon as it can, in a new term.
#[tokio::test(start_paused = true)]
async fn after_an_outage_shorter_than_the_lease_the_old_leader_leads_a_new_term() {
    let (lock, stage) = (MemoryLock::new(), Stage::default());
    let (a, _) = pair(&lock, &stage).await;
    a.partition(Partition::Full);
    sleep(s(11)).await;
    assert!(stage.now().is_empty());
    a.partition(Partition::None);
    sleep(s(3)).await;
    assert_eq!(stage.now(), ["a"]);
    let shifts = stage.shifts();
    assert!(
        shifts.len() == 2 && shifts[1].token > shifts[0].token,
        "{shifts:#?}"
    );
}

/// Hours of everything at once, by seed: never two at work, tokens grow, and somebody leads when it is over.
#[tokio::test(start_paused = true)]
async fn hours_of_random_faults_make_no_second_leader() {
    let seeds = std::env::var("LEADERELECTION_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    for seed in seeds.map_or(0..30, |seed: u64| seed..seed + 1) {
        println!(
            "replay with LEADERELECTION_SEED={seed} cargo test -p leaderelection-tests --test elector hours"
        );
        let (lock, stage) = (MemoryLock::new(), Stage::default());
        let mut all = Vec::new();
        for (number, name) in (1u64..).zip(["a", "b", "c"]) {
            let faulty = FaultLock::with(lock.clone(), std::sync::Arc::new(PausedClock), seed * 10 + number);
            let faults = faulty.faults();
            let swaps = vec![
                Fault::LostRequest,
                Fault::LostReply,
                Fault::LateRequest(s(3)),
                Fault::LateRequest(s(11)),
                Fault::Hang { lands: true },
                Fault::Conflict,
                Fault::LandsThenConflict,
                Fault::Error(Ambiguous),
            ];
            faults.random(Op::Cas, 300, swaps);
            faults.random(
                Op::Get,
                300,
                vec![Fault::Error(Unavailable), Fault::Hang { lands: false }],
            );
            faults.random(Op::Watch, 300, vec![Fault::Error(Unavailable)]);
            faults.jitter(Op::Cas, s(4));
            faults.repeat_watches(true);
            faults.reorder_watches(Some(s(2)));
            all.push(faults);
            stage.run(name, candidate(faulty, name));
        }
        for round in 0..200u64 {
            sleep(s(5 + (seed * 7 + round * 13) % 20)).await;
            let faults = &all[usize::try_from((seed + round) % 3).unwrap()];
            faults.partition(
                [Partition::None, Partition::Full, Partition::Replies][usize::try_from(round % 3).unwrap()],
            );
            if round % 5 == 0 {
                lock.touch();
            }
            assert_eq!(
                stage.overlap(),
                Duration::ZERO,
                "seed {seed}, round {round}: {:#?}",
                stage.shifts()
            );
        }
        for faults in &all {
            faults.clear_all();
        }
        sleep(s(60)).await;
        assert_eq!(stage.now().len(), 1, "seed {seed}: {:#?}", stage.shifts());
        assert_eq!(stage.overlap(), Duration::ZERO, "seed {seed}");
        let changes = stage.shifts().len();
        println!("seed {seed}: {changes} terms");
        assert!(changes > 3, "seed {seed}: the faults must bite");
        stage.close().await;
    }
}
