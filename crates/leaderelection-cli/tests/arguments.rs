//! What the command line accepts, what it says of itself, and what it says when it is wrong.

#![expect(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

use std::path::Path;
use std::process::{Command, Output};

fn leaderelect(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leaderelect"))
        .args(args)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

/// Exits with 2, says nothing on standard output, and says each of `expected` on standard error.
#[track_caller]
fn refused(args: &[&str], expected: &[&str]) {
    let output = leaderelect(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert!(output.stdout.is_empty(), "{args:?}");
    for part in expected {
        assert!(said.contains(part), "{args:?}: no {part:?} in: {said}");
    }
}

#[cfg(feature = "etcd")]
fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["run", "--lock", "etcd://127.0.0.1:1/k"];
    args.extend(more);
    args.extend(["--", "true"]);
    args
}

/// The text is the file's; `UPDATE_GOLDEN=1` makes it so.
#[track_caller]
fn golden(name: &str, args: &[&str]) {
    let output = leaderelect(args);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        said == expected,
        "the help is not that of {name}. If it should be, run the test with UPDATE_GOLDEN=1. It is:\n{said}"
    );
}

#[test]
fn help_is_what_the_golden_files_say() {
    golden("help.txt", &["--help"]);
    golden("run-help.txt", &["run", "--help"]);
    golden("demo-help.txt", &["demo", "--help"]);
}

#[test]
fn the_version_is_the_crates() {
    let output = leaderelect(&["--version"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        concat!("leaderelect ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn an_unknown_lock_is_answered_with_the_forms() {
    for lock in ["zookeeper://h:1/k", "leader", "", "endpoints:default/leader"] {
        refused(
            &["run", "--lock", lock, "--", "true"],
            &[
                "--lock",
                &format!("'{lock}'"),
                "etcd://HOST:PORT[,HOST:PORT…]/KEY",
            ],
        );
    }
}

#[cfg(feature = "etcd")]
#[test]
fn a_malformed_etcd_lock_says_what_is_wrong() {
    for (lock, problem) in [
        ("etcd://h:1", "names no key"),
        ("etcd://h:1/", "names no key"),
        ("etcd://h/k", "no port"),
        ("etcd://h:99999/k", "the port is not"),
    ] {
        refused(&["run", "--lock", lock, "--", "true"], &["--lock", lock, problem]);
    }
}

#[cfg(not(feature = "etcd"))]
#[test]
fn a_lock_that_is_not_compiled_in_names_the_feature() {
    refused(
        &["run", "--lock", "etcd://h:1/k", "--", "true"],
        &["--lock", "feature `etcd`"],
    );
}

#[cfg(feature = "etcd")]
#[test]
fn a_bad_duration_names_the_flag_and_the_value() {
    for flag in [
        "--lease-duration",
        "--renew-deadline",
        "--retry-period",
        "--stop-grace",
    ] {
        for value in [
            "-1s",
            "0s",
            "0",
            "15",
            "soon",
            "1.2.3s",
            "",
            "9999999999999999999999h",
        ] {
            refused(&run(&[flag, value]), &[flag, &format!("'{value}'"), "15s"]);
        }
    }
    for value in ["-1s", "15", "soon"] {
        refused(
            &run(&["--drain-timeout", value]),
            &["--drain-timeout", &format!("'{value}'"), "15s"],
        );
    }
}

#[cfg(feature = "etcd")]
#[test]
fn timing_that_is_not_safe_is_refused_with_the_numbers() {
    for (flags, said) in [
        (
            &["--stop-grace", "6s"][..],
            "lease_duration 15s must be at least renew_deadline 10s + stop_grace 6s = 16s",
        ),
        (
            &["--lease-duration", "11s"],
            "lease_duration 11s must be at least renew_deadline 10s + stop_grace 2s = 12s",
        ),
        (
            &["--renew-deadline", "15s"],
            "lease_duration 15s must be greater than renew_deadline 15s",
        ),
        (
            &["--retry-period", "9s"],
            "renew_deadline 10s must be greater than retry_period 9s x 1.2 = 10.8s",
        ),
        (
            &["--lease-duration", "1000000h"],
            "lease_duration 3600000000s must be at most",
        ),
        (
            &["--drain-timeout", "1000000h"],
            "drain_timeout 3600000000s must be at most",
        ),
    ] {
        refused(&run(flags), &[said, "Usage: leaderelect run"]);
    }
}

#[test]
fn what_is_missing_is_named() {
    refused(&["run", "--", "true"], &["--lock"]);
    #[cfg(feature = "etcd")]
    {
        refused(&run(&["--identity", ""]), &["--identity"]);
        refused(&["run", "--lock", "etcd://h:1/k"], &["COMMAND"]);
        refused(&["run", "--lock", "etcd://h:1/k", "--"], &["COMMAND"]);
        refused(
            &["run", "--lock", "etcd://h:1/k", "true"],
            &["unexpected argument 'true'", "--"],
        );
    }
    refused(&["lead"], &["lead"]);
    refused(&[], &["Usage: leaderelect"]);
}
