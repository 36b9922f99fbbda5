//! A live election moved from one object to another of a real kube-apiserver, while everybody is there at once: candidates of
//! the old object (client-go), those that move first (`leaderelect move`, then `leaderelect run`), and those of the new one
//! (ours, and client-go of today). Who was at work is judged by the notes that the work takes itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leaderelection_tests::beside_go::{ClientGo, WORK};
use leaderelection_tests::clocked::{Moment, Working, worked};
use leaderelection_tests::kube_door::{ANNOTATION, Kind};
use leaderelection_tests::leaderelect::Leaderelect;
use leaderelection_tests::servers::{GoContender, Janitor, KubeApiserver, Said, monotonic};
use leaderelection_tests::time::wait;
use rustix::process::Signal;
use serde_json::Value;

/// `leaderelect`, or its work.
const PROGRAM: &str = env!("CARGO_BIN_EXE_interop");

/// L, R and P of everybody. client-go leads until P + R and an answer after its last success: two seconds less than L.
const TIMING: [Duration; 3] = [
    Duration::from_secs(8),
    Duration::from_secs(5),
    Duration::from_secs(1),
];
const FLAGS: [&str; 6] = [
    "--lease-duration",
    "8s",
    "--renew-deadline",
    "5s",
    "--retry-period",
    "1s",
];
const STOP_GRACE: [&str; 2] = ["--stop-grace", "500ms"];
const LIMIT: Duration = Duration::from_secs(30);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[test]
fn from_endpoints_to_a_lease() -> Result<()> {
    Rollout::new(ClientGo::Old, Kind::Endpoints)?.play(Going::Killed)
}

#[test]
fn from_a_config_map_to_a_lease() -> Result<()> {
    Rollout::new(ClientGo::Old, Kind::ConfigMap)?.play(Going::Released)
}

#[test]
fn from_a_lease_to_another() -> Result<()> {
    Rollout::new(ClientGo::Today, Kind::Lease)?.play(Going::Killed)
}

/// How old leaders go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    Killed,
    Released,
}

struct Rollout {
    server: &'static KubeApiserver,
    namespace: String,
    client_go: ClientGo,
    kind: Kind,
    old: Vec<Candidate>,
    movers: Vec<Mover>,
    new: Vec<Candidate>,
}

enum Process {
    Ours(Leaderelect),
    Go(Box<GoContender>),
}

struct Candidate {
    name: String,
    process: Process,
    lines: Vec<String>,
    gone: Option<Duration>,
}

/// `leaderelect move`. Dropping it kills it.
struct Mover {
    // Before the process: it must not outlive what it guards.
    _guard: Janitor,
    process: Child,
}

