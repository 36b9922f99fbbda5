//! The one list of all cases, from which both the table and every backend's tests are made.

use futures_util::FutureExt;

use super::Case;
use super::clause_01_to_03::*;
use super::clause_04::*;
use super::clause_05_to_06::*;
use super::clause_07_to_08::*;
use super::clause_09_to_10::*;
use super::clause_11::*;
use super::clause_12::*;

/// Gives the list to another macro of this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_case {
    ($then:ident $with:tt) => {
        $crate::$then! { $with
            clause_01_a_read_shows_the_latest_write, 1, "SAFETY 4";
            clause_01_reads_never_go_back, 1, "SAFETY 4";
            clause_02_never_written_is_absent, 2, "SAFETY 18";
            clause_02_deleted_is_absent, 2, "SAFETY 4";
            clause_02_an_object_without_a_record_is_empty, 2, "SAFETY 18";
            clause_03_a_record_reads_back, 3, "SAFETY 9";
            clause_03_unknown_fields_survive, 3, "SAFETY 9";
            clause_03_a_record_of_200_kib, 3, "SAFETY 9";
            clause_03_a_holder_of_64_kib, 3, "SAFETY 15";
            clause_03_a_holder_of_any_letters, 3, "SAFETY 15";
            clause_03_a_blank_holder_is_not_an_empty_one, 3, "SAFETY 15";
            clause_03_the_years_0_and_9999, 3, "SAFETY 6";
            clause_03_extreme_durations, 3, "SAFETY 7";
            clause_04_swap_names_its_state, 4, "SAFETY 8";
            clause_04_create_only_where_nothing_is, 4, "SAFETY 8";
            clause_04_swap_on_nothing_creates_nothing, 4, "SAFETY 8";
            clause_04_swap_on_deleted_creates_nothing, 4, "SAFETY 8";
            clause_04_race_of_swaps, 4, "SAFETY 8";
            clause_04_race_of_creates, 4, "SAFETY 8";
            clause_05_a_conflict_is_an_outcome, 5, "SAFETY 9";
            clause_05_a_conflict_tells_the_state, 5, "SAFETY 9";
            clause_05_a_conflict_changes_nothing, 5, "SAFETY 8";
            clause_06_no_hidden_retry, 6, "SAFETY 8";
            clause_06_one_call_is_one_write, 6, "SAFETY 8";
            clause_07_versions_grow_with_every_write, 7, "SAFETY 4";
            clause_07_versions_grow_across_delete, 7, "SAFETY 4";
            clause_07_versions_grow_with_a_foreign_write, 7, "SAFETY 5";
            clause_08_an_equal_write_says_what_it_did, 8, "SAFETY 6";
            clause_09_a_failure_says_what_may_be_concluded, 9, "SAFETY 9";
            clause_09_a_refusal_wrote_nothing, 9, "SAFETY 9";
            clause_10_unreadable_content_is_shown, 10, "SAFETY 17";
            clause_10_unreadable_content_can_be_replaced, 10, "SAFETY 17";
            clause_11_a_watch_is_as_declared, 11, "SAFETY 20";
            clause_11_a_watch_shows_a_later_change, 11, "SAFETY 11";
            clause_11_a_watch_goes_on, 11, "SAFETY 11";
            clause_11_a_watch_shows_the_first_creation, 11, "SAFETY 11";
            clause_11_a_watch_shows_a_deletion, 11, "SAFETY 11";
            clause_11_a_watch_shows_a_foreign_write, 11, "SAFETY 5";
            clause_11_a_watch_shows_nothing_that_never_was, 11, "SAFETY 11";
            clause_11_watches_do_not_disturb_one_another, 11, "SAFETY 20";
            clause_12_a_dropped_swap_writes_once_at_most, 12, "SAFETY 9";
            clause_12_a_dropped_read_or_watch_leaves_no_trace, 12, "SAFETY 9";
        }
    };
}

/// Makes [`CASES`].
#[doc(hidden)]
#[macro_export]
macro_rules! __table {
    ({} $($case:ident, $clause:literal, $rule:literal;)*) => {
        /// All cases, in the order of the clauses.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($case),
            clause: $clause,
            rule: $rule,
            run: |context| $case(context).boxed_local(),
        },)*];
    };
}

/// Makes a backend's tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ({ $backend:ident $fixture:expr } $($case:ident, $clause:literal, $rule:literal;)*) => {
        #[cfg(test)]
        mod $backend {
            #[allow(unused_imports, reason = "the fixture may be named from the outside")]
            use super::*;

            $(#[test]
            fn $case() {
                $crate::run_case(stringify!($backend), stringify!($case), &$fixture);
            })*
        }
    };
}

/// Makes one test per case, in a module of this name, for the backend that the expression is a
/// [`Fixture`](crate::Fixture) of. The expression is evaluated for every test anew.
///
/// ```
/// # use leaderelection_memory::MemoryLock;
/// leaderelection_conformance::suite!(
///     memory,
///     leaderelection_conformance::fixture(|case| MemoryLock::builder().name(case).build())
/// );
/// ```
#[macro_export]
macro_rules! suite {
    ($backend:ident, $fixture:expr $(,)?) => {
        $crate::__each_case! { __tests { $backend $fixture } }
    };
}

crate::__each_case! { __table {} }
