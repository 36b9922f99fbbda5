//! What the machine's steps cost in numbers that do not depend on how fast a machine is: allocations, exactly, and instructions, within
//! a margin. How long they take is a benchmark's to say (`--bench machine`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests speak by failing")]

use std::process::Command;

use allocation_counter::measure;
use leaderelection_benches::steps::{Follower, Leader};

/// How often `step` allocates, when it has been done a few times.
fn allocations(mut step: impl FnMut()) -> u64 {
    (0..8).for_each(|_| step());
    measure(step).count_total
}

#[test]
fn an_observation_of_nothing_new_allocates_nothing() {
    let mut follower = Follower::default();
    assert_eq!(allocations(|| follower.observe_the_same()), 0);
}

#[test]
fn an_observation_of_a_renewal_allocates_nothing() {
    let (mut follower, mut store) = (Follower::default(), Follower::default());
    let mut renewals: Vec<_> = (0..9).map(|_| store.next_renewal()).collect();
    renewals.reverse();
    assert_eq!(allocations(|| follower.observe(renewals.pop().unwrap())), 0);
}

/// Of a renewal the record that is sent, and its holder's name.
#[test]
fn a_renewal_allocates_its_record() {
    let mut leader = Leader::default();
    assert_eq!(allocations(|| leader.renew()), 2);
}

/// Instructions of a step as these tests are built: with overflow checks, and with libraries below the machine that are not
/// optimised. More than a quarter above is a regression; far below, and the figure here wants to be taken again.
const INSTRUCTIONS: [(&str, u64); 3] = [("renewal", 3_070), ("nothing-new", 490), ("observation", 2_450)];

/// The more times, the less it matters that a process does not start by the same number of instructions each time.
const TIMES: u64 = 2_000;

/// How many instructions a process of so many steps takes.
fn counted(step: &str, times: u64) -> u64 {
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_machine-steps"))
        .args([step, &times.to_string()])
        .output()
        .unwrap_or_else(|error| panic!("valgrind, which tests/run.sh installs: {error}"));
    let told = String::from_utf8(counted.stderr).unwrap();
    assert!(counted.status.success(), "{told}");
    // `==1234== Collected : 567`
    let collected = told.lines().find_map(|line| line.split_once("Collected : "));
    collected
        .and_then(|(_, number)| number.trim().parse().ok())
        .unwrap_or_else(|| panic!("{told}"))
}

#[test]
#[cfg(target_arch = "x86_64")]
fn steps_take_the_instructions_that_they_took() {
    let mut wrong = Vec::new();
    for (step, recorded) in INSTRUCTIONS {
        let now = (counted(step, TIMES * 2) - counted(step, TIMES)) / TIMES;
        println!("{step}: {now} instructions, {recorded} are on record");
        if now > recorded * 5 / 4 || now < recorded / 2 {
            wrong.push(format!(
                "{step}: {now} instructions, where {recorded} are on record"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
