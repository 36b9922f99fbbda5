//! Measures hand-overs and fail-overs on one real etcd, and prints the figures: of programs around this library's elector and,
//! in the same run, of such around `concurrency.Election` of etcd's own Go client; and of `leaderelect run`, which starts a
//! command. Or on a Lease of a real kube-apiserver, beside client-go's elector, whose fail-overs are not measured: it does not say when it
//! has renewed.
//!
//! ```text
//! cargo run --package leaderelection-tests --bin handover [-- etcd|kube [TIMES]]
//! ```
//!
//! With other arguments it is `leaderelect` itself, or a program around our elector: those are the processes that it measures.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use leaderelection_tests::handover::{
    Chain, FIRST_FLAGS, Failover, Handover, Place, Side, after_kill, contend, graceful, percentile,
};
use leaderelection_tests::leaderelect::SHORT_LEASE;
use leaderelection_tests::servers::{Etcd, KubeApiserver};

/// Hand-overs of each side, in turn, and fail-overs of each.
const TIMES: usize = 300;
/// Elections of each side that fail over at once: they sleep most of the time.
const CHAINS: usize = 6;

const LONG: [Duration; 3] = [
    Duration::from_secs(15),
    Duration::from_secs(10),
    Duration::from_secs(2),
];
/// As [`SHORT_LEASE`].
const SHORT: [Duration; 3] = [LEASE, Duration::from_secs(2), Duration::from_millis(500)];
const LEASE: Duration = Duration::from_secs(3);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        None => on_etcd(TIMES),
        Some("etcd") => times(&arguments).and_then(on_etcd),
        Some("kube") => times(&arguments).and_then(on_kube),
        Some(first) if FIRST_FLAGS.contains(&first) => contend(&arguments),
        Some(_) => return leaderelection_cli::main(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("handover: {error}");
            ExitCode::FAILURE
        }
    }
}

fn times(arguments: &[String]) -> Result<usize> {
    Ok(arguments.get(1).map_or(Ok(TIMES), |times| times.parse())?)
}

fn on_etcd(times: usize) -> Result<()> {
    let program = std::env::current_exe()?;
    let etcd = Etcd::start()?;
    let place = |name: String| Ok(Place::key(&etcd, name));

    handed_over(times, &program, &place, "etcd's Go client")?;
    handovers("leaderelect run", &graceful(&etcd, &program, times / 6)?);

    let (ours, go) = failed_over(times, &program, &place, &[Side::Ours, Side::Go])?;
    failover_rows("ours", &ours);
    failover_rows("etcd's Go client", &go);
    ratio(&ours, &go, |one| one.from_renewal);
    failover_rows(
        "leaderelect run",
        &after_kill(&etcd, &program, &SHORT_LEASE, times / 12)?,
    );
    Ok(())
}

fn on_kube(times: usize) -> Result<()> {
    let program = std::env::current_exe()?;
    let server = KubeApiserver::start()?;
    let place = |name: String| Place::lease(&server, name.to_lowercase());
    handed_over(times, &program, &place, "client-go")?;
    let (ours, _) = failed_over(times, &program, &place, &[Side::Ours])?;
    failover_rows("ours", &ours);
    Ok(())
}

type Places<'a> = &'a (dyn Fn(String) -> Result<Place> + Sync);

fn handed_over(times: usize, program: &Path, place: Places<'_>, go_s: &str) -> Result<()> {
    println!("Graceful hand-over, {times} of each in turn, lease 15 s:");
    let chain = |side| Chain::begin(place(format!("handover-{side:?}"))?, program, side, LONG);
    let (mut our_chain, mut go_chain) = (chain(Side::Ours)?, chain(Side::Go)?);
    let [mut ours, mut go] = [Vec::new(), Vec::new()];
    for _ in 0..times {
        ours.push(our_chain.by_release()?);
        go.push(go_chain.by_release()?);
    }
    handovers("ours", &ours);
    handovers(go_s, &go);
    ratio(&ours, &go, |one| one.from_signal);
    Ok(())
}

fn failed_over(
    times: usize,
    program: &Path,
    place: Places<'_>,
    sides: &[Side],
) -> Result<(Vec<Failover>, Vec<Failover>)> {
    let in_each = times.div_ceil(CHAINS);
    println!(
        "SIGKILL of the leader, {} of each at once, lease 3 s:",
        CHAINS * in_each
    );
    let measured = std::thread::scope(|scope| {
        let run = |(number, side)| scope.spawn(move || failovers(in_each, program, place, side, number));
        let chains = (0..CHAINS).flat_map(|number| sides.iter().map(move |&side| (number, side)));
        let running: Vec<_> = chains.map(|(number, side)| (side, run((number, side)))).collect();
        running
            .into_iter()
            .map(|(side, chain)| (side, chain.join().unwrap_or_else(|_| Err("a panic".to_owned()))))
            .collect::<Vec<_>>()
    });
    let [mut ours, mut go] = [Vec::new(), Vec::new()];
    for (side, chain) in measured {
        match side {
            Side::Ours => ours.extend(chain?),
            Side::Go => go.extend(chain?),
        }
    }
    Ok((ours, go))
}

fn failovers(
    times: usize,
    program: &Path,
    place: Places<'_>,
    side: Side,
    number: usize,
) -> std::result::Result<Vec<Failover>, String> {
    let chain = || {
        let place = place(format!("failover-{number}-{side:?}"))?;
        let mut chain = Chain::begin(place, program, side, SHORT)?;
        // The kills spread over most of the time between two renewals of ours; those of etcd's Go client are a second apart.
        let pause = |round| Duration::from_millis(20 + 37 * (round + 5 * number) as u64 % 400);
        (0..times)
            .map(|round| chain.by_kill(pause(round)))
            .collect::<Result<Vec<_>>>()
    };
    chain().map_err(|error| format!("{side:?}: {error}"))
}

fn handovers(name: &str, measured: &[Handover]) {
    row(&format!("{name}: SIGTERM to the next start"), measured, |one| {
        one.from_signal
    });
    row(&format!("{name}: nobody at work"), measured, |one| {
        one.without_work
    });
}

fn failover_rows(name: &str, measured: &[Failover]) {
    row(
        &format!("{name}: last renewal to the next start"),
        measured,
        |one| one.from_renewal,
    );
    // A start before the lease has passed would be hidden behind a zero here.
    let early = measured.iter().filter(|one| one.from_renewal < LEASE).count();
    let beyond = |one: &Failover| one.from_renewal.saturating_sub(LEASE);
    row(
        &format!("{name}: beyond the lease ({early} before it)"),
        measured,
        beyond,
    );
    row(&format!("{name}: SIGKILL to the next start"), measured, |one| {
        one.from_kill
    });
}

fn row<T>(name: &str, measured: &[T], value: impl Fn(&T) -> Duration) {
    let milliseconds = |percent| percentile(measured.iter().map(&value), percent).as_secs_f64() * 1e3;
    println!(
        "  {name:<50} n {:>3}   least {:>8.1} ms   p50 {:>8.1} ms   p99 {:>8.1} ms   most {:>8.1} ms",
        measured.len(),
        milliseconds(0),
        milliseconds(50),
        milliseconds(99),
        milliseconds(100)
    );
}

fn ratio<T>(ours: &[T], go: &[T], value: impl Fn(&T) -> Duration) {
    let at = |percent| {
        let [ours, go] = [ours, go].map(|side| percentile(side.iter().map(&value), percent).as_secs_f64());
        ours / go
    };
    println!("  ours / Go's: {:.2} at p50, {:.2} at p99", at(50), at(99));
}
