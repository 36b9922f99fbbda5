//! A leader that renews, beside a follower of each side.

use std::time::Duration;

use crate::beside_go::{Result, Side, Stage};
use crate::clocked::Moment;
use crate::time::wait;

/// One round.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Whose leader.
    pub by: Side,
    /// Milliseconds at work, from the start until it was asked to stop.
    pub milliseconds: f64,
    /// Writes of its side meanwhile.
    pub renewals: usize,
    /// The least that a leader writes in that time which is not late with each renewal.
    pub least_renewals: usize,
    /// Who was seen to take its lead, or at work beside it.
    pub robbed_by: Vec<String>,
}

/// A leader of that side holds for `length`, beside followers; then they go, and it releases.
///
/// # Errors
/// When a process or the server does not do its part.
pub fn hold(stage: &mut Stage<'_>, by: Side, length: Duration) -> Result<Held> {
    let mut leader = stage.join(by)?;
    let began = leader.works()?;
    let mut followers = [stage.join(Side::Ours)?, stage.join(Side::Go)?];
    for follower in &mut followers {
        follower.follows(&leader)?;
    }
    let (settled, before) = (Moment::now(), stage.writes(by)?.len());
    let mut robbed_by = Vec::new();
    while Moment::now().since(settled) < length.as_secs_f64() * 1e3 && robbed_by.is_empty() {
        wait(stage.retry_period() / 4);
        for follower in &mut followers {
            if follower.stirred(false)? {
                robbed_by.push(follower.identity().to_owned());
            }
        }
        if leader.stirred(true)? {
            robbed_by.push(format!("somebody whom {} has seen", leader.identity()));
        }
    }
    let renewals = stage.writes(by)?.len() - before;
    // They would take over what is released.
    drop(followers);
    let asked = leader.ask_to_stop()?;
    if robbed_by.is_empty() {
        leader.stopped()?;
    }
    Ok(Held {
        by,
        milliseconds: asked.since(began),
        renewals,
        least_renewals: (length.as_millis() / (2 * stage.retry_period()).as_millis()) as usize,
        robbed_by,
    })
}
