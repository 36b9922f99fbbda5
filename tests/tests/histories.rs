//! Every backend as a compare-and-swap register: what many clients did to it at once, while its server was killed and started anew,
//! and what they wrote to a register with their tokens, has an order in which every answer is right (porcupine).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use leaderelection::{LockErrorKind, SystemClock};
use leaderelection_conformance::broken::{BROKEN, Broken};
use leaderelection_conformance::{Fault, FaultLock, FencedRegister, Op};
use leaderelection_etcd::EtcdConnection;
use leaderelection_kube::KubeConnection;
use leaderelection_memory::MemoryLock;
use leaderelection_tests::histories::{CheckThenWrite, Crowd, Histories, Kind, judge};
use leaderelection_tests::servers::{Etcd, KubeApiserver};
use leaderelection_tests::time::sleep;

type TestResult = Result<(), Box<dyn Error + Send + Sync>>;

const CLIENTS: u64 = 4;
const MANY: u64 = 1_000_000;
/// How often what is broken may pass before it must not.
const TRIES: u64 = 10;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// `LEADERELECTION_SEED=N` chooses what the clients draw. The threads and the servers draw too.
fn seed() -> u64 {
    let seed = std::env::var("LEADERELECTION_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("LEADERELECTION_SEED={seed}");
    seed
}

/// Both histories have an order. What was written down of one that has none is kept for people.
fn assert_linearizable(name: &str, histories: &Histories) -> TestResult {
    println!("{name}: {:?}", histories.counts);
    for (kind, history) in [(Kind::Lock, &histories.lock), (Kind::Fence, &histories.fence)] {
        let verdict = judge(kind, history)?;
        println!("{name}, {kind:?}: {}", verdict.said.trim());
        if !verdict.linearizable {
            let file = tempfile::Builder::new()
                .prefix(name)
                .suffix(".jsonl")
                .tempfile()?;
            std::fs::write(file.path(), history)?;
            let (_, kept) = file.keep()?;
            panic!("{name}: the whole history is in {}", kept.display());
        }
    }
    Ok(())
}

fn is_lively(histories: &Histories) -> bool {
    let counts = histories.counts;
    [counts.read, counts.done, counts.conflicts, counts.refused]
        .iter()
        .all(|count| *count >= 20)
}

/// In one process, with all that a network can do: requests and replies travel, are lost, come late and never.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_linearizable_under_faults() -> TestResult {
    let seed = seed();
    let memory = MemoryLock::new();
    let mut crowd = Crowd::new(seed, 150, ms(2), FencedRegister::new()).with_limit(ms(50));
    for number in 0..CLIENTS {
        let lock = FaultLock::with(memory.clone(), Arc::new(SystemClock), seed * 10 + number);
        let faults = lock.faults();
        let swaps = vec![
            Fault::LostRequest,
            Fault::LostReply,
            Fault::LateRequest(ms(5)),
            Fault::Hang { lands: true },
            Fault::Hang { lands: false },
            Fault::Error(LockErrorKind::Unavailable),
        ];
        faults.random(Op::Cas, 60, swaps);
        faults.random(Op::Get, 20, vec![Fault::Error(LockErrorKind::Unavailable)]);
        faults.jitter(Op::Cas, ms(2));
        faults.jitter(Op::Get, ms(2));
        crowd.join(lock);
    }
    let histories = crowd.finished().await;
    assert_linearizable("memory", &histories)?;
    let counts = histories.counts;
    assert!(
        is_lively(&histories) && counts.ambiguous > 0 && counts.failed > 0,
        "{counts:?}"
    );
    Ok(())
}

/// SIGKILL and a start anew, three times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_linearizable_across_kills() -> TestResult {
    let mut etcd = Etcd::start()?;
    let mut crowd = Crowd::new(seed(), MANY, ms(8), FencedRegister::new());
    for _ in 0..CLIENTS {
        crowd.join(EtcdConnection::connect([etcd.endpoint()]).await?.lock("leader")?);
    }
    for _ in 0..3 {
        sleep(ms(1_000)).await;
        etcd = tokio::task::spawn_blocking(move || etcd.restart().map(|()| etcd)).await??;
    }
    sleep(ms(1_000)).await;
    let histories = crowd.ended().await;
    assert_linearizable("etcd", &histories)?;
    assert!(is_lively(&histories), "{:?}", histories.counts);
    assert!(
        histories.counts.failed + histories.counts.ambiguous > 0,
        "the kills must bite"
    );
    Ok(())
}

