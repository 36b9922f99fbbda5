//! Broken variants of the machine, by name, so that the project's checks can be checked: each must be caught.

/// One rule dropped. Exists only with the feature `unsound-variants`; without it the machine is always sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unsound-variants"), allow(dead_code, unreachable_pub))]
#[non_exhaustive]
pub enum Variant {
    /// Own lease counted from the receipt of the success instead of its send (SAFETY 1).
    CountFromReceipt,
    /// Whatever version arrives is adopted, newer or not (SAFETY 4).
    AnyVersionAdopted,
    /// Every version restarts the rival's lease, also one that only changed a label (SAFETY 5).
    EveryVersionRestarts,
    /// An answer with the version that was given counts as a renewal (SAFETY 6).
    EqualWriteCounts,
    /// A rival is waited out for one's own duration alone (SAFETY 7).
    OwnDurationAlone,
    /// A renewal that a read shows counts from the read (SAFETY 9).
    ReadBackExtends,
    /// The record is released while the work still runs (SAFETY 12).
    ReleaseBeforeWorkStopped,
    /// The term goes on when the release was sent (SAFETY 12).
    TermResumedAfterRelease,
    /// Draining work keeps its term past its lease (SAFETY 13).
    DrainOutlivesLease,
    /// A record under one's own name is taken for one's own (SAFETY 16).
    IdentityTrusted,
    /// An acquisition that equals one's own counts as one's own also where the name is not unique (SAFETY 16).
    EqualAcquisitionProves,
    /// A late success revives a lost term (SAFETY 22).
    LostTermRevived,
}
