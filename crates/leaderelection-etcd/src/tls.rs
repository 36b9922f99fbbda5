//! TLS: whom to trust, and who one is.
//!
//! Everything is read and checked when the connection is made, so that a wrong file is an error that names it, and not a
//! handshake that fails later. etcd's client would skip what it cannot read.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Certificate, Identity, TlsOptions};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use rustls::sign::CertifiedKey;

use crate::setup::SetupError;

/// How to speak TLS with the members of a cluster: whom to trust, and with which certificate to show oneself.
///
/// As it is made, it trusts the authorities of the machine, for which the feature `tls-native-roots` is needed, and shows no
/// certificate. Certificates and keys are text in PEM. Files are read when the connection is made, and not again.
///
/// ```no_run
/// use leaderelection_etcd::{EtcdConnection, EtcdTls};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = EtcdTls::new()
///     .ca_file("/etc/etcd/ca.crt")
///     .client_files("/etc/etcd/client.crt", "/etc/etcd/client.key");
/// let etcd = EtcdConnection::builder(["10.0.0.1:2379"]).tls(tls).connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct EtcdTls {
    ca: Option<Pem>,
    client: Option<(Pem, Pem)>,
    server_name: Option<String>,
}

impl EtcdTls {
    /// Trusts the machine's authorities, shows no certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities whose certificates are in this text, and no others.
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(Pem::Given(pem.into()));
        self
    }

    /// As [`ca`](Self::ca), from a file.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Pem::File(path.into()));
        self
    }

    /// Shows this certificate, with those between it and its authority after it, for which it has this key: mTLS, etcd's
    /// `--client-cert-auth`.
    pub fn client(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.client = Some((Pem::Given(certificates.into()), Pem::Given(key.into())));
        self
    }

    /// As [`client`](Self::client), from files.
    pub fn client_files(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.client = Some((Pem::File(certificates.into()), Pem::File(key.into())));
        self
    }

    /// Expects a certificate for this name, or address, from every member. Unless it is set, the one for a member is its host
    /// in the endpoint.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Reads and checks everything.
    pub(crate) fn load(&self) -> Result<Loaded, SetupError> {
        let mut options = TlsOptions::new();
        match &self.ca {
            Some(ca) => options = options.ca_certificate(Certificate::from_pem(authorities(ca)?)),
            #[cfg(feature = "tls-native-roots")]
            None => options = options.with_native_roots(),
            #[cfg(not(feature = "tls-native-roots"))]
            None => return Err(SetupError::NoAuthority),
        }
        if let Some((certificates, key)) = &self.client {
            options = options.identity(identity(certificates, key)?);
        }
        if let Some(name) = &self.server_name {
            ServerName::try_from(name.as_str()).map_err(|_| SetupError::Tls {
                what: format!("server name {name:?}"),
                problem: "it is neither a DNS name nor an IP address".to_owned(),
            })?;
        }
        Ok(Loaded {
            options,
            server_name: self.server_name.clone(),
        })
    }
}

/// What was read, and is right.
pub(crate) struct Loaded {
    options: TlsOptions,
    server_name: Option<String>,
}

impl Loaded {
    /// For the member at that endpoint, which is `HOST:PORT`.
    pub(crate) fn options(&self, endpoint: &str, timeout: Duration) -> TlsOptions {
        let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
        // A certificate knows an IPv6 address without the brackets that it has in an endpoint.
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let name = self.server_name.as_deref().unwrap_or(host);
        self.options.clone().domain_name(name).timeout(timeout)
    }
}

/// A text in PEM.
#[derive(Clone)]
enum Pem {
    Given(Vec<u8>),
    File(PathBuf),
}

impl Pem {
    /// The text, and how to call it.
    fn read(&self, role: &str) -> Result<(Vec<u8>, String), SetupError> {
        match self {
            Self::Given(bytes) => Ok((bytes.clone(), role.to_owned())),
            Self::File(path) => {
                let what = format!("{role}, {}", path.display());
                match std::fs::read(path) {
                    Ok(bytes) => Ok((bytes, what)),
                    Err(error) => Err(wrong(&what, error)),
                }
            }
        }
    }
}

/// A key must not come into a log.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("…"),
            Self::File(path) => path.fmt(f),
        }
    }
}

