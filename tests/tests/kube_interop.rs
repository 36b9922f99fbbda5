//! The short form of `--bin interop`: every kind of object that both know, shared with client-go, old and new.

use std::path::Path;

use leaderelection_tests::interop::{Pairing, Way, all, table};
use leaderelection_tests::servers::KubeApiserver;

/// `leaderelect`, or its work.
const PROGRAM: &str = env!("CARGO_BIN_EXE_interop");

const ROUNDS: usize = 2;

#[test]
fn one_object_is_shared_with_client_go_old_and_new() -> Result<(), Box<dyn std::error::Error>> {
    let outcomes = all(KubeApiserver::shared()?, Path::new(PROGRAM), ROUNDS, 8);
    println!("{}", table(&outcomes));
    let problems: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.problems()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(outcomes.len(), Pairing::ALL.len() * Way::ALL.len());
    Ok(())
}
