//! The watch: one stream of etcd, of one key from the revision after a read, or of all below a prefix for the locks that share it.
//!
//! It is never opened anew in here. Whatever ends it (the server, a broken connection, a revision compacted away before the
//! watch came to it) ends the stream with an error, so that nothing can have been missed unnoticed; who opens the next one
//! begins with a read again.

use std::collections::VecDeque;
use std::sync::Arc;

use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use futures_util::{StreamExt, stream};
use leaderelection::{KeyedStream, LockError, Observation, ObservationStream, ResourceLock, SharedWatch};

use crate::failure::{Asked, Call, worth_another_member};
use crate::lock::{EtcdLock, present, turn, version};
use crate::members::Members;
use crate::url;

/// Opens a watch of one key: it begins with the current state, and shows every later one.
pub(crate) async fn open(lock: &EtcdLock) -> Result<ObservationStream, LockError> {
    let (revision, now) = lock.read().await?;
    let options = WatchOptions::new().with_start_revision(revision.saturating_add(1));
    let later = follow(lock.members(), &lock.describe(), lock.key(), options).await?;
    let later = later.map(|item| item.map(|(_, observation)| observation));
    Ok(stream::iter([Ok(now)]).chain(later).boxed())
}

/// A watch of all keys below a prefix, for as many locks as there are.
pub(crate) fn shared(members: &Arc<Members>, prefix: &[u8]) -> SharedWatch<Vec<u8>> {
    let members = Arc::clone(members);
    let prefix: Arc<[u8]> = prefix.into();
    SharedWatch::new(move || {
        let (members, prefix) = (Arc::clone(&members), Arc::clone(&prefix));
        async move {
            let all = url::describe(
                members.tls(),
                members.endpoints(),
                &[&prefix, "*".as_bytes()].concat(),
            );
            // From now on: who follows it reads when it is open.
            // What is written at once, by others too, may be more than one message holds.
            let options = WatchOptions::new().with_prefix().with_fragment();
            follow(&members, &all, &prefix, options).await
        }
    })
}

/// Opens a stream. When it is there, the server has accepted it.
async fn follow(
    members: &Arc<Members>,
    lock: &str,
    key: &[u8],
    options: WatchOptions,
) -> Result<KeyedStream<Vec<u8>>, LockError> {
    let (turn, call) = turn(members, lock, Asked::Watch)?;
    let ask = || async {
        let mut stream = turn
            .client()
            .watch_client()
            .watch(key, Some(options.clone()))
            .await
            .map_err(|error| call.failed(error))?;
        let mut shown = VecDeque::new();
        // The server may refuse a watch after it has accepted the stream.
        while !receive(&mut stream, &mut shown, &call)
            .await?
            .ok_or_else(|| call.canceled(""))?
        {}
        Ok((stream, shown))
    };
    let opened = turn.call(&call, ask).await;
    let index = turn.index();
    turn.settle(&opened);
    let (stream, shown) = opened?;
    let follower = Follower {
        shown,
        stream,
        members: Arc::clone(members),
        index,
        lock: lock.to_owned(),
        endpoint: call.endpoint.map(str::to_owned),
    };
    Ok(stream::unfold(Some(follower), |follower| async { follower?.next().await }).boxed())
}

/// A key, and what is seen of it.
type Shown = (Vec<u8>, Observation);

/// An open watch. Dropping it ends the stream on the server too.
struct Follower {
    /// Received, and not yet yielded.
    shown: VecDeque<Shown>,
    stream: WatchStream,
    members: Arc<Members>,
    /// The member that serves it.
    index: usize,
    lock: String,
    endpoint: Option<String>,
}

impl Follower {
    /// The next item, and the follower unless that was the last.
    async fn next(mut self) -> Option<(Result<Shown, LockError>, Option<Self>)> {
        loop {
            if let Some(shown) = self.shown.pop_front() {
                return Some((Ok(shown), Some(self)));
            }
            let call = Call {
                asked: Asked::Watch,
                lock: &self.lock,
                endpoint: self.endpoint.as_deref(),
                hint: None,
            };
            let received = receive(&mut self.stream, &mut self.shown, &call).await;
            match received {
                Ok(Some(_)) => {}
                ended => {
                    // Its member has left it, and would serve the next call no better; unless it said what each would say.
                    if !ended.as_ref().is_err_and(|error| !worth_another_member(error)) {
                        self.members.distrust(self.index);
                    }
                    return ended.err().map(|error| (Err(error), None));
                }
            }
        }
    }
}

/// Waits for one message and takes over what it shows. Tells whether it says that the watch was created; `None` when the
/// stream has ended.
async fn receive(
    stream: &mut WatchStream,
    shown: &mut VecDeque<Shown>,
    call: &Call<'_>,
) -> Result<Option<bool>, LockError> {
    let Some(message) = stream.message().await.map_err(|error| call.failed(error))? else {
        return Ok(None);
    };
    if message.canceled() {
        return Err(canceled(&message, call));
    }
    // None in the message that the watch was created, and in a note of progress, which tells nothing about the key.
    for event in message.events() {
        let pair = event.kv().ok_or_else(|| call.nonsense("an event has no key"))?;
        let observation = match event.event_type() {
            EventType::Put => present(pair),
            EventType::Delete => Observation::Absent {
                as_of: Some(version(pair.mod_revision())),
            },
        };
        shown.push_back((pair.key().to_vec(), observation));
    }
    Ok(Some(message.created()))
}

fn canceled(message: &WatchResponse, call: &Call<'_>) -> LockError {
    match message.compact_revision() {
        0 => call.canceled(message.cancel_reason()),
        oldest => call.canceled(&format!(
            "changes before revision {oldest} were compacted away before the watch came to them"
        )),
    }
}
