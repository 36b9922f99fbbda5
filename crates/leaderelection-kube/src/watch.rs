//! The watch: one stream of the apiserver, of one name, or of all objects of a kind in a namespace for the locks that share it.
//!
//! It starts from no version: the apiserver begins with an event for each object as it is, and goes on from there. A watch from
//! a version that was read would fail for ever after a restart of the apiserver until the object changes (410, since its cache
//! begins later), and one from a version that does not exist yet would miss changes in silence.
//!
//! It is never opened anew in here. Whatever ends it ends the stream, with an error unless the apiserver closed it in good
//! order, so that nothing can have been missed unnoticed: who opens the next one is shown the state again, or reads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::{StreamExt, stream};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use leaderelection::{
    Crowd, KeyedStream, LockError, Observation, ObservationStream, SharedWatch, WatchedKey,
};

use crate::failure::{Call, Verb};
use crate::lock_ref::Kind;
use crate::object::{LARGEST_ANSWER, ObjectLock, Place, collect};
use crate::status::{Answer, Status};
use crate::wire::{Event, Object};

/// So many reads and writes of the locks that share a watch are under way at once. Over HTTP/1.1, the only one that kube's client speaks,
/// each takes a connection.
const AT_ONCE: usize = 24;

/// Opens a watch, or takes part in the one that the locks of the connection share.
pub(crate) async fn open(lock: &ObjectLock) -> Result<ObservationStream, LockError> {
    let name = lock.reference().name();
    if let Some(shared) = lock.shared() {
        return shared.watched.follow().await;
    }
    // In a box: it takes far more than to wait for the shared one.
    let follower = Box::pin(Follower::begin(lock.place().clone(), Some(name.to_owned()))).await?;
    Ok(follower
        .map(|item| item.map(|(_, observation)| observation))
        .boxed())
}

/// What the locks of a connection share: a watch for each kind and namespace, and the crowd in which they read and write.
pub(crate) struct SharedWatches {
    all: Mutex<BTreeMap<(Kind, String), Entry>>,
    crowd: Arc<Crowd>,
}

/// A watch, and whether there are locks that have a part in it.
struct Entry {
    watch: SharedWatch<String>,
    used: Weak<()>,
}

/// One lock's part.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) watched: WatchedKey<String>,
    pub(crate) crowd: Arc<Crowd>,
    _used: Arc<()>,
}

impl Default for SharedWatches {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            crowd: Arc::new(Crowd::new(AT_ONCE)),
        }
    }
}

impl SharedWatches {
    pub(crate) fn of(&self, place: &Place, name: &str) -> Shared {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // Namespaces come and go.
        all.retain(|_, entry| entry.used.strong_count() > 0);
        let entry = all
            .entry((place.kind, place.namespace.clone()))
            .or_insert_with(|| Entry {
                watch: watch_of(place),
                used: Weak::new(),
            });
        let used = entry.used.upgrade().unwrap_or_default();
        entry.used = Arc::downgrade(&used);
        Shared {
            watched: entry.watch.key(name.to_owned()),
            crowd: Arc::clone(&self.crowd),
            _used: used,
        }
    }
}

fn watch_of(place: &Place) -> SharedWatch<String> {
    let place = Arc::new(place.clone());
    SharedWatch::new(move || {
        let place = Arc::clone(&place);
        async move { Follower::begin(Place::clone(&place), None).await }
    })
}

/// An open watch. Dropping it closes its connection.
struct Follower {
    place: Place,
    /// The one object that is watched.
    name: Option<String>,
    /// The same in words.
    object: String,
    body: Body,
    /// What has come and is not yet a whole line.
    received: Vec<u8>,
    /// How much of that has no end of line in it.
    searched: usize,
}

/// The name of an object, and what is seen of it.
type Shown = (String, Observation);

impl Follower {
    async fn begin(place: Place, name: Option<String>) -> Result<KeyedStream<String>, LockError> {
        let object = place.object(name.as_deref().unwrap_or("*"));
        let call = place.call(Verb::Watch, &object);
        let path = format!("{}?watch=true", place.collection());
        // Of all watches RBAC allows one name only by this selector. No timeoutSeconds: the apiserver's own is half an hour or
        // longer. No bookmarks: they are for those who come back with a version.
        let path = match &name {
            Some(name) => format!("{path}&fieldSelector=metadata.name%3D{name}"),
            None => path,
        };
        let request = Request::get(path)
            // Kubernetes 1.37 compresses watches event by event, of which kube's decompression reads the first alone.
            .header(header::ACCEPT_ENCODING, "identity");
        let response = place.send(&call, request, Vec::new()).await?;
        if response.status() != StatusCode::OK {
            return Err(call.refused(&collect(&call, response).await?));
        }
        let follower = Self {
            place,
            name,
            object,
            body: response.into_body(),
            received: Vec::new(),
            searched: 0,
        };
        Ok(stream::unfold(Some(follower), |follower| async { follower?.next().await }).boxed())
    }

    fn call(&self) -> Call<'_> {
        self.place.call(Verb::Watch, &self.object)
    }

    /// The next item, and the follower unless that was the last.
    async fn next(mut self) -> Option<(Result<Shown, LockError>, Option<Self>)> {
        match self.follow().await {
            Ok(Some(shown)) => Some((Ok(shown), Some(self))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }

    async fn follow(&mut self) -> Result<Option<Shown>, LockError> {
        loop {
            while let Some(line) = self.line() {
                if let Some(shown) = self.shown(&line)? {
                    return Ok(Some(shown));
                }
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    self.received.extend(frame.data_ref().into_iter().flatten());
                }
                Some(Err(error)) => return Err(self.call().broken(error)),
                None if self.received.is_empty() => return Ok(None),
                None => return Err(self.call().nonsense("it ended in the middle of an event")),
            }
            if self.received.len() > LARGEST_ANSWER {
                return Err(self.call().nonsense("an event without end"));
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

    /// What an event shows, and of which object. `None`: nothing.
    fn shown(&self, line: &[u8]) -> Result<Option<Shown>, LockError> {
        let call = self.call();
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let event: Event<'_> =
            serde_json::from_slice(line).map_err(|error| call.nonsense(&format!("no event: {error}")))?;
        let json = event.object.get().as_bytes();
        let deleted = match &*event.kind {
            "ADDED" | "MODIFIED" => false,
            "DELETED" => true,
            "BOOKMARK" => return Ok(None),
            "ERROR" => return Err(ended(&call, json)),
            other => return Err(call.nonsense(&format!("an event of type {other:?}"))),
        };
        let shown = self.observation(json, deleted);
        shown.map(Some).map_err(|problem| call.nonsense(&problem))
    }

    fn observation(&self, json: &[u8], deleted: bool) -> Result<Shown, String> {
        let object = match &self.name {
            Some(name) => Object::parse(json, name)?,
            None => Object::any(json)?,
        };
        let version = object.version()?;
        let observation = if deleted {
            // As of which version it was deleted.
            Observation::Absent { as_of: Some(version) }
        } else {
            (self.place.resource().read)(&object, version)
        };
        Ok((object.name().to_owned(), observation))
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
