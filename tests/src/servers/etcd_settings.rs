//! How an etcd is started.

use std::ffi::OsString;

use super::{Authority, ServerError};

const PROGRAM: &str = "etcd";

/// Of the oldest release line that still gets fixes.
const OLDEST: &str = "etcd-3.5";

/// How an [`Etcd`](super::Etcd) differs from a plain one.
#[derive(Debug, Clone, Default)]
pub struct EtcdSettings {
    pub(super) tls: Vec<OsString>,
    pub(super) flags: Vec<OsString>,
    /// Of its environment.
    pub(super) variables: Vec<(&'static str, String)>,
    oldest: bool,
}

impl EtcdSettings {
    /// A plain one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Clients speak TLS with it. Its certificate is by that authority, for the address that [`Etcd::endpoint`](super::Etcd::endpoint) names and for
    /// `localhost`.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn tls(self, authority: &Authority) -> Result<Self, ServerError> {
        self.tls_for(authority, &["127.0.0.1", "localhost"])
    }

    /// As [`tls`](Self::tls), with a certificate for those names alone.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn tls_for(mut self, authority: &Authority, names: &[&str]) -> Result<Self, ServerError> {
        let files = authority.server(names)?;
        self.tls = vec![
            "--cert-file".into(),
            files.certificate.into(),
            "--key-file".into(),
            files.key.into(),
        ];
        Ok(self)
    }

    /// With TLS, clients have to show a certificate by that authority.
    #[must_use]
    pub fn client_certificates(mut self, authority: &Authority) -> Self {
        self.tls.extend([
            "--client-cert-auth".into(),
            "--trusted-ca-file".into(),
            authority.file().into(),
        ]);
        self
    }

    /// Of the oldest release line that still gets fixes: v3.5.35.
    #[must_use]
    pub fn oldest(mut self) -> Self {
        self.oldest = true;
        self
    }

    pub(super) fn program(&self) -> &'static str {
        if self.oldest { OLDEST } else { PROGRAM }
    }

    /// With this flag.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([name.into(), value.into()]);
        self
    }
}
