//! The flags.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use leaderelection::Readiness;

use crate::duration;

/// See the module.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Health and metrics")]
pub(crate) struct HealthArgs {
    /// Answer HTTP there: /healthz, /readyz, /metrics, and / with {"name": "HOLDER"} [default: nothing listens]
    ///
    /// Such as 127.0.0.1:8080, [::]:8080, or :8080 for all addresses of the machine. With port 0 the log says which it became.
    ///
    /// /healthz fails for a leader whose command still runs when the lease and the tolerance are over. / is what Go's leader-elector
    /// sidecar answers. What fails answers 500 with the reason.
    #[arg(long, value_name = "ADDR")]
    pub(super) health_listen: Option<ListenAddr>,

    /// How much older than the lease duration a leader's lease may be before /healthz fails
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration::any, allow_hyphen_values = true, requires = "health_listen")]
    pub(super) health_tolerance: Duration,

    /// What the election is called in metrics, as the label `name`; the same for all its candidates [default: the lock, as the log says it]
    #[arg(long, value_name = "NAME", requires = "health_listen", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,

    /// Who is ready for /readyz; nobody who has been asked to stop is
    #[arg(
        long,
        value_name = "WHO",
        default_value = "anyone",
        requires = "health_listen"
    )]
    pub(super) ready: Ready,
}

/// [`Readiness`] as a flag.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Ready {
    /// The leader alone: for a Service that is to reach nobody else
    Leader,
    /// Whoever takes part and has seen the lock: a roll-out waits for it
    Anyone,
}

impl From<Ready> for Readiness {
    fn from(ready: Ready) -> Self {
        match ready {
            Ready::Leader => Self::LeaderOnly,
            Ready::Anyone => Self::Anyone,
        }
    }
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddr {
    text: String,
    /// Those to try, in this order, until one can be had.
    tries: Vec<SocketAddr>,
}

impl ListenAddr {
    pub(super) fn tries(&self) -> &[SocketAddr] {
        &self.tries
    }
}

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "an address to listen on is written 127.0.0.1:8080, [::1]:8080, localhost:8080, or :8080 for all";
        let tries = if let Some(port) = text.strip_prefix(':') {
            // As Go has it. Where a machine has no IPv6, IPv4 alone.
            let port = port.parse().map_err(|_| EXPECTED)?;
            vec![
                (Ipv6Addr::UNSPECIFIED, port).into(),
                (Ipv4Addr::UNSPECIFIED, port).into(),
            ]
        } else if let Some(port) = text.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| EXPECTED)?;
            vec![
                (Ipv4Addr::LOCALHOST, port).into(),
                (Ipv6Addr::LOCALHOST, port).into(),
            ]
        } else {
            vec![text.parse().map_err(|_| EXPECTED)?]
        };
        Ok(Self {
            text: text.to_owned(),
            tries,
        })
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
