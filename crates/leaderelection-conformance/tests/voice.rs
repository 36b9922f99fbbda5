//! What the suite says: a case that did not run prints one line past the capture of `cargo test`, and a broken lock
//! fails its test with the clause.

use std::process::Command;

use leaderelection_conformance::broken::BROKEN;
use leaderelection_conformance::{Outcome, fixture, run_all, run_case};
use leaderelection_memory::MemoryLock;

/// Run by the test below, as a process of its own.
#[test]
fn a_lock_without_a_side_door() {
    run_case(
        "alone",
        "clause_02_deleted_is_absent",
        &fixture(|_| MemoryLock::new()),
    );
}

#[test]
fn a_case_that_did_not_run_says_so_past_the_capture() {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this)
        .args(["--exact", "a_lock_without_a_side_door"])
        .output()
        .unwrap();
    let (told, captured) = (
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    assert!(output.status.success());
    assert!(captured.contains("1 passed"), "{captured}");
    let line = "conformance: alone: clause_02_deleted_is_absent did not run: the fixture has no side door to delete the \
                object\n";
    assert_eq!(told, line);
}

#[test]
fn every_case_that_did_not_run_has_a_reason() {
    let least = MemoryLock::builder()
        .without_watch()
        .without_versioned_absence()
        .without_conflict_state();
    let results = run_all(&fixture(move |_| least.clone().build()).on_paused_time());
    let reasons: Vec<_> = results
        .into_iter()
        .filter_map(|(case, result)| match result {
            Ok(Outcome::DidNotRun(reason)) => Some(format!("{case}: {reason}")),
            _ => None,
        })
        .collect();
    let expected = [
        "clause_02_deleted_is_absent: the fixture has no side door to delete the object",
        "clause_02_an_object_without_a_record_is_empty: the fixture has no side door to write an object without a record",
        "clause_04_swap_on_deleted_creates_nothing: the fixture has no side door to delete the object",
        "clause_05_a_conflict_tells_the_state: the lock declares that a conflict does not tell the state",
        "clause_07_versions_grow_across_delete: the fixture has no side door to delete the object",
        "clause_07_versions_grow_with_a_foreign_write: the fixture has no side door to change the object beside the record",
        "clause_09_a_failure_says_what_may_be_concluded: the fixture has no side door to lose a request or a reply",
        "clause_09_a_refusal_wrote_nothing: the store takes a record of 8 MiB too",
        "clause_10_unreadable_content_is_shown: the fixture has no side door to write unreadable content",
        "clause_10_unreadable_content_can_be_replaced: the fixture has no side door to write unreadable content",
        "clause_11_a_watch_shows_a_later_change: the lock declares no watch",
        "clause_11_a_watch_goes_on: the lock declares no watch",
        "clause_11_a_watch_shows_the_first_creation: the lock declares no watch",
        "clause_11_a_watch_shows_a_deletion: the lock declares no watch",
        "clause_11_a_watch_shows_a_foreign_write: the lock declares no watch",
        "clause_11_a_watch_shows_nothing_that_never_was: the lock declares no watch",
        "clause_11_watches_do_not_disturb_one_another: the lock declares no watch",
    ];
    assert_eq!(reasons, expected);
}

#[test]
#[should_panic(
    expected = "conformance: broken: clause_04_swap_names_its_state: clause 4 of the ResourceLock contract (SAFETY 8)"
)]
fn a_broken_lock_fails_its_test_with_the_clause() {
    let blind = BROKEN.iter().find(|broken| broken.name == "BlindPut").unwrap();
    run_case("broken", blind.rejected_by, &blind.fixture());
}
