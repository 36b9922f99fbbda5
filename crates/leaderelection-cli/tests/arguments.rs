//! What the command line accepts, what it says of itself, and what it says when it is wrong.

#![expect(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

#[cfg(feature = "kube")]
use std::ffi::OsStr;
#[cfg(feature = "kube")]
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

fn leaderelect(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leaderelect"))
        .args(args)
        .env_remove("RUST_LOG")
        .env_remove("ETCDCTL_CACERT")
        .env_remove("ETCDCTL_USER")
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
    golden("move-help.txt", &["move", "--help"]);
    golden("status-help.txt", &["status", "--help"]);
    golden("demo-help.txt", &["demo", "--help"]);
}

#[cfg(feature = "kube")]
#[test]
fn a_move_needs_two_locks_and_durations_that_are_safe() {
    let (from, to) = (["--from", "endpoints:ns/job"], ["--to", "leases:ns/job"]);
    let move_with = |more: &[&'static str]| -> Vec<&str> {
        ["move"]
            .into_iter()
            .chain(from)
            .chain(to)
            .chain(more.iter().copied())
            .collect()
    };
    refused(&["move"], &["--from <LOCK>", "--to <LOCK>"]);
    refused(&["move", "--from", "endpoints:ns/job"], &["--to <LOCK>"]);
    refused(
        &["move", "--from", "endpoints:ns/job", "--to", "leader"],
        &["--to", "'leader'"],
    );
    refused(
        &move_with(&["--lease-duration", "10s"]),
        &[
            "lease_duration 10s must be greater than renew_deadline 10s",
            "leaderelect move",
        ],
    );
    refused(&move_with(&["--rival-margin", "-1s"]), &["--rival-margin"]);
    // Before anything is opened.
    refused(
        &["move", "--from", "leases:ns/job", "--to", "leases:ns/job"],
        &["leases:ns/job", "cannot be moved to itself"],
    );
}

