//! Files: what becomes of them here and in Go, in YAML and in JSON, and what is said of what is wrong.

use std::fmt::Write as _;
use std::time::Duration;

use expect_test::{expect, expect_file};
use leaderelection::{LeaderElectionConfiguration, LeaseTiming};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::read;

/// What Go said of a file.
#[derive(Deserialize)]
struct Go {
    file: Option<String>,
    becomes: Option<Value>,
    #[serde(default)]
    errors: Vec<String>,
}

fn asked_of_go() -> Vec<(String, Go)> {
    let lines = include_str!("../go/config.jsonl").lines();
    let asked = lines.map(|line| serde_json::from_str::<Go>(line).unwrap());
    asked.filter_map(|go| Some((go.file.clone()?, go))).collect()
}

/// On one line, and without what is the same in most.
fn short(file: &str) -> String {
    file.trim_end().replace('\n', ", ").replace(
        "resourceName: job, resourceNamespace: ns, resourceLock: leases",
        "…",
    )
}

#[test]
fn a_file_becomes_what_go_makes_of_it_but_where_it_says_so() {
    let (mut differing, mut same) = (String::new(), 0);
    for (file, go) in asked_of_go() {
        let ours = read(&file);
        let as_json = ours.as_ref().ok().map(|read| serde_json::to_value(read).unwrap());
        if as_json == go.becomes {
            same += 1;
            continue;
        }
        let gos = go
            .becomes
            .map_or(go.errors.join("; "), |becomes| becomes.to_string());
        let ours = ours.map_or_else(|error| error, |read| serde_json::to_string(&read).unwrap());
        writeln!(differing, "{}\n   Go: {gos}\n  ours: {ours}", short(&file)).unwrap();
    }
    assert!(same > 30, "{same}");
    expect_file!["differing.txt"].assert_eq(&differing);
}

/// What is refused here, with what is said.
#[test]
fn an_error_names_the_field_the_value_and_what_is_allowed() {
    let mut said = String::new();
    for (file, _) in asked_of_go() {
        if let Err(error) = read(&file) {
            writeln!(said, "{}\n  {error}", short(&file)).unwrap();
        }
    }
    expect_file!["errors.txt"].assert_eq(&said);
}

