//! `leaderelect run --health-listen`, as real processes on a real etcd: what is answered to whom, and that nobody who asks holds up
//! the election.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failing assertion is how a test speaks"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use expect_test::expect_file;
use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, STUBBORN_WORK, WORK};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::time::{now, wait};
use rustix::process::Signal;

type TestResult = Result<(), Box<dyn Error>>;

/// `leaderelect` when it has arguments.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover");

/// Of [`SHORT_LEASE`].
const LEASE: Duration = Duration::from_secs(3);

/// For what is answered at once, on a busy machine.
const LIMIT: Duration = Duration::from_secs(5);

const TEXT: &str = "text/plain; charset=utf-8";

fn lock(etcd: &Etcd) -> String {
    format!("etcd://{}/leader", etcd.endpoint())
}

/// One that answers on a port of its own, and where.
fn run(lock: &str, identity: &str, flags: &[&str], script: &str) -> (Leaderelect, SocketAddr) {
    let flags = [&SHORT_LEASE[..], &["--health-listen", "127.0.0.1:0"], flags].concat();
    let process = Leaderelect::script(Path::new(PROGRAM), lock, identity, &flags, script).unwrap();
    let said = process.logged("answers /healthz").unwrap().text;
    let address = said.split("address=").nth(1).unwrap().trim().parse().unwrap();
    (process, address)
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    let mut stream = connect(address);
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    // It closes after one answer.
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path)
}

/// Until it is so; the last answer.
fn until(address: SocketAddr, path: &str, is_it: impl Fn(&Answer) -> bool) -> Answer {
    let limit = now().after(Duration::from_secs(30));
    loop {
        let answer = get(address, path);
        if is_it(&answer) || now() > limit {
            assert!(is_it(&answer), "{path}: {answer:?}");
            return answer;
        }
        wait(Duration::from_millis(20));
    }
}

#[track_caller]
fn says(address: SocketAddr, path: &str, status: u16, body: &str) {
    let answer = get(address, path);
    assert_eq!((answer.status, &*answer.body), (status, body), "{path}");
    assert_eq!(answer.headers["content-type"], TEXT, "{path}");
}

#[test]
fn a_leader_and_a_follower_say_who_they_are() -> TestResult {
    let etcd = Etcd::start()?;
    let (leader, of_leader) = run(&lock(&etcd), "<a>", &["--ready", "leader"], WORK);
    leader.started()?;
    until(of_leader, "/", |answer| answer.body != r#"{"name":""}"#);
    let (follower, of_follower) = run(&lock(&etcd), "b", &["--ready", "leader"], WORK);
    follower.follows("<a>")?;
    let (standby, of_standby) = run(&lock(&etcd), "c", &[], WORK);
    standby.follows("<a>")?;
    for address in [of_leader, of_follower, of_standby] {
        says(address, "/healthz", 200, "ok");
        // To the letter what Go's sidecar says: JSON that may stand in HTML, of no type but what Go guesses.
        says(address, "/", 200, r#"{"name":"\u003ca\u003e"}"#);
    }
    says(of_leader, "/readyz", 200, "ok");
    says(of_standby, "/readyz", 200, "ok");
    says(
        of_follower,
        "/readyz",
        500,
        "this candidate does not lead; \"<a>\" does\n",
    );
    Ok(())
}

#[test]
fn other_paths_and_methods_are_refused() -> TestResult {
    let etcd = Etcd::start()?;
    let (leader, address) = run(&lock(&etcd), "a", &[], WORK);
    leader.started()?;
    for path in ["/health", "/healthz/", "//", "/index.html"] {
        says(address, path, 404, "404 page not found\n");
    }
    assert_eq!(get(address, "/healthz?verbose=1").status, 200);
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        let head = ask(address, "HEAD", path);
        assert_eq!((head.status, &*head.body), (200, ""), "{path}");
        let refused = ask(address, "POST", path);
        assert_eq!(
            (refused.status, &*refused.headers["allow"]),
            (405, "GET, HEAD"),
            "{path}"
        );
    }
    Ok(())
}

/// Prometheus' text, as far as this needs it: the type of each metric, and each sample with its labels.
struct Metrics {
    types: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

fn parse(text: &str) -> Metrics {
    let (mut types, mut helps, mut samples) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name, rest) = (
                words.next().unwrap(),
                words.next().unwrap(),
                words.next().unwrap(),
            );
            let known = match kind {
                "HELP" => &mut helps,
                "TYPE" => &mut types,
                _ => panic!("{line}"),
            };
            assert_eq!(known.insert(name.to_owned(), rest.to_owned()), None, "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(
                samples.insert(sample.to_owned(), value.parse().unwrap()),
                None,
                "{line}"
            );
        }
    }
    Metrics {
        types,
        helps,
        samples,
    }
}

