//! Runs the checker over a setting, and says what it found.

use std::fmt;
use std::time::{Duration, Instant};

use leaderelection::EmptyIdentity;
use stateright::{Checker, HasDiscoveries, Model};

use super::world::{
    Checked, FIRST_LEADS, HAND_OVER, KNOWS_ITS_WORK, LEADS_AGAIN, NO_NEEDLESS_LOSS, ONE_LEADER,
    SAYS_ITS_LEASE, SECOND_LEADS,
};
use super::{Setting, story};

/// What the checker found.
#[derive(Debug)]
pub struct Outcome {
    /// How many different states.
    pub states: usize,
    /// Whether these are all: exploring was not ended by its limit.
    pub complete: bool,
    /// The longest way on which a state was found first.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The most memory that this process has had so far, in MiB, where the system tells.
    pub peak: Option<u64>,
    /// What must never be, and is: its name, and the steps to it, told in words. `None`: every reachable state is sound.
    pub failure: Option<(&'static str, Vec<String>)>,
    /// What must be possible, and is not; known only where there is no failure.
    pub impossible: Vec<&'static str>,
}

/// Explores every reachable state, or until something is found that must never be.
///
/// # Errors
/// Never: the names are not empty.
pub fn check(setting: Setting) -> Result<Outcome, EmptyIdentity> {
    check_for(setting, HasDiscoveries::AnyFailures, &FAILURES)
}

/// Explores until this is found that must never be, whatever else is found before.
///
/// # Errors
/// Never: the names are not empty.
pub fn counterexample(setting: Setting, property: &'static str) -> Result<Outcome, EmptyIdentity> {
    check_for(setting, HasDiscoveries::AnyOf([property].into()), &[property])
}

/// What must never be.
const FAILURES: [&str; 5] = [
    ONE_LEADER,
    NO_NEEDLESS_LOSS,
    KNOWS_ITS_WORK,
    SAYS_ITS_LEASE,
    LEADS_AGAIN,
];

#[allow(clippy::disallowed_methods, reason = "how long a check takes is for people")]
fn check_for(
    setting: Setting,
    until: HasDiscoveries,
    failures: &[&'static str],
) -> Result<Outcome, EmptyIdentity> {
    let began = Instant::now();
    let (people, limit) = (setting.powers.people, setting.limit);
    let mut checker = Checked::new(setting)?.checker().threads(2).finish_when(until);
    if let Some(limit) = limit {
        checker = checker.timeout(limit);
    }
    let checker = checker.spawn_bfs().join();
    let mut found = checker.discoveries();
    let failure = failures
        .iter()
        .find_map(|name| Some((*name, story::tell(found.remove(name)?.into_vec()))));
    let impossible = [FIRST_LEADS, SECOND_LEADS, HAND_OVER]
        .into_iter()
        .filter(|name| *name != HAND_OVER || people)
        .filter(|name| !found.contains_key(name))
        .collect();
    Ok(Outcome {
        states: checker.unique_state_count(),
        complete: limit.is_none_or(|limit| began.elapsed() < limit),
        depth: checker.max_depth(),
        took: began.elapsed(),
        peak: peak(),
        failure,
        impossible,
    })
}

fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            states, depth, took, ..
        } = self;
        let so_far = if self.complete { "" } else { " so far" };
        write!(f, "{states} states{so_far}, depth {depth}, {took:.1?}")?;
        if let Some(peak) = self.peak {
            write!(f, ", {peak} MiB")?;
        }
        let Some((name, steps)) = &self.failure else {
            return Ok(());
        };
        write!(f, "; not \"{name}\", after {} steps:", steps.len())?;
        steps
            .iter()
            .zip(1..)
            .try_for_each(|(step, number)| write!(f, "\n{number:>4}. {step}"))
    }
}
