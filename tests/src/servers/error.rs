//! Why a fixture could not do what a test asked of it.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

/// Why a server fixture failed.
///
/// `Debug` reads like `Display`: a test unwraps these, and what it prints should tell a person what to do.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The server's program has not been built.
    #[error("no {program} in {}: run tests/run.sh (or tests/servers/build.sh) to build the test servers", folder.display())]
    NotBuilt {
        /// The program's name.
        program: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
    },

    /// `tests/servers/build.sh --print` did not say where the programs are.
    #[error(
        "cannot tell where the test servers are ({0}): run tests/run.sh, or set LEADERELECTION_SERVERS to their folder"
    )]
    UnknownFolder(String),

    /// Another process took the port between its choice and its use, also after several tries.
    #[error("{program} found its port taken; the end of its log:\n{log}")]
    PortTaken {
        /// The program's name.
        program: &'static str,
        /// The last lines of its output.
        log: String,
    },

    /// The server ended when it should have served.
    #[error("{program} ended with {status} before it served; the end of its log:\n{log}")]
    Ended {
        /// The program's name.
        program: &'static str,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines of its output.
        log: String,
    },

    /// The server runs but does not serve.
    #[error("{program} did not serve within {limit:?} (last answer: {last}); the end of its log:\n{log}")]
    NotReady {
        /// The program's name.
        program: &'static str,
        /// How long the fixture waited.
        limit: Duration,
        /// What came of the last request.
        last: String,
        /// The last lines of its output.
        log: String,
    },

    /// The server that this process' tests share did not start; the same for all of them.
    #[error("the shared server did not start: {0}")]
    Shared(String),

    /// A contender did not do what a test waited for.
    #[error("{contender} did not say {wanted} within {limit:?}; it said: {said}; the end of its log:\n{log}")]
    Silent {
        /// Its program and identity.
        contender: String,
        /// What the test waited for.
        wanted: &'static str,
        /// How long it waited.
        limit: Duration,
        /// All that it said.
        said: String,
        /// The last lines of its log.
        log: String,
    },

    /// The test asked something of a server that it had killed.
    #[error("{0} is not running: it was killed and not restarted")]
    NotRunning(&'static str),

    /// The server answered a request with something else than what was asked for.
    #[error("{request}: {problem}")]
    BadAnswer {
        /// The method and path of the request.
        request: String,
        /// What was wrong.
        problem: String,
    },

    /// The operating system refused.
    #[error("{action}: {source}")]
    Io {
        /// What the fixture was about to do.
        action: String,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ServerError {
    /// For `map_err`: says what was being done when the system refused.
    pub(super) fn io<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self::Io {
            action,
            source: source.into(),
        }
    }
}
