//! The two programs that `fleet` measures beside each other do the same: here in small, in memory.

#![allow(clippy::indexing_slicing, reason = "tests speak by failing")]

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ELECTIONS: u64 = 5;
const CANDIDATES: u64 = 2;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it is already gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of each five leads, all know who, and none has lost a term.
fn takes_part(program: &Path) -> Result<()> {
    let mut running = Running(
        Command::new(program)
            .args(["--store", "memory", "--elections", &ELECTIONS.to_string()])
            .args(["--candidates", &CANDIDATES.to_string(), "--identity", "a"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let mut said = BufReader::new(running.0.stdout.take().ok_or("no output")?).lines();
    assert_eq!(said.next().ok_or("it says nothing")??, r#"{"ready":true}"#);
    running.0.stdin.as_mut().ok_or("no input")?.write_all(b"go\n")?;
    // A line comes once a second; client-go's followers look every 2 s.
    for line in said.take(30) {
        let count: serde_json::Value = serde_json::from_str(&line?)?;
        assert_eq!(count["lost"], 0, "{count}");
        if count["leading"] == ELECTIONS && count["following"] == ELECTIONS * CANDIDATES {
            return Ok(());
        }
    }
    Err("not all had begun after 30 lines".into())
}

#[test]
fn ours() -> Result<()> {
    takes_part(Path::new(env!("CARGO_BIN_EXE_fleet-candidates")))
}

#[test]
fn client_go_s() -> Result<()> {
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fleet-client-go");
    let built = Command::new("go")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("client-go"))
        .envs([("GOWORK", "off"), ("CGO_ENABLED", "0")])
        .args(["build", "-trimpath", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".")
        .status()?;
    assert!(built.success(), "go build: {built}");
    takes_part(&program)
}
