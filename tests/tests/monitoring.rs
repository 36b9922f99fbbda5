//! What is in `deploy/monitoring/`, by the tools of those who read it: promtool as it is released, and the schema of Grafana. And that
//! it names what there is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing assertion is how a test speaks"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use leaderelection_tests::servers;

type TestResult = Result<(), Box<dyn Error>>;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn monitoring(file: &str) -> PathBuf {
    repository().join("deploy/monitoring").join(file)
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

fn promtool(words: &[&str], folder: &Path) -> Result<Output, Box<dyn Error>> {
    let program = servers::find_program("promtool")?;
    Ok(Command::new(program).args(words).current_dir(folder).output()?)
}

fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// `promtool check rules`, and each alert played: where it fires, and that an election which is well raises none.
#[test]
fn the_alerts_are_rules_and_fire_where_they_should() -> TestResult {
    let folder = monitoring("");
    for words in [
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts_test.yaml"],
    ] {
        let output = promtool(&words, &folder)?;
        assert!(output.status.success(), "{}", said(&output));
    }
    Ok(())
}

/// That these tests can fail: each alert, made one that never fires, is missed by name, and so is each half of one that has two.
#[test]
fn an_alert_that_does_not_fire_is_missed() -> TestResult {
    let (rules, played) = (
        read(monitoring("alerts.yaml")),
        read(monitoring("alerts_test.yaml")),
    );
    let alerts = alerts();
    assert_eq!(alerts.len(), 8);
    for alert in &alerts {
        let head = format!("alert: {alert}\n    expr: ");
        let (before, rest) = rules
            .split_once(&head)
            .expect("every alert has its expression first");
        let (expression, after) = rest.split_once('\n').expect("and more behind it");
        let halves: Vec<&str> = expression.split(" or ").collect();
        for half in &halves {
            let folder = tempfile::tempdir()?;
            let broken: Vec<String> = halves
                .iter()
                .map(|other| match other == half {
                    true => format!("(vector(0) > 1) and on () {other}"),
                    false => (*other).to_owned(),
                })
                .collect();
            let broken = format!("{before}{head}{}\n{after}", broken.join(" or "));
            std::fs::write(folder.path().join("alerts.yaml"), broken)?;
            std::fs::write(folder.path().join("alerts_test.yaml"), &played)?;
            let output = promtool(&["test", "rules", "alerts_test.yaml"], folder.path())?;
            assert!(!output.status.success(), "nobody misses {alert}: {half}");
            assert!(said(&output).contains(alert), "{alert}: {}", said(&output));
        }
    }
    Ok(())
}

/// Field by field as Grafana has it, and every expression one of Prometheus.
#[test]
fn the_dashboard_is_one() -> TestResult {
    let check = |board: &Path| -> Result<Output, Box<dyn Error>> {
        Ok(Command::new(servers::find_program("dashboard")?)
            .arg(board)
            .output()?)
    };
    let output = check(&monitoring("dashboard.json"))?;
    assert!(output.status.success(), "{}", said(&output));
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("expressions.yaml"), &output.stdout)?;
    let expressions = promtool(&["check", "rules", "expressions.yaml"], folder.path())?;
    assert!(expressions.status.success(), "{}", said(&expressions));

    // A field that Grafana does not know, and an expression that is none, are told.
    let board = read(monitoring("dashboard.json"));
    let wrong = folder.path().join("wrong.json");
    std::fs::write(&wrong, board.replace("\"gridPos\"", "\"gridpos\""))?;
    let output = check(&wrong)?;
    assert!(
        !output.status.success() && said(&output).contains("gridpos"),
        "{}",
        said(&output)
    );
    std::fs::write(&wrong, board.replace("sum by (name)", "sum by name"))?;
    std::fs::write(folder.path().join("expressions.yaml"), check(&wrong)?.stdout)?;
    let expressions = promtool(&["check", "rules", "expressions.yaml"], folder.path())?;
    assert!(!expressions.status.success(), "{}", said(&expressions));
    Ok(())
}

/// The metrics that a text speaks of.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words
        .filter(|word| word.starts_with("leader_election_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

fn alerts() -> Vec<String> {
    read(monitoring("alerts.yaml"))
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_owned)
        .collect()
}

/// What is asked for is there, and what is there is shown.
#[test]
fn the_metrics_are_those_of_the_elector() {
    let there = metrics_in(&read(
        repository().join("crates/leaderelection/src/elector/metrics.rs"),
    ));
    assert_eq!(there.len(), 13, "{there:#?}");
    assert_eq!(metrics_in(&read(monitoring("dashboard.json"))), there);
    for file in ["alerts.yaml", "alerts_test.yaml"] {
        let asked = metrics_in(&read(monitoring(file)));
        assert!(asked.is_subset(&there), "{file}: {:#?}", asked.difference(&there));
    }
    assert_eq!(
        metrics_in(&read(repository().join("docs/OPERATING.md"))),
        there,
        "docs/OPERATING.md says what each is"
    );
}

/// Whoever is woken by an alert finds its name.
#[test]
fn every_alert_has_its_section() {
    let operating = read(repository().join("docs/OPERATING.md"));
    for alert in alerts() {
        let heading = format!("\n### {alert}\n");
        assert_eq!(operating.matches(&heading).count(), 1, "{alert}");
    }
}
