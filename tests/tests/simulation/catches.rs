//! Which broken variants of the machine this catches through the whole elector, by which invariant: see
//! `it_catches_broken_electors`.

use leaderelection::election::Variant::{self, *};

pub(crate) const CATCHES: &[(Variant, &str)] = &[
    (CountFromReceipt, "work_never_outlives_its_term"),
    (GoTiming, "at_most_one_at_work"),
    (AnyVersionAdopted, "no_blind_overwrite"),
    (AnyVersionAdopted, "tokens_grow"),
    (EveryVersionRestarts, "a_leader_within_the_bound"),
    (ReadBackExtends, "work_never_outlives_its_term"),
    (ReleaseBeforeWorkStopped, "at_most_one_at_work"),
    (ReleaseOverwritesSuccessor, "a_release_never_touches_a_successor"),
];
