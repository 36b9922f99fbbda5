//! What the apiserver says when it does not do what it was asked.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// The apiserver's `Status`, where the answer is one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    kind: String,
    /// `Success` or `Failure`.
    status: String,
    pub(crate) message: String,
    pub(crate) reason: String,
    pub(crate) code: u16,
    pub(crate) details: Option<Details>,
}

/// What a [`Status`] is about.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Details {
    pub(crate) name: String,
    /// The plural of the resource, such as `endpoints`.
    pub(crate) kind: String,
    retry_after_seconds: u64,
}

impl Status {
    /// The apiserver's filter for requests that last too long leaves the kind out.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().filter(|status: &Self| {
            status.kind == "Status" || (status.kind.is_empty() && status.status == "Failure")
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.details.as_ref()?.retry_after_seconds {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        }
    }
}

impl Answer {
    pub(crate) fn status(&self) -> Option<Status> {
        Status::parse(&self.body)
    }

    /// How long the server asks to be left alone: by header, as all do, or in its `Status`.
    pub(crate) fn retry_after(&self, status: Option<&Status>) -> Option<Duration> {
        self.retry_after.or_else(|| status.and_then(Status::retry_after))
    }
}

/// `Retry-After` in seconds, as the apiserver sends it; the other form, a date, would need a common clock.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
