//! `leaderelect demo`: the shipped elector on a lock in memory, through everything that happens to leaders.
//!
//! ```text
//! mod.rs         the acts                           stage.rs    the timeline, and waiting for what is expected
//! candidate.rs   an elector that can crash alone    monitor.rs  who is at work, measured
//! flaky.rs       a line that can be cut             facts.rs    what was measured, and the verdict
//! ```

mod candidate;
mod facts;
mod flaky;
mod monitor;
mod stage;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use leaderelection::{
    Clock as _, Content, LeaseTiming, MonoTime, Observation, ResourceLock as _, SystemClock, TimingError,
};
use leaderelection_memory::MemoryLock;
use tokio::sync::mpsc;

use self::candidate::{Candidate, What, World};
use self::facts::{Crash, Facts, Partition};
use self::monitor::{Monitor, Stint};
use self::stage::{NotSeen, Stage, short};
use crate::args::DemoArgs;

/// How fast it goes.
struct Pace {
    timing: LeaseTiming,
    /// How long a leader is left alone between two acts.
    pause: Duration,
}

impl Pace {
    fn new(fast: bool) -> Result<Self, TimingError> {
        let ms = Duration::from_millis;
        let (lease, deadline, period, grace, pause) = if fast {
            (ms(1_000), ms(500), ms(120), ms(200), ms(250))
        } else {
            (ms(3_000), ms(2_000), ms(500), ms(500), ms(1_500))
        };
        Ok(Self {
            timing: LeaseTiming::new(lease, deadline, period)?.with_stop_grace(grace)?,
            pause,
        })
    }
}

