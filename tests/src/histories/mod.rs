//! Histories of many clients of one lock, and of the register that their tokens protect, for a checker of linearizability.
//!
//! A [`Crowd`] reads and swaps all at once, while a test does to the store what it likes; [`judge`] gives what was written down
//! to the program of `tests/servers/cmd/histories`, which says whether a compare-and-swap register with versions could have
//! answered so, and a register that is fenced by token (SAFETY 19).

mod crowd;
mod fence;

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::servers::find_program;

pub use crowd::{Counts, Crowd, Histories};
pub use fence::{CheckThenWrite, FenceHistory, Register};

const PROGRAM: &str = "histories";

/// What a history is judged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A compare-and-swap register.
    Lock,
    /// A register that is fenced by token.
    Fence,
}

/// What the judge says.
#[derive(Debug)]
pub struct Verdict {
    /// There is an order of all calls in which every answer is right.
    pub linearizable: bool,
    /// That, or what does not fit.
    pub said: String,
}

/// Judges a history of JSON lines.
///
/// # Errors
/// When the program is not built, does not understand the history or comes to no verdict.
pub fn judge(kind: Kind, history: &str) -> Result<Verdict, Box<dyn std::error::Error + Send + Sync>> {
    let mut child = Command::new(find_program(PROGRAM)?)
        .arg(match kind {
            Kind::Lock => "lock",
            Kind::Fence => "fence",
        })
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It reads all before it speaks; one that ends early tells why on its own.
    let fed = child
        .stdin
        .take()
        .map(|mut stdin| stdin.write_all(history.as_bytes()));
    let output = child.wait_with_output()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    match output.status.code() {
        Some(code @ (0 | 1)) => Ok(Verdict {
            linearizable: code == 0,
            said,
        }),
        _ => Err(format!("{PROGRAM} ended with {} ({fed:?}): {said}", output.status).into()),
    }
}
