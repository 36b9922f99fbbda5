//! The log of an election at its default level, as a person reads it.

use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};

use leaderelection::LockErrorKind;
use leaderelection_conformance::{Fault, FaultLock, Op, Partition};
use leaderelection_memory::MemoryLock;
use tracing_subscriber::fmt::MakeWriter;

use crate::{candidate, s, sleep};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(self.clone())
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn take(&self) -> String {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        text.lines()
            .map(|line| format!("{}\n", line.trim_start()))
            .collect()
    }
}

/// Runs a test of this program alone in a process: whoever logs first decides for its whole process what is logged at all.
fn passes_alone(test: &str) {
    let told = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--include-ignored"])
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr),
    );
    assert!(told.status.success() && out.contains("1 passed"), "{out}{err}");
}

/// The lines without their fields.
fn messages(lines: &str) -> Vec<String> {
    let message = |line: &str| line.split(" lock=").next().unwrap_or_default().to_owned();
    lines.lines().map(message).collect()
}

/// An hour of renewals says nothing; an outage says what failed, after how long, and how much lease is left, once; its end says how
/// long it was; and a loss says why.
#[test]
fn an_election_reads_as_a_story() {
    passes_alone("story::told");
}

#[tokio::test(start_paused = true)]
#[ignore = "run by the test above, in a process of its own"]
async fn told() {
    let log = Log::default();
    let _guard = log.start();
    let faulty = FaultLock::new(MemoryLock::new());
    let faults = faulty.faults();
    let handle = candidate(faulty, "a").seed(1).build().unwrap().spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    sleep(s(10)).await;
    expect_test::expect![[r#"
         INFO nobody holds lock="memory://lock"
         INFO another holder lock="memory://lock" holder="a"
         INFO started leading lock="memory://lock" token=1
    "#]]
    .assert_eq(&log.take());

    sleep(s(3_000)).await;
    expect_test::expect![[r#"
        INFO the durations lock="memory://lock" advice=fine: in 20s 10 renewals, the slowest answered after 0.0ns; up to 2.0s without one, of 10s that a term lasts and 2s after which one is due; 0 terms lost to that, 0 times at risk, 0 times a holder replaced who had not released
    "#]]
    .assert_eq(&log.take());

    // Calls that are refused at once, and then answered again: two of them, of a lease that is kept.
    faults.times(2, Op::Cas, Fault::Error(LockErrorKind::Unavailable));
    sleep(s(60)).await;
    expect_test::expect![[r#"
        WARN failed; it is tried again lock="memory://lock" operation=compare-and-swap error=unavailable: memory://lock: compare_and_swap: as ordered took=0ns remaining=8s purpose=Renew
        WARN renewals fail lock="memory://lock" unrenewed_for=4s remaining=6s
        INFO answers again lock="memory://lock" operation=compare-and-swap failing_for=4s times=2
    "#]]
    .assert_eq(&log.take());

    // Somebody else has written: that is no trouble of the store.
    faults.once(Op::Cas, Fault::Conflict);
    sleep(s(60)).await;
    expect_test::expect![[r#"
        INFO failed; it is tried again lock="memory://lock" operation=compare-and-swap error=the record was at another version: somebody has written to it, or an earlier write has landed took=0ns remaining=8s purpose=Renew
        WARN renewals fail lock="memory://lock" unrenewed_for=4s remaining=6s
    "#]].assert_eq(&log.take());

    // Soon after it, the store refuses for good: the risk was told a short while ago, the end that comes near was not.
    faults.times(2, Op::Cas, Fault::Error(LockErrorKind::Unavailable));
    sleep(s(20)).await;
    faults.standing(Op::Cas, Fault::Error(LockErrorKind::Unavailable));
    leadership.lost().await;
    drop(leadership);
    faults.clear_all();
    let leadership = handle.leadership().await.unwrap();
    sleep(s(90)).await;
    expect_test::expect![[r#"
        WARN failed; it is tried again lock="memory://lock" operation=compare-and-swap error=unavailable: memory://lock: compare_and_swap: as ordered took=0ns remaining=8s purpose=Renew
        WARN renewals fail lock="memory://lock" unrenewed_for=4s remaining=6s
        INFO answers again lock="memory://lock" operation=compare-and-swap failing_for=4s times=2
        WARN failed; it is tried again lock="memory://lock" operation=compare-and-swap error=unavailable: memory://lock: compare_and_swap: as ordered took=0ns remaining=2s purpose=Renew
        WARN lost the lease lock="memory://lock" token=1 reason=no renewal succeeded within the renew deadline
        WARN the durations do not fit the store lock="memory://lock" advice=too tight: in 3158s 1569 renewals, the slowest answered after 0.0ns; up to 10.0s without one, of 10s that a term lasts and 2s after which one is due; 1 terms lost to that, 4 times at risk, 0 times a holder replaced who had not released; LeaseDuration 33s, RenewDeadline 22s would fit (now 15s, 10s)
        INFO stopped leading lock="memory://lock" token=1 end=no renewal succeeded within the renew deadline
        INFO answers again lock="memory://lock" operation=compare-and-swap failing_for=8s times=4
        INFO started leading lock="memory://lock" token=1571
    "#]]
    .assert_eq(&log.take());

    // Which of two things of one instant comes first differs from run to run here: what is said does not.
    faults.partition(Partition::Full);
    leadership.lost().await;
    drop(leadership);
    sleep(s(300)).await;
    let said = messages(&log.take());
    let outage = [
        "WARN renewals fail",
        "WARN failed; it is tried again",
        "WARN lost the lease",
        "INFO stopped leading",
    ];
    assert_eq!(said[..4], outage, "{said:#?}");
    assert!(said.len() <= 8, "{said:#?}");

    faults.partition(Partition::None);
    sleep(s(10)).await;
    let said = messages(&log.take());
    let back = ["INFO answers again", "INFO started leading"];
    assert!(said.ends_with(&back.map(str::to_owned)), "{said:#?}");
    assert!(said.len() <= 4, "{said:#?}");
}

/// What goes on for long is no news: at every round trip up to the one at which the lead is lost, and where every other call fails, a
/// line or two in a minute, and never one with every renewal.
#[test]
fn trouble_that_goes_on_is_told_once_a_minute() {
    passes_alone("story::going_on");
}

#[tokio::test(start_paused = true)]
#[ignore = "run by the test above, in a process of its own"]
async fn going_on() {
    let log = Log::default();
    let _guard = log.start();
    let faulty = FaultLock::new(MemoryLock::new());
    let faults = faulty.faults();
    let handle = candidate(faulty, "a").build().unwrap().spawn().unwrap();
    let leadership = handle.leadership().await.unwrap();
    for round_trip in [2_050, 2_900, 4_800] {
        let half = std::time::Duration::from_millis(round_trip / 2);
        faults.latency(Op::Cas, half, half);
        faults.lag_watches(half);
        sleep(s(20)).await;
        log.take();
        sleep(s(600)).await;
        let lines = log.take();
        let count = lines.lines().count();
        assert!(
            (5..=13).contains(&count),
            "{round_trip}: {count} lines in ten minutes: {lines}"
        );
    }
    faults.clear_all();
    sleep(s(60)).await;
    log.take();
    for _ in 0..150 {
        // Every other renewal fails.
        faults.once(Op::Cas, Fault::Error(LockErrorKind::Unavailable));
        sleep(s(4)).await;
    }
    let lines = log.take();
    let count = lines.lines().count();
    assert!(
        (10..=40).contains(&count),
        "{count} lines in ten minutes: {lines}"
    );
    assert!(leadership.is_valid());
}
