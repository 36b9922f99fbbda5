//! The flags: names and defaults as Go's, help, what overrides what, and what is refused with which words.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{CommandFactory as _, Parser};
use expect_test::{expect, expect_file};
use leaderelection::{LeaderElectionConfiguration, LeaderElectionFlags};

/// A program of a user's.
#[derive(Debug, Parser)]
#[command(name = "program", term_width = 100)]
struct Args {
    #[command(flatten)]
    leader_election: LeaderElectionFlags,

    /// A flag of its own, behind
    #[arg(long)]
    workers: Option<u32>,
}

fn parse(args: &[&str]) -> Result<LeaderElectionFlags, clap::Error> {
    let all = std::iter::once("program").chain(args.iter().copied());
    Args::try_parse_from(all).map(|args| args.leader_election)
}

#[test]
fn the_help_is_this() {
    let help = Args::command().render_help().to_string();
    expect_file!["help.txt"].assert_eq(&help);
}

/// Each flag of Go's is one of ours, with its default in the help, and there is no other.
#[test]
fn names_and_defaults_are_go_s() {
    let command = Args::command();
    let ours: Vec<&clap::Arg> = command
        .get_arguments()
        .filter(|arg| {
            arg.get_long()
                .is_some_and(|name| name.starts_with("leader-elect"))
        })
        .collect();
    let mut known = 0;
    for line in include_str!("../go/config.jsonl").lines() {
        let go: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(name) = go["flag"].as_str() else { continue };
        known += 1;
        let arg = ours.iter().find(|arg| arg.get_long() == Some(name)).expect(name);
        let help = arg.get_help().unwrap().to_string();
        match go["default"].as_str() {
            Some(default) => assert!(help.ends_with(&format!("[default: {default}]")), "{name}: {help}"),
            None => assert!(!help.contains("default"), "{name}: {help}"),
        }
        // A bool of Go's needs no value, and that stands for this one.
        let bare = arg.get_num_args().is_some_and(|number| number.min_values() == 0);
        assert_eq!(bare, go["bare"].is_string(), "{name}");
    }
    assert_eq!((known, ours.len()), (7, 7));
}

#[test]
fn only_what_is_given_overrides_the_file() {
    let file = LeaderElectionConfiguration {
        leader_elect: false,
        lease_duration: Duration::from_secs(60),
        renew_deadline: Duration::from_secs(40),
        retry_period: Duration::from_secs(5),
        resource_lock: "configmaps".to_owned(),
        resource_name: "job".to_owned(),
        resource_namespace: "ns".to_owned(),
    };
    assert_eq!(parse(&[]).unwrap().over(file.clone()), file);
    assert_eq!(parse(&["--workers=3"]).unwrap(), LeaderElectionFlags::default());
    let change = |args: &[&str], changed: &dyn Fn(&mut LeaderElectionConfiguration)| {
        let mut expected = file.clone();
        changed(&mut expected);
        assert_ne!(expected, file, "{args:?}");
        assert_eq!(parse(args).unwrap().over(file.clone()), expected, "{args:?}");
    };
    change(&["--leader-elect"], &|config| config.leader_elect = true);
    change(&["--leader-elect=true"], &|config| config.leader_elect = true);
    change(&["--leader-elect", "--workers=3"], &|config| {
        config.leader_elect = true;
    });
    change(&["--leader-elect-lease-duration", "1m30s"], &|config| {
        config.lease_duration = Duration::from_secs(90);
    });
    change(&["--leader-elect-renew-deadline=1.5s"], &|config| {
        config.renew_deadline = Duration::from_millis(1_500);
    });
    change(&["--leader-elect-retry-period=300ms"], &|config| {
        config.retry_period = Duration::from_millis(300);
    });
    // Also where what is given is the default.
    change(&["--leader-elect-lease-duration=15s"], &|config| {
        config.lease_duration = Duration::from_secs(15);
    });
    change(&["--leader-elect-resource-lock=leases"], &|config| {
        config.resource_lock = "leases".to_owned();
    });
    change(&["--leader-elect-resource-name=other"], &|config| {
        config.resource_name = "other".to_owned();
    });
    change(&["--leader-elect-resource-namespace=other"], &|config| {
        config.resource_namespace = "other".to_owned();
    });
}

