//! Every swap names the newest state that its candidate was shown in this life: a version, or an absence that holds as of
//! the newest version (SAFETY 4, 8 and 9).

use leaderelection::election::{Input, Output};
use leaderelection::{Expected, Observation, Swap, Version};

use super::{Fact, Invariant, Scene};

/// What a candidate was shown.
#[derive(Clone, Default)]
struct Shown {
    newest: Option<Version>,
    /// There was nothing when this was the newest version: `None` within if none was known.
    absent_as_of: Option<Option<Version>>,
}

impl Shown {
    /// `known`: the newest version that was known when the question was sent; `None` without where nobody asked.
    fn note(&mut self, observation: &Observation, known: Option<Option<Version>>) {
        match observation {
            Observation::Present { version, .. } => self.newest = self.newest.max(Some(*version)),
            Observation::Absent { as_of: Some(version) } => {
                self.newest = self.newest.max(Some(*version));
                self.absent_as_of = self.absent_as_of.max(Some(Some(*version)));
            }
            Observation::Absent { as_of: None } => self.absent_as_of = self.absent_as_of.max(known),
        }
    }

    fn told(&mut self, input: &Input) {
        match input {
            Input::Read { read, observation } => self.note(observation, Some(read.known)),
            Input::Watched(observation) => self.note(observation, None),
            Input::Swapped { attempt, swap } => match swap {
                Swap::Done(version) => self.newest = self.newest.max(Some(*version)),
                Swap::Conflict(Some(observation)) => self.note(observation, Some(attempt.known)),
                Swap::Conflict(None) => {}
            },
            _ => {}
        }
    }

    fn justifies(&self, expected: Expected) -> bool {
        match expected {
            Expected::Version(version) => self.newest == Some(version),
            Expected::Absent => self.absent_as_of.is_some_and(|as_of| as_of >= self.newest),
        }
    }
}

pub(super) struct NoBlindOverwrite(Vec<Shown>);

impl NoBlindOverwrite {
    pub(super) fn new(candidates: usize) -> Self {
        Self(vec![Shown::default(); candidates])
    }
}

impl Invariant for NoBlindOverwrite {
    fn judge(&mut self, _scene: &Scene<'_>, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Told { who, input, .. } => self.0[*who].told(input),
            Fact::Killed { who } => self.0[*who] = Shown::default(),
            Fact::Said {
                who,
                output: Output::Cas(attempt),
                ..
            } => {
                let shown = &self.0[*who];
                if !shown.justifies(attempt.expected) {
                    return Err(format!(
                        "c{who} swaps on {:?}, but was shown {:?}, and an absence as of {:?}",
                        attempt.expected, shown.newest, shown.absent_as_of
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
