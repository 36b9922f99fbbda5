//! A lock in one word, for flags and configuration files: `endpoints:NAMESPACE/NAME`.

use std::fmt;
use std::str::FromStr;

use crate::names;
use crate::setup::SetupError;

/// Names a lock on Kubernetes. Its text is `endpoints:NAMESPACE/NAME`.
///
/// ```
/// use leaderelection_kube::LockRef;
///
/// let lock: LockRef = "endpoints:kube-system/my-controller".parse()?;
/// assert_eq!((lock.namespace(), lock.name()), ("kube-system", "my-controller"));
/// assert_eq!(lock.to_string(), "endpoints:kube-system/my-controller");
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
    Endpoints,
}

impl LockRef {
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
        Ok(Self {
            kind,
            namespace,
            name,
        })
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
    fn prefix(self) -> &'static str {
        match self {
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
        let kind = match kind {
            "endpoints" => Kind::Endpoints,
            other => return Err(bad(format!("locks on {other:?} are not known"))),
        };
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
        let lock = LockRef::endpoints("ns", "a.b").unwrap();
        assert_eq!(lock.to_string(), "endpoints:ns/a.b");
        assert_eq!(lock.to_string().parse(), Ok(lock));
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
        ] {
            let error = text.parse::<LockRef>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
