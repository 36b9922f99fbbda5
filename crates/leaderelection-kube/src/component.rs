//! A lock by the component configuration that Kubernetes' Go programs have, too.

use leaderelection::{ConfigError, ConfigProblem, LeaderElectionConfiguration};

use crate::lock_ref::{KINDS, LockRef};
use crate::names;

/// The lock that a configuration names, for [`KubeConnection::lock`](crate::KubeConnection::lock): `resourceLock`,
/// `resourceNamespace` and `resourceName`. Whether the program is to elect at all, `leaderElect`, it does not ask.
///
/// The error names all three where all are wrong, each with its value and what is allowed.
///
/// ```
/// use leaderelection::LeaderElectionConfiguration;
/// use leaderelection_kube::LockRef;
///
/// let mut config = LeaderElectionConfiguration {
///     resource_namespace: "my-namespace".to_owned(),
///     resource_name: "my-controller".to_owned(),
///     ..Default::default()
/// };
/// assert_eq!(LockRef::try_from(&config)?.to_string(), "leases:my-namespace/my-controller");
///
/// config.resource_lock = "pods".to_owned();
/// assert_eq!(
///     LockRef::try_from(&config).unwrap_err().to_string(),
///     r#"resourceLock: "pods": must be "leases", "configmaps" or "endpoints""#
/// );
/// # Ok::<(), leaderelection::ConfigError>(())
/// ```
impl TryFrom<&LeaderElectionConfiguration> for LockRef {
    type Error = ConfigError;

    fn try_from(config: &LeaderElectionConfiguration) -> Result<Self, ConfigError> {
        let (namespace, name) = (&config.resource_namespace, &config.resource_name);
        let mut problems = config.lock_problems();
        let names = [
            ("resourceNamespace", namespace, names::namespace(namespace)),
            ("resourceName", name, names::object(name)),
        ];
        for (field, value, allowed) in names {
            match allowed {
                // What is missing is told already.
                Err(problem) if !value.is_empty() => {
                    problems.push(ConfigProblem::new(field, format!("{value:?}"), problem));
                }
                _ => {}
            }
        }
        let kind = KINDS
            .into_iter()
            .find(|kind| kind.prefix() == config.resource_lock);
        match kind {
            Some(kind) if problems.is_empty() => Ok(Self::checked(kind, namespace.clone(), name.clone())),
            _ => Err(ConfigError::new(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(kind: &str, namespace: &str, name: &str) -> LeaderElectionConfiguration {
        LeaderElectionConfiguration {
            resource_lock: kind.to_owned(),
            resource_namespace: namespace.to_owned(),
            resource_name: name.to_owned(),
            ..LeaderElectionConfiguration::default()
        }
    }

    /// Each kind that the configuration knows is one of the locks here, and the other way round.
    #[test]
    fn every_kind_of_the_configuration_is_a_lock() {
        let kinds = KINDS.map(super::super::lock_ref::Kind::prefix);
        assert_eq!(kinds, leaderelection::RESOURCE_LOCKS);
        for kind in kinds {
            let lock = LockRef::try_from(&config(kind, "ns", "a.b")).unwrap();
            assert_eq!(lock.to_string(), format!("{kind}:ns/a.b"));
        }
    }

    #[test]
    fn what_is_wrong_is_told_together() {
        for (config, said) in [
            (
                config("leases", "", ""),
                r#"resourceNamespace: "": is required; resourceName: "": is required"#,
            ),
            (
                config("leases", "NS", "a"),
                r#"resourceNamespace: "NS": only lower-case letters, digits, '-' and, in the name of an object, '.' are allowed"#,
            ),
            (
                config("configmaps", "ns", "-a"),
                r#"resourceName: "-a": it must begin and end with a lower-case letter or a digit, and so must every part between dots"#,
            ),
            (
                config("Leases", "a.b", "a/b"),
                r#"resourceLock: "Leases": must be "leases", "configmaps" or "endpoints"; resourceNamespace: "a.b": only lower-case letters, digits, '-' and, in the name of an object, '.' are allowed; resourceName: "a/b": only lower-case letters, digits, '-' and, in the name of an object, '.' are allowed"#,
            ),
            (
                config("endpointsleases", "ns", "a"),
                r#"resourceLock: "endpointsleases": must be "leases", "configmaps" or "endpoints". This one is client-go's for a move, and writes two objects: give all its candidates "leases" first, then "leases" here (docs/MOVING.md)"#,
            ),
        ] {
            let error = LockRef::try_from(&config).unwrap_err();
            assert_eq!(error.to_string(), said);
        }
    }
}
