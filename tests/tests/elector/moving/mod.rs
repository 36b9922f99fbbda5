//! A move from one lock to another, beside candidates of both: movers that die after every call, several at once, in both
//! directions, on a network that loses answers. Never two at work, and moved in the end.

mod deleted;
mod fleet;
mod guard;
mod patience;
mod phases;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use leaderelection::{
    Clock, Closed, Ended, Identity, LeaderElectionRecord, LeaderElector, LockErrorKind, Move, MoveError,
    PausedClock,
};
use leaderelection_conformance::{Fault, FaultLock, Op};
use leaderelection_memory::MemoryLock;
use leaderelection_tests::random::Random;

use crate::stage::Stage;
use crate::{candidate, holder, ms, s, since, sleep};

use self::fleet::{
    Fleet, Life, NEW, OLD, assert_moved, is_closed, is_moved, locks, mover, record, until_moved,
};

/// Every point at which a mover can die, before or after its last call is done.
#[tokio::test(start_paused = true)]
async fn a_move_survives_a_death_at_every_call() {
    for last_lands in [false, true] {
        let mut calls = 0;
        loop {
            calls += 1;
            let (stage, (from, to)) = (Stage::default(), locks());
            let mut old = Fleet::new(&stage, &from, Duration::ZERO);
            sleep(s(1)).await;
            let first = mover(from.clone(), to.clone(), Life::of(calls, last_lands), calls);
            sleep(s(1)).await;
            // Candidates of the new lock are deployed when it is closed, not earlier.
            let closed_at_once = is_closed(&to, Closed::NotBefore(OLD));
            if closed_at_once {
                stage.run("new-a", candidate(to.clone(), "new-a"));
            }
            for round in 0..12 {
                sleep(s(20)).await;
                old.leader_goes(round % 2 == 1).await;
            }
            let second = mover(
                from.clone(),
                to.clone(),
                Life::of(Life::FOR_EVER, true),
                1000 + calls,
            );
            sleep(s(1)).await;
            stage.run("new-b", candidate(to.clone(), "new-b"));
            until_moved(&mut old, &to).await;
            sleep(s(120)).await;
            assert_moved(second.await.unwrap());
            assert!(holder(&to).unwrap().starts_with("new-"), "{to:?}");
            assert!(!stage.now().is_empty());
            assert_eq!(
                stage.at_once(),
                Duration::ZERO,
                "{calls} calls: {:#?}",
                stage.shifts()
            );
            stage.close().await;
            if first.await.unwrap().is_some() {
                break;
            }
        }
        assert!((8..60).contains(&calls), "a mover makes {calls} calls");
    }
}

/// Who waits behind a closed lock is at work as soon as the old leader's work is gone and its record released.
#[tokio::test(start_paused = true)]
async fn the_new_lock_is_taken_when_the_old_leader_goes() {
    let (stage, (from, to)) = (Stage::default(), locks());
    let mut old = Fleet::new(&stage, &from, Duration::ZERO);
    sleep(s(1)).await;
    let movers: Vec<_> = (0..3)
        .map(|seed| mover(from.clone(), to.clone(), Life::of(Life::FOR_EVER, true), seed))
        .collect();
    sleep(s(1)).await;
    assert!(is_closed(&to, Closed::NotBefore(OLD)));
    stage.run("new", candidate(to.clone(), "new"));
    // Longer than any lease of any candidate: a closed lock is not waited out.
    sleep(s(3_600)).await;
    assert_eq!(stage.now(), ["memory://old-0"]);
    let gone = PausedClock.mono();
    // Whoever is next is one of the old fleet's, or a mover.
    while stage.now() != ["new"] {
        assert!(since(gone) < s(30), "no mover has led in {:?}", since(gone));
        old.leader_goes(false).await;
        // The mover's term, its closing and opening, and the next leader's first moment all fit in here.
        sleep(ms(10)).await;
        assert!(
            matches!(&stage.now()[..], [who] if *who != "memory://old-0"),
            "{:?}",
            stage.now()
        );
    }
    for mover in movers {
        assert_moved(mover.await.unwrap());
    }
    assert!(is_moved(&from, &to));
    assert_eq!(
        record(&to).unwrap().leader_transitions,
        1,
        "opened once, taken once"
    );
    sleep(s(3_600)).await;
    assert_eq!(
        (stage.now(), stage.at_once()),
        (vec!["new".to_owned()], Duration::ZERO)
    );
    stage.close().await;
}

