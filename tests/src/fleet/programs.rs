//! The two programs, built as they ship.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;
use super::member::Side;

/// Where they are.
pub struct Programs {
    ours: PathBuf,
    client_go: PathBuf,
}

impl Programs {
    /// Builds them: ours as a release, by itself, so without what only tests switch on.
    ///
    /// # Errors
    /// When one cannot be built.
    pub fn build() -> Result<Self> {
        Ok(Self {
            ours: as_released("fleet-candidates")?,
            client_go: client_go()?,
        })
    }

    pub(super) fn of(&self, side: Side) -> &Path {
        match side {
            Side::Ours => &self.ours,
            Side::ClientGo => &self.client_go,
        }
    }
}

/// Builds client-go's side, and says where it is.
///
/// # Errors
/// When it cannot be built.
pub fn client_go() -> Result<PathBuf> {
    let program = target()?.join("fleet-client-go");
    succeeds(
        Command::new("go")
            .current_dir(workspace().join("benches/client-go"))
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0")
            .args(["build", "-trimpath", "-buildvcs=false", "-o"])
            .arg(&program)
            .arg("."),
    )?;
    Ok(program)
}

/// Builds a program of the benches as a release, and says where it is.
///
/// # Errors
/// When it cannot be built.
pub fn as_released(name: &str) -> Result<PathBuf> {
    let folder = target()?;
    succeeds(
        Command::new("cargo")
            .current_dir(workspace())
            .args([
                "build",
                "--quiet",
                "--locked",
                "--release",
                "--package",
                "leaderelection-benches",
            ])
            .args(["--bin", name, "--target-dir"])
            .arg(&folder),
    )?;
    Ok(folder.join("release").join(name))
}

/// Where cargo builds, as it built this program.
fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    Ok(folder.ok_or("this program is not where cargo builds")?.to_owned())
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn succeeds(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}").into())
    }
}
