//! Measures hand-overs and fail-overs on one real etcd, and prints the figures: of programs around this library's elector and,
//! in the same run, of such around `concurrency.Election` of etcd's own Go client and around client-go's elector; and of `leaderelect
//! run`, which starts a command. Or on a Lease of a real kube-apiserver, beside client-go's elector, whose fail-overs are not measured: it does not say when it
//! has renewed.
//!
//! ```text
//! cargo run --package leaderelection-tests --bin handover [-- etcd|kube [TIMES]]
//! ```
//!
//! The raw figures are written to `docs/performance/handover-STORE.json`.
//!
//! With other arguments it is `leaderelect` itself, or a program around our elector: those are the processes that it measures.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use leaderelection_tests::figures::keep;
use leaderelection_tests::fleet::client_go;
use leaderelection_tests::handover::{
    Chain, FIRST_FLAGS, Failover, Handover, Place, Side, after_kill, contend, graceful, percentile,
};
use leaderelection_tests::leaderelect::SHORT_LEASE;
use leaderelection_tests::servers::{Etcd, KubeApiserver};
use leaderelection_tests::time::wait;

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

const OURS: &str = "ours";
const ETCDS: &str = "etcd's Go client";
const CLIENT_GOS: &str = "client-go";

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
    let mut report = Report::default();
    let program = std::env::current_exe()?;
    let client_go = client_go()?;
    let etcd = Etcd::start()?;
    let place = |name: String| Ok(Place::key(&etcd, name));

    let sides = [
        (Side::Ours, program.as_path(), OURS),
        (Side::Go, &program, ETCDS),
        (Side::ClientGo, &client_go, CLIENT_GOS),
    ];
    handed_over(&mut report, times, &place, &sides)?;
    report.handovers("leaderelect run", &graceful(&etcd, &program, times / 6)?);

    let [ours, go] = failed_over(times, &program, &place, [Side::Ours, Side::Go])?;
    report.failovers(OURS, &ours);
    report.failovers(ETCDS, &go);
    ratio(ETCDS, &ours, &go, |one| one.from_renewal);
    report.failovers(
        "leaderelect run",
        &after_kill(&etcd, &program, &SHORT_LEASE, times / 12)?,
    );
    report.keep("etcd")
}

fn on_kube(times: usize) -> Result<()> {
    let mut report = Report::default();
    let program = std::env::current_exe()?;
    let server = KubeApiserver::start()?;
    let place = |name: String| Place::lease(&server, name.to_lowercase());
    let sides = [
        (Side::Ours, program.as_path(), OURS),
        (Side::Go, &program, CLIENT_GOS),
    ];
    handed_over(&mut report, times, &place, &sides)?;
    let [ours] = failed_over(times, &program, &place, [Side::Ours])?;
    report.failovers(OURS, &ours);
    report.keep("kube")
}

type Places<'a> = &'a (dyn Fn(String) -> Result<Place> + Sync);

/// Whose, by which program, and what it is called.
type Contender<'a> = (Side, &'a Path, &'a str);

fn handed_over(
    report: &mut Report,
    times: usize,
    place: Places<'_>,
    contenders: &[Contender<'_>],
) -> Result<()> {
    println!("Graceful hand-over, {times} of each in turn, lease 15 s:");
    let chain = |&(side, program, _): &Contender<'_>| {
        Chain::begin(place(format!("handover-{side:?}"))?, program, side, LONG)
    };
    let mut chains = contenders.iter().map(chain).collect::<Result<Vec<_>>>()?;
    let mut measured = vec![Vec::new(); contenders.len()];
    for round in 0..times {
        for chain in &mut chains {
            chain.prepare()?;
        }
        // At all phases of the time between two looks of client-go's, which is 4.4 s at most.
        wait(Duration::from_millis(1_291 * round as u64 % 4_400));
        for (chain, measured) in chains.iter_mut().zip(&mut measured) {
            measured.push(chain.by_release()?);
        }
    }
    for ((_, _, name), measured) in contenders.iter().zip(&measured) {
        report.handovers(name, measured);
    }
    if let ([_, others @ ..], [ours, theirs @ ..]) = (contenders, measured.as_slice()) {
        for ((_, _, name), theirs) in others.iter().zip(theirs) {
            ratio(name, ours, theirs, |one| one.from_signal);
        }
    }
    Ok(())
}

/// Of each side, in the order of the sides.
fn failed_over<const SIDES: usize>(
    times: usize,
    program: &Path,
    place: Places<'_>,
    sides: [Side; SIDES],
) -> Result<[Vec<Failover>; SIDES]> {
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
    let mut all = [const { Vec::new() }; SIDES];
    for (side, chain) in measured {
        let chain = chain?;
        for (_, all) in sides.iter().zip(&mut all).filter(|(one, _)| **one == side) {
            all.extend(&chain);
        }
    }
    Ok(all)
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

/// What was measured, in milliseconds, by the row in which it is shown.
#[derive(Default)]
struct Report(BTreeMap<String, Vec<f64>>);

impl Report {
    fn handovers(&mut self, name: &str, measured: &[Handover]) {
        self.row(format!("{name}: SIGTERM to the next start"), measured, |one| {
            one.from_signal
        });
        self.row(format!("{name}: nobody at work"), measured, |one| {
            one.without_work
        });
    }

    fn failovers(&mut self, name: &str, measured: &[Failover]) {
        self.row(
            format!("{name}: last renewal to the next start"),
            measured,
            |one| one.from_renewal,
        );
        let beyond = |one: &Failover| one.from_renewal.saturating_sub(LEASE);
        self.row(format!("{name}: beyond the lease"), measured, beyond);
        // They are hidden behind a zero there. The lease counts from when the leader learnt of its renewal: a follower may have
        // been told before.
        let early = measured.iter().filter(|one| one.from_renewal < LEASE).count();
        println!("    of these before it has passed: {early}");
        self.row(format!("{name}: SIGKILL to the next start"), measured, |one| {
            one.from_kill
        });
    }

    fn row<T>(&mut self, name: String, measured: &[T], value: impl Fn(&T) -> Duration) {
        let milliseconds = |percent| percentile(measured.iter().map(&value), percent).as_secs_f64() * 1e3;
        println!(
            "  {name:<50} n {:>3}   least {:>8.1} ms   p50 {:>8.1} ms   p99 {:>8.1} ms   most {:>8.1} ms",
            measured.len(),
            milliseconds(0),
            milliseconds(50),
            milliseconds(99),
            milliseconds(100)
        );
        let all = measured.iter().map(|one| value(one).as_secs_f64() * 1e3);
        self.0.insert(name, all.collect());
    }

    fn keep(&self, store: &str) -> Result<()> {
        Ok(keep(&format!("handover-{store}"), &self.0)?)
    }
}

fn ratio<T>(name: &str, ours: &[T], go: &[T], value: impl Fn(&T) -> Duration) {
    let at = |percent| {
        let [ours, go] = [ours, go].map(|side| percentile(side.iter().map(&value), percent).as_secs_f64());
        go / ours
    };
    println!("  {name} / {OURS}: {:.2} at p50, {:.2} at p99", at(50), at(99));
}
