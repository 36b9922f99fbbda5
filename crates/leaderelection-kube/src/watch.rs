//! The watch: one stream of the apiserver, of the metadata of one name.
//!
//! It starts from no version: the apiserver begins with an event for the object as it is, if there is one, and goes on from
//! there. A watch from a version that was read would fail for ever after a restart of the apiserver until the object changes
//! (410, since its cache begins later), and one from a version that does not exist yet would miss changes in silence.
//!
//! It is never opened anew in here. Whatever ends it ends the stream, with an error unless the apiserver closed it in good
//! order, so that nothing can have been missed unnoticed: who opens the next one is shown the state again.

use futures_util::{StreamExt, stream};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use leaderelection::{LockError, Observation, ObservationStream};

use crate::failure::{Call, Verb};
use crate::object::{LARGEST_ANSWER, ObjectLock, collect};
use crate::status::{Answer, Status};
use crate::wire::Event;

/// Opens a watch.
pub(crate) async fn open(lock: &ObjectLock) -> Result<ObservationStream, LockError> {
    let call = lock.call(Verb::Watch);
    // Of all watches RBAC allows one name only by this selector. No timeoutSeconds: the apiserver's own is half an hour or
    // longer. No bookmarks: they are for those who come back with a version.
    let path = format!(
        "{}?watch=true&fieldSelector=metadata.name%3D{}",
        lock.collection(),
        lock.reference().name()
    );
    let request = Request::get(path)
        // Kubernetes 1.37 compresses watches event by event, of which kube's decompression reads the first alone.
        .header(header::ACCEPT_ENCODING, "identity");
    let response = lock.send(&call, request, Vec::new()).await?;
    if response.status() != StatusCode::OK {
        return Err(call.refused(&collect(&call, response).await?));
    }
    let follower = Follower {
        lock: lock.clone(),
        body: response.into_body(),
        received: Vec::new(),
        searched: 0,
    };
    Ok(stream::unfold(Some(follower), |follower| async { follower?.next().await }).boxed())
}

/// An open watch. Dropping it closes its connection.
struct Follower {
    lock: ObjectLock,
    body: Body,
    /// What has come and is not yet a whole line.
    received: Vec<u8>,
    /// How much of that has no end of line in it.
    searched: usize,
}

impl Follower {
    /// The next item, and the follower unless that was the last.
    async fn next(mut self) -> Option<(Result<Observation, LockError>, Option<Self>)> {
        match self.follow().await {
            Ok(Some(observation)) => Some((Ok(observation), Some(self))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }

    async fn follow(&mut self) -> Result<Option<Observation>, LockError> {
        loop {
            while let Some(line) = self.line() {
                if let Some(observation) = self.shown(&line)? {
                    return Ok(Some(observation));
                }
            }
            let call = self.lock.call(Verb::Watch);
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    self.received.extend(frame.data_ref().into_iter().flatten());
                }
                Some(Err(error)) => return Err(call.broken(error)),
                None if self.received.is_empty() => return Ok(None),
                None => return Err(call.nonsense("it ended in the middle of an event")),
            }
            if self.received.len() > LARGEST_ANSWER {
                return Err(call.nonsense("an event without end"));
            }
        }
    }

    /// Takes a whole line, if there is one.
    fn line(&mut self) -> Option<Vec<u8>> {
        let news = self.received.get(self.searched..)?;
        let Some(end) = news.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.received.len();
            return None;
        };
        let rest = self.received.split_off(self.searched + end + 1);
        self.searched = 0;
        Some(std::mem::replace(&mut self.received, rest))
    }

    /// What an event shows of the lock. `None`: nothing.
    fn shown(&self, line: &[u8]) -> Result<Option<Observation>, LockError> {
        let call = self.lock.call(Verb::Watch);
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let event: Event<'_> =
            serde_json::from_slice(line).map_err(|error| call.nonsense(&format!("no event: {error}")))?;
        let object = event.object.get().as_bytes();
        let observation = match &*event.kind {
            "ADDED" | "MODIFIED" => self.lock.observe(object),
            "DELETED" => self.lock.deleted(object),
            "BOOKMARK" => return Ok(None),
            "ERROR" => return Err(ended(&call, object)),
            other => Err(format!("an event of type {other:?}")),
        };
        observation.map(Some).map_err(|problem| call.nonsense(&problem))
    }
}

/// The apiserver gives the reason for which it ends a watch as it would have refused it.
fn ended(call: &Call<'_>, status: &[u8]) -> LockError {
    let code = Status::parse(status).and_then(|status| StatusCode::from_u16(status.code).ok());
    call.refused(&Answer {
        code: code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        retry_after: None,
        body: status.to_vec(),
    })
}
