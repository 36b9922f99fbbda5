//! Nobody starts to work while another works, or may go on to (the theorem of SAFETY).

use leaderelection::election::{Output, TermChange};

use super::{Fact, Invariant, Scene};
use crate::world::random::SECOND;

/// Times of the world are rounded to nanoseconds of clocks that run at other rates. Less than this is no overlap.
const ROUNDING: i64 = 1000;

pub(super) struct AtMostOneAtWork;

impl AtMostOneAtWork {
    pub(super) fn new(_candidates: usize) -> Self {
        Self
    }
}

impl Invariant for AtMostOneAtWork {
    fn judge(&mut self, scene: &Scene<'_>, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Said {
            who,
            output: Output::Term(TermChange::Start { token, .. }),
            ..
        } = fact
        else {
            return Ok(());
        };
        for (other, candidate) in scene.candidates.iter().enumerate() {
            let Some(work) = candidate.work else { continue };
            if other == *who {
                return Err(format!("c{who} starts (token {token}) while it works"));
            }
            let left = candidate.time_of(candidate.gone_by(work)) - scene.time;
            if left > ROUNDING {
                return Err(format!(
                    "c{who} starts (token {token}) while c{other} works (token {}), which may go on for {:.3} s",
                    work.token,
                    left as f64 / SECOND as f64
                ));
            }
        }
        Ok(())
    }
}
