//! What must be caught: SAFETY's list of ways to be wrong, in its order, and what stands for each.

use std::time::Duration;

use leaderelection::LeaseTiming;
use leaderelection::election::Variant::{self, *};

/// One way to be wrong.
pub(crate) struct Wrong {
    /// As SAFETY's list calls it.
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
}

/// In what shape it can be tried.
pub(crate) enum Shape {
    /// A machine that drops a rule, and the invariant of the seeds that is made to see it.
    Machine(Variant, &'static str),
    /// A machine that drops a rule whose lack needs a longer schedule than the seeds meet: only the model has it.
    Model(Variant),
    /// A lock that breaks its contract: a name of `leaderelection_conformance::broken`.
    Lock(&'static str),
    /// A lease that is too short for the durations: a test of the model, and the lease for the seeds.
    Lease(&'static str, fn(&LeaseTiming) -> Duration),
}

use Shape::{Lease, Lock, Machine, Model};

const fn wrong(name: &'static str, shape: Shape) -> Wrong {
    Wrong { name, shape }
}

pub(crate) const WRONG: &[Wrong] = &[
    wrong(
        "counting from receipt",
        Machine(CountFromReceipt, "work_never_outlives_its_term"),
    ),
    wrong(
        "the Go package's timing",
        Machine(GoTiming, "work_never_outlives_its_term"),
    ),
    wrong(
        "rival's lease from the read's send",
        Machine(RivalFromReadsSend, "at_most_one_at_work"),
    ),
    wrong(
        "any version adopted (unordered)",
        Machine(AnyVersionAdopted, "no_blind_overwrite"),
    ),
    wrong(
        "every version restarts a rival's lease",
        Machine(EveryVersionRestarts, "a_leader_within_the_bound"),
    ),
    wrong(
        "own duration alone instead of the longer one",
        Machine(OwnDurationAlone, "at_most_one_at_work"),
    ),
    wrong(
        "equal write counted as renewal",
        Machine(EqualWriteCounts, "work_never_outlives_its_term"),
    ),
    wrong("equal write counted as renewal", Lock("EqualWriteLies")),
    wrong("blind put", Lock("BlindPut")),
    wrong("hidden retry", Lock("HiddenRetry")),
    wrong(
        "release before the work stopped",
        Machine(ReleaseBeforeWorkStopped, "at_most_one_at_work"),
    ),
    wrong(
        "release that overwrites the successor",
        Machine(ReleaseOverwritesSuccessor, "a_release_never_touches_a_successor"),
    ),
    wrong(
        "term resumed after its release",
        Machine(TermResumedAfterRelease, "at_most_one_at_work"),
    ),
    wrong(
        "drain that outlives its lease",
        Machine(DrainOutlivesLease, "work_never_outlives_its_term"),
    ),
    wrong(
        "read-back that extends the lease",
        Machine(ReadBackExtends, "work_never_outlives_its_term"),
    ),
    wrong("version reuse after delete", Lock("VersionReuse")),
    wrong(
        "identity trusted without a write of one's own",
        Machine(IdentityTrusted, "at_most_one_at_work"),
    ),
    wrong(
        "equal acquisition taken for one's own",
        Machine(EqualAcquisitionProves, "at_most_one_at_work"),
    ),
    wrong(
        "acquisition equal to an earlier one of its life",
        Model(AcquisitionsAlike),
    ),
    wrong("wait-then-create", Machine(WaitThenCreate, "at_most_one_at_work")),
    wrong(
        "claim that leads at once",
        Machine(ClaimLeadsAtOnce, "at_most_one_at_work"),
    ),
    wrong(
        "claim matured by another's create",
        Machine(AnothersCreateMatures, "at_most_one_at_work"),
    ),
    wrong(
        "lost term revived by a late success",
        Machine(LostTermRevived, "at_most_one_at_work"),
    ),
    wrong(
        "held record with duration 0",
        Machine(ZeroDurationTakenAtOnce, "at_most_one_at_work"),
    ),
    wrong(
        "held record with duration 0",
        Machine(ZeroDurationWritten, "at_most_one_at_work"),
    ),
    wrong(
        "two writes in one second",
        Machine(TwoWritesInOneSecond, "work_never_outlives_its_term"),
    ),
    wrong(
        "truncated seconds",
        Machine(TruncatedSeconds, "at_most_one_at_work"),
    ),
    wrong("truncated seconds", Lock("TruncatesSeconds")),
    // A tick of the model; of the seeds, a thousandth.
    wrong(
        "`L` one tick below the threshold",
        Lease("bound", |timing| timing.lease_duration() * 999 / 1000),
    ),
    wrong(
        "σ forgotten in the bound",
        Lease("caught_stop_grace_forgotten_in_the_bound", |timing| {
            timing.lease_duration() - timing.stop_grace()
        }),
    ),
];
