//! From whatever state the perils have left: once the network is healthy, a leader exists within the bound of SAFETY 20,
//! and then it stays.
//!
//! The bound itself is the world's to know (`world/healing.rs`).

use leaderelection::election::{Output, TermChange};

use super::{Fact, Invariant, Scene};

pub(super) struct ALeaderWithinTheBound {
    is_settled: bool,
}

impl ALeaderWithinTheBound {
    pub(super) fn new(_candidates: usize) -> Self {
        Self { is_settled: false }
    }
}

impl Invariant for ALeaderWithinTheBound {
    fn judge(&mut self, scene: &Scene<'_>, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::LeaderIsDue => {
                self.is_settled = true;
                let leads = |candidate: &&crate::world::candidate::Candidate| {
                    let now = candidate.moment(scene.time).mono;
                    candidate.work.is_some_and(|work| now < work.valid_until)
                };
                if scene.candidates.iter().find(leads).is_none() {
                    return Err("nobody leads although the network was healthy for long enough".into());
                }
            }
            Fact::Said {
                who,
                output: Output::Term(TermChange::Lost { reason, .. }),
                ..
            } if self.is_settled => {
                return Err(format!("c{who} loses its term in a healthy network: {reason}"));
            }
            _ => {}
        }
        Ok(())
    }
}
