//! `--lock`: which store, where, and which name in it.
//!
//! A form is an entry of [`FORMS`]; a store is a variant of [`LockArg`] and that variant's arm in [`LockArg::open`].

use std::str::FromStr;
use std::sync::Arc;

use leaderelection::ResourceLock;

use crate::etcd_args::EtcdAccess;
#[cfg(feature = "etcd")]
use crate::etcd_args::Password;
#[cfg(feature = "kube")]
use crate::events;
use crate::events::Recorder;

/// A lock as the command line names it.
#[derive(Debug, Clone)]
pub(crate) enum LockArg {
    #[cfg(feature = "etcd")]
    Etcd(leaderelection_etcd::EtcdUrl),
    #[cfg(feature = "kube")]
    Kube(leaderelection_kube::LockRef),
}

/// A way to write a lock.
struct Form {
    scheme: &'static str,
    syntax: &'static str,
    /// The cargo feature that brings it.
    feature: &'static str,
    /// `None`: not compiled in.
    read: Option<ReadForm>,
}

type ReadForm = fn(&str) -> Result<LockArg, String>;

/// Every form that this source knows, compiled in or not.
const FORMS: &[Form] = &[
    etcd_form("etcd:", "etcd://HOST:PORT[,HOST:PORT…]/KEY"),
    etcd_form("etcds:", "etcds://HOST:PORT[,HOST:PORT…]/KEY"),
    kube_form("leases:", "leases:NAMESPACE/NAME"),
    kube_form("configmaps:", "configmaps:NAMESPACE/NAME"),
    kube_form("endpoints:", "endpoints:NAMESPACE/NAME"),
];

/// A key of etcd, with TLS or without.
const fn etcd_form(scheme: &'static str, syntax: &'static str) -> Form {
    Form {
        scheme,
        syntax,
        feature: "etcd",
        #[cfg(feature = "etcd")]
        read: Some(|text| {
            text.parse()
                .map(LockArg::Etcd)
                .map_err(|error: leaderelection_etcd::SetupError| error.to_string())
        }),
        #[cfg(not(feature = "etcd"))]
        read: None,
    }
}

/// An object of Kubernetes, by its kind.
const fn kube_form(scheme: &'static str, syntax: &'static str) -> Form {
    Form {
        scheme,
        syntax,
        feature: "kube",
        #[cfg(feature = "kube")]
        read: Some(|text| {
            text.parse()
                .map(LockArg::Kube)
                .map_err(|error: leaderelection_kube::SetupError| error.to_string())
        }),
        #[cfg(not(feature = "kube"))]
        read: None,
    }
}

/// Why a text names no lock that this program can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LockArgError {
    #[error("no such form of a lock; this leaderelect knows: {}", known_forms())]
    UnknownForm,
    #[error("a lock of the form {syntax} is not compiled in: build leaderelect with the feature `{feature}`")]
    NotCompiled {
        syntax: &'static str,
        feature: &'static str,
    },
    #[error("{0}")]
    Malformed(String),
}

fn known_forms() -> String {
    let forms = FORMS.iter().map(|form| match form.read {
        Some(_) => form.syntax.to_owned(),
        None => format!("{} (when built with the feature `{}`)", form.syntax, form.feature),
    });
    forms.collect::<Vec<_>>().join(", ")
}

impl FromStr for LockArg {
    type Err = LockArgError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = FORMS
            .iter()
            .find(|form| text.starts_with(form.scheme))
            .ok_or(LockArgError::UnknownForm)?;
        let read = form.read.ok_or(LockArgError::NotCompiled {
            syntax: form.syntax,
            feature: form.feature,
        })?;
        read(text).map_err(LockArgError::Malformed)
    }
}

impl LockArg {
    /// Whether its store has Kubernetes' Events.
    pub(crate) fn has_events(&self) -> bool {
        // A place, so that there is nothing to match where no store is compiled in.
        match *self {
            #[cfg(feature = "etcd")]
            Self::Etcd(_) => false,
            #[cfg(feature = "kube")]
            Self::Kube(_) => true,
        }
    }

    /// Whether it is a key of etcd.
    pub(crate) fn is_etcd(&self) -> bool {
        match *self {
            #[cfg(feature = "etcd")]
            Self::Etcd(_) => true,
            #[cfg(feature = "kube")]
            Self::Kube(_) => false,
        }
    }

    /// Whether it is a key of an etcd with TLS.
    pub(crate) fn is_etcd_with_tls(&self) -> bool {
        match *self {
            #[cfg(feature = "etcd")]
            Self::Etcd(ref url) => url.is_tls(),
            #[cfg(feature = "kube")]
            Self::Kube(_) => false,
        }
    }

    /// Its name in the record of the other lock of a move: the same for all who mean the same lock, by whichever endpoints.
    pub(crate) fn name_in_a_move(&self) -> String {
        match *self {
            #[cfg(feature = "etcd")]
            Self::Etcd(ref url) => format!("etcd:{}", url.key()),
            #[cfg(feature = "kube")]
            Self::Kube(ref object) => object.to_string(),
        }
    }