#[test]
fn the_defaults_are_go_s_and_are_written_as_go_writes_them() {
    let config = LeaderElectionConfiguration::default();
    assert_eq!(config.timing(), Ok(LeaseTiming::default()));
    let written = serde_json::to_string_pretty(&config).unwrap();
    expect![[r#"
        {
          "leaderElect": true,
          "leaseDuration": "15s",
          "renewDeadline": "10s",
          "retryPeriod": "2s",
          "resourceLock": "leases",
          "resourceName": "",
          "resourceNamespace": ""
        }"#]]
    .assert_eq(&written);
    assert_eq!(
        serde_json::from_str::<LeaderElectionConfiguration>(&written).unwrap(),
        config
    );
    assert_eq!(
        serde_json::from_str::<LeaderElectionConfiguration>("{}").unwrap(),
        config
    );
}

/// As a program has it: within its own file, under a name of its own, and perhaps not at all.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Program {
    workers: u32,
    #[serde(default)]
    leader_election: LeaderElectionConfiguration,
}

#[test]
fn it_is_read_within_a_program_s_own_file_in_yaml_and_in_json() {
    let yaml = "workers: 4\nleaderElection:\n  leaseDuration: 1m30s\n  resourceName: job\n";
    let json = r#"{"workers": 4, "leaderElection": {"leaseDuration": "1m30s", "resourceName": "job"}}"#;
    let expected = LeaderElectionConfiguration {
        lease_duration: Duration::from_secs(90),
        resource_name: "job".to_owned(),
        ..LeaderElectionConfiguration::default()
    };
    for read in [
        serde_saphyr::from_str::<Program>(yaml).unwrap(),
        serde_json::from_str(json).unwrap(),
    ] {
        assert_eq!((read.workers, read.leader_election), (4, expected.clone()));
    }
    let without: Program = serde_saphyr::from_str("workers: 1\n").unwrap();
    assert_eq!(without.leader_election, LeaderElectionConfiguration::default());
}

#[test]
fn json_says_where_it_is_wrong() {
    let error = |file: Value| {
        let text = serde_json::to_string_pretty(&file).unwrap();
        match serde_json::from_str::<LeaderElectionConfiguration>(&text) {
            Err(error) => error.to_string(),
            Ok(read) => panic!("{read:?}"),
        }
    };
    let mut said = String::new();
    for file in [
        json!({"leaseDuration": "15 sec"}),
        json!({"leaseDuration": "15"}),
        json!({"leaseDuration": 15}),
        json!({"leaseDuration": "-1s"}),
        json!({"leaseDuration": -1}),
        json!({"retryPeriod": null}),
        json!({"renewDeadline": ["10s"]}),
        json!({"leaderElect": "yes"}),
        json!({"resourceName": 5}),
        json!({"resourceNamespace": true}),
        json!({"leaseDurations": "15s"}),
        json!("leases"),
        json!(["leases"]),
    ] {
        writeln!(said, "{}", error(file)).unwrap();
    }
    expect![[r#"
        leaseDuration: "15 sec": must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms" at line 2 column 27
        leaseDuration: "15": must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms" at line 2 column 23
        leaseDuration: 15: must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms" at line 2 column 21
        leaseDuration: "-1s": must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"; it cannot be negative at line 2 column 24
        leaseDuration: -1: must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms" at line 2 column 21
        retryPeriod: null: must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms" at line 3 column 1
        renewDeadline: a list: must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms" at line 4 column 3
        leaderElect: "yes": must be true or false at line 2 column 22
        resourceName: 5: must be a string at line 2 column 19
        resourceNamespace: true: must be a string at line 2 column 27
        leaseDurations: "15s": is not known; the fields are leaderElect, leaseDuration, renewDeadline, retryPeriod, resourceLock, resourceName and resourceNamespace at line 3 column 1
        invalid type: string "leases", expected a LeaderElectionConfiguration: a map of leaderElect, leaseDuration, renewDeadline, retryPeriod, resourceLock, resourceName and resourceNamespace at line 1 column 8
        invalid type: sequence, expected a LeaderElectionConfiguration: a map of leaderElect, leaseDuration, renewDeadline, retryPeriod, resourceLock, resourceName and resourceNamespace at line 2 column 2
    "#]].assert_eq(&said);
}

/// A reader shows the line, of a field that is not known as of one that is wrong.
#[test]
fn yaml_says_where_it_is_wrong() {
    let mut said = String::new();
    for wrong in [
        "  retryPeriod: 2",
        "  retryPeriods: 2s",
        "  retryPeriod: 1s\n  retryPeriod: 2s",
    ] {
        let file = format!("workers: 4\nleaderElection:\n  leaseDuration: 1m30s\n{wrong}\n");
        let error = serde_saphyr::from_str::<Program>(&file).map(|_| ()).unwrap_err();
        writeln!(said, "{}", error.to_string().lines().next().unwrap()).unwrap();
    }
    expect![[r#"
        error: line 4 column 16: retryPeriod: 2: must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"
        error: line 4 column 17: retryPeriods: "2s": is not known; the fields are leaderElect, leaseDuration, renewDeadline, retryPeriod, resourceLock, resourceName and resourceNamespace
        error: line 5 column 3: duplicate mapping key: retryPeriod, set DuplicateKeyPolicy in Options if acceptable
    "#]].assert_eq(&said);
}

/// Flat in a program's own file, where what nobody knows is told, too.
#[derive(Debug, Deserialize)]
struct Flat {
    workers: u32,
    #[serde(flatten)]
    leader_election: LeaderElectionConfiguration,
}

#[test]
fn it_may_lie_flat() {
    let yaml = "workers: 4\nretryPeriod: 1s\nresourceName: job\n";
    let expected = LeaderElectionConfiguration {
        retry_period: Duration::from_secs(1),
        resource_name: "job".to_owned(),
        ..LeaderElectionConfiguration::default()
    };
    let read: Flat = serde_saphyr::from_str(yaml).unwrap();
    assert_eq!((read.workers, read.leader_election), (4, expected));
    for (wrong, said) in [
        ("retryPeriod: 1d", r#"retryPeriod: "1d": must be"#),
        ("retryPeriod: ~", "retryPeriod: null: must be"),
        ("retryPeriods: 1s", r#"retryPeriods: "1s": is not known"#),
    ] {
        let error = serde_saphyr::from_str::<Flat>(&format!("workers: 4\n{wrong}\n")).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// As in Go: the default.
#[test]
fn it_may_be_empty() {
    for yaml in ["leaderElection:", "leaderElection: ~", "leaderElection: {}"] {
        let read: Program = serde_saphyr::from_str(&format!("workers: 4\n{yaml}\n")).unwrap();
        assert_eq!(read.leader_election, LeaderElectionConfiguration::default());
    }
    let read: Program = serde_json::from_str(r#"{"workers": 4, "leaderElection": null}"#).unwrap();
    assert_eq!(read.leader_election, LeaderElectionConfiguration::default());
    let read: Option<LeaderElectionConfiguration> = ron::from_str("Some(())").unwrap();
    assert_eq!(read, Some(LeaderElectionConfiguration::default()));
}

/// A format that knows structs, in which names have no quotes, and neither does what a value should have.
#[test]
fn it_is_read_in_a_format_of_structs() {
    let read = |fields: &str| {
        let file = format!("#![enable(implicit_some)]\nLeaderElectionConfiguration({fields})");
        ron::from_str::<LeaderElectionConfiguration>(&file)
    };
    let config = read(r#"leaderElect: false, retryPeriod: "1s", resourceName: "job""#).unwrap();
    let expected = LeaderElectionConfiguration {
        leader_elect: false,
        retry_period: Duration::from_secs(1),
        resource_name: "job".to_owned(),
        ..LeaderElectionConfiguration::default()
    };
    assert_eq!(config, expected);
    let mut said = String::new();
    for fields in [
        r#"retryPeriods: "1s""#,
        "retryPeriod: [1]",
        "retryPeriod: (seconds: 1)",
        "leaderElect: False",
        "resourceName: job",
    ] {
        writeln!(said, "{}", read(fields).unwrap_err()).unwrap();
    }
    expect![[r#"
        2:44-2:47: retryPeriods: "1s": is not known; the fields are leaderElect, leaseDuration, renewDeadline, retryPeriod, resourceLock, resourceName and resourceNamespace
        2:44: retryPeriod: a list: must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"
        2:53: retryPeriod: a map: must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"
        2:47: leaderElect: a word without quotes: must be true or false
        2:46: resourceName: a word without quotes: must be a string
    "#]].assert_eq(&said);
}

/// All at once, so that a file is put right in one go.
#[test]
fn every_problem_is_told_together() {
    let config = LeaderElectionConfiguration {
        leader_elect: true,
        lease_duration: Duration::from_secs(1 << 31),
        renew_deadline: Duration::from_secs(2),
        retry_period: Duration::from_secs(2),
        resource_lock: "endpointsleases".to_owned(),
        resource_name: String::new(),
        resource_namespace: String::new(),
    };
    let error = config.validate().unwrap_err();
    let said: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    expect![[r#"
        leaseDuration: "596523h14m8s": must be at most "596523h14m7s"
        renewDeadline: "2s": must be greater than retryPeriod, "2s", x 1.2 = "2.4s"
        resourceLock: "endpointsleases": must be "leases", "configmaps" or "endpoints". This one is client-go's for a move, and writes two objects: give all its candidates "leases" first, then "leases" here (docs/MOVING.md)
        resourceNamespace: "": is required
        resourceName: "": is required"#]].assert_eq(&said.join("\n"));
    let fields: Vec<&str> = error.problems().iter().map(|problem| problem.field()).collect();
    assert_eq!(
        fields,
        [
            "leaseDuration",
            "renewDeadline",
            "resourceLock",
            "resourceNamespace",
            "resourceName"
        ]
    );
    let none = LeaderElectionConfiguration {
        leader_elect: false,
        ..config
    };
    assert_eq!(none.validate(), Ok(()), "as in Go, nothing else counts then");
    assert!(none.timing().is_err(), "but whoever asks is told");
}

/// As Go's `Duration.String`, of every size.
#[test]
fn durations_are_written_as_go_writes_them() {
    for (nanos, expected) in [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (999_999, "999.999µs"),
        (2_000_000, "2ms"),
        (90_000_000_000, "1m30s"),
    ] {
        let config = LeaderElectionConfiguration {
            retry_period: Duration::from_nanos(nanos),
            ..LeaderElectionConfiguration::default()
        };
        let written = serde_json::to_value(&config).unwrap();
        assert_eq!(written["retryPeriod"], json!(expected));
    }
}

/// For programs that show it in their own way.
#[test]
fn a_problem_has_parts() {
    let config = LeaderElectionConfiguration {
        retry_period: Duration::ZERO,
        ..LeaderElectionConfiguration::default()
    };
    let error = config.timing().unwrap_err();
    let parts: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| (problem.field(), problem.value(), problem.problem()))
        .collect();
    assert_eq!(parts, [("retryPeriod", r#""0s""#, "must be greater than 0")]);
}

proptest! {
    /// What the configuration says of its durations is what the timing says, and whatever it writes it reads.
    #[test]
    fn the_configuration_and_the_timing_agree(
        lease in any::<u64>(), renew in any::<u64>(), retry in any::<u64>(), scale in 0u32..64,
    ) {
        let nanos = |value: u64| Duration::from_nanos(value >> scale);
        let config = LeaderElectionConfiguration {
            lease_duration: nanos(lease),
            renew_deadline: nanos(renew),
            retry_period: nanos(retry),
            resource_name: "job".to_owned(),
            resource_namespace: "ns".to_owned(),
            ..LeaderElectionConfiguration::default()
        };
        let timing = LeaseTiming::new(nanos(lease), nanos(renew), nanos(retry));
        prop_assert_eq!(config.timing().is_ok(), timing.is_ok());
        prop_assert_eq!(config.validate().is_ok(), timing.is_ok());
        if let Err(error) = config.timing() {
            prop_assert!(!error.problems().is_empty());
        } else {
            let written = serde_json::to_string(&config).unwrap();
            prop_assert_eq!(serde_json::from_str::<LeaderElectionConfiguration>(&written).unwrap(), config);
        }
    }
}
