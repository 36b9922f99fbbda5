//! The short form of `--bin kube-faults`: every fault between real processes and a real kube-apiserver once.

use std::path::Path;

use leaderelection_tests::fault_table::{all_problems, table};
use leaderelection_tests::kube_faults::{Row, all};

/// `leaderelect`, or its work.
const PROGRAM: &str = env!("CARGO_BIN_EXE_kube-faults");

#[test]
fn no_two_work_at_once_whatever_befalls_the_apiserver_the_network_the_leader_or_the_object()
-> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let outcomes = all(Path::new(PROGRAM), 1, 5)?;
    println!("{}", table(&outcomes));
    let problems = all_problems(&outcomes);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(outcomes.len(), Row::ALL.len());
    Ok(())
}
