//! Which broken variants of the machine this catches through the whole elector, by which invariant: see
//! `it_catches_broken_electors`.
//!
//! Not all: a drain that outlives its lease does no harm here, because the elector drops the work by the clock whatever the
//! machine says (SAFETY 2).

use leaderelection::election::Variant::{self, *};

pub(crate) const CATCHES: &[(Variant, &str)] = &[
    (CountFromReceipt, "work_never_outlives_its_term"),
    (GoTiming, "at_most_one_at_work"),
    (AnyVersionAdopted, "no_blind_overwrite"),
    (AnyVersionAdopted, "tokens_grow"),
    (EveryVersionRestarts, "a_leader_within_the_bound"),
    (OwnDurationAlone, "at_most_one_at_work"),
    (ZeroDurationTakenAtOnce, "at_most_one_at_work"),
    (ReadBackExtends, "work_never_outlives_its_term"),
    (ReleaseBeforeWorkStopped, "at_most_one_at_work"),
    (ReleaseOverwritesSuccessor, "a_release_never_touches_a_successor"),
    (TermResumedAfterRelease, "at_most_one_at_work"),
    (IdentityTrusted, "at_most_one_at_work"),
    (WaitThenCreate, "at_most_one_at_work"),
    (ClaimLeadsAtOnce, "at_most_one_at_work"),
    (AnothersCreateMatures, "at_most_one_at_work"),
    (LostTermRevived, "at_most_one_at_work"),
    (TwoWritesInOneSecond, "a_record_tells_a_term_from_its_renewal"),
];
