//! A follower whose watch is open and has shown something within `S` asks for nothing (SAFETY 20): it reads once when the
//! watch opens, again when an answer failed or said too little, and else only to verify a silent watch.

use leaderelection::election::{Input, Output, Read};
use leaderelection::{MonoTime, Observation, Swap, Version};

use super::{Fact, Invariant, Scene};

/// Of eight swaps that the machine keeps in mind, one is a release.
const MOST_UNRESOLVED: u32 = 7;

#[derive(Clone)]
struct Reader {
    watch_is_open: bool,
    /// The last read that was sent while the watch was open.
    asked: Option<Read>,
    /// It was answered, and nothing since leaves a question.
    knows: bool,
    /// Reads that failed and were not repeated yet: each is, be a later one answered meanwhile.
    failed: u32,
    /// Swaps since it last heard something new.
    unresolved: u32,
    newest: Option<Version>,
    /// When it last heard something new, or asked.
    quiet_since: MonoTime,
    /// The last read showed what the watch had not.
    watch_is_doubted: bool,
}

const NEW: Reader = Reader {
    watch_is_open: false,
    asked: None,
    knows: false,
    failed: 0,
    unresolved: 0,
    newest: None,
    quiet_since: MonoTime::PAST,
    watch_is_doubted: false,
};

impl Reader {
    fn hears(&mut self, now: MonoTime, observation: &Observation) -> bool {
        let version = match observation {
            Observation::Present { version, .. } => Some(*version),
            Observation::Absent { as_of } => *as_of,
        };
        let news = version > self.newest;
        if news {
            self.newest = version;
            self.quiet_since = now;
            self.unresolved = 0;
        }
        news
    }

    /// What was asked before does not answer it.
    fn is_left_with_a_question(&mut self) {
        (self.asked, self.knows) = (None, false);
    }

    fn told(&mut self, now: MonoTime, input: &Input) {
        self.watch_is_doubted = false;
        match input {
            Input::WatchStarted => (self.watch_is_open, self.asked, self.knows) = (true, None, false),
            Input::WatchEnded { .. } | Input::WatchUnsupported => self.watch_is_open = false,
            Input::Watched(observation) => {
                self.hears(now, observation);
                if *observation == (Observation::Absent { as_of: None }) {
                    self.is_left_with_a_question();
                }
            }
            Input::Read { read, observation } => {
                self.knows |= self.asked == Some(*read);
                // An absence without a version may be news to it, too.
                self.watch_is_doubted = self.hears(now, observation)
                    || matches!(observation, Observation::Absent { as_of: None });
            }
            Input::Swapped {
                swap: Swap::Done(version),
                ..
            } => self.newest = self.newest.max(Some(*version)),
            Input::ReadFailed { .. } => self.failed += 1,
            // What became of a write may have to be asked, and so may what is left of one's own term.
            Input::Swapped {
                swap: Swap::Conflict(shown),
                ..
            } => {
                if let Some(observation) = shown {
                    self.hears(now, observation);
                }
                self.is_left_with_a_question();
            }
            Input::SwapFailed { .. }
            | Input::WorkEnded
            | Input::WorkPanicked(_)
            | Input::Stop
            | Input::StepDown => {
                self.is_left_with_a_question();
            }
            // Another swap may be due and not be sent, because nobody knows what became of so many.
            Input::Wake if self.unresolved >= MOST_UNRESOLVED => self.is_left_with_a_question(),
            Input::Wake => {}
        }
    }
}

pub(super) struct NoNeedlessFollowerRequest(Vec<Reader>);

impl NoNeedlessFollowerRequest {
    pub(super) fn new(candidates: usize) -> Self {
        Self(vec![NEW; candidates])
    }
}

impl Invariant for NoNeedlessFollowerRequest {
    fn judge(&mut self, scene: &Scene<'_>, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Told { who, now, input } => self.0[*who].told(*now, input),
            Fact::Killed { who } => self.0[*who] = NEW,
            Fact::Said {
                who,
                output: Output::Cas(_),
                ..
            } => {
                self.0[*who].unresolved += 1;
                self.0[*who].is_left_with_a_question();
            }
            Fact::Said {
                who,
                now,
                output: Output::Get(read),
            } => {
                let reader = &mut self.0[*who];
                let timing = &scene.candidates[*who].config.timing;
                let lease = timing.lease_duration();
                let silence = (lease / 3).max((timing.retry_period() * 3).min(lease / 3 * 2));
                let since = now.since(reader.quiet_since);
                let repeats = reader.failed > 0;
                reader.failed = reader.failed.saturating_sub(1);
                if reader.watch_is_open && reader.knows && !repeats && since < silence {
                    return Err(format!(
                        "c{who} reads although its watch is open and showed something {since:?} ago; S is {silence:?}"
                    ));
                }
                (reader.asked, reader.knows) = (Some(*read), false);
                reader.quiet_since = *now;
            }
            Fact::Said {
                who,
                output: Output::RestartWatch,
                ..
            } => {
                let reader = &mut self.0[*who];
                if std::mem::take(&mut reader.watch_is_open) && !reader.watch_is_doubted {
                    return Err(format!("c{who} opens a watch anew that missed nothing"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
