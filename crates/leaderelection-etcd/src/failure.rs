//! What a failed call to etcd allows to conclude (clause 9 of the lock's contract).
//!
//! A swap's failure is ambiguous unless it is certain that etcd did not and will not execute it. Certain are two cases: no
//! connection was made, so nothing was sent; or the server itself named a reason that it gives only before it proposes the
//! transaction, or instead of applying it. The list was read off etcd's source (3.7.0, and the same in 3.7.3); what is not on it is ambiguous.
//!
//! A read or a watch writes nothing, so its failure is never ambiguous.

use std::error::Error as StdError;
use std::fmt;

use etcd_client::Error;
use leaderelection::{LockError, LockErrorKind};
use tonic::{Code, ConnectError, Status};

use crate::reason::{Reason, causes, client_is_refused, without_go_status};

/// What was asked of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Get,
    Swap,
    Watch,
    /// That the lease for garbage collection lasts.
    Lease,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::Swap => "compare-and-swap",
            Self::Watch => "watch",
            Self::Lease => "lease for garbage collection",
        })
    }
}

/// Which call failed, in words.
pub(crate) struct Call<'a> {
    pub(crate) asked: Asked,
    /// The lock, as it describes itself.
    pub(crate) lock: &'a str,
    /// The member that was asked, where it is known.
    pub(crate) endpoint: Option<&'a str>,
    /// What it means if the connection breaks.
    pub(crate) hint: Option<&'static str>,
}

impl Call<'_> {
    /// etcd's client returned an error.
    pub(crate) fn failed(&self, error: Error) -> LockError {
        let kind = self.no_write_in_doubt(kind_of(&error));
        LockError::new(kind, self.to_string()).with_source(Reason::new(error, self.hint))
    }

    /// The login failed, before anything else was asked.
    pub(crate) fn login_failed(&self, doing: &str, error: Error) -> LockError {
        let kind = no_write(kind_of(&error));
        LockError::new(kind, doing).with_source(Reason::new(error, self.hint))
    }

    /// The server ended a watch with a reason.
    pub(crate) fn canceled(&self, reason: &str) -> LockError {
        let kind = said_by_server(reason).unwrap_or(LockErrorKind::Unavailable);
        let reason = if reason.is_empty() {
            "no reason given"
        } else {
            reason
        };
        LockError::new(
            self.no_write_in_doubt(kind),
            format!("{self}: ended by the server"),
        )
        .with_source(Reason::said(reason))
    }

    /// The answer makes no sense.
    pub(crate) fn nonsense(&self, problem: &str) -> LockError {
        let kind = self.no_write_in_doubt(LockErrorKind::Ambiguous);
        LockError::new(kind, format!("{self}: {problem}"))
    }

    fn no_write_in_doubt(&self, kind: LockErrorKind) -> LockErrorKind {
        match self.asked {
            Asked::Get | Asked::Watch | Asked::Lease => no_write(kind),
            Asked::Swap => kind,
        }
    }
}

/// The kind of a failure where there was nothing to write.
fn no_write(kind: LockErrorKind) -> LockErrorKind {
    match kind {
        LockErrorKind::Ambiguous => LockErrorKind::Unavailable,
        kind => kind,
    }
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.asked, self.lock)?;
        match self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

/// Whether another member might have served the call.
pub(crate) fn worth_another_member(error: &LockError) -> bool {
    let refused = matches!(error.kind(), LockErrorKind::Denied | LockErrorKind::Invalid);
    !refused || reason(error).is_some_and(Reason::is_of_this_member)
}

fn reason(error: &LockError) -> Option<&Reason> {
    error.source().and_then(|source| source.downcast_ref())
}

/// Whether the server refused the token, or that there was none: another may help, and nothing was written.
pub(crate) fn token_refused(error: &LockError) -> bool {
    reason(error).is_some_and(Reason::is_about_token)
}

/// Whether the server knows no such lease of its own as the keys were to hang on: nothing was written.
pub(crate) fn lease_unknown(error: &LockError) -> bool {
    reason(error).is_some_and(Reason::is_about_lease)
}

fn kind_of(error: &Error) -> LockErrorKind {
    match error {
        Error::GRpcStatus(status) => kind_of_status(status),
        // Found before anything was sent.
        Error::InvalidArgs(_)
        | Error::InvalidUri(_)
        | Error::Utf8Error(_)
        | Error::InvalidMetadataValue(_) => LockErrorKind::Invalid,
        _ => LockErrorKind::Ambiguous,
    }
}