impl Drop for Mover {
    fn drop(&mut self) {
        // Both fail only when it is already gone and reaped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One stretch of work, by the clock that all processes share.
#[derive(Debug, Clone)]
struct Shift {
    who: String,
    from: Duration,
    to: Option<Duration>,
}

impl Candidate {
    fn shifts(&mut self) -> Result<Vec<Shift>> {
        let mut shifts: Vec<Shift> = Vec::new();
        let begin = |shifts: &mut Vec<Shift>, from| {
            let who = self.name.clone();
            shifts.push(Shift { who, from, to: None });
        };
        match &mut self.process {
            Process::Go(go) => {
                for event in go.events()? {
                    match event.said {
                        Said::StartedLeading => begin(&mut shifts, event.monotonic),
                        Said::WorkEnded => {
                            if let Some(shift) = shifts.last_mut() {
                                shift.to = Some(event.monotonic);
                            }
                        }
                        _ => {}
                    }
                }
            }
            Process::Ours(ours) => {
                self.lines.extend(ours.said_so_far());
                for line in &self.lines {
                    if let Some(working) = Working::parse(line) {
                        begin(&mut shifts, working.since.monotonic);
                    } else if let Some(ended) = worked(line) {
                        shifts.last_mut().ok_or("ended what it had not begun")?.to = Some(ended.monotonic);
                    }
                }
            }
        }
        if let Some(shift) = shifts.last_mut() {
            shift.to = shift.to.or(self.gone);
        }
        Ok(shifts)
    }

    fn is_at_work(&mut self) -> Result<bool> {
        Ok(self.shifts()?.last().is_some_and(|shift| shift.to.is_none()))
    }

    fn go_away(&mut self, going: Going) -> Result<()> {
        match (&mut self.process, going) {
            (Process::Go(go), Going::Killed) => {
                go.kill();
                self.gone = Some(monotonic());
            }
            (Process::Go(go), Going::Released) => go.terminate()?,
            (Process::Ours(ours), _) => ours.send(Signal::TERM)?,
        }
        Ok(())
    }
}

impl Rollout {
    fn new(client_go: ClientGo, kind: Kind) -> Result<Self> {
        let server = KubeApiserver::shared()?;
        Ok(Self {
            server,
            namespace: server.namespace("move")?,
            client_go,
            kind,
            old: Vec::new(),
            movers: Vec::new(),
            new: Vec::new(),
        })
    }

    /// The name of the old object, and of the new one.
    const NAMES: [&str; 2] = ["job", "job-new"];

    fn from(&self) -> String {
        format!("{}:{}/{}", self.kind.plural(), self.namespace, Self::NAMES[0])
    }

    fn to(&self) -> String {
        format!("leases:{}/{}", self.namespace, Self::NAMES[1])
    }

    fn go(&self, client_go: ClientGo, kind: Kind, object: &str, name: &str) -> Result<Candidate> {
        let contender = match client_go {
            ClientGo::Old => GoContender::endpoints,
            ClientGo::Today => GoContender::lease,
        };
        let [lease_duration, renew_deadline, retry_period] = TIMING;
        let go = contender(self.server.kubeconfig(), &self.namespace, object, name)
            .lock(kind.plural())
            .timing(lease_duration, renew_deadline, retry_period)
            .release_on_cancel()
            .start()?;
        Ok(candidate(name, Process::Go(Box::new(go))))
    }

    fn old_joins(&mut self) -> Result<()> {
        let name = format!("old-{}", self.old.len());
        let mut old = self.go(self.client_go, self.kind, Self::NAMES[0], &name)?;
        if let Process::Go(go) = &mut old.process {
            // Whoever it is: it takes part.
            go.wait_for(Said::NewLeader, LIMIT)?;
        }
        self.old.push(old);
        Ok(())
    }

    fn new_joins(&mut self, name: &str) -> Result<()> {
        let flags: Vec<&str> = FLAGS.into_iter().chain(STOP_GRACE).collect();
        let (kubeconfig, lock) = (self.server.kubeconfig(), self.to());
        let program = PROGRAM.as_ref();
        let ours = Leaderelect::start_in(&kubeconfig, program, &lock, name, &flags, &[PROGRAM, WORK])?;
        self.new.push(candidate(name, Process::Ours(ours)));
        Ok(())
    }

    fn mover_starts(&mut self) -> Result<()> {
        let process = Command::new(PROGRAM)
            .args(["move", "--from", &self.from(), "--to", &self.to()])
            .args(FLAGS)
            .env("KUBECONFIG", self.server.kubeconfig())
            .stdin(Stdio::null())
            .spawn()?;
        self.movers.push(Mover {
            _guard: Janitor::killing(&[process.id()])?,
            process,
        });
        Ok(())
    }

    /// The holder and the duration, as they are in the object.
    fn record(&self, kind: Kind, name: &str) -> Result<[Value; 2]> {
        let path = format!(
            "{}/namespaces/{}/{}/{name}",
            kind.api(),
            self.namespace,
            kind.plural()
        );
        let object: Value = serde_json::from_str(&self.server.get(&path)?)?;
        let record = match kind {
            Kind::Lease => object["spec"].clone(),
            _ => {
                let text = object["metadata"]["annotations"][ANNOTATION].as_str();
                serde_json::from_str(text.ok_or("no record")?)?
            }
        };
        Ok(["holderIdentity", "leaseDurationSeconds"].map(|field| record[field].clone()))
    }

    fn is_closed(&self, kind: Kind, name: &str, holder: &str) -> bool {
        let Ok([found, duration]) = self.record(kind, name) else {
            return false;
        };
        found == holder && (duration == i32::MAX || duration == i32::MAX.to_string().as_str())
    }

    fn old_is_closed(&self) -> bool {
        self.is_closed(self.kind, Self::NAMES[0], &format!("moved to {}", self.to()))
    }

    /// Candidates begin to campaign when their move is done.
    fn movers_go_on(&mut self) -> Result<()> {
        for at in (0..self.movers.len()).rev() {
            let Some(status) = self.movers[at].process.try_wait()? else {
                continue;
            };
            assert!(status.success(), "a mover ended with {status}");
            self.movers.remove(at);
            let name = format!("both-{}", self.new.len());
            self.new_joins(&name)?;
        }
        Ok(())
    }

    fn at_work(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for candidate in self.old.iter_mut().chain(&mut self.new) {
            if candidate.is_at_work()? {
                names.push(candidate.name.clone());
            }
        }
        Ok(names)
    }

    /// Waits for what must come.
    fn until(&mut self, what: &str, mut is: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let begin = Moment::now();
        while !is(self)? {
            if Moment::now().since(begin) > LIMIT.as_secs_f64() * 1e3 {
                return Err(format!("{what}: not within {LIMIT:?}; at work: {:?}", self.at_work()?).into());
            }
            self.movers_go_on()?;
            wait(Duration::from_millis(20));
        }
        Ok(())
    }

    fn play(mut self, going: Going) -> Result<()> {
        self.old_joins()?;
        self.until("the first leads", |rollout| Ok(!rollout.at_work()?.is_empty()))?;
        self.old_joins()?;
        self.mover_starts()?;
        self.mover_starts()?;
        let waits = format!("not before {}", self.from());
        self.until("the new lock is closed", |rollout| {
            Ok(rollout.is_closed(Kind::Lease, Self::NAMES[1], &waits))
        })?;
        self.new_joins("new-ours")?;
        let go = self.go(ClientGo::Today, Kind::Lease, Self::NAMES[1], "new-go")?;
        self.new.push(go);
        wait(Duration::from_secs(2));
        assert_eq!(self.at_work()?, ["old-0"]);

        // The fleet rolls over: old leaders go, and there is always an old candidate left that would like to lead.
        for rounds in 1.. {
            assert!(rounds < 6, "no mover has led in {rounds} rounds");
            self.old_joins()?;
            let leader = self.old.iter_mut().rev().find_map(|old| match old.is_at_work() {
                Ok(true) => Some(Ok(old)),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            });
            leader.ok_or("nobody of the old leads")??.go_away(going)?;
            let known = self.shifts()?.len();
            self.until("somebody is next", |rollout| Ok(rollout.shifts()?.len() > known))?;
            if self.old_is_closed() {
                break;
            }
        }
        let moved = monotonic();
        self.until("the movers are done", |rollout| Ok(rollout.movers.is_empty()))?;

        // The lead changes hands among the new ones, and the old ones watch for more than two leases.
        for _ in 0..2 {
            let leader = self
                .new
                .iter_mut()
                .find_map(|candidate| candidate.is_at_work().unwrap().then_some(candidate));
            let leader = leader.ok_or("nobody leads")?;
            leader.go_away(Going::Released)?;
            let known = self.shifts()?.len();
            self.until(
                "the next one leads",
                |rollout| Ok(rollout.shifts()?.len() > known),
            )?;
        }
        wait((2 * TIMING[0] + Duration::from_secs(2)).saturating_sub(monotonic() - moved));

        let shifts = self.shifts()?;
        println!("{}: {}", self.from(), told(&shifts));
        assert!(
            self.old_is_closed(),
            "{:?}",
            self.record(self.kind, Self::NAMES[0])
        );
        let late = shifts
            .iter()
            .find(|shift| shift.who.starts_with("old") && shift.from > moved);
        assert!(late.is_none(), "{late:?}: {shifts:#?}");
        let old_ones = self.old.iter_mut().filter(|old| old.gone.is_none());
        for old in old_ones {
            assert!(!old.is_at_work()?, "{}", old.name);
        }
        for pair in shifts.windows(2) {
            let [earlier, later] = pair else { continue };
            let over = earlier.to.is_some_and(|to| to <= later.from);
            assert!(over, "two at work: {earlier:?}, {later:?}: {shifts:#?}");
        }
        let leaders = shifts
            .iter()
            .filter(|shift| shift.from >= shifts[1].from && !shift.who.starts_with("old"));
        assert!(leaders.count() >= 3, "{shifts:#?}");
        Ok(())
    }

    /// All work so far, in order.
    fn shifts(&mut self) -> Result<Vec<Shift>> {
        let mut shifts = Vec::new();
        for candidate in self.old.iter_mut().chain(&mut self.new) {
            shifts.extend(candidate.shifts()?);
        }
        shifts.sort_by_key(|shift| shift.from);
        Ok(shifts)
    }
}

fn candidate(name: &str, process: Process) -> Candidate {
    Candidate {
        name: name.to_owned(),
        process,
        lines: Vec::new(),
        gone: None,
    }
}

/// Who worked, and the milliseconds without anybody in between.
fn told(shifts: &[Shift]) -> String {
    let mut told = String::new();
    let mut last: Option<&Shift> = None;
    for shift in shifts {
        if let Some(to) = last.and_then(|last| last.to) {
            let gap = shift.from.as_secs_f64() - to.as_secs_f64();
            told += &format!(" -> {:.0} ms -> ", gap * 1e3);
        }
        told += &shift.who;
        last = Some(shift);
    }
    told
}
