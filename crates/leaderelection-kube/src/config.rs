//! Finding a cluster, and making a client that fits an election.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tokio::runtime::Handle;

use crate::credentials::Credentials;
use crate::failure::Reason;
use crate::proxy;
use crate::setup::SetupError;

/// How long a connection may take, TLS included. Nothing has been written when it passes, and a renew deadline of 10 s
/// leaves time for another try.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a pod has its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The files that `KUBECONFIG` names.
    Files(OsString),
    File(PathBuf),
    Pod,
    /// From the program. The files and plugins that it names are asked again each time that a client is made of it.
    Given(Box<Config>),
}

impl Source {
    /// What it says now.
    pub(crate) async fn load(&self) -> Result<Config, SetupError> {
        match self {
            Self::Files(files) => {
                let name = files.to_string_lossy().into_owned();
                let merged = merge(files).map_err(|error| broken(&name, &error))?;
                context(merged, &name).await
            }
            Self::File(path) => from_file(path).await,
            Self::Pod => in_cluster(),
            Self::Given(config) => Ok((**config).clone()),
        }
    }
}

/// As client-go: what is there decides, whether or not it is sound.
fn choose(
    kubeconfig: Option<&OsStr>,
    default: PathBuf,
    exists: impl Fn(&Path) -> bool,
    in_pod: bool,
) -> Result<Source, SetupError> {
    let named =
        kubeconfig.filter(|files| std::env::split_paths(files).any(|file| !file.as_os_str().is_empty()));
    if let Some(files) = named {
        Ok(Source::Files(files.to_owned()))
    } else if exists(&default) {
        Ok(Source::File(default))
    } else if in_pod {
        Ok(Source::Pod)
    } else {
        Err(SetupError::NoConfig { looked_for: default })
    }
}

pub(crate) fn infer() -> Result<Source, SetupError> {
    let kubeconfig = std::env::var_os("KUBECONFIG");
    let default = std::env::home_dir()
        .unwrap_or_default()
        .join(".kube")
        .join("config");
    let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    choose(kubeconfig.as_deref(), default, may_exist, in_pod)
}

/// The files of a list as one. As in client-go some may be missing, but not all.
fn merge(files: &OsStr) -> Result<Kubeconfig, KubeconfigError> {
    let files: Vec<PathBuf> = std::env::split_paths(files)
        .filter(|file| !file.as_os_str().is_empty())
        .collect();
    let all_are_missing = !files.iter().any(|file| may_exist(file));
    let mut merged = Kubeconfig::default();
    for file in files {
        if may_exist(&file) || all_are_missing {
            merged = merged.merge(Kubeconfig::read_from(file)?)?;
        }
    }
    Ok(merged)
}

/// What cannot be looked at may be there: to go on without it could mean another cluster.
fn may_exist(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

async fn from_file(path: &Path) -> Result<Config, SetupError> {
    let name = path.display().to_string();
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| broken(&name, &error))?;
    context(kubeconfig, &name).await
}

fn in_cluster() -> Result<Config, SetupError> {
    // kube does not say which file it is.
    Config::incluster().map_err(|error| SetupError::InCluster {
        reason: format!("{error} (of the service account in {SERVICE_ACCOUNT})"),
    })
}

/// The current context.
async fn context(kubeconfig: Kubeconfig, name: &str) -> Result<Config, SetupError> {
    let named = proxy::named_in(&kubeconfig);
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| broken(name, &error))?;
    // kube has dropped some, and taken others (see `proxy`).
    config.proxy_url = match named {
        Some(url) => Some(proxy::url(&url).map_err(|problem| SetupError::Proxy {
            named_by: format!("kubeconfig {name}"),
            problem,
        })?),
        None => proxy::of_environment(&config.cluster_url, |name| std::env::var(name).ok())?,
    };
    Ok(config)
}

