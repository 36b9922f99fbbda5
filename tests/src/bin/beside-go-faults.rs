//! Runs the README's table, client-go's elector and ours under the same faults in virtual time, and prints it:
//!
//! ```text
//! cargo run --package leaderelection-tests --bin beside-go-faults
//! cargo run --package leaderelection-tests --bin beside-go-faults -- SEED
//! cargo run --package leaderelection-tests --bin beside-go-faults -- SEED ROW RUN    one run, told
//! ```

use std::process::ExitCode;

use leaderelection_tests::beside_go_faults::{Line, Side, judge, measure, print, rows};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SEED: u64 = 1;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("beside-go-faults: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    let numbers = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>())
        .collect::<std::result::Result<Vec<_>, _>>()?;
    match *numbers.as_slice() {
        [] => table(SEED),
        [seed] => table(seed),
        [seed, row, run] => tell(seed, row, run),
        _ => Err("usage: beside-go-faults [SEED [ROW RUN]]".into()),
    }
}

/// Fails where ours has two leaders at once, or client-go does not fail where it is known to.
fn table(seed: u64) -> Result<ExitCode> {
    println!("seed {seed}; a run replays with `-- {seed} ROW RUN`");
    let mut lines = Vec::new();
    for row in rows()? {
        let runs = 0..row.runs;
        let (go, ours) = std::thread::scope(|scope| {
            let go = scope.spawn(|| measure(&row, Side::Go, seed, runs.clone()));
            let ours = measure(&row, Side::Ours, seed, runs.clone());
            (go.join().unwrap_or_else(|_| Err("a panic".into())), ours)
        });
        let (go, ours) = (go?, ours?);
        println!(
            "row {}: {}: worst runs: client-go {:?}, ours {:?}",
            lines.len(),
            row.name,
            go.worst,
            ours.worst
        );
        lines.push(Line { row, go, ours });
    }
    println!("\n{}", print(&lines));
    let as_known =
        |line: &Line| line.ours.two_leaders == 0 && line.row.client_go_fails == (line.go.two_leaders > 0);
    Ok(if lines.iter().all(as_known) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(seed: u64, row: u64, number: u64) -> Result<ExitCode> {
    let row = rows()?
        .into_iter()
        .nth(usize::try_from(row)?)
        .ok_or("no such row")?;
    let run = row.run(seed, number);
    println!("{}\n{run:#?}", row.name);
    for side in [Side::Go, Side::Ours] {
        for account in side.simulate(std::slice::from_ref(&run))? {
            println!("{side:?}: {:?}\n{account:#?}", judge(&run, &account)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
