//! Measures graceful hand-overs and fail-overs on the Endpoints lock of a real kube-apiserver, between real `leaderelect run`
//! processes and, in the same run, between client-go's electors, and prints the figures:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin handover-kube
//! ```
//!
//! With arguments it is `leaderelect` itself, or its work: those are the processes that it measures.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use leaderelection_tests::beside_go::{self, Change, Side, Stage, by_kill, by_release, row};
use leaderelection_tests::interop::SHORT;
use leaderelection_tests::servers::KubeApiserver;

const HANDOVERS: usize = 50;
const FAILOVERS: usize = 20;
/// client-go's default, and ours.
const TIMING: [Duration; 3] = [
    Duration::from_secs(15),
    Duration::from_secs(10),
    Duration::from_secs(2),
];

/// What to print of a change, in milliseconds.
type Figure = (&'static str, fn(&Change) -> f64);

type Measured = Result<Vec<Change>, String>;

fn main() -> ExitCode {
    beside_go::main("handover-kube", |_| measure())
}

fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let server = KubeApiserver::start()?;
    let chains: [fn(&KubeApiserver, &Path, Side) -> Measured; 2] = [handovers, failovers];
    let names = [(Side::Ours, "leaderelect"), (Side::Go, "client-go v0.23.17")];
    // All at once, each in an election of its own: they sleep most of the time, and a noisy machine disturbs all.
    let measured = std::thread::scope(|scope| {
        let (server, program) = (&server, &program);
        let running =
            chains.map(|chain| names.map(|(side, _)| scope.spawn(move || chain(server, program, side))));
        running.map(|sides| sides.map(|side| side.join().unwrap_or_else(|_| Err("a panic".to_owned()))))
    });
    let [handovers, failovers] = measured;
    let print = |chains: [Measured; 2], rows: [Figure; 2]| -> Result<(), String> {
        for ((_, name), changes) in names.into_iter().zip(chains) {
            let changes = changes?;
            for (what, value) in rows {
                println!("{}", row(&format!("{name}: {what}"), changes.iter().map(value)));
            }
        }
        Ok(())
    };
    println!("Graceful hand-over on one Endpoints object, {HANDOVERS} times, at 15s / 10s / 2s:");
    let nobody: Figure = ("nobody at work", |change| change.without_work);
    print(
        handovers,
        [("SIGTERM to the next start", |change| change.from_signal), nobody],
    )?;
    println!("Fail-over after SIGKILL between two renewals, {FAILOVERS} times, at 4s / 3s / 1s:");
    print(
        failovers,
        [
            ("last renewal to the next start", |change| change.from_renewal),
            nobody,
        ],
    )?;
    Ok(())
}

fn handovers(server: &KubeApiserver, program: &Path, side: Side) -> Measured {
    let chain = || {
        let mut stage = Stage::new(server, "handover", program, TIMING, &[])?;
        // Over more than the longest time between two looks of client-go, 2.2 of its retry periods.
        let pause = |round| Duration::from_millis(30 + 1_291 * round as u64 % 4_400);
        by_release(&mut stage, [side; HANDOVERS + 1], pause)
    };
    chain().map_err(|error: Box<dyn std::error::Error>| error.to_string())
}

fn failovers(server: &KubeApiserver, program: &Path, side: Side) -> Measured {
    let chain = || {
        let mut stage = Stage::new(server, "failover", program, SHORT, &["--stop-grace", "500ms"])?;
        by_kill(&mut stage, [side; FAILOVERS + 1])
    };
    chain().map_err(|error: Box<dyn std::error::Error>| error.to_string())
}
