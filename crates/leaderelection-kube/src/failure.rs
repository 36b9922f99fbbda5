//! What a failed call to the apiserver allows to conclude (clause 9 of the lock's contract).
//!
//! A swap's failure is ambiguous unless it is certain that the apiserver did not and will not execute it. Certain are: no
//! connection was made, or no credentials were found, so nothing was sent; the credentials were refused, or there were too
//! many requests, which also a proxy says only instead of passing a request on; or the apiserver itself, in a `Status`,
//! says that the request is wrong. Everything else is ambiguous: 500, 503 and 504 also when the apiserver says them, for
//! the etcd behind it may have applied what it did not answer.
//!
//! A read or a watch writes nothing, so its failure is never ambiguous.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use hyper_util::client::legacy::Error as HyperError;
use kube::client::AuthError;
use leaderelection::{LockError, LockErrorKind};

use crate::status::{Answer, Status};
use crate::told;

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// How much of an answer that is no `Status` an error shows.
const SHOWN: usize = 200;

/// What was asked of the apiserver: the verb that its authorization knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Create,
    Patch,
    Watch,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Watch => "watch",
        })
    }
}

/// Which call failed, in words.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) verb: Verb,
    /// Resource, namespace and name.
    pub(crate) object: &'a str,
    /// The server, where it is known.
    pub(crate) server: Option<&'a str>,
}

impl Call<'_> {
    /// No whole answer came.
    pub(crate) fn broken(&self, error: impl Into<BoxError>) -> LockError {
        let reason = Reason::new(error.into());
        let kind = self.no_write_in_doubt(reason.kind);
        LockError::new(kind, self.to_string()).with_source(reason)
    }

    /// The apiserver, or something before it, answered that it did not do it.
    pub(crate) fn refused(&self, answer: &Answer) -> LockError {
        let status = answer.status();
        let kind = self.no_write_in_doubt(kind_of(answer.code, status.as_ref()));
        let words = match &status {
            Some(status) if !status.message.is_empty() => shorten(status.message.as_bytes()),
            _ => shorten(&answer.body),
        };
        let error = LockError::new(kind, format!("{self}: {}: {words}", answer.code));
        match answer.retry_after(status.as_ref()) {
            Some(retry_after) => error.with_retry_after(retry_after),
            None => error,
        }
    }

    /// The answer makes no sense.
    pub(crate) fn nonsense(&self, problem: &str) -> LockError {
        let kind = self.no_write_in_doubt(LockErrorKind::Ambiguous);
        LockError::new(kind, format!("{self}: {problem}"))
    }

    /// Nothing was sent: what was asked for cannot be.
    pub(crate) fn impossible(&self, problem: &str) -> LockError {
        LockError::new(LockErrorKind::Invalid, format!("{self}: {problem}"))
    }

    fn no_write_in_doubt(&self, kind: LockErrorKind) -> LockErrorKind {
        match (kind, self.verb) {
            (LockErrorKind::Ambiguous, Verb::Get | Verb::Watch) => LockErrorKind::Unavailable,
            (kind, _) => kind,
        }
    }
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.verb, self.object)?;
        match self.server {
            Some(server) => write!(f, " at {server}"),
            None => Ok(()),
        }
    }
}

fn kind_of(code: StatusCode, status: Option<&Status>) -> LockErrorKind {
    match (code, status) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => LockErrorKind::Denied,
        // The apiserver's own filter says this in plain text.
        (StatusCode::TOO_MANY_REQUESTS, _) => LockErrorKind::Unavailable,
        (StatusCode::PAYLOAD_TOO_LARGE, _) => LockErrorKind::Invalid,
        // A namespace that is missing may be made at any time, and then the election begins; a resource that the server
        // does not have will not appear.
        (StatusCode::NOT_FOUND, Some(status)) if is_about(status, "namespaces") => LockErrorKind::Unavailable,
        (
            StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY,
            Some(_),
        ) => LockErrorKind::Invalid,
        // A conflict that is not one of versions, such as that of a quota with itself; or a watch that is too old.
        (StatusCode::CONFLICT | StatusCode::GONE, Some(_)) => LockErrorKind::Unavailable,
        _ => LockErrorKind::Ambiguous,
    }
}

fn is_about(status: &Status, resource: &str) -> bool {
    status
        .details
        .as_ref()
        .is_some_and(|details| details.kind == resource)
}

/// An answer in one line.
fn shorten(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return "the answer is empty".to_owned();
    }
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), body.len()),
        None => text,
    }
}

/// An error below HTTP, said in few words: its layers repeat one another, or hide the cause.
#[derive(Debug)]
pub(crate) struct Reason {
    words: String,
    kind: LockErrorKind,
    /// None where it may hold a secret.
    error: Option<BoxError>,
}

impl Reason {
    pub(crate) fn new(error: BoxError) -> Self {
        let kind = kind_of_broken(&*error);
        // What wraps a secret may repeat it.
        if let Some(words) = chain(&*error).find_map(told::without_secrets) {
            return Self {
                words,
                kind,
                error: None,
            };
        }
        let mut words = String::new();
        for cause in chain(&*error) {
            // "ServiceError: …" and the like say no more than their source.
            if cause.is::<kube::Error>() && cause.source().is_some() {
                continue;
            }
            let cause = cause.to_string();
            if words.is_empty() {
                words = cause;
            } else if !words.contains(&cause) {
                words = format!("{words}: {cause}");
            }
        }
        Self {
            words,
            kind,
            error: Some(error),
        }
    }
}

/// Nothing was sent where there is no connection or no token.
fn kind_of_broken(error: &(dyn StdError + 'static)) -> LockErrorKind {
    for cause in chain(error) {
        if cause.is::<AuthError>() {
            return LockErrorKind::Denied;
        }
        if cause.downcast_ref().is_some_and(HyperError::is_connect) {
            return LockErrorKind::Unavailable;
        }
    }
    LockErrorKind::Ambiguous
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl StdError for Reason {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let error = self.error.as_ref()?;
        Some(&**error)
    }
}

/// An error and its causes.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    })
}