/// SAFETY 20: behind a closed lock as well a watch that has fallen silent is looked after, though 68 years are waited out.
#[tokio::test(start_paused = true)]
async fn an_opening_is_seen_without_a_watch() {
    let (stage, (from, to)) = (Stage::default(), locks());
    from.put_record(&LeaderElectionRecord::default());
    let deaf = FaultLock::new(to.clone());
    let faults = deaf.faults();
    let lost = mover(from.clone(), to.clone(), Life::of(4, true), 0);
    sleep(s(1)).await;
    assert!(is_closed(&to, Closed::NotBefore(OLD)) && lost.is_finished());
    stage.run("new", candidate(deaf, "new"));
    sleep(s(1)).await;
    faults.stall_watches(true);
    assert_moved(
        mover(from.clone(), to.clone(), Life::of(Life::FOR_EVER, true), 1)
            .await
            .unwrap(),
    );
    sleep(s(100)).await;
    assert_eq!(stage.now(), ["new"]);
    stage.close().await;
}

/// There and back again, and where a person has to decide first.
#[tokio::test(start_paused = true)]
async fn a_move_is_taken_back_and_refused() {
    let stage = Stage::default();
    let (old, new) = locks();
    let immortal = || Life::of(Life::FOR_EVER, true);
    let moved = |from: &MemoryLock, to: &MemoryLock| mover(from.clone(), to.clone(), immortal(), 0);
    stage.run("old", candidate(old.clone(), "old"));
    sleep(s(1)).await;
    let there = moved(&old, &new);
    sleep(s(1)).await;
    stage.run("new", candidate(new.clone(), "new"));
    stage.leave("old");
    sleep(s(5)).await;
    assert_moved(there.await.unwrap());
    assert_eq!(stage.now(), ["new"]);
    stage.run("old-again", candidate(old.clone(), "old-again"));
    // Once more changes nothing.
    assert_moved(moved(&old, &new).await.unwrap());
    assert_eq!(stage.now(), ["new"]);
    let back = moved(&new, &old);
    sleep(s(60)).await;
    assert!(
        is_closed(&old, Closed::NotBefore(NEW)),
        "what is opened is a `not before` only: {old:?}"
    );
    stage.leave("new");
    sleep(s(5)).await;
    assert_moved(back.await.unwrap());
    assert!(is_moved(&new, &old));
    assert_eq!(stage.now(), ["old-again"]);

    // A way back that was begun is taken back too.
    let there = mover(old.clone(), new.clone(), Life::of(4, true), 0);
    sleep(s(1)).await;
    assert!(is_closed(&new, Closed::NotBefore(OLD)) && there.await.unwrap().is_none());
    assert_moved(moved(&new, &old).await.unwrap());
    assert!(is_moved(&new, &old));

    // Somebody tidied up what was closed: it is closed again, or who finds nothing would lead.
    new.delete();
    assert_moved(moved(&new, &old).await.unwrap());
    assert!(is_moved(&new, &old));

    let third = MemoryLock::builder().name("third").build();
    let refused = moved(&new, &third).await.unwrap().unwrap().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "memory://new is closed: moved to memory://old, and not memory://third"
    );
    let refused = moved(&third, &new).await.unwrap().unwrap().unwrap_err();
    assert!(
        matches!(&refused, MoveError::Elsewhere { lock, .. } if lock == NEW),
        "{refused}"
    );
    let refused = moved(&old, &old).await.unwrap().unwrap().unwrap_err();
    assert!(
        matches!(&refused, MoveError::Same { name } if name == OLD),
        "{refused}"
    );

    let elector = candidate(old.clone(), "m").build().unwrap();
    let refused = Move::new(elector, old.clone())
        .guard(pending::<()>())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, MoveError::Same { name } if name == OLD),
        "{refused}"
    );

    // Two elections that have nothing to do with one another.
    stage.run("third", candidate(third.clone(), "third"));
    sleep(s(1)).await;
    let refused = moved(&third, &old).await.unwrap().unwrap().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "memory://old is in use by old-again although memory://third is not closed: two may be at work"
    );
    stage.leave("third");
    sleep(s(1)).await;
    let bold = LeaderElector::builder(third.clone(), Identity::unique())
        .clock(PausedClock)
        .build()
        .unwrap();
    let moved = Move::new(bold, old.clone())
        .even_if_in_use()
        .run(pending::<()>())
        .await;
    assert!(moved.is_ok() && is_moved(&third, &old), "{moved:?}");

    old.put_raw(b"not a record");
    let elector = candidate(MemoryLock::builder().name("fourth").build(), "m")
        .build()
        .unwrap();
    let refused = Move::new(elector, old).run(pending::<()>()).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("memory://old holds something that is not a record: "),
        "{refused}"
    );
    stage.close().await;
}

/// A stop leaves the election where it is.
#[tokio::test(start_paused = true)]
async fn a_mover_stops_when_it_is_told_to() {
    let (stage, (from, to)) = (Stage::default(), locks());
    stage.run("old", candidate(from.clone(), "old"));
    sleep(s(1)).await;
    let elector = candidate(from.clone(), "m").build().unwrap();
    let stopped = Move::new(elector, to.clone()).run(sleep(s(60))).await;
    assert!(matches!(stopped, Ok(Ended::Stopped)), "{stopped:?}");
    assert!(is_closed(&to, Closed::NotBefore(OLD)));
    assert_eq!(
        (holder(&from).as_deref(), stage.now()),
        (Some("old"), vec!["old".to_owned()])
    );
    stage.close().await;
}

