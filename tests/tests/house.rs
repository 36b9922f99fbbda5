//! The house's own rules, checked: what the pure module may know, what the core may depend on, which rules are cited.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Rust files below some folders of the repository: path and text.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                if entry.file_name() != "target" {
                    collect(&path, into);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    assert!(!found.is_empty(), "nothing below {folders:?}");
    found
}

/// The text without comments: what a rule of the code is about.
fn code(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// DESIGN: `election/` has no clock, no I/O, no runtime, no randomness, no log, no map of random order. clippy.toml bans
/// what can be named one by one; this is about the rest.
#[test]
fn the_pure_module_is_pure() {
    let forbidden = [
        "tokio",
        "async",
        "await",
        "Instant",
        "SystemTime",
        "Utc::now",
        "HashMap",
        "HashSet",
        "rand",
        "tracing",
        "println",
        "std::net",
        "std::fs",
        "std::thread",
        "Mutex",
        "Atomic",
        "crate::clock",
        "crate::elector",
        "dyn ",
    ];
    for (path, text) in sources(&["crates/leaderelection/src/election"]) {
        for word in forbidden {
            assert!(!code(&text).contains(word), "{} knows `{word}`", path.display());
        }
    }
}

/// The core stays light: no Kubernetes, no gRPC, no HTTP below it.
#[test]
fn the_core_depends_on_nothing_heavy() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--package",
            "leaderelection",
            "--all-features",
            "--edges",
            "normal",
        ])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(
        tree.lines().any(|line| line.starts_with("tokio ")),
        "the tree was read: {tree}"
    );
    for heavy in [
        "kube",
        "k8s-openapi",
        "tonic",
        "etcd-client",
        "hyper",
        "http",
        "rustls",
        "openssl",
        "reqwest",
    ] {
        let found = tree.lines().find(|line| line.split(' ').next() == Some(heavy));
        assert_eq!(found, None, "the core depends on {heavy}");
    }
}

/// Every rule that code keeps is cited where it is kept and where it is tested, so that neither can be dropped unseen.
#[test]
fn every_rule_is_cited_in_code_and_in_a_test() {
    let source = sources(&["crates/leaderelection/src"]);
    let tests = sources(&[
        "crates/leaderelection/tests",
        "crates/leaderelection-conformance/tests",
        "tests",
    ]);
    for (place, files) in [("code", source), ("tests", tests)] {
        let mut cited = std::collections::BTreeSet::new();
        for (path, text) in files {
            if path.ends_with(file!()) {
                continue;
            }
            for (at, _) in text.match_indices("SAFETY ") {
                // `SAFETY 9`, and what follows it: `SAFETY 12 and 13`, `SAFETY 1, 2, 11`, `SAFETY 12 to 14`.
                let rest: String = text[at + 7..]
                    .chars()
                    .take_while(|c| c.is_ascii_digit() || " ,andto".contains(*c))
                    .collect();
                let words: Vec<&str> = rest.split([' ', ',']).filter(|word| !word.is_empty()).collect();
                let mut last = 0u32;
                for (at, word) in words.iter().enumerate() {
                    match word.parse::<u32>() {
                        Ok(number) if at > 0 && words[at - 1] == "to" => cited.extend(last..=number),
                        Ok(number) => {
                            last = number;
                            cited.insert(number);
                        }
                        Err(_) if matches!(*word, "and" | "to") => {}
                        Err(_) => break,
                    }
                }
            }
        }
        let missing: Vec<u32> = rules().into_iter().filter(|rule| !cited.contains(rule)).collect();
        assert!(missing.is_empty(), "not cited in {place}: {missing:?}");
    }
}

/// The numbers of SAFETY's rules, as the sheet numbers them.
fn rules() -> Vec<u32> {
    let sheet = std::fs::read_to_string(root().join("docs/SAFETY.md")).unwrap();
    let numbers = sheet
        .lines()
        .filter_map(|line| line.split_once(". ")?.0.parse().ok());
    let rules: Vec<u32> = numbers.collect();
    let last = u32::try_from(rules.len()).unwrap();
    assert!(last >= 24 && rules.iter().copied().eq(1..=last), "{rules:?}");
    rules
}
