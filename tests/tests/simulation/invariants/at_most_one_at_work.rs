//! Work of one candidate is gone when another's starts (the theorem of SAFETY).

use super::seconds;
use crate::history::History;

pub(super) fn judge(history: &History) -> Result<(), String> {
    for (at, later) in history.shifts.iter().enumerate() {
        for earlier in &history.shifts[..at] {
            if earlier.to.is_none_or(|to| to > later.from) {
                return Err(format!(
                    "{} starts at {} (token {}), while {} works from {} to {:?} (token {})",
                    history.lives[later.life].name,
                    seconds(later.from),
                    later.token,
                    history.lives[earlier.life].name,
                    seconds(earlier.from),
                    earlier.to.map(seconds),
                    earlier.token
                ));
            }
        }
    }
    Ok(())
}
