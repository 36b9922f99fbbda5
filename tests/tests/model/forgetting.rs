//! Whether a world that forgets what is dead behaves as one that does not (a sample: walks, not all states).

use leaderelection::EmptyIdentity;
use leaderelection_tests::model::setting::Ticks;
use leaderelection_tests::model::{Powers, Setting, lockstep};

use super::missing::{deleting, strict_from_nothing};
use super::{DOUBLE, SHORT, quiet, setting};

const SEEDS: std::ops::Range<u64> = 0..300;
const STEPS: usize = 300;

fn is_the_same(name: &str, setting: &Setting) -> Result<(), EmptyIdentity> {
    match lockstep(setting, SEEDS, STEPS)? {
        Err(difference) => panic!("{name}: {difference}"),
        Ok(walked) => {
            println!("{name}: {walked:?}");
            assert!(walked.forgotten > 0 && walked.at_work > 0, "{name}: {walked:?}");
        }
    }
    Ok(())
}

#[test]
fn forgetting_changes_nothing() -> Result<(), EmptyIdentity> {
    let all = Powers {
        labels: true,
        rewrites: true,
        deletions: 3,
        ..Powers::USUAL
    };
    let usual = || setting(DOUBLE, Ticks { grace: 1, ..SHORT });
    is_the_same("usual", &usual()?)?;
    is_the_same("everything", &usual()?.powers(all))?;
    is_the_same("everything, strict", &usual()?.powers(all).strict())?;
    is_the_same("everything, exclusive", &usual()?.powers(all).exclusive())?;
    is_the_same("everything, twins", &usual()?.powers(all).twins())?;
    is_the_same("everything, strict twins", &usual()?.powers(all).strict().twins())?;
    is_the_same(
        "everything, a name for every life",
        &usual()?.powers(all).unique(),
    )?;
    is_the_same("everything, three", &usual()?.powers(all).third()?)?;
    is_the_same("quiet", &quiet(DOUBLE, SHORT)?)?;
    is_the_same("deletions", &deleting(2)?)?;
    is_the_same("strict, from nothing", &strict_from_nothing(2)?)
}