fn broken(path: &str, error: &KubeconfigError) -> SetupError {
    let reason = match error {
        KubeconfigError::ReadConfig(error, file) if file.display().to_string() == path => error.to_string(),
        // kube's words would show the lines around the error, and secrets stand in a kubeconfig.
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => format!(
                "no kubeconfig in YAML: line {}, column {}",
                place.line(),
                place.column()
            ),
            None => "no kubeconfig in YAML".to_owned(),
        },
        KubeconfigError::ParseNoProxy(error) => format!("the variable NO_PROXY: {error}"),
        KubeconfigError::ParseProxyUrl(error) => format!("the proxy url, here or in HTTPS_PROXY: {error}"),
        error => error.to_string(),
    };
    SetupError::Kubeconfig {
        path: path.to_owned(),
        reason,
    }
}

/// A client that sends no credentials but a certificate, and what else there is to send.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) client: Client,
    pub(crate) credentials: Option<Credentials>,
}

/// A client for elections: each call is sent once, and a connection is made soon or not at all.
pub(crate) async fn client(mut config: Config) -> Result<Made, SetupError> {
    config.default_retry = false;
    config.connect_timeout = Some(
        config
            .connect_timeout
            .map_or(CONNECT_TIMEOUT, |limit| limit.min(CONNECT_TIMEOUT)),
    );
    config.read_timeout = None;
    crypto_provider()?;
    let runtime = Handle::try_current().map_err(|_| SetupError::NoRuntime)?;
    // A plugin that fetches the first token runs in there, and waits.
    let made = runtime.spawn_blocking(move || {
        let credentials = Credentials::taken_from(&mut config)?;
        let client = Client::try_from(config)?;
        Ok(Made { client, credentials })
    });
    match made.await {
        Ok(Ok(made)) => Ok(made),
        Ok(Err::<_, kube::Error>(error)) => Err(SetupError::Client {
            reason: Reason::new(error.into()).to_string(),
        }),
        Err(error) => Err(SetupError::Client {
            reason: error.to_string(),
        }),
    }
}

/// rustls panics where it finds no provider, or more than one.
#[cfg(feature = "rustls-tls")]
fn crypto_provider() -> Result<(), SetupError> {
    use rustls::crypto::CryptoProvider;

    if CryptoProvider::get_default().is_some() {
        return Ok(());
    }
    #[cfg(feature = "aws-lc-rs")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    let provider = rustls::crypto::ring::default_provider();
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    {
        // If somebody was faster, theirs is as good.
        let _ = provider.install_default();
        Ok(())
    }
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    Err(SetupError::NoCryptoProvider)
}

#[cfg(not(feature = "rustls-tls"))]
fn crypto_provider() -> Result<(), SetupError> {
    Ok(())
}

/// A server for people to read, without what else a URL may carry.
pub(crate) fn server(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("http");
    let host = url.host().unwrap_or_default();
    match url.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a word.
    fn chosen(kubeconfig: Option<&str>, exists: bool, in_pod: bool) -> Result<String, SetupError> {
        let default = "/home/me/.kube/config".into();
        let source = choose(kubeconfig.map(OsStr::new), default, |_| exists, in_pod)?;
        Ok(match source {
            Source::Files(files) => format!("files {}", files.display()),
            Source::File(file) => format!("file {}", file.display()),
            Source::Pod => "pod".to_owned(),
            Source::Given(_) => "given".to_owned(),
        })
    }

    #[test]
    fn what_is_there_decides() {
        let default = "file /home/me/.kube/config";
        for (kubeconfig, exists, in_pod, source) in [
            (Some("/a:/b"), true, true, "files /a:/b"),
            (Some("/missing"), false, true, "files /missing"),
            (Some(""), true, true, default),
            (Some(":"), true, false, default),
            (None, true, true, default),
            (None, false, true, "pod"),
        ] {
            assert_eq!(
                chosen(kubeconfig, exists, in_pod).as_deref(),
                Ok(source),
                "{kubeconfig:?} {exists} {in_pod}"
            );
        }
        let error = chosen(Some(""), false, false).unwrap_err().to_string();
        for said in ["KUBECONFIG is not set", "/home/me/.kube/config", "no pod"] {
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_server_is_told_without_its_secrets() {
        for (url, told) in [
            ("https://10.0.0.1:6443", "https://10.0.0.1:6443"),
            ("https://user:secret@host/path?token=secret", "https://host"),
            ("http://[::1]:80/", "http://[::1]:80"),
        ] {
            assert_eq!(server(&url.parse().unwrap()), told);
        }
    }
}
