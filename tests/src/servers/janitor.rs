//! Cleaning up after a test process that cannot do it itself.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that acts when this process is gone and did not say goodbye: by an exit that drops no statics, or killed.
///
/// It waits for the end of a pipe that this process holds. Dropping the janitor sends it home with nothing done.
#[derive(Debug)]
pub struct Janitor {
    shell: Child,
}

impl Janitor {
    /// Kills these processes, which are this process' children and not waited for before the janitor is dropped: so
    /// their numbers are still theirs when it acts.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn killing(processes: &[u32]) -> io::Result<Self> {
        Self::hire(r#"read -r _; kill -KILL "$@""#, numbers(processes))
    }

    /// Kills these processes, as above, and removes the folders.
    pub(super) fn clearing(processes: &[u32], folders: &[&Path]) -> io::Result<Self> {
        let folders = folders.iter().map(OsString::from);
        let arguments = numbers(processes)
            .into_iter()
            .chain([OsString::from("--")])
            .chain(folders)
            .collect();
        // A process that is killed may still finish a write: hence the second try.
        let script = r#"read -r _
            while [ "$1" != -- ]; do kill -KILL "$1"; shift; done
            rm -rf "$@" || { sleep 1; rm -rf "$@"; }"#;
        Self::hire(script, arguments)
    }

    fn hire(script: &str, arguments: Vec<OsString>) -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", script, "janitor"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is not for it.
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        // Killed before `wait` closes its standard input, on which it would act.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn numbers(processes: &[u32]) -> Vec<OsString> {
    processes
        .iter()
        .map(|process| OsString::from(process.to_string()))
        .collect()
}
