//! The write that begins a term, a claim or a release carries one time twice, a renewal a later `renewTime` than `acquireTime`
//! (SAFETY 6). A store that puts a fence beside the record tells by that when to put it anew (SAFETY 19).

use leaderelection::{Content, LeaderElectionRecord};

use crate::history::History;

/// What stays within a term and differs from the one before (SAFETY 16).
fn term(record: &LeaderElectionRecord) -> impl PartialEq + '_ {
    (
        record.holder_identity.as_str(),
        record.acquire_time,
        record.leader_transitions,
    )
}

pub(super) fn judge(history: &History) -> Result<(), String> {
    let mut before: Option<&LeaderElectionRecord> = None;
    for write in &history.writes {
        let record = match &write.content {
            Some(Content::Record(record)) => Some(&**record),
            _ => None,
        };
        if let (Some((by, _)), Some(record)) = (&write.by, record) {
            let goes_on = before
                .is_some_and(|before| !record.holder_identity.is_empty() && term(before) == term(record));
            let shown = !record.holder_identity.is_empty() && record.renew_time > record.acquire_time;
            if goes_on != shown {
                let (is, looks) = match goes_on {
                    true => ("renews a term", "beginning one"),
                    false => ("begins or ends a term", "renewing one"),
                };
                return Err(format!(
                    "v{} by {by} {is} and looks like {looks}: {record:?}",
                    write.version
                ));
            }
        }
        before = record;
    }
    Ok(())
}
