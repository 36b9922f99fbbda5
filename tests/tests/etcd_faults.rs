//! The short form of `--bin etcd-faults`: every fault between real processes and a real etcd of three members once.

use std::path::Path;

use leaderelection_tests::etcd_faults::{Row, all};
use leaderelection_tests::fault_table::{all_problems, table};

/// `leaderelect`, or its work.
const PROGRAM: &str = env!("CARGO_BIN_EXE_etcd-faults");

#[test]
fn no_two_work_at_once_whatever_befalls_the_members_their_network_or_what_they_store() {
    let outcomes = all(Path::new(PROGRAM), 1, 3);
    println!("{}", table(&outcomes));
    let problems = all_problems(&outcomes);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(outcomes.len(), Row::ALL.len());
}