    /// Makes the lock. Whether its store answers shows later.
    #[cfg_attr(not(feature = "etcd"), expect(unused_variables, reason = "no lock needs it"))]
    pub(crate) async fn open(self, etcd: &EtcdAccess) -> Result<Opened, String> {
        match self {
            #[cfg(feature = "etcd")]
            Self::Etcd(url) => match open_etcd(&url, etcd).await {
                Ok(lock) => Ok(Opened { lock, recorder: None }),
                Err(error) => Err(error.to_string()),
            },
            #[cfg(feature = "kube")]
            Self::Kube(object) => match leaderelection_kube::KubeConnection::infer().await {
                Ok(connection) => Ok(Opened {
                    lock: connection.lock(&object),
                    recorder: Some(Recorder::new(&connection, &object, events::COMPONENT)),
                }),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// A lock that is open, and who can write Events about it.
pub(crate) struct Opened {
    pub(crate) lock: Arc<dyn ResourceLock>,
    pub(crate) recorder: Option<Recorder>,
}

#[cfg(feature = "etcd")]
async fn open_etcd(
    url: &leaderelection_etcd::EtcdUrl,
    access: &EtcdAccess,
) -> Result<Arc<dyn ResourceLock>, leaderelection_etcd::SetupError> {
    let mut connection = url.connection();
    if url.is_tls() {
        let mut tls = leaderelection_etcd::EtcdTls::new();
        if let Some(file) = &access.cacert {
            tls = tls.ca_file(file);
        }
        if let Some((certificate, key)) = &access.certificate {
            tls = tls.client_files(certificate, key);
        }
        if let Some(name) = &access.server_name {
            tls = tls.server_name(name);
        }
        connection = connection.tls(tls);
    }
    connection = match &access.user {
        Some((user, Password::Given(password))) => connection.user(user, password),
        Some((user, Password::File(file))) => connection.user_with_password_file(user, file),
        None => connection,
    };
    let lock = connection.connect().await?.lock(url.key())?;
    Ok(Arc::new(match access.garbage_after {
        Some(after) => lock.garbage_collect_after(after)?,
        None => lock,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> LockArgError {
        text.parse::<LockArg>().unwrap_err()
    }

    #[test]
    fn an_unknown_form_is_answered_with_the_known_ones() {
        for text in [
            "",
            "leader",
            "redis://h:1/k",
            "pods:default/leader",
            "endpoints",
            "lease:default/leader",
            "ETCD://h:1/k",
        ] {
            let error = problem(text);
            assert_eq!(error, LockArgError::UnknownForm, "{text}");
            for form in FORMS {
                assert!(error.to_string().contains(form.syntax), "{error}");
            }
        }
    }

    #[cfg(feature = "etcd")]
    #[test]
    fn an_etcd_lock_is_read_and_a_malformed_one_says_what_is_wrong() {
        assert!(matches!("etcd://h:1,i:2/k".parse(), Ok(LockArg::Etcd(url)) if !url.is_tls()));
        assert!(matches!("etcds://h:1,i:2/k".parse(), Ok(LockArg::Etcd(url)) if url.is_tls()));
        for text in ["etcd:h:1/k", "etcd://h:1", "etcd://h/k", "etcd://h:1/"] {
            let error = problem(text);
            assert!(matches!(error, LockArgError::Malformed(_)), "{text}: {error}");
        }
    }

    #[cfg(feature = "kube")]
    #[test]
    fn a_lock_on_kubernetes_is_read_and_a_malformed_one_says_what_is_wrong() {
        for kind in ["leases", "configmaps", "endpoints"] {
            let lock = format!("{kind}:ns/n");
            assert!(matches!(lock.parse(), Ok(LockArg::Kube(object)) if object.to_string() == lock));
            for object in ["", "n", "ns/", "Ns/n", "//ns/n"] {
                let text = format!("{kind}:{object}");
                let error = problem(&text);
                assert!(matches!(error, LockArgError::Malformed(_)), "{text}: {error}");
            }
        }
    }

    #[cfg(not(all(feature = "etcd", feature = "kube")))]
    #[test]
    fn a_form_that_is_not_compiled_in_names_its_feature() {
        for (text, feature, compiled) in [
            ("etcd://h:1/k", "feature `etcd`", cfg!(feature = "etcd")),
            ("etcds://h:1/k", "feature `etcd`", cfg!(feature = "etcd")),
            ("leases:ns/n", "feature `kube`", cfg!(feature = "kube")),
            ("endpoints:ns/n", "feature `kube`", cfg!(feature = "kube")),
        ] {
            if !compiled {
                for text in [text, "redis://h:1/k"] {
                    let error = problem(text).to_string();
                    assert!(error.contains(feature), "{text}: {error}");
                }
            }
        }
    }
}
