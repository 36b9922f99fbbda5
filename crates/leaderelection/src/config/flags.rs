//! The flags of Go's components, for a parser by clap.

use std::time::Duration;

use super::{LeaderElectionConfiguration, duration, resource_lock_problem};

/// The flags `--leader-elect…` of Kubernetes' components, to be flattened into a parser of your own (feature `clap`).
///
/// Each is `None` unless it was given, so that [`over`](Self::over) lets those alone override a configuration file. Values are
/// read as Go reads them: `--leader-elect` alone is `true`, `--leader-elect=false` needs the `=`, and durations are written
/// `15s`, `1m30s` or `300ms`. What no election could use, such as a duration of zero or a kind of lock that is not known, is
/// refused by the flag already.
///
/// ```
/// use clap::Parser;
/// use leaderelection::{LeaderElectionConfiguration, LeaderElectionFlags};
///
/// #[derive(Parser)]
/// struct Args {
///     #[command(flatten)]
///     leader_election: LeaderElectionFlags,
/// }
///
/// let file = LeaderElectionConfiguration {
///     retry_period: std::time::Duration::from_secs(3),
///     ..Default::default()
/// };
/// let args = Args::parse_from(["program", "--leader-elect-lease-duration=1m30s"]);
/// let config = args.leader_election.over(file);
/// assert_eq!(config.lease_duration.as_secs(), 90); // the flag's
/// assert_eq!(config.retry_period.as_secs(), 3); // the file's
/// assert_eq!(config.renew_deadline.as_secs(), 10); // the default
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct LeaderElectionFlags {
    /// Elect a leader among all copies of this program, and work only while leading [default: true]
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = go_bool,
        help_heading = HEADING
    )]
    pub leader_elect: Option<bool>,

    /// How long others see the lease stand still before they take over [default: 15s]
    #[arg(long, value_name = "DURATION", value_parser = positive, allow_hyphen_values = true, help_heading = HEADING)]
    pub leader_elect_lease_duration: Option<Duration>,

    /// How long a leader leads after its last successful renewal was sent; less than the lease duration [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = positive, allow_hyphen_values = true, help_heading = HEADING)]
    pub leader_elect_renew_deadline: Option<Duration>,

    /// How often the lease is renewed; the renew deadline is more than 1.2 times this [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = positive, allow_hyphen_values = true, help_heading = HEADING)]
    pub leader_elect_retry_period: Option<Duration>,

    /// The kind of object that is the lock: leases, configmaps or endpoints [default: leases]
    #[arg(long, value_name = "KIND", value_parser = resource_lock, help_heading = HEADING)]
    pub leader_elect_resource_lock: Option<String>,

    /// The name of the object that is the lock
    #[arg(long, value_name = "NAME", value_parser = not_empty(), help_heading = HEADING)]
    pub leader_elect_resource_name: Option<String>,

    /// The namespace of the object that is the lock
    #[arg(long, value_name = "NAMESPACE", value_parser = not_empty(), help_heading = HEADING)]
    pub leader_elect_resource_namespace: Option<String>,
}

/// On each flag of its own: as one for all that follow, it would be that of the user's flags, too.
const HEADING: &str = "Leader election (a flag overrides the configuration file)";

impl LeaderElectionFlags {
    /// The configuration of a file, overridden by the flags that were given.
    #[must_use]
    pub fn over(self, file: LeaderElectionConfiguration) -> LeaderElectionConfiguration {
        LeaderElectionConfiguration {
            leader_elect: self.leader_elect.unwrap_or(file.leader_elect),
            lease_duration: self.leader_elect_lease_duration.unwrap_or(file.lease_duration),
            renew_deadline: self.leader_elect_renew_deadline.unwrap_or(file.renew_deadline),
            retry_period: self.leader_elect_retry_period.unwrap_or(file.retry_period),
            resource_lock: self.leader_elect_resource_lock.unwrap_or(file.resource_lock),
            resource_name: self.leader_elect_resource_name.unwrap_or(file.resource_name),
            resource_namespace: self
                .leader_elect_resource_namespace
                .unwrap_or(file.resource_namespace),
        }
    }
}

/// As Go's `strconv.ParseBool`.
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    match duration::read(text)? {
        Duration::ZERO => Err("must be greater than 0".to_owned()),
        duration => Ok(duration),
    }
}

fn resource_lock(text: &str) -> Result<String, String> {
    match resource_lock_problem(text) {
        Some(problem) => Err(problem),
        None => Ok(text.to_owned()),
    }
}

fn not_empty() -> clap::builder::NonEmptyStringValueParser {
    clap::builder::NonEmptyStringValueParser::new()
}
