//! An authority of certificates that lives as long as a test. Its key never leaves the process.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

use super::ServerError;

/// Signs certificates for servers on loopback and for their clients.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, as files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When there is no temporary folder.
    pub fn new() -> Result<Self, ServerError> {
        let folder = tempfile::Builder::new()
            .prefix("leaderelection-authority-")
            .tempdir()
            .map_err(ServerError::io("make a temporary folder"))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // A client tells authorities apart by their names first.
        let name = format!("authority {}", folder.path().display());
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = KeyPair::generate()
            .and_then(|key| CertifiedIssuer::self_signed(params, key))
            .map_err(io)?;
        let authority = Self { issuer, folder };
        authority.write("ca.crt", &authority.issuer.pem())?;
        Ok(authority)
    }

    /// Its own certificate, in PEM.
    pub fn file(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// A certificate for a server on loopback, by those names and addresses.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn server(&self, names: &[&str]) -> Result<CertificateFiles, ServerError> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        self.sign("server", names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client of that name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn client(&self, name: &str) -> Result<CertificateFiles, ServerError> {
        self.sign(name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        name: &str,
        names: Vec<String>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<CertificateFiles, ServerError> {
        let key = KeyPair::generate().map_err(io)?;
        let mut params = CertificateParams::new(names).map_err(io)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).map_err(io)?;
        Ok(CertificateFiles {
            certificate: self.write(&format!("{name}.crt"), &certificate.pem())?,
            key: self.write(&format!("{name}.key"), &key.serialize_pem())?,
        })
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, ServerError> {
        let path = self.path(name);
        fs::write(&path, text).map_err(ServerError::io(format!("write {}", path.display())))?;
        Ok(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}

fn io(error: rcgen::Error) -> ServerError {
    ServerError::io("make a certificate")(std::io::Error::other(error))
}
