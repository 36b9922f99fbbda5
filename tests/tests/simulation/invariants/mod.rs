//! What must hold in every history: one file each.

mod a_leader_within_the_bound;
mod a_record_tells_a_term_from_its_renewal;
mod a_release_never_touches_a_successor;
mod at_most_one_at_work;
mod no_blind_overwrite;
mod no_needless_follower_request;
mod tokens_grow;
mod work_never_outlives_its_term;

use crate::history::History;

/// Names the invariants after their files.
macro_rules! invariants {
    ($($name:ident),* $(,)?) => {
        /// Those that a history breaks, and how.
        pub(crate) fn judge(history: &History) -> Vec<(&'static str, String)> {
            let judged = [$((stringify!($name), $name::judge(history))),*];
            judged
                .into_iter()
                .filter_map(|(name, judged)| judged.err().map(|how| (name, how)))
                .collect()
        }
    };
}

invariants! {
    at_most_one_at_work,
    tokens_grow,
    work_never_outlives_its_term,
    no_blind_overwrite,
    a_release_never_touches_a_successor,
    no_needless_follower_request,
    a_leader_within_the_bound,
    a_record_tells_a_term_from_its_renewal,
}

/// A moment for people.
fn seconds(moment: leaderelection::MonoTime) -> String {
    format!("{:.3} s", moment.as_nanos() as f64 / 1e9)
}
