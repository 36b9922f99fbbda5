//! From whatever state the perils have left: once the network is healthy, somebody leads within the bound of SAFETY 20, and
//! goes on.
//!
//! The bound itself is in `chaos.rs`.

use super::seconds;
use crate::history::History;

pub(super) fn judge(history: &History) -> Result<(), String> {
    let due = history.phases.due;
    let at_work = history
        .shifts
        .iter()
        .find(|shift| shift.from <= due && shift.to.is_none_or(|to| to > due));
    match at_work {
        None => Err(format!(
            "nobody leads at {}, though the network is healthy since {}",
            seconds(due),
            seconds(history.phases.healthy)
        )),
        Some(shift) => shift.to.map_or(Ok(()), |to| {
            let name = &history.lives[shift.life].name;
            Err(format!(
                "{name} stops leading at {} in a healthy network",
                seconds(to)
            ))
        }),
    }
}