#[test]
fn a_bool_is_read_as_go_reads_it() {
    for (text, flag) in [
        ("1", true),
        ("t", true),
        ("True", true),
        ("0", false),
        ("F", false),
        ("false", false),
        ("FALSE", false),
    ] {
        let read = parse(&[&format!("--leader-elect={text}")]).unwrap();
        assert_eq!(read.leader_elect, Some(flag), "{text}");
    }
}

#[test]
fn what_is_wrong_names_the_flag_the_value_and_what_is_allowed() {
    let mut said = String::new();
    for args in [
        vec!["--leader-elect=yes"],
        vec!["--leader-elect", "false"],
        vec!["--leader-elect-lease-duration=15"],
        vec!["--leader-elect-lease-duration=15 sec"],
        vec!["--leader-elect-lease-duration=0s"],
        vec!["--leader-elect-renew-deadline", "-1s"],
        vec!["--leader-elect-retry-period=1d"],
        vec!["--leader-elect-retry-period="],
        vec!["--leader-elect-resource-lock=pods"],
        vec!["--leader-elect-resource-lock=endpointsleases"],
        vec!["--leader-elect-resource-lock="],
        vec!["--leader-elect-resource-name="],
        vec!["--leader-elect-resource-namespace="],
        vec!["--leader-elect-lease-durations=15s"],
    ] {
        let error = parse(&args).expect_err("it is wrong").to_string();
        let error = error.lines().next().unwrap_or_default().to_owned();
        writeln!(said, "{}\n  {error}", args.join(" ")).unwrap();
    }
    expect![[r#"
        --leader-elect=yes
          error: invalid value 'yes' for '--leader-elect[=<true|false>]': must be true or false
        --leader-elect false
          error: unexpected argument 'false' found
        --leader-elect-lease-duration=15
          error: invalid value '15' for '--leader-elect-lease-duration <DURATION>': must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"
        --leader-elect-lease-duration=15 sec
          error: invalid value '15 sec' for '--leader-elect-lease-duration <DURATION>': must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"
        --leader-elect-lease-duration=0s
          error: invalid value '0s' for '--leader-elect-lease-duration <DURATION>': must be greater than 0
        --leader-elect-renew-deadline -1s
          error: invalid value '-1s' for '--leader-elect-renew-deadline <DURATION>': must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"; it cannot be negative
        --leader-elect-retry-period=1d
          error: invalid value '1d' for '--leader-elect-retry-period <DURATION>': must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"
        --leader-elect-retry-period=
          error: invalid value '' for '--leader-elect-retry-period <DURATION>': must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms"
        --leader-elect-resource-lock=pods
          error: invalid value 'pods' for '--leader-elect-resource-lock <KIND>': must be "leases", "configmaps" or "endpoints"
        --leader-elect-resource-lock=endpointsleases
          error: invalid value 'endpointsleases' for '--leader-elect-resource-lock <KIND>': must be "leases", "configmaps" or "endpoints". This one is client-go's for a move, and writes two objects: give all its candidates "leases" first, then "leases" here (docs/MOVING.md)
        --leader-elect-resource-lock=
          error: invalid value '' for '--leader-elect-resource-lock <KIND>': is required: must be "leases", "configmaps" or "endpoints"
        --leader-elect-resource-name=
          error: a value is required for '--leader-elect-resource-name <NAME>' but none was supplied
        --leader-elect-resource-namespace=
          error: a value is required for '--leader-elect-resource-namespace <NAMESPACE>' but none was supplied
        --leader-elect-lease-durations=15s
          error: unexpected argument '--leader-elect-lease-durations' found
    "#]].assert_eq(&said);
}