fn wrong(what: &str, problem: impl fmt::Display) -> SetupError {
    SetupError::Tls {
        what: what.to_owned(),
        problem: problem.to_string(),
    }
}

fn authorities(ca: &Pem) -> Result<Vec<u8>, SetupError> {
    let (pem, what) = ca.read("the authorities to trust")?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&pem, &what)? {
        roots.add(certificate).map_err(|error| wrong(&what, error))?;
    }
    Ok(pem)
}

fn identity(certificate: &Pem, key: &Pem) -> Result<Identity, SetupError> {
    let (certificate, certificate_is) = certificate.read("the client's certificate")?;
    let (key, key_is) = key.read("the client's key")?;
    let chain = certificates(&certificate, &certificate_is)?;
    let private = PrivateKeyDer::from_pem_slice(&key).map_err(|error| match error {
        pem::Error::NoItemsFound => wrong(
            &key_is,
            "there is no private key in it that can be read (-----BEGIN PRIVATE KEY-----)",
        ),
        error => wrong(&key_is, error),
    })?;
    // As etcd's client chooses it.
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    CertifiedKey::from_der(chain, private, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            wrong(&key_is, format!("it is not the key of {certificate_is}"))
        }
        error => wrong(&format!("{certificate_is}, with {key_is}"), error),
    })?;
    Ok(Identity::from_pem(certificate, key))
}

/// At least one.
fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(what, error))?;
    if found.is_empty() {
        return Err(wrong(
            what,
            "there is no certificate in it (-----BEGIN CERTIFICATE-----)",
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn certificate() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["h".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn problem(tls: &EtcdTls) -> String {
        let Err(error) = tls.load() else {
            panic!("it is taken: {tls:?}")
        };
        error.to_string()
    }

    #[test]
    fn what_is_right_is_taken_and_the_key_stays_out_of_logs() {
        let (certificate, key) = certificate();
        let tls = EtcdTls::new()
            .ca(certificate.clone())
            .client(certificate, key.clone())
            .server_name("etcd.example");
        assert!(tls.load().is_ok());
        let shown = format!("{tls:?}");
        assert!(
            !shown.contains("PRIVATE") && !shown.contains(&key[30..60]),
            "{shown}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file_and_the_role() {
        let folder = tempfile::tempdir().unwrap();
        let ((certificate, key), (another, _)) = (certificate(), certificate());
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let good = file("good.crt", &certificate);
        let good_key = file("good.key", &key);
        let another = file("another.crt", &another);
        let empty = file("empty.crt", "");
        let no_base64 = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let no_base64 = file("no-base64.crt", no_base64);
        let no_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let no_x509 = file("no-x509.crt", no_x509);
        let missing = folder.path().join("missing.crt");

        let ca = |path: &PathBuf| problem(&EtcdTls::new().ca_file(path));
        let client =
            |path: &PathBuf, key: &PathBuf| problem(&EtcdTls::new().ca_file(&good).client_files(path, key));
        for (said, expected) in [
            (ca(&missing), ["authorities", "missing.crt", "No such file"]),
            (ca(&empty), ["authorities", "empty.crt", "no certificate"]),
            (ca(&good_key), ["authorities", "good.key", "no certificate"]),
            (ca(&no_base64), ["authorities", "no-base64.crt", "base64"]),
            (ca(&no_x509), ["authorities", "no-x509.crt", "certificate"]),
            (
                client(&missing, &good_key),
                ["certificate", "missing.crt", "No such file"],
            ),
            (
                client(&empty, &good_key),
                ["certificate", "empty.crt", "no certificate"],
            ),
            (client(&good, &missing), ["key", "missing.crt", "No such file"]),
            (client(&good, &good), ["key", "good.crt", "no private key"]),
            (
                client(&another, &good_key),
                ["good.key", "is not the key of", "another.crt"],
            ),
        ] {
            for part in expected {
                assert!(said.contains(part), "no {part:?} in: {said}");
            }
        }
        let said = problem(&EtcdTls::new().ca(certificate).server_name("a b"));
        assert!(said.contains("server name \"a b\""), "{said}");
    }

    #[cfg(not(feature = "tls-native-roots"))]
    #[test]
    fn without_an_authority_it_is_said_what_to_do() {
        let said = problem(&EtcdTls::new());
        assert!(said.contains("tls-native-roots"), "{said}");
    }
}
