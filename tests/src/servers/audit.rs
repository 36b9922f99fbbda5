//! What a kube-apiserver was asked, from its audit log.

use std::path::Path;
use std::{fs, io};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::ServerError;

/// One line for each request, when it arrives; none for the server's own nor for the fixture's.
pub(super) const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules:
- level: None
  users: ['system:apiserver', fixture]
- level: Metadata
";

/// A request as the server's audit log has it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KubeRequest {
    /// When it arrived, by the server's wall clock, in microseconds.
    pub at: DateTime<Utc>,
    /// In Kubernetes' words: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// The path and query.
    pub uri: String,
    /// `admin`, `restricted` or another user of the server.
    pub user: String,
    /// What the client calls itself; empty if it does not.
    pub user_agent: String,
    /// `endpoints`, `leases`, ..; empty where the path is no resource's.
    pub resource: String,
    /// Empty where there is none.
    pub namespace: String,
    /// The object's; empty where the path has none, as when creating.
    pub name: String,
}

/// The requests in that log which `wanted` selects, of those in whose line `word` is.
pub(super) fn read(
    log: &Path,
    word: &str,
    wanted: impl Fn(&KubeRequest) -> bool,
) -> Result<Vec<KubeRequest>, ServerError> {
    let text = fs::read_to_string(log).map_err(ServerError::io(format!("read {}", log.display())))?;
    let mut requests = Vec::new();
    // What follows the last line's end is still being written.
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    for line in whole.filter(|line| line.contains(word)) {
        let request = parse(line).map_err(ServerError::io(format!("understand {line}")))?;
        if wanted(&request) {
            requests.push(request);
        }
    }
    Ok(requests)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: Object,
    request_received_timestamp: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    namespace: String,
    name: String,
}

fn parse(line: &str) -> Result<KubeRequest, io::Error> {
    let event: Event = serde_json::from_str(line)?;
    let at = event
        .request_received_timestamp
        .parse()
        .map_err(io::Error::other)?;
    Ok(KubeRequest {
        at,
        verb: event.verb,
        uri: event.uri,
        user: event.user.username,
        user_agent: event.user_agent,
        resource: event.object_ref.resource,
        namespace: event.object_ref.namespace,
        name: event.object_ref.name,
    })
}
