//! Measures many elections in one process, and beside them client-go's on the same kind of store, and prints a table. client-go is measured for two minutes at most:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin fleet -- memory|etcd|kube SECONDS ELECTIONS[xCANDIDATES]...
//! ```
//!
//! The raw figures are written to `docs/performance/fleet-STORE-SECONDSs.json`.

use std::process::ExitCode;
use std::time::Duration;

use leaderelection_tests::figures::keep;
use leaderelection_tests::fleet::{Cost, Measured, Place, Plan, Programs, Side, Store, measure};

/// Enough for what a second costs.
const CLIENT_GO: Duration = Duration::from_secs(120);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [store, seconds, sizes @ ..] = arguments.as_slice() else {
        return Err("usage: fleet memory|etcd|kube SECONDS ELECTIONS[xCANDIDATES]...".into());
    };
    let store: Store = store.parse()?;
    let lasting = Duration::from_secs(seconds.parse()?);
    let programs = Programs::build()?;
    let (mut all, mut failed) = (Vec::new(), 0);
    println!(
        "| elections × candidates | whose, for how long | KiB each: leader, follower | µs of processor a second each: leader, follower | terms lost |"
    );
    println!("|---|---|---|---|---|");
    for size in sizes {
        let (elections, candidates) = size.split_once('x').unwrap_or((size, "2"));
        let plan = Plan {
            store,
            elections: elections.parse()?,
            candidates: candidates.parse()?,
            lasting,
        };
        let place = Place::start(store)?;
        for (side, lasting) in [(Side::Ours, lasting), (Side::ClientGo, lasting.min(CLIENT_GO))] {
            match measure(&programs, &place, Plan { lasting, ..plan }, side) {
                Ok(measured) => {
                    println!("{}", row(&measured));
                    all.push(measured);
                }
                Err(error) => {
                    println!("| {size} | {side:?} | {error} | | |");
                    failed += 1;
                }
            }
        }
    }
    keep(&format!("fleet-{}-{}s", store.name(), lasting.as_secs()), &all)?;
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} could not be measured").into()),
    }
}

fn row(measured: &Measured) -> String {
    let Measured {
        plan,
        side,
        leaders,
        followers,
        lost,
    } = measured;
    let figures = |figure: fn(&Cost) -> f64| {
        let leader = format!("{:.1}", figure(leaders));
        followers.as_ref().map_or(leader.clone(), |followers| {
            format!("{leader}, {:.1}", figure(followers))
        })
    };
    format!(
        "| {} × {} | {side:?}, {} s | {} | {} | {lost} |",
        plan.elections,
        plan.candidates,
        plan.lasting.as_secs(),
        figures(|cost| cost.kibibytes),
        figures(|cost| cost.micros_a_second),
    )
}
