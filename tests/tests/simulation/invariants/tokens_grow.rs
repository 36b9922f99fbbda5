//! The token of every term is greater than those of all before, and is a version of the store (SAFETY 19).

use super::seconds;
use crate::history::History;

pub(super) fn judge(history: &History) -> Result<(), String> {
    let mut greatest = 0;
    for shift in &history.shifts {
        let name = &history.lives[shift.life].name;
        if shift.token <= greatest {
            return Err(format!(
                "{name} starts at {} with token {} after a term with token {greatest}",
                seconds(shift.from),
                shift.token
            ));
        }
        greatest = shift.token;
        let written = history.writes.iter().find(|write| write.version == shift.token);
        if written.is_none_or(|write| write.at > shift.from) {
            return Err(format!(
                "{name} leads with token {}, which nobody had written",
                shift.token
            ));
        }
    }
    Ok(())
}
