//! Records that are deleted or emptied (SAFETY 18).

use leaderelection::EmptyIdentity;
use leaderelection::election::Variant;
use leaderelection_tests::model::world::ONE_LEADER;
use leaderelection_tests::model::{Powers, Setting};

use super::{EQUAL, SHORT, caught, holds, quiet};

pub(super) fn deleting(deletions: u8) -> Result<Setting, EmptyIdentity> {
    let powers = Powers {
        deletions,
        ..Powers::NONE
    };
    Ok(quiet(EQUAL, SHORT)?.powers(powers))
}

pub(super) fn strict_from_nothing(deletions: u8) -> Result<Setting, EmptyIdentity> {
    let mut setting = deleting(deletions)?.strict();
    setting.from_nothing = true;
    Ok(setting)
}

/// As Go does: whoever sees that there is no record leads at once, and the old leader has not seen it yet.
#[test]
fn two_lead_after_a_deletion_where_candidates_lead_at_once() -> Result<(), EmptyIdentity> {
    caught("deleted", ONE_LEADER, deleting(1)?)
}

/// Somebody who empties a live leader's holder does the same harm in either mode.
#[test]
fn two_lead_after_a_live_leaders_holder_is_emptied() -> Result<(), EmptyIdentity> {
    let powers = Powers {
        empties: true,
        deletions: 1,
        ..Powers::NONE
    };
    caught(
        "emptied",
        ONE_LEADER,
        quiet(EQUAL, SHORT)?.strict().powers(powers),
    )
}

#[test]
fn sound_from_nothing() -> Result<(), EmptyIdentity> {
    let mut setting = quiet(EQUAL, SHORT)?;
    setting.from_nothing = true;
    holds("from nothing", setting)
}

#[test]
fn sound_from_nothing_in_strict_mode() -> Result<(), EmptyIdentity> {
    holds("strict, from nothing", strict_from_nothing(0)?)
}

/// SAFETY 18. Watches are late, and writes land in their tick or never; with late writes: `large`.
#[test]
fn sound_with_a_deletion_in_strict_mode() -> Result<(), EmptyIdentity> {
    let mut setting = deleting(1)?.strict();
    setting.prompt_writes = true;
    holds("strict, a deletion, prompt writes", setting)
}

/// The same under names that are nobody else's, where a renewal that is shown counts before its answer.
#[test]
fn sound_with_a_deletion_in_strict_mode_under_exclusive_names() -> Result<(), EmptyIdentity> {
    let mut setting = deleting(1)?.strict().exclusive();
    setting.prompt_writes = true;
    holds("strict, a deletion, exclusive names, prompt writes", setting)
}

fn variant_caught(variant: Variant) -> Result<(), EmptyIdentity> {
    let setting = strict_from_nothing(1)?.broken(variant);
    caught(&format!("{variant:?}"), ONE_LEADER, setting)
}

/// Two wait at once; the second creates when the first one's record was deleted.
#[test]
fn caught_wait_then_create() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::WaitThenCreate)
}

#[test]
fn caught_claim_leads_at_once() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::ClaimLeadsAtOnce)
}

#[test]
fn caught_anothers_create_matures() -> Result<(), EmptyIdentity> {
    variant_caught(Variant::AnothersCreateMatures)
}

fn of_a_dead_record() -> Result<Setting, EmptyIdentity> {
    let powers = Powers {
        deletions: 1,
        deletes_dead: true,
        ..Powers::NONE
    };
    let mut setting = quiet(EQUAL, SHORT)?.powers(powers);
    setting.prompt_writes = true;
    Ok(setting)
}

/// By default, too, a record may be deleted by which nobody leads.
#[test]
fn sound_with_a_deletion_of_a_dead_record() -> Result<(), EmptyIdentity> {
    holds("a deletion of a dead record, prompt writes", of_a_dead_record()?)
}

/// A life takes over twice with equal transitions in one second of a wall clock that stands: who missed the deletion in between takes
/// the second record for a label on the first.
#[test]
fn caught_acquisitions_alike() -> Result<(), EmptyIdentity> {
    let setting = of_a_dead_record()?.broken(Variant::AcquisitionsAlike);
    caught("AcquisitionsAlike", ONE_LEADER, setting)
}
