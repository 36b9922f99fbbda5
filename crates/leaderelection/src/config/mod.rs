//! The component configuration `LeaderElectionConfiguration`, as Kubernetes' Go components have it.
//!
//! ```text
//! mod.rs        the configuration, and what follows from it
//! fields.rs     how its fields are read, so that an error names the field, the value and what is allowed
//! duration.rs   durations as Go writes them
//! error.rs      all that is wrong, together
//! flags.rs      the flags --leader-elect… (feature `clap`)
//! ```

mod duration;
mod error;
mod fields;
#[cfg(feature = "clap")]
mod flags;

use std::time::Duration;

use serde::Serialize;

pub use self::error::{ConfigError, ConfigProblem};
#[cfg(feature = "clap")]
pub use self::flags::LeaderElectionFlags;
use crate::timing::{LeaseTiming, TimingError};

/// The values of `resourceLock` for which there is a lock.
pub const RESOURCE_LOCKS: [&str; 3] = ["leases", "configmaps", "endpoints"];

/// The part of a program's configuration file that is about its election, with the fields of Go's
/// `k8s.io/component-base/config/v1alpha1`: a file that serves a program in Go serves one in Rust.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `leaderElect` | `true` | whether to elect at all, or just to work: see [`leader_elect`](Self::leader_elect) |
/// | `leaseDuration` | `15s` | how long others see the lease stand still before they take over |
/// | `renewDeadline` | `10s` | how long a leader leads after its last successful renewal was sent |
/// | `retryPeriod` | `2s` | how often the lease is renewed |
/// | `resourceLock` | `leases` | the kind of object: `leases`, `configmaps` or `endpoints` |
/// | `resourceName` | none | the object's name |
/// | `resourceNamespace` | none | the object's namespace |
///
/// Durations are strings as Go writes them, `15s`, `1m30s`, `1h0m0s`, `1.5s` or `300ms`, and are written so again, to the letter.
/// A field that is missing has its default, and so has, as in Go, one that is there and empty: a duration of `0s`, a
/// `resourceLock` of `""`, a `leaderElect` of `null`. Go's own default for `resourceLock` still says `endpoints`; its
/// components all set `leases`, the only kind that it has left. A field that is not known is an error, as is a
/// duration that is a number, has another unit, or is negative.
///
/// It is read in place, within a configuration of your own, in any format of serde that describes itself: JSON, YAML, TOML; RON with
/// `implicit_some`. The feature `clap` has the flags
/// `--leader-elect…`, of which those that are given override it (`LeaderElectionFlags`). A lock on Kubernetes is made of it by
/// `leaderelection-kube`; for another store only the durations serve.
///
/// ```
/// use leaderelection::LeaderElectionConfiguration;
///
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "camelCase")]
/// struct Config {
///     #[serde(default)]
///     leader_election: LeaderElectionConfiguration,
///     workers: u32,
/// }
///
/// let file = r#"{"workers": 4, "leaderElection": {"leaseDuration": "1m30s", "renewDeadline": "1m0s"}}"#;
/// let config: Config = serde_json::from_str(file)?;
/// let timing = config.leader_election.timing()?;
/// assert_eq!(timing.lease_duration().as_secs(), 90);
/// assert_eq!(timing.retry_period().as_secs(), 2);
/// # assert_eq!(config.workers, 4);
///
/// let wrong = LeaderElectionConfiguration {
///     lease_duration: timing.renew_deadline(),
///     resource_lock: "pods".to_owned(),
///     ..config.leader_election
/// };
/// let error = wrong.validate().unwrap_err();
/// let said: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
/// assert_eq!(said, [
///     r#"leaseDuration: "1m0s": must be greater than renewDeadline, "1m0s""#,
///     r#"resourceLock: "pods": must be "leases", "configmaps" or "endpoints""#,
///     r#"resourceNamespace: "": is required"#,
///     r#"resourceName: "": is required"#,
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderElectionConfiguration {
    /// Whether to elect at all. Where it is `false` there is no lock to open and no elector to build: the program does its work
    /// as if it led, and nobody keeps others from doing the same. Nothing else of the configuration counts then, and
    /// [`validate`](Self::validate) has nothing against it.
    pub leader_elect: bool,
    /// L of [`LeaseTiming`].
    #[serde(serialize_with = "fields::write_duration")]
    pub lease_duration: Duration,
    /// R of [`LeaseTiming`].
    #[serde(serialize_with = "fields::write_duration")]
    pub renew_deadline: Duration,
    /// P of [`LeaseTiming`].
    #[serde(serialize_with = "fields::write_duration")]
    pub retry_period: Duration,
    /// The kind of object that is the lock, one of [`RESOURCE_LOCKS`]. Only a lock on Kubernetes asks.
    pub resource_lock: String,
    /// The object's name. A program that has one of its own sets it where this is empty.
    pub resource_name: String,
    /// The object's namespace.
    pub resource_namespace: String,
}

