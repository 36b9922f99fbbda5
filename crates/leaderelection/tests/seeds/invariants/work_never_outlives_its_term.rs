//! A term lasts until `sent + R` of a write of this life that landed, and no longer (SAFETY 1, 9, 22). Work is told by then,
//! and is gone σ later, also while it drains (SAFETY 2, 13).

use leaderelection::MonoTime;
use leaderelection::election::{Input, Output, TermChange};

use super::{Fact, Invariant, Scene};

#[derive(Clone, Copy)]
enum Work {
    None,
    Running {
        valid_until: MonoTime,
    },
    /// It was told that its term is over.
    Stopping {
        drop_at: MonoTime,
        dropped: bool,
    },
}

#[derive(Clone)]
struct Term {
    work: Work,
    /// `sent + R` of the last write of this life that landed.
    earned_until: MonoTime,
}

pub(super) struct WorkNeverOutlivesItsTerm(Vec<Term>);

const NONE: Term = Term {
    work: Work::None,
    earned_until: MonoTime::PAST,
};

impl WorkNeverOutlivesItsTerm {
    pub(super) fn new(candidates: usize) -> Self {
        Self(vec![NONE; candidates])
    }
}

impl Term {
    fn promised(&self, valid_until: MonoTime) -> Result<(), String> {
        if valid_until <= self.earned_until {
            return Ok(());
        }
        let beyond = valid_until.since(self.earned_until);
        Err(format!(
            "is promised {beyond:?} more than the last write that landed gives"
        ))
    }

    fn changed(&mut self, change: &TermChange, grace: std::time::Duration) -> Result<(), String> {
        match (change, self.work) {
            (TermChange::Start { valid_until, .. } | TermChange::ValidUntil(valid_until), _) => {
                self.work = Work::Running {
                    valid_until: *valid_until,
                };
                self.promised(*valid_until)
            }
            (TermChange::Lost { drop_at, .. }, Work::Running { valid_until }) => {
                self.work = Work::Stopping {
                    drop_at: *drop_at,
                    dropped: false,
                };
                if *drop_at > valid_until.after(grace) {
                    return Err("may go on for longer than the stop grace".into());
                }
                Ok(())
            }
            (TermChange::Drop, Work::Stopping { drop_at, .. }) => {
                self.work = Work::Stopping {
                    drop_at,
                    dropped: true,
                };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A machine that was told something at `now` has said by then what is due by its clock.
    fn is_due(&self, now: MonoTime) -> Result<(), String> {
        match self.work {
            Work::Running { valid_until } if now >= valid_until => Err(format!(
                "is not told that its term is over since {:?}",
                now.since(valid_until)
            )),
            Work::Stopping {
                drop_at,
                dropped: false,
            } if now >= drop_at => Err(format!("is not dropped, {:?} late", now.since(drop_at))),
            _ => Ok(()),
        }
    }
}

impl Invariant for WorkNeverOutlivesItsTerm {
    fn judge(&mut self, scene: &Scene<'_>, fact: &Fact<'_>) -> Result<(), String> {
        let (who, judged) = match fact {
            Fact::Landed {
                author: (who, life),
                attempt,
                ..
            } => {
                let candidate = &scene.candidates[*who];
                if candidate.life == *life {
                    let earned = attempt.sent.after(candidate.config.timing.renew_deadline());
                    self.0[*who].earned_until = self.0[*who].earned_until.max(earned);
                }
                return Ok(());
            }
            Fact::Said {
                who,
                output: Output::Term(change),
                ..
            } => {
                let grace = scene.candidates[*who].config.timing.stop_grace();
                (*who, self.0[*who].changed(change, grace))
            }
            Fact::Told {
                who,
                input: Input::WorkEnded | Input::WorkPanicked(_),
                ..
            } => {
                self.0[*who].work = Work::None;
                return Ok(());
            }
            Fact::Drained { who, now } => (*who, self.0[*who].is_due(*now)),
            Fact::Killed { who } => {
                self.0[*who] = NONE;
                return Ok(());
            }
            _ => return Ok(()),
        };
        judged.map_err(|how| format!("the work of c{who} {how}"))
    }
}
