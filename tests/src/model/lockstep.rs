//! Walks through a world that forgets dead records and through the same one that does not, side by side: whether forgetting
//! changes what happens.

use leaderelection::EmptyIdentity;

use super::action;
use super::setting::Setting;
use super::world::Checked;
use crate::random::Random;

/// What was walked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Walked {
    /// Steps in both worlds.
    pub steps: u64,
    /// After so many of them the worlds were not equal: something was forgotten, or these walks say nothing.
    pub forgotten: u64,
    /// After so many of them somebody was at work.
    pub at_work: u64,
}

/// Takes the same steps in both worlds, and tells where they are not the same: where other steps are possible, others are at
/// work, or a term was lost needlessly in one of them alone. The same seed walks the same ways.
///
/// # Errors
/// Never: the names are not empty.
pub fn lockstep(
    setting: &Setting,
    seeds: std::ops::Range<u64>,
    steps: usize,
) -> Result<Result<Walked, String>, EmptyIdentity> {
    let forgets = Checked::new(setting.clone())?;
    let mut remembering = setting.clone();
    remembering.forgets_dead = false;
    let remembers = Checked::new(remembering)?;
    let mut walked = Walked::default();
    for seed in seeds {
        let mut random = Random::new(seed);
        let mut worlds = [forgets.start(), remembers.start()];
        for step in 0..steps {
            let [one, other] = &worlds;
            let possible = [one, other].map(|world| {
                let mut actions = Vec::new();
                action::enabled(setting, world, &mut actions);
                actions
            });
            let [in_one, in_other] = &possible;
            if in_one != in_other {
                return Ok(Err(format!(
                    "seed {seed}, step {step}: {in_one:?}, or {in_other:?}"
                )));
            }
            let drawn = random.below(u64::try_from(in_one.len()).unwrap_or(u64::MAX));
            let Some(action) = usize::try_from(drawn).ok().and_then(|drawn| in_one.get(drawn)) else {
                continue;
            };
            let (Some(one), Some(other)) = (forgets.step(one, *action), remembers.step(other, *action))
            else {
                continue;
            };
            let looks = [&one, &other].map(|world| {
                let working: Vec<_> = world.seats.iter().map(|seat| seat.working).collect();
                (working, world.lost_needlessly)
            });
            let [of_one, of_other] = &looks;
            if of_one != of_other {
                return Ok(Err(format!(
                    "seed {seed}, step {step}, {action:?}: {of_one:?}, or {of_other:?}"
                )));
            }
            walked.steps += 1;
            walked.forgotten += u64::from(one != other);
            walked.at_work += u64::from(of_one.0.contains(&true));
            worlds = [one, other];
        }
    }
    Ok(Ok(walked))
}
