//! Records that are deleted or emptied (SAFETY 18).

use leaderelection::EmptyIdentity;
use leaderelection::election::Variant;
use leaderelection_tests::model::world::ONE_LEADER;
use leaderelection_tests::model::{Powers, Setting};

use super::{EQUAL, SHORT, caught, quiet};

fn deleting(rates: [u8; 2], deletions: u8) -> Result<Setting, EmptyIdentity> {
    let powers = Powers {
        deletions,
        ..Powers::NONE
    };
    Ok(quiet(rates, SHORT)?.powers(powers))
}

/// As Go does: whoever sees that there is no record leads at once, and the old leader has not seen it yet.
#[test]
fn two_lead_after_a_deletion_where_candidates_lead_at_once() -> Result<(), EmptyIdentity> {
    caught("deleted", ONE_LEADER, deleting(EQUAL, 1)?)
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
fn caught_claim_leads_at_once() -> Result<(), EmptyIdentity> {
    let setting = deleting(EQUAL, 1)?.strict().broken(Variant::ClaimLeadsAtOnce);
    caught("ClaimLeadsAtOnce", ONE_LEADER, setting)
}

#[test]
fn caught_anothers_create_matures() -> Result<(), EmptyIdentity> {
    let setting = deleting(EQUAL, 1)?
        .strict()
        .broken(Variant::AnothersCreateMatures);
    caught("AnothersCreateMatures", ONE_LEADER, setting)
}
