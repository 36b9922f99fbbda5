//! The demonstration ends by itself, in time, and says what it saw.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use leaderelection::{Clock as _, SystemClock};

fn demo() -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_leaderelect"));
    demo.args(["demo", "--fast"]);
    demo
}

#[test]
fn the_fast_demo_shows_everything_within_ten_seconds() {
    let start = SystemClock.mono();
    let output = demo().output().unwrap();
    let took = SystemClock.mono().since(start);
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8(output.stderr).unwrap();

    assert!(output.status.success(), "{said}{complained}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(complained, "");
    for act in [
        "1. An election",
        "2. The leader steps down",
        "3. The leader leaves",
        "4. The leader crashes",
    ] {
        assert!(said.contains(act), "no {act:?} in:\n{said}");
    }
    // Five terms: elected, after the step-down, after the leaving, after the crash, after the partition.
    assert!(said.matches(" LEADS ").count() >= 5, "{said}");
    for check in [
        "election",
        "hand-over",
        "crash",
        "partition",
        "return",
        "fencing",
        "tokens",
        "release",
        "overlap",
    ] {
        assert!(
            said.contains(&format!("  ok  {check}")),
            "no {check:?} in:\n{said}"
        );
    }
    assert!(
        said.trim_end()
            .lines()
            .last()
            .unwrap()
            .starts_with("All as it should be, in "),
        "{said}"
    );
}

#[test]
fn a_reader_that_leaves_early_changes_nothing() {
    let mut demo = demo()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(demo.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.contains("candidates"), "{first}");
    let output = demo.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