#[test]
fn status_needs_a_lock_and_sound_flags() {
    refused(&["status"], &["--lock <LOCK>"]);
    refused(&["status", "--lock", "leader"], &["--lock", "'leader'"]);
    #[cfg(feature = "etcd")]
    {
        let status = ["status", "--lock", "etcd://127.0.0.1:1/k"];
        let with = |more: &[&'static str]| -> Vec<&str> { status.iter().chain(more).copied().collect() };
        refused(&with(&["--timeout", "0s"]), &["--timeout", "greater than 0"]);
        refused(&with(&["--output", "yaml"]), &["--output", "text, json"]);
        refused(
            &with(&["--etcd-cacert", "ca.crt"]),
            &["--etcd-cacert is for a lock with TLS"],
        );
        refused(&with(&["--", "true"]), &["unexpected argument 'true'"]);
    }
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
    for lock in ["zookeeper://h:1/k", "leader", "", "pods:default/leader"] {
        refused(
            &["run", "--lock", lock, "--", "true"],
            &[
                "--lock",
                &format!("'{lock}'"),
                "etcd://HOST:PORT[,HOST:PORT…]/KEY",
                "etcds://HOST:PORT[,HOST:PORT…]/KEY",
                "leases:NAMESPACE/NAME",
                "configmaps:NAMESPACE/NAME",
                "endpoints:NAMESPACE/NAME",
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

#[cfg(feature = "kube")]
#[test]
fn a_malformed_lock_on_kubernetes_says_what_is_wrong() {
    for (lock, problem) in [
        ("leases:leader", "no '/' between namespace and name"),
        ("configmaps:default/", "name \"\" of a lock: it is empty"),
        ("endpoints:", "no '/' between namespace and name"),
        ("endpoints:leader", "no '/' between namespace and name"),
        ("endpoints:/leader", "namespace \"\": it is empty"),
        (
            "endpoints:Default/leader",
            "namespace \"Default\": only lower-case",
        ),
        ("endpoints:default/", "name \"\" of a lock: it is empty"),
        (
            "endpoints:default/my_leader",
            "name \"my_leader\" of a lock: only lower-case",
        ),
        ("endpoints://default/leader", "namespace \"\": it is empty"),
    ] {
        refused(&["run", "--lock", lock, "--", "true"], &["--lock", lock, problem]);
    }
}

#[cfg(feature = "etcd")]
#[test]
fn flags_of_etcd_that_do_not_fit_are_refused() {
    refused(
        &run(&["--etcd-cacert", "ca.crt"]),
        &["--etcd-cacert is for a lock with TLS, etcds://"],
    );
    refused(
        &run(&["--etcd-user", "u:s3cret"]),
        &["--etcd-user is a name without a password"],
    );
    #[cfg(feature = "kube")]
    refused(
        &["run", "--lock", "leases:ns/n", "--etcd-user", "u", "--", "true"],
        &["--etcd-user is for locks in etcd"],
    );
}

/// Exits with 1, and names the file.
#[cfg(feature = "etcd")]
#[test]
fn a_missing_file_of_tls_is_named() {
    let output = leaderelect(&[
        "run",
        "--lock",
        "etcds://127.0.0.1:1/k",
        "--etcd-cacert",
        "/nowhere/ca.crt",
        "--",
        "true",
    ]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "TLS to etcd: the authorities to trust, /nowhere/ca.crt: No such file";
    assert!(said.contains(expected), "{said}");
}

/// Exits with 1, has started nothing, and says each of `expected`.
#[cfg(feature = "kube")]
#[track_caller]
fn finds_no_cluster(kubeconfig: Option<&Path>, home: &Path, expected: &[&str]) {
    finds_none_with(&[("KUBECONFIG", kubeconfig.map(Path::as_os_str))], home, expected);
}

#[cfg(feature = "kube")]
#[track_caller]
fn finds_none_with(variables: &[(&str, Option<&OsStr>)], home: &Path, expected: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leaderelect"));
    for variable in ["RUST_LOG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"] {
        command.env_remove(variable);
    }
    for (variable, value) in variables {
        command.envs(value.map(|value| (variable, value)));
    }
    let output = command
        .args([
            "run",
            "--lock",
            "endpoints:default/leader",
            "--",
            "echo",
            "started",
        ])
        .env("HOME", home)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
    for part in expected {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains("s3cret"), "{said}");
}

/// One whose context is this.
#[cfg(feature = "kube")]
fn kubeconfig(context: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]
users: [{{name: u, user: {{token: s3cret}}}}]
contexts: [{{name: x, context: {{{context}}}}}]
current-context: x
"
    )
}

#[cfg(feature = "kube")]
#[test]
fn without_a_sound_kubeconfig_it_says_what_is_wrong_with_which() {
    let home = tempfile::tempdir().unwrap();
    let default = home.path().join(".kube/config");
    finds_no_cluster(
        None,
        home.path(),
        &["KUBECONFIG is not set", &default.display().to_string(), "no pod"],
    );

    let missing = home.path().join("missing");
    finds_no_cluster(
        Some(&missing),
        home.path(),
        &[&missing.display().to_string(), "No such file"],
    );

    let broken = home.path().join("broken");
    for (text, problem) in [
        (
            "users: [{name: a, user: {token: s3cret}}\n  clusters: }{",
            "no kubeconfig in YAML",
        ),
        (
            "apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n",
            "context: nowhere",
        ),
        (&kubeconfig("cluster: gone, user: u"), "cluster of context: gone"),
        ("apiVersion: v1\nkind: Config\n", "current context"),
        ("", "current context"),
    ] {
        std::fs::write(&broken, text).unwrap();
        finds_no_cluster(
            Some(&broken),
            home.path(),
            &["kubeconfig", &broken.display().to_string(), problem],
        );
    }

    // The default file is found, too.
    std::fs::create_dir(home.path().join(".kube")).unwrap();
    std::fs::write(&default, kubeconfig("cluster: gone, user: u")).unwrap();
    finds_no_cluster(
        None,
        home.path(),
        &[&default.display().to_string(), "cluster of context: gone"],
    );
}

/// A pod that was given no service account.
#[cfg(feature = "kube")]
#[test]
fn in_a_pod_without_a_service_account_it_says_so() {
    let account = Path::new("/var/run/secrets/kubernetes.io/serviceaccount");
    if account.exists() {
        let said = "DID NOT RUN: in_a_pod_without_a_service_account_it_says_so: this is a pod with one";
        writeln!(std::io::stderr(), "{said}").unwrap();
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let pod = [
        ("KUBERNETES_SERVICE_HOST", Some(OsStr::new("127.0.0.1"))),
        ("KUBERNETES_SERVICE_PORT", Some(OsStr::new("1"))),
    ];
    finds_none_with(
        &pod,
        home.path(),
        &[
            "in-cluster configuration: ",
            "No such file",
            "/var/run/secrets/kubernetes.io/serviceaccount",
        ],
    );
}

#[cfg(not(all(feature = "etcd", feature = "kube")))]
#[test]
fn a_lock_that_is_not_compiled_in_names_the_feature() {
    for (lock, feature, compiled) in [
        ("etcd://h:1/k", "feature `etcd`", cfg!(feature = "etcd")),
        ("endpoints:ns/n", "feature `kube`", cfg!(feature = "kube")),
    ] {
        if !compiled {
            refused(&["run", "--lock", lock, "--", "true"], &["--lock", feature]);
        }
    }
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
    for flag in ["--drain-timeout", "--rival-margin"] {
        for value in ["-1s", "15", "soon"] {
            refused(&run(&[flag, value]), &[flag, &format!("'{value}'"), "15s"]);
        }
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
        (
            &["--rival-margin", "1000000h"],
            "rival_margin 3600000000s must be at most",
        ),
    ] {
        refused(&run(flags), &[said, "Usage: leaderelect run"]);
    }
}

#[cfg(feature = "etcd")]
#[test]
fn an_address_to_listen_on_is_checked_and_what_is_about_it_needs_it() {
    for address in [
        "",
        "8080",
        "127.0.0.1",
        "127.0.0.1:",
        ":",
        ":99999",
        "host:8080",
        "localhost:http",
    ] {
        refused(
            &run(&["--health-listen", address]),
            &["--health-listen", &format!("'{address}'"), "127.0.0.1:8080"],
        );
    }
    refused(&run(&["--ready", "leader"]), &["--health-listen <ADDR>"]);
    refused(&run(&["--health-tolerance", "1s"]), &["--health-listen <ADDR>"]);
    refused(
        &run(&["--health-listen", ":0", "--ready", "everybody"]),
        &["--ready", "leader, anyone"],
    );
    refused(
        &run(&["--health-listen", ":0", "--health-tolerance", "-1s"]),
        &["--health-tolerance", "15s"],
    );
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
