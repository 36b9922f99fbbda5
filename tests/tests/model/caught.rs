//! Each broken variant, and each bound overdrawn, is caught.

use std::time::Duration;

use leaderelection::election::Variant;
use leaderelection::{EmptyIdentity, LeaseTiming};
use leaderelection_tests::model::setting::Ticks;
use leaderelection_tests::model::world::{NO_NEEDLESS_LOSS, ONE_LEADER, SAYS_ITS_LEASE};
use leaderelection_tests::model::{Powers, Setting};

use super::{DOUBLE, EQUAL, SHORT, caught, holds, quiet, setting, variant_caught};

/// SAFETY's theorem: the work must be gone, not only told.
#[test]
fn caught_stop_grace_forgotten_in_the_bound() -> Result<(), EmptyIdentity> {
    let forgotten = Ticks {
        grace: 1,
        ..SHORT.at_threshold(DOUBLE)
    };
    let mut setting = Setting::new(DOUBLE, forgotten)?;
    setting.on_their_way = 1;
    caught("stop grace forgotten", ONE_LEADER, setting)
}

/// SAFETY 1.
#[test]
fn caught_count_from_receipt() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::CountFromReceipt)
}

/// SAFETY 4. The machine names a version in every write, so that old news costs it its term, but makes no two leaders.
#[test]
fn caught_any_version_adopted() -> Result<(), EmptyIdentity> {
    let mut setting = setting(DOUBLE, SHORT)?.broken(Variant::AnyVersionAdopted);
    setting.forgets = false;
    caught("AnyVersionAdopted", NO_NEEDLESS_LOSS, setting)
}

/// SAFETY 7: a candidate with a short lease robs one with a long lease.
#[test]
fn caught_own_duration_alone() -> Result<(), EmptyIdentity> {
    let long = Ticks { deadline: 3, ..SHORT };
    let setting = setting(DOUBLE, SHORT)?
        .second(long.at_threshold(DOUBLE))
        .broken(Variant::OwnDurationAlone);
    caught("OwnDurationAlone", ONE_LEADER, setting)
}

/// SAFETY 9. With a deadline of three ticks, because a read-back only counts while the term is held: with two, that is
/// in the tick in which the renewal is sent.
#[test]
fn caught_read_back_extends() -> Result<(), EmptyIdentity> {
    let longer = Ticks { deadline: 3, ..SHORT };
    let setting = setting(EQUAL, longer)?.broken(Variant::ReadBackExtends);
    caught("ReadBackExtends", ONE_LEADER, setting)
}

/// SAFETY 12.
#[test]
fn caught_release_before_work_stopped() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::ReleaseBeforeWorkStopped)
}

/// SAFETY 12.
#[test]
fn caught_term_resumed_after_release() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::TermResumedAfterRelease)
}

/// SAFETY 13.
#[test]
fn caught_drain_outlives_lease() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::DrainOutlivesLease)
}

/// SAFETY 16.
#[test]
fn caught_identity_trusted() -> Result<(), EmptyIdentity> {
    let setting = setting(DOUBLE, SHORT)?.twins().broken(Variant::IdentityTrusted);
    caught("IdentityTrusted", ONE_LEADER, setting)
}

/// SAFETY 16: as the model found it. Under a name that others have too, a record that equals one's own acquisition may be
/// a twin's or an earlier life's.
#[test]
fn caught_equal_acquisition_proves() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::EqualAcquisitionProves)
}

/// SAFETY 22.
#[test]
fn caught_lost_term_revived() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::LostTermRevived)
}

/// SAFETY 1. Go's package is safe from `L ≥ r · (P + R + D + σ)` on, and here the lease is shorter.
#[test]
fn caught_go_timing() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::GoTiming)
}

/// SAFETY 1: the read was sent before the renewal that it shows.
#[test]
fn caught_rival_from_reads_send() -> Result<(), EmptyIdentity> {
    let slow_reads = Powers {
        slow_reads: true,
        ..Powers::NONE
    };
    let setting = quiet(EQUAL, SHORT)?
        .powers(slow_reads)
        .broken(Variant::RivalFromReadsSend);
    caught("RivalFromReadsSend", ONE_LEADER, setting)
}

/// SAFETY 6. The wall clock stands, so that the second renewal equals the first: a rival takes it for a label.
#[test]
fn caught_two_writes_in_one_second() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::TwoWritesInOneSecond)
}

/// SAFETY 6.
#[test]
fn caught_equal_write_counts() -> Result<(), EmptyIdentity> {
    let mute = Powers {
        mute: true,
        ..Powers::NONE
    };
    let setting = quiet(EQUAL, SHORT)?
        .powers(mute)
        .broken(Variant::EqualWriteCounts);
    caught("EqualWriteCounts", ONE_LEADER, setting)
}

/// SAFETY 7: somebody overwrites a live leader's record with a holder and no duration.
#[test]
fn caught_zero_duration_taken_at_once() -> Result<(), EmptyIdentity> {
    let rewrites = Powers {
        rewrites: true,
        ..Powers::NONE
    };
    let setting = quiet(EQUAL, SHORT)?
        .powers(rewrites)
        .broken(Variant::ZeroDurationTakenAtOnce);
    caught("ZeroDurationTakenAtOnce", ONE_LEADER, setting)
}

/// SAFETY 7. Candidates of this kind wait their own lease all the same, so that it harms only others, as Go.
#[test]
fn caught_zero_duration_written() -> Result<(), EmptyIdentity> {
    let setting = quiet(EQUAL, SHORT)?.broken(Variant::ZeroDurationWritten);
    caught("ZeroDurationWritten", SAYS_ITS_LEASE, setting)
}

/// SAFETY 7: a rival with a lease of two seconds waits two for a lease of two and a half.
fn uneven() -> Result<Setting, EmptyIdentity> {
    let [lease, deadline, period] = [2500, 2500, 1000].map(Duration::from_millis);
    let timing = LeaseTiming::unchecked(lease, deadline, period, Duration::ZERO);
    Ok(quiet(EQUAL, SHORT)?.second_timing(timing))
}

#[test]
fn sound_with_a_lease_that_is_rounded_up() -> Result<(), EmptyIdentity> {
    holds("rounded up", uneven()?)
}

#[test]
fn caught_truncated_seconds() -> Result<(), EmptyIdentity> {
    let setting = uneven()?.broken(Variant::TruncatedSeconds);
    caught("TruncatedSeconds", ONE_LEADER, setting)
}

/// SAFETY 7 has its limit: where leases differ, a foreign holder with a shorter duration than the lease that it overwrites
/// misleads a candidate that has not seen that lease. Equal leases, or a duration as long, keep it harmless.
#[test]
fn two_lead_after_a_longer_lease_is_overwritten_by_a_shorter() -> Result<(), EmptyIdentity> {
    let rewrites = Powers {
        rewrites: true,
        ..Powers::NONE
    };
    let long = Ticks { deadline: 3, ..SHORT };
    let setting = quiet(EQUAL, SHORT)?
        .second(long.at_threshold(EQUAL))
        .powers(rewrites);
    caught("overwritten by less", ONE_LEADER, setting)
}

/// SAFETY 12: the release of one that has been outlived frees the record of its successor.
#[test]
fn caught_release_overwrites_successor() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::ReleaseOverwritesSuccessor)
}