/// SIGKILL and a start anew: of the apiserver, and of the etcd behind it. All kinds of locks at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubernetes_locks_are_linearizable_across_kills() -> TestResult {
    let mut server = KubeApiserver::start()?;
    let seed = seed();
    let crowd = |number| Crowd::new(seed + number, MANY, ms(48), FencedRegister::new());
    let (mut endpoints, mut leases, mut config_maps) = (crowd(0), crowd(1), crowd(2));
    for _ in 0..CLIENTS {
        let connection = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
        endpoints.join(connection.endpoints("default", "leader")?);
        leases.join(connection.lease("default", "leader")?);
        config_maps.join(connection.config_map("default", "leader")?);
    }
    sleep(ms(2_000)).await;
    server = tokio::task::spawn_blocking(move || server.restart().map(|()| server)).await??;
    sleep(ms(2_000)).await;
    let server = tokio::task::spawn_blocking(move || server.etcd_mut().restart().map(|()| server)).await??;
    sleep(ms(2_000)).await;
    let all = [
        ("endpoints", endpoints),
        ("leases", leases),
        ("config maps", config_maps),
    ];
    let mut ended = Vec::new();
    for (name, crowd) in all {
        ended.push((name, crowd.ended().await));
    }
    drop(server);
    for (name, histories) in ended {
        assert_linearizable(name, &histories)?;
        assert!(is_lively(&histories), "{name}: {:?}", histories.counts);
        assert!(
            histories.counts.failed + histories.counts.ambiguous > 0,
            "{name}: the kills must bite"
        );
    }
    Ok(())
}

fn broken(name: &str) -> &'static Broken {
    let found = BROKEN.iter().find(|broken| broken.name == name);
    found.unwrap_or_else(|| panic!("no broken lock {name}"))
}

/// The judge can reject: locks that break the register's promises.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_locks_are_rejected() -> TestResult {
    let seed = seed();
    for name in [
        "BlindPut",
        "CreatesOverExisting",
        "CheckThenPutByThreads",
        "HiddenRetry",
        "ConflictTellsAbsence",
        "StaleReads",
        "WrappingVersions",
    ] {
        let mut passed = Vec::new();
        // Where it takes a race to show, that is lost sooner or later.
        for seed in seed..seed + TRIES {
            let memory = MemoryLock::new();
            let mut crowd = Crowd::new(seed, 60, ms(1), FencedRegister::new());
            // Each client has one of its own, as processes would; what is broken is what they do to the one memory.
            for _ in 0..CLIENTS {
                crowd.join(broken(name).lock(memory.clone()));
            }
            let histories = crowd.finished().await;
            let verdict = judge(Kind::Lock, &histories.lock)?;
            if !verdict.linearizable {
                assert!(verdict.said.contains("does not fit"), "{name}: {}", verdict.said);
                break;
            }
            passed.push(histories.counts);
        }
        println!("{name}: rejected after {} histories that passed", passed.len());
        assert!((passed.len() as u64) < TRIES, "{name} passed: {passed:?}");
    }
    Ok(())
}

/// The judge can reject: a conflict that had landed, and a read from the past.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lying_answers_are_rejected() -> TestResult {
    let seed = seed();
    for (op, lie) in [(Op::Cas, Fault::LandsThenConflict), (Op::Get, Fault::StaleRead)] {
        let memory = MemoryLock::new();
        let mut crowd = Crowd::new(seed, 60, ms(1), FencedRegister::new());
        for number in 0..CLIENTS {
            let lock = FaultLock::with(memory.clone(), Arc::new(SystemClock), seed * 10 + number);
            lock.faults().random(op, 100, vec![lie.clone()]);
            crowd.join(lock);
        }
        let histories = crowd.finished().await;
        let verdict = judge(Kind::Lock, &histories.lock)?;
        assert!(!verdict.linearizable, "{lie:?} passed: {:?}", histories.counts);
    }
    Ok(())
}

/// The judge can reject: a register that looks first and writes then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_register_with_a_gap_is_rejected() -> TestResult {
    let seed = seed();
    for seed in seed..seed + TRIES {
        let memory = MemoryLock::new();
        let mut crowd = Crowd::new(seed, 60, ms(1), CheckThenWrite::default());
        for _ in 0..CLIENTS {
            crowd.join(memory.clone());
        }
        let histories = crowd.finished().await;
        assert!(
            judge(Kind::Lock, &histories.lock)?.linearizable,
            "the lock is not to blame"
        );
        if !judge(Kind::Fence, &histories.fence)?.linearizable {
            return Ok(());
        }
    }
    panic!("passed {TRIES} times");
}
