//! Measures graceful hand-overs on the Endpoints lock of a real kube-apiserver, between real `leaderelect run` processes
//! and, in the same run, between client-go's electors, and prints the figures:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin handover-kube
//! ```
//!
//! With arguments it is `leaderelect` itself, or its work: those are the processes that it measures.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use leaderelection_tests::beside_go::{self, Change, Side, Stage, by_release, row};
use leaderelection_tests::servers::KubeApiserver;

const HANDOVERS: usize = 50;
/// client-go's default, and ours.
const TIMING: [Duration; 3] = [
    Duration::from_secs(15),
    Duration::from_secs(10),
    Duration::from_secs(2),
];

fn main() -> ExitCode {
    beside_go::main("handover-kube", |_| measure())
}

fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let server = KubeApiserver::start()?;
    // Both at once, each in an election of its own: they sleep most of the time, and a noisy machine disturbs both.
    let (ours, go) = std::thread::scope(|scope| {
        let go = scope.spawn(|| among(&server, &program, Side::Go));
        let ours = among(&server, &program, Side::Ours);
        (ours, go.join().unwrap_or_else(|_| Err("a panic".to_owned())))
    });
    println!("Graceful hand-over on one Endpoints object, {HANDOVERS} times, at 15s / 10s / 2s:");
    for (name, changes) in [("leaderelect", ours?), ("client-go v0.23.17", go?)] {
        let row = |what, values: fn(&Change) -> f64| {
            println!("{}", row(&format!("{name}: {what}"), changes.iter().map(values)));
        };
        row("SIGTERM to the next start", |change| change.from_signal);
        row("nobody at work", |change| change.without_work);
    }
    Ok(())
}

fn among(server: &KubeApiserver, program: &Path, side: Side) -> Result<Vec<Change>, String> {
    let chain = || {
        let mut stage = Stage::new(server, "handover", program, TIMING, &[])?;
        // Over more than the longest time between two looks of client-go, 2.2 of its retry periods.
        let pause = |round| Duration::from_millis(30 + 1_291 * round as u64 % 4_400);
        by_release(&mut stage, [side; HANDOVERS + 1], pause)
    };
    chain().map_err(|error: Box<dyn std::error::Error>| error.to_string())
}