/// What the store does not take is said, and not tried for ever.
#[tokio::test(start_paused = true)]
async fn what_the_new_store_refuses_ends_the_move() {
    let (from, _) = locks();
    let to = MemoryLock::builder().name("small").with_max_bytes(20).build();
    let elector = candidate(from, "m").build().unwrap();
    let refused = Move::new(elector, to).run(pending::<()>()).await.unwrap_err();
    assert!(
        matches!(&refused, MoveError::Invalid { lock, .. } if lock == "memory://small"),
        "{refused}"
    );
    assert!(refused.to_string().contains("the limit is 20"), "{refused}");
}

const SEEDS: std::ops::Range<u64> = 0..200;

/// `LEADERELECTION_SEEDS=7..8` runs seed 7 alone.
fn seeds() -> std::ops::Range<u64> {
    let Ok(given) = std::env::var("LEADERELECTION_SEEDS") else {
        return SEEDS;
    };
    let (first, end) = given.split_once("..").unwrap();
    first.parse().unwrap()..end.parse().unwrap()
}

/// A lock on a bad network, drawn from the seed.
fn bad(lock: &MemoryLock, random: &mut Random) -> FaultLock<MemoryLock> {
    let bad = FaultLock::with(lock.clone(), Arc::new(PausedClock), random.next());
    let faults = bad.faults();
    for op in [Op::Get, Op::Cas] {
        let travels = || ms(5);
        faults.latency(op, travels(), travels());
        faults.jitter(op, ms(random.below(300)));
    }
    let late = random.between(ms(1), s(40));
    let often = u16::try_from(random.below(500)).unwrap();
    faults.random(
        Op::Cas,
        often,
        vec![
            Fault::LostRequest,
            Fault::LostReply,
            Fault::LateRequest(late),
            Fault::Hang { lands: true },
            Fault::Conflict,
            Fault::LandsThenConflict,
            Fault::Error(LockErrorKind::Unavailable),
        ],
    );
    faults.random(
        Op::Get,
        often,
        vec![Fault::LostReply, Fault::Hang { lands: false }],
    );
    bad
}

/// Movers that die, on networks that lose, delay and repeat, beside candidates of both locks; by seed, also in both directions
/// at once. When the network is well, one more mover moves it.
#[tokio::test(start_paused = true)]
async fn by_seed_no_two_are_at_work() {
    let (mut both_ways, mut moved_early) = (0, 0);
    for seed in seeds() {
        let mut random = Random::new(seed);
        let (stage, (from, to)) = (Stage::default(), locks());
        let mut old = Fleet::new(&stage, &from, ms(500));
        sleep(random.between(ms(0), s(2))).await;
        // The first one's first moment is what the others' deployment waits for.
        let prepares = mover(from.clone(), to.clone(), Life::of(4, true), random.next());
        sleep(s(1)).await;
        assert!(is_closed(&to, Closed::NotBefore(OLD)), "seed {seed}: {to:?}");
        prepares.await.unwrap();
        let mut new = Fleet::new(&stage, &to, ms(500));
        let back = random.below(2) == 0;
        both_ways += u64::from(back);
        for _ in 0..random.below(12) + 4 {
            let life = Life::of(2 + random.below(100), random.below(2) == 0);
            let (first, second) = match back && random.below(2) == 0 {
                true => (&to, &from),
                false => (&from, &to),
            };
            let (first, second) = (bad(first, &mut random), bad(second, &mut random));
            drop(mover(first, second, life, random.next()));
            sleep(random.between(ms(0), s(30))).await;
            match random.below(4) {
                0 => old.leader_goes(false).await,
                1 => old.leader_goes(true).await,
                2 if back => new.leader_goes(random.below(2) == 0).await,
                _ => {}
            }
            assert_eq!(
                stage.at_once(),
                Duration::ZERO,
                "seed {seed}: {:#?}",
                stage.shifts()
            );
        }
        moved_early += u64::from(is_moved(&from, &to));
        // All that is on its way arrives.
        sleep(s(60)).await;
        let last = mover(
            from.clone(),
            to.clone(),
            Life::of(Life::FOR_EVER, true),
            random.next(),
        );
        until_moved(&mut old, &to).await;
        sleep(s(60)).await;
        assert_eq!(
            stage.at_once(),
            Duration::ZERO,
            "seed {seed}: {:#?}",
            stage.shifts()
        );
        assert_moved(last.await.unwrap());
        let [at_work] = &stage.now()[..] else {
            panic!("seed {seed}: {:?}, {from:?}, {to:?}", stage.now())
        };
        assert!(at_work.starts_with(NEW), "seed {seed}: {at_work}");
        stage.close().await;
    }
    println!(
        "{} seeds, {both_ways} with movers in both directions, {moved_early} moved by movers that die",
        seeds().count()
    );
}
