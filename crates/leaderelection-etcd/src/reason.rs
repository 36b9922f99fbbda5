//! An error of etcd's client, said in few words: the client prints a status with all its metadata, and hides the cause. And
//! what it means, where that is known and does not show.

use std::error::Error as StdError;
use std::fmt;

use etcd_client::Error;
#[cfg(feature = "tls")]
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use tonic::{Code, ConnectError};

/// The chain of causes, itself not included.
pub(crate) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause| {
        let cause: &'a (dyn StdError + 'static) = *cause;
        cause.source()
    })
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Reason {
    words: String,
    error: Option<Error>,
}

impl Reason {
    /// `hint` is what a connection means that was made, and broke.
    pub(crate) fn new(error: Error, hint: Option<&str>) -> Self {
        let words = match &error {
            Error::GRpcStatus(status) => {
                let mut words = if status.message().is_empty() {
                    status.code().to_string()
                } else {
                    status.message().to_owned()
                };
                // Layers of the transport repeat one another; only what adds something is told.
                for cause in causes(status).map(ToString::to_string) {
                    if !words.contains(&cause) {
                        words = format!("{words}: {cause}");
                    }
                }
                let broke =
                    || status.source().is_some() && !causes(status).any(|cause| cause.is::<ConnectError>());
                if let Some(meaning) = meaning(status).or_else(|| hint.filter(|_| broke())) {
                    words = format!("{words} ({meaning})");
                }
                words
            }
            error => error.to_string(),
        };
        Self {
            words,
            error: Some(error),
        }
    }

    /// What the server said.
    pub(crate) fn said(words: &str) -> Self {
        Self {
            words: words.to_owned(),
            error: None,
        }
    }

    /// Whether another token might help: the server knows this one no longer, or there was none.
    pub(crate) fn is_about_token(&self) -> bool {
        matches!(
            self.said_by_server(),
            Some(
                "etcdserver: invalid auth token"
                    | "etcdserver: revision of auth store is old"
                    | "etcdserver: user name is empty"
            )
        )
    }

    /// Whether the server knows no such lease.
    pub(crate) fn is_about_lease(&self) -> bool {
        self.said_by_server() == Some("etcdserver: requested lease not found")
    }

    /// Whether this is a refusal that the next member need not give: it does not want this client's certificate, or is no etcd.
    pub(crate) fn is_of_this_member(&self) -> bool {
        let Some(Error::GRpcStatus(status)) = &self.error else {
            return false;
        };
        if status.source().is_some() {
            return client_is_refused(status);
        }
        match status.code() {
            Code::Unimplemented => true,
            // By something before it: etcd says it in words of its own.
            Code::PermissionDenied | Code::Unauthenticated => {
                !without_go_status(status.message()).starts_with("etcdserver: ")
            }
            _ => false,
        }
    }

    /// What the server said; nothing where the words are of this side.
    fn said_by_server(&self) -> Option<&str> {
        let message = match &self.error {
            Some(Error::GRpcStatus(status)) if status.source().is_none() => status.message(),
            Some(_) => return None,
            None => &self.words,
        };
        Some(without_go_status(message))
    }
}

/// A watch tells its reason as Go prints a status.
pub(crate) fn without_go_status(message: &str) -> &str {
    message
        .rsplit_once("desc = ")
        .map_or(message, |(_, reason)| reason)
}

#[cfg(not(feature = "tls"))]
fn meaning(_: &(dyn StdError + 'static)) -> Option<&'static str> {
    None
}

/// What a failure of TLS means.
#[cfg(feature = "tls")]
fn meaning(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    const NO_TLS: &str =
        "the server does not answer in TLS: without it, a lock is etcd://…, an endpoint http://…";
    if client_is_refused(error) {
        return Some("the server wants a client's certificate, and refuses this one, or that there is none");
    }
    match tls_error(error) {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Some(NO_TLS),
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            Some("the server's certificate is by none of the authorities that are trusted")
        }
        Some(_) => None,
        // A connection without TLS is made as soon as it is open, so this one ended within the handshake.
        None => (causes(error).any(<dyn StdError>::is::<ConnectError>) && causes(error).any(is_eof))
            .then_some(NO_TLS),
    }
}

#[cfg(feature = "tls")]
fn is_eof(cause: &(dyn StdError + 'static)) -> bool {
    cause
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof)
}

/// Whether TLS failed because the server does not want this client. That ends the handshake, before the server reads any
/// request.
///
/// With TLS 1.3 a client has sent its request by then, and the refusal comes when an answer is read, as an error of HTTP/2 that
/// has kept only the words of TLS' own.
#[cfg(feature = "tls")]
pub(crate) fn client_is_refused(error: &(dyn StdError + 'static)) -> bool {
    use AlertDescription as Alert;
    const SAID: &str = "received fatal alert: ";
    let refusals = [
        Alert::CertificateRequired,
        Alert::BadCertificate,
        Alert::UnsupportedCertificate,
        Alert::CertificateRevoked,
        Alert::CertificateExpired,
        Alert::CertificateUnknown,
        Alert::UnknownCA,
        Alert::AccessDenied,
    ];
    causes(error).map(ToString::to_string).any(|words| {
        let alert = words.rsplit_once(SAID).map(|(_, alert)| alert);
        alert.is_some_and(|alert| refusals.iter().any(|refusal| format!("{refusal:?}") == alert))
    })
}

#[cfg(not(feature = "tls"))]
pub(crate) fn client_is_refused(_: &(dyn StdError + 'static)) -> bool {
    false
}

/// The error of TLS among the causes. It hides in an error of I/O, which does not name it as its source.
#[cfg(feature = "tls")]
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| {
        let inner = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        inner
            .and_then(|inner| inner.downcast_ref())
            .or_else(|| cause.downcast_ref())
    })
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl StdError for Reason {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error
            .as_ref()
            .map(|error| error as &(dyn StdError + 'static))
    }
}
