//! client-go's elector in a run: the program of `tests/servers/cmd/client-go-faults`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::Result;
use super::judge::Account;
use super::rows::Run;
use crate::servers::find_program;

const PROGRAM: &str = "client-go-faults";

pub(super) fn simulate(runs: &[Run]) -> Result<Vec<Account>> {
    let mut input = Vec::new();
    for run in runs {
        serde_json::to_writer(&mut input, run)?;
        input.push(b'\n');
    }
    let mut child = Command::new(find_program(PROGRAM)?)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    let output = std::thread::scope(|scope| {
        // It reads all the while it writes. One that ends early tells why on its own.
        scope.spawn(move || drop(stdin.write_all(&input)));
        child.wait_with_output()
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{PROGRAM} ended with {}: {said}", output.status).into());
    }
    let accounts: Vec<Account> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect::<std::result::Result<_, _>>()?;
    if accounts.len() != runs.len() {
        return Err(format!("{PROGRAM} told {} of {} runs", accounts.len(), runs.len()).into());
    }
    Ok(accounts)
}
