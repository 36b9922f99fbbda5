//! A checker that never fails proves nothing. What must be caught, by name, and what catches it: where nothing does, this
//! fails.
//!
//! `cargo test -p leaderelection-tests --test variants -- --nocapture` prints the table. What the seeds catch, and what the
//! suite of locks catches, is tried here. The model and the simulation try theirs in tests of their own; here it is
//! checked that those exist.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests speak by failing"
)]

#[path = "../simulation/catches.rs"]
mod catches;
#[path = "../../../crates/leaderelection/tests/seeds/invariants/mod.rs"]
mod invariants;
mod table;
#[path = "../../../crates/leaderelection/tests/seeds/world/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the seeds' own test tallies what is not asked here"
)]
mod world;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use leaderelection::LeaseTiming;
use leaderelection::election::{ElectionConfig, Variant};
use leaderelection_conformance::CASES;
use leaderelection_conformance::broken::BROKEN;

use table::{Shape, WRONG, Wrong};

/// A variant that the seeds have not caught by then is not caught.
const MOST_SEEDS: u64 = 2000;

/// One line of the printed table.
struct Row {
    wrong: &'static Wrong,
    shape: String,
    /// By which check, and how fast. Empty: nothing catches it.
    caught: Vec<String>,
}

/// Plays seeds with machines that are set up wrong, until the invariant breaks that is made to see it.
#[allow(clippy::disallowed_methods, reason = "how long it takes is for people")]
fn seeds(invariant: &str, adjust: &dyn Fn(&mut ElectionConfig)) -> Option<String> {
    let began = Instant::now();
    let mut hours = 0.0;
    for seed in 0..MOST_SEEDS {
        let played = world::play(seed, false, adjust);
        hours += played.time as f64 / 3.6e12;
        if played
            .violations
            .iter()
            .any(|violation| violation.of == invariant)
        {
            let time = began.elapsed();
            return Some(format!(
                "seeds: `{invariant}`, seed {seed}, {hours:.1} election-hours, {time:.1?}"
            ));
        }
    }
    None
}

/// All text of the model's tests.
fn model_tests() -> String {
    fn collect(path: &Path, into: &mut String) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                collect(&entry.unwrap().path(), into);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut text = String::new();
    for place in ["model", "model.rs"] {
        if tests.join(place).exists() {
            collect(&tests.join(place), &mut text);
        }
    }
    assert!(text.contains("#[test]"), "the model has tests");
    text
}

/// `CountFromReceipt` -> `caught_count_from_receipt`, as the model names its tests.
fn model_test_of(variant: Variant) -> String {
    variant
        .name()
        .chars()
        .fold("caught".to_owned(), |mut name, letter| {
            if letter.is_uppercase() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
            name
        })
}

/// The model has this test, and it runs: it is not one that is ignored.
fn model(tests: &str, name: &str) -> Option<String> {
    let at = tests.find(&format!("fn {name}()"))?;
    let attributes = tests[..at].rsplit("\n\n").next()?;
    let runs = attributes.contains("#[test]") && !attributes.contains("#[ignore");
    runs.then(|| format!("model: `{name}`"))
}

/// The suite rejects this lock, by the case that is made to.
#[allow(clippy::disallowed_methods, reason = "how long it takes is for people")]
fn suite(name: &str) -> Option<String> {
    let broken = BROKEN.iter().find(|broken| broken.name == name)?;
    let case = CASES.iter().find(|case| case.name == broken.rejected_by)?;
    let began = Instant::now();
    case.run(&broken.fixture()).err()?;
    Some(format!("conformance: `{}`, {:.1?}", case.name, began.elapsed()))
}

fn judge(wrong: &'static Wrong, tests: &str) -> Row {
    let (shape, caught) = match wrong.shape {
        Shape::Machine(variant, invariant) => {
            let by_seeds = seeds(invariant, &|config| config.variant = Some(variant));
            let simulation = catches::CATCHES.iter().find(|it| it.0 == variant);
            let simulation = simulation.map(|(_, invariant)| format!("simulation: `{invariant}`"));
            let found = [by_seeds, model(tests, &model_test_of(variant)), simulation];
            (
                format!("`{}`", variant.name()),
                found.into_iter().flatten().collect(),
            )
        }
        Shape::Model(variant) => (
            format!("`{}`", variant.name()),
            model(tests, &model_test_of(variant)).into_iter().collect(),
        ),
        Shape::Lock(name) => (format!("lock `{name}`"), suite(name).into_iter().collect()),
        Shape::Lease(test, lease) => {
            let by_seeds = seeds("at_most_one_at_work", &|config| {
                let timing = &config.timing;
                let (renew, retry) = (timing.renew_deadline(), timing.retry_period());
                config.timing = LeaseTiming::unchecked(lease(timing), renew, retry, timing.stop_grace());
            });
            let found = [by_seeds, model(tests, test)];
            ("lease".to_owned(), found.into_iter().flatten().collect())
        }
    };
    Row { wrong, shape, caught }
}

/// All rows, by as many threads as there are cores.
fn rows() -> Vec<Row> {
    let tests = model_tests();
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut rows: Vec<(usize, Row)> = std::thread::scope(|scope| {
        let worker = || {
            let mut rows = Vec::new();
            while let Some(wrong) = WRONG.get(next.fetch_add(1, Ordering::Relaxed)) {
                let at = WRONG.iter().position(|it| std::ptr::eq(it, wrong)).unwrap();
                rows.push((at, judge(wrong, &tests)));
            }
            rows
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Every way to be wrong is caught: a broken lock by its case of the suite, what the table leaves to the model by its test
/// there, all others by the seeds' invariant that is named for it.
#[test]
fn everything_wrong_is_caught() {
    // Some variants also panic in the simulated driver, which tells a violation too.
    std::panic::set_hook(Box::new(|_| {}));
    let rows = rows();
    drop(std::panic::take_hook());
    println!("| what must be caught | in the shape of | caught by |");
    println!("|---|---|---|");
    let mut missed = Vec::new();
    for Row { wrong, shape, caught } in rows {
        println!("| {} | {shape} | {} |", wrong.name, caught.join("<br>"));
        let by_seeds = caught.iter().any(|check| check.starts_with("seeds"));
        if caught.is_empty() || !(by_seeds || matches!(wrong.shape, Shape::Lock(_) | Shape::Model(_))) {
            missed.push(format!("{}, {shape}", wrong.name));
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

/// A variant that is added without a line in the table is one that nobody has asked whether anything catches it.
#[test]
fn every_variant_is_in_the_table() {
    for variant in Variant::ALL {
        let is_it = |wrong: &&Wrong| matches!(wrong.shape, Shape::Machine(it, _) | Shape::Model(it) if it == *variant);
        let times = WRONG.iter().filter(is_it).count();
        assert_eq!(times, 1, "{} has {times} lines in the table", variant.name());
    }
}

/// The list of SAFETY and the table are one list, in one order.
#[test]
fn the_table_is_the_list_of_safety() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SAFETY.md");
    let docs = fs::read_to_string(docs).unwrap();
    let (_, section) = docs.split_once("## What must be caught").unwrap();
    let list = section
        .split("\n\n")
        .find(|paragraph| paragraph.contains(" ·"))
        .unwrap();
    let list = list.replace('\n', " ");
    let listed: Vec<_> = list
        .trim()
        .trim_end_matches('.')
        .split('·')
        .map(str::trim)
        .collect();
    let mut named: Vec<_> = WRONG.iter().map(|wrong| wrong.name).collect();
    named.dedup();
    assert_eq!(listed, named);
}
