//! Broken variants of the machine, by name, so that the project's checks can be checked: each must be caught.

/// One rule dropped. Exists only with the feature `unsound-variants`; without it the machine is always sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unsound-variants"), allow(dead_code, unreachable_pub))]
#[non_exhaustive]
pub enum Variant {
    /// Own lease counted from the receipt of the success instead of its send (SAFETY 1).
    CountFromReceipt,
    /// The Go package's timing: the term lasts a retry period and a renew deadline from the receipt (SAFETY 1).
    GoTiming,
    /// A rival's lease counts from the send of the read that showed it (SAFETY 1).
    RivalFromReadsSend,
    /// Whatever version arrives is adopted, newer or not (SAFETY 4).
    AnyVersionAdopted,
    /// Every version restarts the rival's lease, also one that only changed a label (SAFETY 5).
    EveryVersionRestarts,
    /// An answer with the version that was given counts as a renewal (SAFETY 6).
    EqualWriteCounts,
    /// A renewal takes the second of the wall clock as it is, so that two in one second are equal (SAFETY 6).
    TwoWritesInOneSecond,
    /// An acquisition takes the second of the wall clock as it is, also where that makes it equal to an earlier one of the same
    /// life (SAFETY 5).
    AcquisitionsAlike,
    /// A rival is waited out for one's own duration alone (SAFETY 7).
    OwnDurationAlone,
    /// A record that declares no duration may be taken at once (SAFETY 7).
    ZeroDurationTakenAtOnce,
    /// A held record is written with a duration of zero, which Go takes at once (SAFETY 7).
    ZeroDurationWritten,
    /// A duration is written without the rest of its last second (SAFETY 7).
    TruncatedSeconds,
    /// A renewal that a read shows counts from the read (SAFETY 9).
    ReadBackExtends,
    /// The record is released while the work still runs (SAFETY 12).
    ReleaseBeforeWorkStopped,
    /// The term goes on when the release was sent (SAFETY 12).
    TermResumedAfterRelease,
    /// A release frees whatever record is the newest, a successor's too (SAFETY 12).
    ReleaseOverwritesSuccessor,
    /// Draining work keeps its term past its lease (SAFETY 13).
    DrainOutlivesLease,
    /// A record under one's own name is taken for one's own (SAFETY 16).
    IdentityTrusted,
    /// An acquisition that equals one's own counts as one's own also where the name is not unique (SAFETY 16).
    EqualAcquisitionProves,
    /// Where there is no record, a lease is waited out before the create, and led by it at once (SAFETY 18).
    WaitThenCreate,
    /// A claim is a term at once (SAFETY 18).
    ClaimLeadsAtOnce,
    /// A claim ripens when the record that another created before it could have been taken over, instead of waiting
    /// anew (SAFETY 18).
    AnothersCreateMatures,
    /// A late success revives a lost term (SAFETY 22).
    LostTermRevived,
}

/// Lists all variants. One that is not listed does not compile: the match must name them all.
#[cfg(feature = "unsound-variants")]
macro_rules! all {
    ($($name:ident),* $(,)?) => {
        impl Variant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name, as it is written here.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),*
                }
            }
        }
    };
}

#[cfg(feature = "unsound-variants")]
all! {
    CountFromReceipt,
    GoTiming,
    RivalFromReadsSend,
    AnyVersionAdopted,
    EveryVersionRestarts,
    EqualWriteCounts,
    TwoWritesInOneSecond,
    AcquisitionsAlike,
    OwnDurationAlone,
    ZeroDurationTakenAtOnce,
    ZeroDurationWritten,
    TruncatedSeconds,
    ReadBackExtends,
    ReleaseBeforeWorkStopped,
    TermResumedAfterRelease,
    ReleaseOverwritesSuccessor,
    DrainOutlivesLease,
    IdentityTrusted,
    EqualAcquisitionProves,
    WaitThenCreate,
    ClaimLeadsAtOnce,
    AnothersCreateMatures,
    LostTermRevived,
}
