//! From every reachable state somebody leads in time once the network heals (SAFETY 20).

use leaderelection::EmptyIdentity;
use leaderelection::election::Variant;
use leaderelection_tests::model::world::LEADS_AGAIN;
use leaderelection_tests::model::{Healing, Powers, walk};

use super::{DOUBLE, EQUAL, SHORT, caught, holds, quiet};

/// Within 2 L.
#[test]
fn leads_again_after_late_and_lost_messages() -> Result<(), EmptyIdentity> {
    holds("heals", quiet(EQUAL, SHORT)?.heals(Healing::Whole))
}

/// SAFETY 5: a dead leader is kept alive by somebody who writes labels.
#[test]
fn caught_every_version_restarts() -> Result<(), EmptyIdentity> {
    let labels = Powers {
        labels: true,
        ..Powers::USUAL
    };
    let setting = quiet(EQUAL, SHORT)?
        .powers(labels)
        .heals(Healing::Whole)
        .broken(Variant::EveryVersionRestarts);
    caught("EveryVersionRestarts", LEADS_AGAIN, setting)
}

/// The check itself: where nobody hears of anything, nobody leads.
#[test]
fn nobody_leads_who_hears_nothing() -> Result<(), EmptyIdentity> {
    caught("blind", LEADS_AGAIN, quiet(EQUAL, SHORT)?.heals(Healing::Blind))
}

/// Within L + 1.5 S, by the reads that verify a silent watch. A sample: ways through a world in which reads are asked for.
#[test]
fn leads_again_where_the_watch_stays_silent() -> Result<(), EmptyIdentity> {
    let powers = Powers {
        labels: true,
        ..Powers::USUAL
    };
    let mut setting = quiet(DOUBLE, SHORT)?.powers(powers).heals(Healing::WithoutWatch);
    setting.coarse = false;
    let nobody = walk(setting, 100, 100)?;
    assert!(nobody.is_none(), "nobody leads in time after {nobody:#?}");
    Ok(())
}

/// The check itself: where nobody hears of anything, nobody leads.
#[test]
fn no_way_to_lead_for_who_hears_nothing() -> Result<(), EmptyIdentity> {
    let nobody = walk(quiet(DOUBLE, SHORT)?.heals(Healing::Blind), 1, 1)?;
    assert!(nobody.is_some(), "somebody leads");
    Ok(())
}