impl Default for LeaderElectionConfiguration {
    /// Go's recommended defaults: elect, 15 s / 10 s / 2 s, on a Lease without a name yet.
    fn default() -> Self {
        let timing = LeaseTiming::default();
        Self {
            leader_elect: true,
            lease_duration: timing.lease_duration(),
            renew_deadline: timing.renew_deadline(),
            retry_period: timing.retry_period(),
            resource_lock: "leases".to_owned(),
            resource_name: String::new(),
            resource_namespace: String::new(),
        }
    }
}

impl LeaderElectionConfiguration {
    /// The durations; what Go's configuration does not have (stop grace, drain timeout, margin, …) is at its default.
    ///
    /// # Errors
    /// With all that is wrong with the durations: Go's rules `L > R` and `R > 1.2 P`, and those of [`LeaseTiming::new`].
    pub fn timing(&self) -> Result<LeaseTiming, ConfigError> {
        let checked = LeaseTiming::new(self.lease_duration, self.renew_deadline, self.retry_period);
        checked.map_err(|_| ConfigError::new(self.timing_problems()))
    }

    /// What Go's `ValidateLeaderElectionConfiguration` asks and what an elector asks, of all fields at once. Of names it asks
    /// that they are there; whether Kubernetes allows them, a lock on Kubernetes checks.
    ///
    /// # Errors
    /// With all that is wrong. Where `leader_elect` is `false`, nothing is.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !self.leader_elect {
            return Ok(());
        }
        let mut problems = self.timing_problems();
        problems.extend(self.lock_problems());
        match problems.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::new(problems)),
        }
    }

    /// What is wrong with the fields that name a lock on Kubernetes: a kind for which there is no lock, and names that are
    /// missing. For whoever makes a lock of it.
    pub fn lock_problems(&self) -> Vec<ConfigProblem> {
        let kind = resource_lock_problem(&self.resource_lock)
            .map(|problem| ConfigProblem::new("resourceLock", quoted(&self.resource_lock), problem));
        let names = [
            ("resourceNamespace", &self.resource_namespace),
            ("resourceName", &self.resource_name),
        ];
        let missing = names
            .into_iter()
            .filter(|(_, name)| name.is_empty())
            .map(|(field, name)| ConfigProblem::new(field, quoted(name), "is required"));
        kind.into_iter().chain(missing).collect()
    }

    fn timing_problems(&self) -> Vec<ConfigProblem> {
        LeaseTiming::problems_of(self.lease_duration, self.renew_deadline, self.retry_period)
            .iter()
            .map(|problem| self.told(problem))
            .collect()
    }

    /// A problem of the timing in the words of the file.
    fn told(&self, problem: &TimingError) -> ConfigProblem {
        let written = |duration| quoted(&duration::written(duration));
        let (field, value, problem) = match problem {
            TimingError::Zero { name } => (*name, Duration::ZERO, "must be greater than 0".to_owned()),
            TimingError::TooLong { name, value, limit } => {
                (*name, *value, format!("must be at most {}", written(*limit)))
            }
            TimingError::LeaseNotAboveRenewDeadline { renew_deadline, .. } => (
                "lease_duration",
                self.lease_duration,
                format!("must be greater than renewDeadline, {}", written(*renew_deadline)),
            ),
            TimingError::RenewDeadlineTooShort {
                retry_period, least, ..
            } => {
                let (retry_period, least) = (written(*retry_period), written(*least));
                let problem = format!("must be greater than retryPeriod, {retry_period}, x 1.2 = {least}");
                ("renew_deadline", self.renew_deadline, problem)
            }
            // No field of this configuration.
            TimingError::StopGraceTooLong { .. } | TimingError::AttemptTimeoutTooLong { .. } => {
                ("lease_duration", self.lease_duration, problem.to_string())
            }
        };
        ConfigProblem::new(field_of(field), written(value), problem)
    }
}

/// What the file calls a duration.
fn field_of(name: &str) -> &'static str {
    match name {
        "renew_deadline" => "renewDeadline",
        "retry_period" => "retryPeriod",
        _ => "leaseDuration",
    }
}

/// Why there is no such lock, and what to say instead.
fn resource_lock_problem(kind: &str) -> Option<String> {
    if RESOURCE_LOCKS.contains(&kind) {
        return None;
    }
    let allowed = r#"must be "leases", "configmaps" or "endpoints""#;
    Some(match kind {
        "" => format!("is required: {allowed}"),
        "endpointsleases" | "configmapsleases" => format!(
            r#"{allowed}. This one is client-go's for a move, and writes two objects: give all its candidates "leases" first, then "leases" here (docs/MOVING.md)"#
        ),
        _ => allowed.to_owned(),
    })
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
