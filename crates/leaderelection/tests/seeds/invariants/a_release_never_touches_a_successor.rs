//! What a release replaces was written by the life that releases, or is the base of its own acquisition that may still
//! land (SAFETY 12, SAFETY 23): never what a successor wrote.
//!
//! Nobody can tell what is to the letter what he wrote himself. A twin under the same name writes that where an operator
//! empties the record, both count the same transitions, and their wall clocks show the same second (SAFETY 16, SAFETY 18).

use std::collections::BTreeMap;
use std::sync::Arc;

use leaderelection::election::{Output, Purpose};
use leaderelection::{Content, Expected, LeaderElectionRecord};

use super::{Author, Fact, Invariant, Scene};

#[derive(Default)]
struct Writes {
    /// On what this life has sent acquisitions.
    bases: Vec<Expected>,
    /// What it wrote last.
    last: Option<Arc<LeaderElectionRecord>>,
}

pub(super) struct AReleaseNeverTouchesASuccessor(BTreeMap<Author, Writes>);

impl AReleaseNeverTouchesASuccessor {
    pub(super) fn new(_candidates: usize) -> Self {
        Self(BTreeMap::new())
    }
}

impl Invariant for AReleaseNeverTouchesASuccessor {
    fn judge(&mut self, scene: &Scene<'_>, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Said {
                who,
                output: Output::Cas(attempt),
                ..
            } if matches!(attempt.purpose, Purpose::Acquire | Purpose::Claim) => {
                let author = (*who, scene.candidates[*who].life);
                self.0.entry(author).or_default().bases.push(attempt.expected);
            }
            Fact::Landed {
                author,
                attempt,
                replaced: (writer, content),
            } => {
                let own = self.0.entry(*author).or_default();
                let wrote_it = *writer == Some(*author)
                    || own
                        .last
                        .clone()
                        .is_some_and(|last| *content == Some(Content::Record(last)));
                own.last = Some(Arc::clone(&attempt.record));
                if attempt.purpose == Purpose::Release && !wrote_it && !own.bases.contains(&attempt.expected)
                {
                    return Err(format!(
                        "c{} in life {} releases {:?}, which {writer:?} wrote",
                        author.0, author.1, attempt.expected
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
