//! The pure machine at its daily work, a step at a time: what the benchmark times, and the guard counts.

use std::time::Duration;

use chrono::DateTime;
use leaderelection::election::{Attempt, Election, ElectionConfig, Input, Output};
use leaderelection::{Identity, LeaderElectionRecord, Moment, MonoTime, Observation, Swap, Version};

/// As long as those that [`Identity::unique`] makes.
const LEADER: &str = "a-host-of-some-name_d9b2d63d-a233-4123-847a-76a8e2b3a1f4";
const FOLLOWER: &str = "a-host-of-some-name_0c1e55a7-40a5-4f0c-9a43-5b8d5f6f0b0e";

/// Time that goes on when it is told to. The wall clock stands: the machine counts a second for each renewal all the same.
#[derive(Debug, Clone, Copy)]
struct Time(Moment);

impl Time {
    fn begin() -> Self {
        let wall = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        Self(Moment {
            mono: MonoTime::ZERO.after(Duration::from_secs(1)),
            wall,
        })
    }

    fn goes_on(&mut self, by: Duration) {
        self.0.mono = self.0.mono.after(by);
    }
}

/// A candidate as it is set up by default, under this name.
fn candidate(name: &str) -> Election {
    #[expect(clippy::unwrap_used, reason = "the names are not empty")]
    Election::new(ElectionConfig::new(Identity::new(name).unwrap()))
}

/// Takes out what is to be done, and returns the swap, if there is one.
fn drain(election: &mut Election) -> Option<Attempt> {
    let mut swap = None;
    loop {
        match election.poll() {
            Output::WaitUntil(_) => return swap,
            Output::Cas(attempt) => swap = Some(attempt),
            other => drop(std::hint::black_box(other)),
        }
    }
}

fn step(election: &mut Election, now: Moment, input: Input) -> Option<Attempt> {
    election.handle(now, input);
    drain(election)
}

/// What a candidate hears of the lock before anything else: its watch is open, and every read is answered.
fn begin(election: &mut Election, now: Moment, shown: &Observation) -> Option<Attempt> {
    let mut swap = None;
    let mut inputs = vec![Input::WatchStarted, Input::Wake];
    while let Some(input) = inputs.pop() {
        election.handle(now, input);
        loop {
            match election.poll() {
                Output::WaitUntil(_) => break,
                Output::Get(read) => inputs.push(Input::Read {
                    read,
                    observation: shown.clone(),
                }),
                Output::Cas(attempt) => swap = Some(attempt),
                other => drop(std::hint::black_box(other)),
            }
        }
    }
    swap
}

/// A leader that renews every retry period.
#[derive(Debug)]
pub struct Leader {
    election: Election,
    time: Time,
    version: u64,
}

impl Default for Leader {
    fn default() -> Self {
        let mut leader = Self {
            election: candidate(LEADER),
            time: Time::begin(),
            version: 0,
        };
        let acquisition = begin(
            &mut leader.election,
            leader.time.0,
            &Observation::Absent { as_of: None },
        );
        leader.answer(acquisition);
        leader.renew();
        leader
    }
}

impl Leader {
    /// A renewal whole: [`send`](Self::send) and [`answer`](Self::answer).
    pub fn renew(&mut self) {
        let attempt = self.send();
        self.answer(attempt);
    }

    /// A renewal is due, and the machine says what to write.
    pub fn send(&mut self) -> Option<Attempt> {
        self.time.goes_on(Duration::from_secs(2));
        step(&mut self.election, self.time.0, Input::Wake)
    }

    /// It has landed.
    ///
    /// # Panics
    /// If there was nothing to send.
    #[expect(clippy::expect_used, reason = "so the scene says that it is broken")]
    pub fn answer(&mut self, attempt: Option<Attempt>) {
        let attempt = attempt.expect("a leader renews when it is due");
        self.version += 1;
        self.time.goes_on(Duration::from_millis(1));
        let swap = Swap::Done(Version::new(self.version));
        step(&mut self.election, self.time.0, Input::Swapped { attempt, swap });
    }
}

/// A follower of a leader that is alive.
#[derive(Debug)]
pub struct Follower {
    election: Election,
    time: Time,
    shown: Observation,
    version: u64,
}

impl Default for Follower {
    fn default() -> Self {
        let shown = renewed(1);
        let mut follower = Self {
            election: candidate(FOLLOWER),
            time: Time::begin(),
            shown: shown.clone(),
            version: 1,
        };
        begin(&mut follower.election, follower.time.0, &shown);
        follower
    }
}

/// The leader's record in this version.
fn renewed(version: u64) -> Observation {
    let acquired = Time::begin().0.wall;
    let record = LeaderElectionRecord {
        holder_identity: LEADER.to_owned(),
        lease_duration_seconds: 15,
        acquire_time: Some(acquired),
        renew_time: Some(acquired + Duration::from_secs(2 * version)),
        ..LeaderElectionRecord::default()
    };
    Observation::record(Version::new(version), record)
}

impl Follower {
    /// What the store shows is what it showed before.
    pub fn observe_the_same(&mut self) {
        self.time.goes_on(Duration::from_nanos(1));
        step(
            &mut self.election,
            self.time.0,
            Input::Watched(self.shown.clone()),
        );
    }

    /// The next renewal of the leader's, read from the store.
    pub fn next_renewal(&mut self) -> Observation {
        self.version += 1;
        renewed(self.version)
    }

    /// It is shown.
    pub fn observe(&mut self, renewal: Observation) {
        self.time.goes_on(Duration::from_secs(2));
        step(&mut self.election, self.time.0, Input::Watched(renewal));
    }
}
