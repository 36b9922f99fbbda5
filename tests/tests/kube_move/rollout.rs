//! The whole fleet rolls over.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leaderelection_tests::beside_go::ClientGo;
use leaderelection_tests::clocked::Moment;
use leaderelection_tests::kube_door::Kind;
use leaderelection_tests::servers::{Janitor, Said, monotonic};
use leaderelection_tests::time::wait;

use super::candidate::{Candidate, Going, Process, Shift, told};
use super::stage::Stage;
use super::{FLAGS, LIMIT, PROGRAM, Result, TIMING};

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

struct Rollout {
    stage: Stage,
    old: Vec<Candidate>,
    movers: Vec<Mover>,
    new: Vec<Candidate>,
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

impl Rollout {
    fn new(client_go: ClientGo, kind: Kind) -> Result<Self> {
        Ok(Self {
            stage: Stage::new(client_go, kind)?,
            old: Vec::new(),
            movers: Vec::new(),
            new: Vec::new(),
        })
    }

    fn old_joins(&mut self) -> Result<()> {
        let name = format!("old-{}", self.old.len());
        let mut old = self.stage.old(&name)?;
        if let Process::Go(go) = &mut old.process {
            // Whoever it is: it takes part.
            go.wait_for(Said::NewLeader, LIMIT)?;
        }
        self.old.push(old);
        Ok(())
    }

    fn mover_starts(&mut self) -> Result<()> {
        let process = Command::new(PROGRAM)
            .args(["move", "--from", &self.stage.from(), "--to", &self.stage.to()])
            .args(FLAGS)
            .env("KUBECONFIG", self.stage.server.kubeconfig())
            .stdin(Stdio::null())
            .spawn()?;
        self.movers.push(Mover {
            _guard: Janitor::killing(&[process.id()])?,
            process,
        });
        Ok(())
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
            self.new.push(self.stage.new_by_us(&name)?);
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
        self.until("the new lock is closed", |rollout| {
            Ok(rollout.stage.new_is_closed())
        })?;
        self.new.push(self.stage.new_by_us("new-ours")?);
        self.new.push(self.stage.new_by_go("new-go")?);
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
            if self.stage.old_is_closed() {
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
        println!("{}: {}", self.stage.from(), told(&shifts));
        assert!(self.stage.old_is_closed(), "{:?}", self.stage.old_record());
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
