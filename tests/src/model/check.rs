//! Runs the checker over a setting, and says what it found.

use std::time::{Duration, Instant};

use leaderelection::EmptyIdentity;
use stateright::{Checker, HasDiscoveries, Model};

use super::Setting;
use super::story;
use super::world::{Checked, ONE_LEADER};

/// What the checker found.
#[derive(Debug)]
pub struct Outcome {
    /// Different states.
    pub states: usize,
    /// The longest of the shortest ways to a state, about: two threads do not keep to the order.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The steps to a state with two leaders, told in words, if there is one.
    pub two_leaders: Option<Vec<String>>,
    /// All properties of which the checker found an example or a counterexample.
    pub found: Vec<&'static str>,
}

/// Explores every reachable state, or until two leaders are found.
///
/// # Errors
/// Never: the names are not empty.
#[allow(clippy::disallowed_methods, reason = "how long a check takes is for people")]
pub fn check(setting: Setting) -> Result<Outcome, EmptyIdentity> {
    let began = Instant::now();
    let checker = Checked::new(setting)?
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let discoveries = checker.discoveries();
    let two_leaders = discoveries
        .get(ONE_LEADER)
        .map(|path| story::tell(checker.model(), path.clone().into_vec()));
    let mut found: Vec<_> = discoveries.keys().copied().collect();
    found.sort_unstable();
    Ok(Outcome {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: began.elapsed(),
        two_leaders,
        found,
    })
}