fn kind_of_status(status: &Status) -> LockErrorKind {
    if status.source().is_some() {
        // Made on this side, from an error of the transport: its code and its words are not the server's.
        return if causes(status).any(|cause| cause.is::<ConnectError>()) {
            LockErrorKind::Unavailable
        } else if client_is_refused(status) {
            // A client that sends its request behind its certificate, without waiting for what the server says to that.
            LockErrorKind::Denied
        } else {
            LockErrorKind::Ambiguous
        };
    }
    match (said_by_server(status.message()), status.code()) {
        (Some(kind), _) => kind,
        (None, Code::PermissionDenied | Code::Unauthenticated) => LockErrorKind::Denied,
        // Whoever answers is no etcd, or not of this version.
        (None, Code::Unimplemented) => LockErrorKind::Invalid,
        // Timed out, leader changed, server stopped, and whatever a later etcd comes up with. "database space exceeded"
        // too: when the last of the space is claimed by several at once, etcd applies the transaction and then says so.
        (None, _) => LockErrorKind::Ambiguous,
    }
}

/// Reasons that etcd gives only when a transaction was not and will not be applied.
fn said_by_server(message: &str) -> Option<LockErrorKind> {
    match without_go_status(message) {
        "etcdserver: permission denied"
        | "etcdserver: user name is empty"
        | "etcdserver: invalid auth token"
        | "etcdserver: authentication failed, invalid user ID or password"
        | "etcdserver: authentication is not enabled"
        | "etcdserver: revision of auth store is old" => Some(LockErrorKind::Denied),
        "etcdserver: no leader"
        | "etcdserver: too many requests"
        | "etcdserver: rpc not supported for learner"
        // Checked for all of a transaction before any of it is done.
        | "etcdserver: requested lease not found"
        | "etcdserver: not capable" => Some(LockErrorKind::Unavailable),
        "etcdserver: key is not provided" | "etcdserver: request is too large" => {
            Some(LockErrorKind::Invalid)
        }
        message if message.starts_with("grpc: received message larger than max") => {
            Some(LockErrorKind::Invalid)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(asked: Asked, error: Error) -> LockErrorKind {
        let call = Call {
            asked,
            lock: "etcd://h:1/k",
            endpoint: Some("h:1"),
            hint: None,
        };
        call.failed(error).kind()
    }

    fn status(code: Code, message: &str) -> Error {
        Error::GRpcStatus(Status::new(code, message))
    }

    /// Clause 9, SAFETY 9: only what etcd says before it proposes, or instead of applying, is certain.
    #[test]
    fn a_failed_swap_is_ambiguous_unless_the_server_names_a_reason_that_excludes_the_write() {
        use LockErrorKind::{Ambiguous, Denied, Invalid, Unavailable};
        for (code, message, expected) in [
            (Code::Unavailable, "etcdserver: request timed out", Ambiguous),
            (
                Code::Unavailable,
                "etcdserver: request timed out, possibly due to previous leader failure",
                Ambiguous,
            ),
            (
                Code::Unavailable,
                "etcdserver: request timed out, possibly due to connection lost",
                Ambiguous,
            ),
            (Code::Unavailable, "etcdserver: leader changed", Ambiguous),
            (Code::Unavailable, "etcdserver: server stopped", Ambiguous),
            (Code::Unavailable, "", Ambiguous),
            (Code::Unknown, "raft proposal dropped", Ambiguous),
            (Code::Cancelled, "etcdserver: request canceled", Ambiguous),
            (Code::DeadlineExceeded, "context deadline exceeded", Ambiguous),
            (Code::Internal, "h2 protocol error", Ambiguous),
            (Code::DataLoss, "etcdserver: corrupt cluster", Ambiguous),
            (
                Code::ResourceExhausted,
                "etcdserver: mvcc: database space exceeded",
                Ambiguous,
            ),
            (Code::ResourceExhausted, "something new", Ambiguous),
            (Code::InvalidArgument, "something new", Ambiguous),
            (Code::OutOfRange, "decoded message length too large", Ambiguous),
            (Code::Unavailable, "etcdserver: no leader", Unavailable),
            (
                Code::ResourceExhausted,
                "etcdserver: too many requests",
                Unavailable,
            ),
            (
                Code::FailedPrecondition,
                "etcdserver: rpc not supported for learner",
                Unavailable,
            ),
            (
                Code::NotFound,
                "etcdserver: requested lease not found",
                Unavailable,
            ),
            (Code::PermissionDenied, "etcdserver: permission denied", Denied),
            (Code::PermissionDenied, "by a proxy", Denied),
            (Code::Unauthenticated, "etcdserver: invalid auth token", Denied),
            (Code::InvalidArgument, "etcdserver: user name is empty", Denied),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                Denied,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: revision of auth store is old",
                Denied,
            ),
            (Code::InvalidArgument, "etcdserver: key is not provided", Invalid),
            (Code::InvalidArgument, "etcdserver: request is too large", Invalid),
            (
                Code::ResourceExhausted,
                "grpc: received message larger than max (9 vs. 8)",
                Invalid,
            ),
            (Code::Unimplemented, "unknown service etcdserverpb.KV", Invalid),
        ] {
            assert_eq!(
                kind(Asked::Swap, status(code, message)),
                expected,
                "{code:?} {message}"
            );
        }
    }

    #[test]
    fn a_failed_read_is_never_ambiguous() {
        for asked in [Asked::Get, Asked::Watch] {
            let timed_out = status(Code::Unavailable, "etcdserver: request timed out");
            assert_eq!(kind(asked, timed_out), LockErrorKind::Unavailable);
            let denied = status(Code::PermissionDenied, "etcdserver: permission denied");
            assert_eq!(kind(asked, denied), LockErrorKind::Denied);
        }
    }

    /// The transport's own words prove nothing, whatever code they are given.
    #[test]
    fn what_the_transport_says_is_ambiguous_but_for_a_connection_never_made() {
        let broken = std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            "etcdserver: permission denied",
        );
        let broken = Status::from_error(Box::new(broken));
        assert_eq!(
            kind(Asked::Swap, Error::GRpcStatus(broken)),
            LockErrorKind::Ambiguous
        );

        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "Connection refused");
        let refused = Status::from_error(Box::new(ConnectError(Box::new(refused))));
        assert_eq!(
            kind(Asked::Swap, Error::GRpcStatus(refused)),
            LockErrorKind::Unavailable
        );
    }

    #[test]
    fn a_failure_names_the_call_the_lock_the_member_and_the_cause_once() {
        let call = Call {
            asked: Asked::Swap,
            lock: "etcd://a:1,b:2/k",
            endpoint: Some("b:2"),
            hint: Some("what it means"),
        };
        let refused = std::io::Error::new(
            std::io::ErrorKind::ConnectionRefused,
            "Connection refused (os error 111)",
        );
        let refused = Status::from_error(Box::new(ConnectError(Box::new(refused))));
        assert_eq!(
            call.failed(Error::GRpcStatus(refused)).to_string(),
            "unavailable: compare-and-swap of etcd://a:1,b:2/k at b:2: Connection refused (os error 111)"
        );
    }

    #[test]
    fn a_watch_that_the_server_ends_says_why() {
        let call = Call {
            asked: Asked::Watch,
            lock: "etcd://a:1/k",
            endpoint: None,
            hint: None,
        };
        let denied = call.canceled("rpc error: code = PermissionDenied desc = etcdserver: permission denied");
        assert_eq!(denied.kind(), LockErrorKind::Denied);
        let ended = call.canceled("");
        assert_eq!(
            (ended.kind(), ended.to_string().as_str()),
            (
                LockErrorKind::Unavailable,
                "unavailable: watch of etcd://a:1/k: ended by the server: no reason given"
            )
        );
    }

    /// Members are asked in turn only where one may say what another would not.
    #[test]
    fn a_refusal_by_one_member_is_told_from_one_by_all() {
        let call = Call {
            asked: Asked::Swap,
            lock: "etcd://a:1,b:2/k",
            endpoint: Some("a:1"),
            hint: None,
        };
        let worth = |error| worth_another_member(&call.failed(error));
        assert!(worth(status(
            Code::Unimplemented,
            "unknown service etcdserverpb.KV"
        )));
        assert!(worth(status(Code::Unavailable, "etcdserver: no leader")));
        assert!(worth(status(Code::PermissionDenied, "by a proxy")));
        assert!(worth(status(Code::Unauthenticated, "")));
        assert!(!worth(status(
            Code::Unauthenticated,
            "etcdserver: invalid auth token"
        )));
        assert!(!worth(status(
            Code::PermissionDenied,
            "etcdserver: permission denied"
        )));
        assert!(!worth(status(
            Code::InvalidArgument,
            "etcdserver: request is too large"
        )));
        #[cfg(feature = "tls")]
        {
            let alert = std::io::Error::other("received fatal alert: UnknownCA");
            let refused = call.failed(Error::GRpcStatus(Status::from_error(Box::new(alert))));
            assert_eq!(refused.kind(), LockErrorKind::Denied);
            assert!(worth_another_member(&refused));
        }
    }

    /// Only what a login can put right is worth one. How a watch is refused was seen on a real etcd.
    #[test]
    fn a_refused_token_is_told_from_other_refusals() {
        let call = Call {
            asked: Asked::Watch,
            lock: "etcd://a:1/k",
            endpoint: None,
            hint: None,
        };
        let unauthenticated = |message| token_refused(&call.failed(status(Code::Unauthenticated, message)));
        assert!(unauthenticated("etcdserver: invalid auth token"));
        assert!(unauthenticated("etcdserver: user name is empty"));
        assert!(unauthenticated("etcdserver: revision of auth store is old"));
        assert!(!unauthenticated("etcdserver: permission denied"));
        assert!(!unauthenticated("by a proxy"));

        let words = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
        assert!(token_refused(&call.canceled(words)));
        assert!(token_refused(&call.canceled("etcdserver: user name is empty")));
        assert!(!token_refused(&call.canceled("etcdserver: permission denied")));
        assert!(!token_refused(&call.canceled("")));

        let broken = std::io::Error::other("etcdserver: invalid auth token");
        let broken = Status::from_error(Box::new(broken));
        assert!(!token_refused(&call.failed(Error::GRpcStatus(broken))));
    }
}
