//! A lock in one word, for flags and configuration files, such as `leases:NAMESPACE/NAME`.

use std::fmt;
use std::str::FromStr;

use crate::names;
use crate::setup::SetupError;

/// Names a lock on Kubernetes. Its text is `leases:NAMESPACE/NAME`, `configmaps:NAMESPACE/NAME` or
/// `endpoints:NAMESPACE/NAME`.
///
/// ```
/// use leaderelection_kube::LockRef;
///
/// let lock: LockRef = "leases:kube-system/my-controller".parse()?;
/// assert_eq!((lock.namespace(), lock.name()), ("kube-system", "my-controller"));
/// assert_eq!(lock.to_string(), "leases:kube-system/my-controller");
/// # Ok::<(), leaderelection_kube::SetupError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LockRef {
    kind: Kind,
    namespace: String,
    name: String,
}

/// The kinds of objects that can carry a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Leases,
    ConfigMaps,
    Endpoints,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Leases, Kind::ConfigMaps, Kind::Endpoints];

impl LockRef {
    /// The lock on a Lease.
    ///
    /// # Errors
    /// When Kubernetes does not allow such a name.
    pub fn lease(namespace: impl Into<String>, name: impl Into<String>) -> Result<Self, SetupError> {
        Self::new(Kind::Leases, namespace.into(), name.into())
    }

    /// The lock on a ConfigMap.
    ///
    /// # Errors
    /// When Kubernetes does not allow such a name.
    pub fn config_map(namespace: impl Into<String>, name: impl Into<String>) -> Result<Self, SetupError> {
        Self::new(Kind::ConfigMaps, namespace.into(), name.into())
    }

    /// The lock on an Endpoints object.
    ///
    /// # Errors
    /// When Kubernetes does not allow such a name.
    pub fn endpoints(namespace: impl Into<String>, name: impl Into<String>) -> Result<Self, SetupError> {
        Self::new(Kind::Endpoints, namespace.into(), name.into())
    }

    fn new(kind: Kind, namespace: String, name: String) -> Result<Self, SetupError> {
        if let Err(problem) = names::namespace(&namespace) {
            return Err(SetupError::BadNamespace { namespace, problem });
        }
        if let Err(problem) = names::object(&name) {
            return Err(SetupError::BadName { name, problem });
        }
        Ok(Self::checked(kind, namespace, name))
    }

    /// Of names that were found to be allowed.
    pub(crate) fn checked(kind: Kind, namespace: String, name: String) -> Self {
        Self {
            kind,
            namespace,
            name,
        }
    }

    /// The namespace of the object.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

impl Kind {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Leases => "leases",
            Self::ConfigMaps => "configmaps",
            Self::Endpoints => "endpoints",
        }
    }
}

impl fmt::Display for LockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.kind.prefix(), self.namespace, self.name)
    }
}

impl FromStr for LockRef {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let bad = |problem: String| SetupError::BadReference {
            reference: text.to_owned(),
            problem,
        };
        let (kind, object) = text
            .split_once(':')
            .ok_or_else(|| bad("there is no ':' after the kind of object".to_owned()))?;
        let kind = KINDS
            .into_iter()
            .find(|known| known.prefix() == kind)
            .ok_or_else(|| bad(format!("locks on {kind:?} are not known")))?;
        let (namespace, name) = object
            .split_once('/')
            .ok_or_else(|| bad("there is no '/' between namespace and name".to_owned()))?;
        Self::new(kind, namespace.to_owned(), name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_is_parsed() {
        for (lock, text) in [
            (LockRef::lease("ns", "a.b"), "leases:ns/a.b"),
            (LockRef::config_map("ns", "a.b"), "configmaps:ns/a.b"),
            (LockRef::endpoints("ns", "a.b"), "endpoints:ns/a.b"),
        ] {
            let lock = lock.unwrap();
            assert_eq!(lock.to_string(), text);
            assert_eq!(text.parse(), Ok(lock));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("", "no ':'"),
            ("ns/name", "no ':'"),
            ("endpoints:name", "no '/'"),
            ("endpoints:/name", "namespace \"\": it is empty"),
            ("endpoints:ns/", "name \"\" of a lock: it is empty"),
            ("endpoints:ns/a/b", "name \"a/b\" of a lock: only lower-case"),
            ("endpoints:NS/a", "namespace \"NS\": only lower-case"),
            ("Endpoints:ns/a", "\"Endpoints\" are not known"),
            ("pods:ns/a", "\"pods\" are not known"),
            ("lease:ns/a", "\"lease\" are not known"),
            ("leases:a", "no '/'"),
            ("configmaps:ns/A", "name \"A\" of a lock: only lower-case"),
        ] {
            let error = text.parse::<LockRef>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
