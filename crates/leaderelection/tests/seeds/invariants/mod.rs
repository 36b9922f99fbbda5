//! What must hold in every simulated election: one file each, judged by what goes into the machines, what comes out of
//! them, and what the store did. None of them looks inside a machine.

mod a_leader_within_the_bound;
mod a_release_never_touches_a_successor;
mod at_most_one_at_work;
mod no_blind_overwrite;
mod no_needless_follower_request;
mod tokens_grow;
mod work_never_outlives_its_term;

use leaderelection::election::{Attempt, Input, Output};
use leaderelection::{Content, MonoTime};

use crate::world::candidate::Candidate;

/// Who wrote something: a candidate in one of its lives.
pub(crate) type Author = (usize, u64);

/// The moment at which something happened, and the candidates as they are then.
pub(crate) struct Scene<'a> {
    /// True time, in nanoseconds.
    pub(crate) time: i64,
    pub(crate) candidates: &'a [Candidate],
}

/// What happened.
pub(crate) enum Fact<'a> {
    /// A machine is about to be told something, at this moment of its own clock.
    Told {
        who: usize,
        now: MonoTime,
        input: &'a Input,
    },
    /// A machine says something.
    Said {
        who: usize,
        now: MonoTime,
        output: &'a Output,
    },
    /// A machine has said all that it has to say for now.
    Drained { who: usize, now: MonoTime },
    /// A swap of this author changed the store.
    Landed {
        author: Author,
        attempt: &'a Attempt,
        /// Who wrote what it replaced, if a candidate did, and what that was.
        replaced: (Option<Author>, Option<Content>),
    },
    /// A candidate was killed, and its work with it.
    Killed { who: usize },
    /// The network has been healthy for as long as it may take to have a leader.
    LeaderIsDue,
}

trait Invariant {
    fn judge(&mut self, scene: &Scene<'_>, fact: &Fact<'_>) -> Result<(), String>;
}

/// An invariant that does not hold.
pub(crate) struct Violation {
    /// Which one, by the name of its file.
    pub(crate) of: &'static str,
    pub(crate) how: String,
}

/// All invariants, for one election.
pub(crate) struct Judge(Vec<(&'static str, Box<dyn Invariant>)>);

/// Names the invariants after their files.
macro_rules! judge {
    ($($file:ident::$name:ident),* $(,)?) => {
        impl Judge {
            pub(crate) fn new(candidates: usize) -> Self {
                Self(vec![$((stringify!($file), Box::new($file::$name::new(candidates)))),*])
            }
        }
    };
}

judge! {
    at_most_one_at_work::AtMostOneAtWork,
    tokens_grow::TokensGrow,
    work_never_outlives_its_term::WorkNeverOutlivesItsTerm,
    no_blind_overwrite::NoBlindOverwrite,
    a_release_never_touches_a_successor::AReleaseNeverTouchesASuccessor,
    no_needless_follower_request::NoNeedlessFollowerRequest,
    a_leader_within_the_bound::ALeaderWithinTheBound,
}

impl Judge {
    pub(crate) fn judge(&mut self, scene: &Scene<'_>, fact: &Fact<'_>) -> Vec<Violation> {
        let judged = self
            .0
            .iter_mut()
            .map(|(of, invariant)| (*of, invariant.judge(scene, fact)));
        judged
            .filter_map(|(of, judged)| judged.err().map(|how| Violation { of, how }))
            .collect()
    }
}
