//! `leaderelect plan`: what it says, for people and for programs, alone and beside others.

#![expect(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

use std::path::Path;
use std::process::{Command, Output};

fn plan(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leaderelect"))
        .arg("plan")
        .args(args)
        .output()
        .unwrap()
}

/// The answer is the file's; `UPDATE_GOLDEN=1` makes it so.
#[track_caller]
fn golden(name: &str, args: &[&str]) {
    let output = plan(args);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
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
        "this is not {name}. If it should be, run the test with UPDATE_GOLDEN=1. It is:\n{said}"
    );
}

/// Client-go of 2016 at its defaults, beside durations that are being rolled out to it at once, on clocks that must agree.
const EVERY_WARNING: [&str; 10] = [
    "--lease-duration=60s",
    "--renew-deadline=58s",
    "--retry-period=30s",
    "--candidates=5",
    "--beside-go-2016",
    "--go-lease-duration=15s",
    "--go-renew-deadline=14s",
    "--go-retry-period=500ms",
    "--go-slowest-answer=60s",
    "--beside-lease-duration=20s",
];

#[test]
fn it_says_what_the_golden_files_say() {
    golden("plan-help.txt", &["--help"]);
    golden("plan.txt", &[]);
    golden("plan.json", &["--output=json"]);
    golden("plan-beside-go.txt", &["--beside-go"]);
    golden("plan-every-warning.txt", &EVERY_WARNING);
    let json = [&EVERY_WARNING[..], &["--output", "json"]].concat();
    golden("plan-every-warning.json", &json);
}

/// What is wrong with a fleet goes away with what the warning asks for.
#[test]
fn a_warning_ends_when_its_advice_is_followed() {
    let warned = |args: &[&str]| {
        let said = String::from_utf8(plan(args).stdout).unwrap();
        said.lines()
            .filter(|line| line.starts_with("warning: "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let none: [String; 0] = [];
    assert_eq!(warned(&[]), none);
    assert_eq!(warned(&["--beside-go", "--rival-margin=2s"]), none);
    assert_eq!(warned(&["--beside-go", "--rival-margin=1999ms"]).len(), 1);
    assert_eq!(warned(&["--beside-go-2016", "--rival-margin=2s"]), none);
    // The first step of the roll-out from 15 s / 10 s to 60 s / 40 s, and both at once.
    let step = ["--lease-duration=60s", "--beside-lease-duration=15s"];
    assert_eq!(warned(&step), none);
    assert_eq!(warned(&[&step[..], &["--renew-deadline=40s"]].concat()).len(), 1);
}

#[test]
fn durations_that_are_not_safe_are_refused_as_by_run() {
    for (args, said) in [
        (
            ["--beside-go", "--go-renew-deadline=50s"],
            "client-go refuses its durations: lease_duration 15s must be greater than renew_deadline 50s",
        ),
        (
            ["--beside-go-2016", "--go-retry-period=9s"],
            "renew_deadline 10s must be greater than retry_period 9s x 1.2 = 10.8s",
        ),
        (
            ["--go-retry-period=1s", "--go-lease-duration=20s"],
            "the following required arguments were not provided:\n  <--beside-go|--beside-go-2016>",
        ),
        (
            ["--lease-duration=10s", "--renew-deadline=10s"],
            "lease_duration 10s must be greater than renew_deadline 10s",
        ),
        (
            ["--retry-period=9s", "--renew-deadline=10s"],
            "renew_deadline 10s must be greater than retry_period 9s x 1.2 = 10.8s",
        ),
        (
            ["--stop-grace=6s", "--output=json"],
            "lease_duration 15s must be at least renew_deadline 10s + stop_grace 6s = 16s",
        ),
        (
            ["--beside-lease-duration", "soon"],
            "'soon' for '--beside-lease-duration",
        ),
        (["--candidates", "0"], "0 is not in 1.."),
    ] {
        let output = plan(&args);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(errors.contains(said), "{args:?}: {errors}");
    }
}