/// All that a leader and a follower have: two of Go's, and ours.
const METRICS: [&str; 13] = [
    "leader_election_at_risk_total counter",
    "leader_election_call_failures_total counter",
    "leader_election_last_observation_age_seconds gauge",
    "leader_election_lease_remaining_seconds gauge",
    "leader_election_losses_total counter",
    "leader_election_master_status gauge",
    "leader_election_record_transitions gauge",
    "leader_election_renewal_duration_seconds histogram",
    "leader_election_renewals_total counter",
    "leader_election_slowpath_total counter",
    "leader_election_takeover_duration_seconds histogram",
    "leader_election_transitions_total counter",
    "leader_election_watch_restarts_total counter",
];

#[test]
fn metrics_are_gos_and_more() -> TestResult {
    let etcd = Etcd::start()?;
    let lock = lock(&etcd);
    let (leader, of_leader) = run(&lock, "a", &[], WORK);
    leader.started()?;
    let (follower, of_follower) = run(&lock, "b", &[], WORK);
    follower.follows("a")?;
    // Renewed at least once.
    until(of_leader, "/metrics", |answer| {
        let renewed = |line: &str| {
            line.starts_with("leader_election_renewals_total")
                && line.contains("outcome=\"success\"")
                && !line.ends_with(" 0")
        };
        answer.body.lines().any(renewed)
    });
    for (address, master) in [(of_leader, 1.0), (of_follower, 0.0)] {
        let answer = get(address, "/metrics");
        assert_eq!(
            answer.headers["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let Metrics {
            types,
            helps,
            samples,
        } = parse(&answer.body);
        let of = |metric: &str| samples.get(&format!("{metric}{{name=\"{lock}\"}}")).copied();
        assert_eq!(
            of("leader_election_master_status"),
            Some(master),
            "{}",
            answer.body
        );
        assert_eq!(of("leader_election_slowpath_total"), Some(0.0), "{}", answer.body);
        assert_eq!(types["leader_election_master_status"], "gauge");
        assert_eq!(types["leader_election_slowpath_total"], "counter");
        let listed: Vec<_> = types
            .iter()
            .map(|(name, kind)| format!("{name} {kind}"))
            .collect();
        assert_eq!(listed, METRICS[..], "{}", answer.body);
        let said: Vec<_> = helps
            .iter()
            .map(|(name, help)| format!("{name}: {help}"))
            .collect();
        expect_file!["metrics_help.txt"].assert_eq(&(said.join("\n") + "\n"));
        let remaining = of("leader_election_lease_remaining_seconds").unwrap();
        assert!(
            if master == 1.0 {
                remaining > 0.0 && remaining <= 2.0
            } else {
                remaining == 0.0
            },
            "{remaining}"
        );
    }
    Ok(())
}

/// Candidates that name the members of their store in another order have one label by a name that they are given.
#[test]
fn a_name_is_one_label_for_all() -> TestResult {
    let etcd = Etcd::start()?;
    let port = etcd.endpoint().rsplit_once(':').unwrap().1.to_owned();
    let [one, other] = [("127.0.0.1", "localhost"), ("localhost", "127.0.0.1")]
        .map(|(first, second)| format!("etcd://{first}:{port},{second}:{port}/leader"));
    let named = ["--name", "job"];
    let (leader, of_leader) = run(&one, "a", &named, WORK);
    leader.started()?;
    let (follower, of_follower) = run(&other, "b", &named, WORK);
    follower.follows("a")?;
    let (unnamed, of_unnamed) = run(&other, "c", &[], WORK);
    unnamed.follows("a")?;
    for (address, name, master) in [
        (of_leader, "job", 1.0),
        (of_follower, "job", 0.0),
        (of_unnamed, &*other, 0.0),
    ] {
        let samples = parse(&get(address, "/metrics").body).samples;
        let label = format!("name=\"{name}\"");
        let others: Vec<_> = samples.keys().filter(|sample| !sample.contains(&label)).collect();
        assert!(others.is_empty(), "not of {label}: {others:#?}");
        let of_master = format!("leader_election_master_status{{{label}}}");
        assert_eq!(samples.get(&of_master), Some(&master), "{samples:#?}");
    }
    Ok(())
}

/// As Kubernetes asks a pod that ends: it is alive, and not ready, until its lease is released.
#[test]
fn one_that_was_asked_to_stop_is_healthy_and_not_ready_until_it_is_gone() -> TestResult {
    let etcd = Etcd::start()?;
    let (mut leader, address) = run(&lock(&etcd), "a", &["--drain-timeout", "1500ms"], STUBBORN_WORK);
    leader.started()?;
    until(address, "/readyz", |answer| answer.status == 200);
    leader.send(Signal::TERM)?;
    leader.said("term")?;
    says(address, "/readyz", 500, "this candidate was asked to stop\n");
    says(address, "/healthz", 200, "ok");
    assert_eq!(leader.exited()?.code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
    Ok(())
}

/// Healthy, as a restart would not help, and not ready.
#[test]
fn without_a_store_it_is_not_ready() -> TestResult {
    // Nobody listens there when this is dropped.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let (_process, address) = run(&format!("etcd://127.0.0.1:{port}/leader"), "a", &[], WORK);
    until(address, "/readyz", |answer| {
        answer.body == "the lock was not seen yet\n"
    });
    says(address, "/healthz", 200, "ok");
    says(address, "/", 200, r#"{"name":""}"#);
    Ok(())
}

/// More than are served at once, half of them in the middle of a request. A probe is answered all the same, at once, and the lease
/// is renewed.
#[test]
fn clients_that_say_nothing_disturb_nobody() -> TestResult {
    let etcd = Etcd::start()?;
    let (leader, address) = run(&lock(&etcd), "a", &[], WORK);
    leader.started()?;
    let began = now();
    let silent: Vec<_> = (0..200)
        .map(|number| {
            let mut stream = connect(address);
            if number % 2 == 0 {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
            }
            stream
        })
        .collect();
    // It was the last to come, so all the others were accepted.
    says(address, "/healthz", 200, "ok");
    // Long before their time is over all but 64 are given up; a few more are those to its store.
    while sockets(leader.pid(), ESTABLISHED) > 64 + 10 {
        assert!(
            now().since(began) < Duration::from_secs(4),
            "all of them are served"
        );
        wait(Duration::from_millis(20));
    }
    while now().since(began) < LEASE * 3 {
        let asked = now();
        says(address, "/healthz", 200, "ok");
        let took = now().since(asked);
        assert!(took < Duration::from_secs(2), "{took:?}");
        wait(Duration::from_millis(100));
    }
    assert!(leader.said_so_far().is_empty(), "it has led all the time");
    let log = leader.logged_so_far();
    assert!(!log.iter().any(|line| line.contains("WARN")), "{log:#?}");
    // And by now each was given up: the oldest for a newer one, the others because their time was over.
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut rest = Vec::new();
        // A reset is an end, too.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
    Ok(())
}

/// As fast as four clients can, for three leases.
#[test]
fn a_flood_of_requests_costs_no_term() -> TestResult {
    let etcd = Etcd::start()?;
    let (leader, address) = run(&lock(&etcd), "a", &[], WORK);
    let start = leader.started()?;
    let end = now().after(LEASE * 3);
    let answered: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut answered = 0;
                while now() < end {
                    assert_eq!(get(address, "/metrics").status, 200);
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    let answered: u64 = answered.into_iter().map(|thread| thread.join().unwrap()).sum();
    println!("{answered} answers");
    assert!(answered > 100, "{answered}");
    assert!(leader.said_so_far().is_empty(), "the term of {start:?} is over");
    let log = leader.logged_so_far();
    assert!(
        !log.iter().any(|line| line.contains("lost the lease")),
        "{log:#?}"
    );
    Ok(())
}

/// Before anything is asked of the store.
#[test]
fn a_port_that_is_taken_ends_it_before_it_campaigns() -> TestResult {
    let etcd = Etcd::start()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let asked = || etcd.requests(|_| true);
    let before = asked()?;
    let flags = ["--health-listen", &address];
    let mut process = Leaderelect::script(Path::new(PROGRAM), &lock(&etcd), "a", &flags, WORK)?;
    let said = process.logged("--health-listen")?.text;
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
    assert_eq!(process.exited()?.code(), Some(1));
    assert!(process.said_so_far().is_empty());
    assert_eq!(asked()?, before);
    Ok(())
}

/// The TCP sockets of a process in this state, by the kernel's number for it.
fn sockets(pid: u32, state: &str) -> usize {
    let tables = ["tcp", "tcp6"]
        .map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    let in_state: Vec<String> = tables
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[3] == state)
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let opened = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    opened
        .filter(|file| in_state.iter().any(|socket| Path::new(socket) == file))
        .count()
}

const ESTABLISHED: &str = "01";

fn listens(pid: u32) -> usize {
    sockets(pid, "0A")
}

#[test]
fn without_the_flag_nothing_listens_and_the_command_inherits_nothing() -> TestResult {
    let etcd = Etcd::start()?;
    let plain = Leaderelect::script(Path::new(PROGRAM), &lock(&etcd), "a", &SHORT_LEASE, WORK)?;
    plain.started()?;
    assert_eq!(listens(plain.pid()), 0);
    drop(plain);
    let (leader, address) = run(&lock(&etcd), "b", &[], WORK);
    let command = leader.started()?;
    assert_eq!((listens(leader.pid()), listens(command.pid)), (1, 0));
    assert_eq!(get(address, "/healthz").status, 200);
    Ok(())
}
