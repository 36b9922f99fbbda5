//! Where the programs of the real servers are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::ServerError;

/// The built program of that name.
///
/// It is in the folder that `LEADERELECTION_SERVERS` names, else in the one that `tests/servers/build.sh` fills.
///
/// # Errors
/// When it is not there; the message names `tests/run.sh`.
pub fn find(program: &'static str) -> Result<PathBuf, ServerError> {
    let folder = folder()?;
    let path = folder.join(program);
    if path.is_file() {
        Ok(path)
    } else {
        Err(ServerError::NotBuilt { program, folder })
    }
}

fn folder() -> Result<PathBuf, ServerError> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOLDER
        .get_or_init(|| match std::env::var_os("LEADERELECTION_SERVERS") {
            Some(folder) if !folder.is_empty() => Ok(folder.into()),
            _ => ask_build_script(),
        })
        .clone()
        .map_err(ServerError::UnknownFolder)
}

fn ask_build_script() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/build.sh");
    let output = Command::new(&script)
        .arg("--print")
        .output()
        .map_err(|error| format!("{}: {error}", script.display()))?;
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            script.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let said = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    said.lines()
        .last()
        .map(PathBuf::from)
        .ok_or_else(|| format!("{} printed nothing", script.display()))
}