/// Why it could not be shown.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    NotSeen(#[from] NotSeen),
    #[error(transparent)]
    Timing(#[from] TimingError),
    #[error("no thread or no runtime for a candidate: {0}")]
    Io(#[from] io::Error),
}

/// Shows it, and says with the exit code whether everything was seen.
pub(crate) fn demo(args: &DemoArgs) -> ExitCode {
    let shown = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(DemoError::from)
        .and_then(|runtime| runtime.block_on(show(args.fast)));
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Whoever closed the terminal does not change how the demonstration ends.
            let _ = writeln!(io::stderr(), "leaderelect demo: not seen: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn show(fast: bool) -> Result<bool, DemoError> {
    let pace = Pace::new(fast)?;
    let (tell, told) = mpsc::unbounded_channel();
    let world = World {
        lock: MemoryLock::new(),
        timing: pace.timing.clone(),
        monitor: Monitor::default(),
        tell,
    };
    let patience = pace.timing.lease_duration() * 2 + Duration::from_secs(1);
    let mut play = Play {
        stage: Stage::new(told, Box::new(io::stdout()), patience),
        candidates: Vec::new(),
        world,
        pace,
    };
    match play.acts().await {
        Ok(facts) => Ok(play.close(&facts)),
        Err(error) => {
            play.break_off();
            Err(error)
        }
    }
}

struct Play {
    stage: Stage,
    candidates: Vec<Candidate>,
    world: World,
    pace: Pace,
}

impl Play {
    async fn acts(&mut self) -> Result<Facts, DemoError> {
        let timing = self.world.timing.clone();
        self.stage.print(format_args!(
            "Four candidates, each with a thread and a runtime of its own, and one lock, {}.\n\
             Lease {}, renew deadline {}, retry period {}, stop grace {}.",
            self.world.lock.describe(),
            short(timing.lease_duration()),
            short(timing.renew_deadline()),
            short(timing.retry_period()),
            short(timing.stop_grace()),
        ));
        Ok(Facts {
            elected_after: self.elect().await?,
            step_down: self.step_down().await?,
            leaving: self.leave().await?,
            crash: self.crash().await?,
            partition: self.cut_off().await?,
            free_at_the_end: self.finish().await?,
            report: self.world.monitor.report(),
            timing,
        })
    }

    async fn elect(&mut self) -> Result<Duration, DemoError> {
        self.stage.headline("1. An election");
        for name in ["ada", "bob", "cyd", "dan"] {
            self.join(name)?;
        }
        let leader = self.stage.leader().await?;
        self.stage.hold(self.pace.pause).await;
        Ok(leader.since.since(self.stage.start()))
    }

    async fn step_down(&mut self) -> Result<Duration, DemoError> {
        self.stage
            .headline("2. The leader steps down, and stays a candidate");
        let old = self.stage.leader().await?;
        self.act_on(&old.name, Candidate::step_down);
        self.hand_over(&old.name).await
    }

    async fn leave(&mut self) -> Result<Duration, DemoError> {
        self.stage
            .headline("3. The leader leaves, as in a rolling update, and another candidate joins");
        let old = self.stage.leader().await?;
        self.act_on(&old.name, Candidate::leave);
        let latency = self.hand_over(&old.name).await?;
        self.candidates.retain(|candidate| candidate.name != old.name);
        self.join("eve")?;
        self.stage.hold(self.pace.pause).await;
        Ok(latency)
    }

    async fn hand_over(&mut self, old: &str) -> Result<Duration, DemoError> {
        let stopped = self
            .stage
            .tells(old, "stops its work", |what| matches!(what, What::WorkStopped))
            .await?;
        let next = self.stage.successor(old).await?;
        self.stage.hold(self.pace.pause).await;
        Ok(next.since.since(stopped))
    }

    async fn crash(&mut self) -> Result<Crash, DemoError> {
        self.stage
            .headline("4. The leader crashes: nobody renews, nobody releases");
        let old = self.stage.leader().await?;
        let last_renewal = self.last_renewal(&old.name);
        self.act_on(&old.name, Candidate::crash);
        let crashed = self
            .stage
            .tells(&old.name, "dies", |what| matches!(what, What::Crashed))
            .await?;
        // It may have renewed between the look and its death.
        let last_renewal = self.last_renewal(&old.name).max(last_renewal);
        let next = self.stage.successor(&old.name).await?;
        self.candidates.retain(|candidate| candidate.name != old.name);
        self.stage.hold(self.pace.pause).await;
        Ok(Crash {
            after_crash: next.since.since(crashed),
            after_renewal: next.since.since(last_renewal),
        })
    }

    async fn cut_off(&mut self) -> Result<Partition, DemoError> {
        self.stage
            .headline("5. The leader is cut off from the lock, and lives");
        let old = self.stage.leader().await?;
        self.act_on(&old.name, |candidate| candidate.line.cut());
        self.stage
            .say(&old.name, format_args!("the lock does not answer it any more"));
        let stopped = self
            .stage
            .tells(&old.name, "stops its work", |what| {
                matches!(what, What::WorkStopped)
            })
            .await?;
        let last_renewal = self.last_renewal(&old.name);
        let next = self.stage.successor(&old.name).await?;
        self.stage.hold(self.pace.pause).await;

        let late_write_refused = !self.world.monitor.write(old.token);
        self.stage.say(
            &old.name,
            format_args!(
                "a write that it had sent arrives late, with token {}: {}",
                old.token,
                if late_write_refused { "refused" } else { "accepted" }
            ),
        );
        self.act_on(&old.name, |candidate| candidate.line.mend());
        self.stage
            .say(&old.name, format_args!("the lock answers it again"));
        let followed = self
            .stage
            .until(
                format!("{} follows the new leader", old.name),
                |told| match &told.what {
                    What::Follows(leader) if told.who == old.name => Some(leader.clone()),
                    _ => None,
                },
            )
            .await?;
        self.stage
            .say(&old.name, format_args!("sees that {followed} leads, and follows"));
        self.stage.hold(self.pace.pause).await;
        Ok(Partition {
            stopped_after: stopped.since(last_renewal),
            next_after: next.since.since(last_renewal),
            old_token: old.token,
            new_token: next.token,
            late_write_refused,
            followed: followed == next.name,
        })
    }

    async fn finish(&mut self) -> Result<bool, DemoError> {
        self.stage.headline("6. All leave, the leader last");
        let leader = self.stage.leader().await?;
        let mut leaving: Vec<String> = self
            .candidates
            .iter()
            .map(|candidate| candidate.name.clone())
            .collect();
        leaving.sort_by_key(|name| *name == leader.name);
        for name in leaving {
            self.act_on(&name, Candidate::leave);
            self.stage
                .tells(&name, "leaves", |what| matches!(what, What::Left))
                .await?;
        }
        Ok(matches!(
            self.world.lock.snapshot(),
            Observation::Present { content: Content::Record(record), .. } if record.is_free()
        ))
    }

    /// Prints what is known when an act has failed.
    fn break_off(&mut self) {
        self.stage.headline("What was seen until then");
        let report = self.world.monitor.report();
        self.print_terms(&report.stints);
        self.stage.print(format_args!(
            "  at most {} at work at once; {} with more than one",
            report.most_at_once,
            short(report.overlap)
        ));
    }

    fn print_terms(&mut self, stints: &[Stint]) {
        self.stage
            .print(format_args!("  term  leader  token  at work from      until"));
        let start = self.stage.start();
        let seconds = |moment: MonoTime| format!("{:.3} s", moment.since(start).as_secs_f64());
        for stint in stints {
            let Stint { who, term, token, .. } = stint;
            let until = stint.until.map_or_else(|| "-".to_owned(), seconds);
            let from = seconds(stint.from);
            self.stage.print(format_args!(
                "  {term:>4}  {who:<6}  {token:>5}  {from:>12}  {until:>9}"
            ));
        }
    }

    /// Prints the summary, and answers whether everything was seen.
    fn close(&mut self, facts: &Facts) -> bool {
        self.stage.headline("What was seen");
        self.print_terms(&facts.report.stints);
        let verdict = facts.verdict();
        for check in &verdict {
            let mark = if check.seen { "ok" } else { "NOT AS IT SHOULD BE" };
            self.stage
                .print(format_args!("  {mark:<3} {:<9}  {}", check.name, check.figures));
        }
        let all = verdict.iter().all(|check| check.seen);
        let time = short(SystemClock.mono().since(self.stage.start()));
        let end = if all {
            "All as it should be"
        } else {
            "Something is not as it should be"
        };
        self.stage.print(format_args!("{end}, in {time}."));
        all
    }

    fn join(&mut self, name: &str) -> Result<(), DemoError> {
        self.candidates.push(Candidate::start(name, &self.world)?);
        self.stage.say(name, format_args!("joins"));
        Ok(())
    }

    fn act_on(&self, name: &str, act: impl FnOnce(&Candidate)) {
        if let Some(candidate) = self.candidates.iter().find(|candidate| candidate.name == name) {
            act(candidate);
        }
    }

    /// When the last renewal of `name` that succeeded was sent.
    fn last_renewal(&self, name: &str) -> MonoTime {
        let candidate = self.candidates.iter().find(|candidate| candidate.name == name);
        candidate.map_or(MonoTime::PAST, |candidate| candidate.line.last_success())
    }
}
