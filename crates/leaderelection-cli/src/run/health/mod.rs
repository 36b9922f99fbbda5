//! `--health-listen`: what Kubernetes, Prometheus and people ask of a candidate over HTTP.
//!
//! ```text
//! args.rs      the flags
//! answers.rs   what is answered to whom
//! server.rs    connections, of which none may hold up a renewal
//! ```

mod answers;
mod args;
mod server;

use std::cell::OnceCell;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;

use leaderelection::LeaderElector;

use self::answers::Answers;
pub(crate) use self::args::{HealthArgs, ListenAddr};
use self::server::Server;
use super::stops::Stops;

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum HealthError {
    #[error("--health-listen {address}: {error}")]
    Listen { address: ListenAddr, error: io::Error },
    #[error("metrics: {0}")]
    Metrics(String),
}

/// Who answers, if somebody may ask.
pub(super) struct Health<'a>(Option<(Server, Answers<'a>)>);

impl<'a> Health<'a> {
    /// Listens from now on. To be called before the election begins: what it counts before there is a recorder is lost.
    pub(super) fn listen(args: &HealthArgs, stops: &'a Stops) -> Result<Self, HealthError> {
        let Some(address) = &args.health_listen else {
            return Ok(Self(None));
        };
        let failed = |error| HealthError::Listen {
            address: address.clone(),
            error,
        };
        let server = Server::bind(address).map_err(failed)?;
        let local: SocketAddr = server.address().map_err(failed)?;
        let metrics = answers::metrics().map_err(HealthError::Metrics)?;
        tracing::info!(address = %local, "answers /healthz, /readyz, /metrics and /");
        Ok(Self(Some((
            server,
            Answers {
                election: OnceCell::new(),
                tolerance: args.health_tolerance,
                readiness: args.ready.into(),
                stops,
                metrics,
            },
        ))))
    }

    /// From now on there is an election to ask about.
    pub(super) fn watch(&self, elector: &LeaderElector) {
        if let Some((_, answers)) = &self.0 {
            // There is one election in a process.
            let _ = answers.election.set(elector.observer());
        }
    }

    /// To be polled as long as somebody may ask.
    pub(super) async fn serve(&self) -> Infallible {
        match &self.0 {
            Some((server, answers)) => server.serve(answers).await,
            None => pending().await,
        }
    }
}
