//! Measures graceful hand-overs and fail-overs on a real kube-apiserver, between real `leaderelect run` processes and, in the same run,
//! between client-go's electors: v0.23.17 and ours on Endpoints, today's and ours on a Lease. Prints the figures:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin handover-kube [HANDOVERS [FAILOVERS]]
//! ```
//!
//! The raw figures are written to `docs/performance/handover-leaderelect-kube.json`.
//!
//! With other arguments it is `leaderelect` itself, or its work: those are the processes that it measures.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use leaderelection_tests::beside_go::{self, Change, ClientGo, Side, Stage, by_kill, by_release, row};
use leaderelection_tests::figures::keep;
use leaderelection_tests::interop::SHORT;
use leaderelection_tests::kube_door::Kind;
use leaderelection_tests::servers::KubeApiserver;

const HANDOVERS: usize = 50;
const FAILOVERS: usize = 20;
/// client-go's default, and ours.
const TIMING: [Duration; 3] = [
    Duration::from_secs(15),
    Duration::from_secs(10),
    Duration::from_secs(2),
];

/// Whose candidates hand over to one another, and on what.
#[derive(Clone, Copy)]
struct Contender {
    name: &'static str,
    side: Side,
    kind: Kind,
    client_go: ClientGo,
}

/// On each kind of object ours, and beside it the newest client-go that knows it.
const CONTENDERS: [Contender; 4] = [
    Contender {
        name: "leaderelect, Endpoints",
        side: Side::Ours,
        kind: Kind::Endpoints,
        client_go: ClientGo::Old,
    },
    Contender {
        name: "client-go v0.23.17, Endpoints",
        side: Side::Go,
        kind: Kind::Endpoints,
        client_go: ClientGo::Old,
    },
    Contender {
        name: "leaderelect, Lease",
        side: Side::Ours,
        kind: Kind::Lease,
        client_go: ClientGo::Today,
    },
    Contender {
        name: "client-go of today, Lease",
        side: Side::Go,
        kind: Kind::Lease,
        client_go: ClientGo::Today,
    },
];

/// What to print of a change, in milliseconds.
type Figure = (&'static str, fn(&Change) -> f64);

type Measured = Result<Vec<Change>, String>;

fn main() -> ExitCode {
    beside_go::main("handover-kube", |numbers| match *numbers {
        [] => measure(HANDOVERS, FAILOVERS),
        [both] => measure(both, both),
        [handovers, failovers] => measure(handovers, failovers),
        _ => Err("two numbers at most: of hand-overs, of fail-overs".into()),
    })
}

fn measure(handovers: usize, failovers: usize) -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let server = KubeApiserver::start()?;
    type Chain = fn(&KubeApiserver, &Path, Contender, usize) -> Measured;
    let chains: [(Chain, usize); 2] = [(by_sigterm, handovers), (by_sigkill, failovers)];
    // All at once, each in an election of its own: they sleep most of the time, and a noisy machine disturbs all.
    let measured = std::thread::scope(|scope| {
        let (server, program) = (&server, &program);
        let running = chains.map(|(chain, times)| {
            CONTENDERS.map(|contender| scope.spawn(move || chain(server, program, contender, times)))
        });
        running.map(|all| all.map(|one| one.join().unwrap_or_else(|_| Err("a panic".to_owned()))))
    });
    let [released, killed] = measured;
    let mut together = 0;
    // By the row in which it is shown, in milliseconds.
    let mut kept: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut print = |how: &str, chains: [Measured; 4], figures: [Figure; 2]| -> Result<(), String> {
        for (Contender { name, .. }, changes) in CONTENDERS.into_iter().zip(chains) {
            let changes = changes.map_err(|error| format!("{name}: {error}"))?;
            for (what, value) in figures {
                let row_of = format!("{name}: {what}");
                println!("{}", row(&row_of, changes.iter().map(value)));
                kept.insert(format!("{how}, {row_of}"), changes.iter().map(value).collect());
            }
            let lost = changes.iter().filter(|change| change.release_lost).count();
            if lost > 0 {
                println!("  {name}: {lost} releases were lost, and the lease was waited out");
            }
            together += changes.iter().filter(|change| change.without_work <= 0.0).count();
        }
        Ok(())
    };
    let nobody: Figure = ("nobody at work", |change| change.without_work);
    println!("Graceful hand-over on one object, {handovers} times, at 15s / 10s / 2s:");
    print(
        "SIGTERM",
        released,
        [("SIGTERM to the next start", |change| change.from_signal), nobody],
    )?;
    println!("Fail-over after SIGKILL between two renewals, {failovers} times, at 4s / 3s / 1s:");
    print(
        "SIGKILL",
        killed,
        [
            ("last renewal to the next start", |change| change.from_renewal),
            nobody,
        ],
    )?;
    keep("handover-leaderelect-kube", &kept)?;
    if together > 0 {
        return Err(format!("two were at work at once, {together} times").into());
    }
    Ok(())
}

fn by_sigterm(server: &KubeApiserver, program: &Path, contender: Contender, times: usize) -> Measured {
    let chain = || {
        let mut stage =
            Stage::new(server, "handover", program, TIMING, &[])?.on(contender.kind, contender.client_go);
        // Over more than the longest time between two looks of client-go, 2.2 of its retry periods.
        let pause = |round| Duration::from_millis(30 + 1_291 * round as u64 % 4_400);
        by_release(&mut stage, std::iter::repeat_n(contender.side, times + 1), pause)
    };
    chain().map_err(|error: Box<dyn std::error::Error>| error.to_string())
}

fn by_sigkill(server: &KubeApiserver, program: &Path, contender: Contender, times: usize) -> Measured {
    let chain = || {
        let mut stage = Stage::new(server, "failover", program, SHORT, &["--stop-grace", "500ms"])?
            .on(contender.kind, contender.client_go);
        by_kill(&mut stage, std::iter::repeat_n(contender.side, times + 1))
    };
    chain().map_err(|error: Box<dyn std::error::Error>| error.to_string())
}
