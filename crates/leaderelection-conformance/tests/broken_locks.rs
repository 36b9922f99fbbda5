//! A checker that never fails proves nothing: each broken lock is rejected by the case named for it.

use std::collections::BTreeSet;

use leaderelection_conformance::broken::{BROKEN, honest};
use leaderelection_conformance::{CASES, Outcome, run_all};

#[test]
fn the_honest_lock_passes_every_case_and_each_runs() {
    for (case, result) in run_all(&honest()) {
        assert_eq!(result, Ok(Outcome::Passed), "{case}");
    }
}

#[test]
fn each_broken_lock_is_rejected_by_exactly_the_cases_named_for_it() {
    let mut wrong = Vec::new();
    for broken in BROKEN {
        let named: BTreeSet<_> = broken.also.iter().copied().chain([broken.rejected_by]).collect();
        let failures: Vec<_> = run_all(&broken.fixture())
            .into_iter()
            .filter_map(|(_, result)| result.err())
            .collect();
        for failure in &failures {
            println!("{}: {failure}\n", broken.name);
        }
        let rejected: BTreeSet<_> = failures.iter().map(|failure| failure.case).collect();
        if rejected != named {
            wrong.push(format!(
                "{broken:?}\n    named {named:#?}\n    rejected by {rejected:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_case_has_a_broken_lock_that_it_was_made_to_reject() {
    let rejecting: BTreeSet<_> = BROKEN.iter().map(|broken| broken.rejected_by).collect();
    let cases: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(rejecting, cases);
}

#[test]
fn each_case_is_named_after_its_clause_and_every_clause_has_one() {
    for case in CASES {
        assert!(
            case.name.starts_with(&format!("clause_{:02}_", case.clause)),
            "{case:?}"
        );
    }
    let clauses: BTreeSet<_> = CASES.iter().map(|case| case.clause).collect();
    assert_eq!(clauses, (1..=12).collect());
}
