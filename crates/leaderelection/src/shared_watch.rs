//! One watch of a store, shared by the locks of many elections.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tokio::sync::{Notify, watch};

use crate::lock::{LockError, LockErrorKind, Observation, ObservationStream};

/// What a [`SharedWatch`] opens: which lock, and what is seen of it.
pub type KeyedStream<K> = BoxStream<'static, Result<(K, Observation), LockError>>;

/// One watch of a store for the locks of many elections, such as all below one prefix of keys: a store then serves one watch,
/// and not one for each election. For the authors of locks; cheap to clone.
///
/// The first lock that [follows](Self::follow) its key opens the watch, and the last one that has gone closes it. Whoever comes
/// while it is being opened waits for that, and for nothing of its own; if the one who opens it gives up, another one does. When
/// the watch ends, it ends for all, with the same error, and the next who follows opens the next one. Of a key the newest state is
/// kept for who has not looked yet, and nothing of a key that nobody follows.
///
/// `K` names a lock within the watch.
///
/// ```
/// use futures_util::StreamExt;
/// use leaderelection::{Observation, SharedWatch};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let watch = SharedWatch::new(|| async {
///     let gone = || Observation::Absent { as_of: None };
///     Ok(futures_util::stream::iter([Ok(("a", gone())), Ok(("b", gone()))]).boxed())
/// });
/// let mut seen = watch.follow("b").await?;
/// assert!(matches!(seen.next().await, Some(Ok(Observation::Absent { .. })) | None));
/// # Ok::<(), leaderelection::LockError>(())
/// # }).unwrap();
/// ```
pub struct SharedWatch<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    open: Box<dyn Fn() -> BoxFuture<'static, Result<KeyedStream<K>, LockError>> + Send + Sync>,
    /// The last one, which may have ended, or may never have been opened.
    last: Mutex<watch::Receiver<Opened<K>>>,
}

/// `None`: it is still being opened, or who opened it has given up.
type Opened<K> = Option<Result<Arc<Feed<K>>, LockError>>;

impl<K: Ord + Clone + Send + Sync + 'static> SharedWatch<K> {
    /// A watch that is opened in this way when it is needed.
    ///
    /// The contract of what is opened is clause 11 of [`ResourceLock`](crate::ResourceLock), for all keys at once: from the moment at
    /// which the future is ready, every later change of any key is shown, or a newer one, or the stream yields an error, or it ends.
    /// It need not begin with how things are: an election reads when its watch is open.
    pub fn new<F>(open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<KeyedStream<K>, LockError>> + Send + 'static,
    {
        Self {
            inner: Arc::new(Inner {
                open: Box::new(move || Box::pin(open())),
                last: Mutex::new(watch::channel(None).1),
            }),
        }
    }

    /// What changes from now on of the lock of that key.
    ///
    /// # Errors
    /// When the watch could not be opened; also by another who waited for the same. And outside a tokio runtime, on which it is
    /// received.
    pub async fn follow(&self, key: K) -> Result<ObservationStream, LockError> {
        loop {
            match self.turn() {
                Turn::Open(opener) => {
                    let opened = match (self.inner.open)().await {
                        Ok(stream) => Feed::begin(stream, key.clone()),
                        Err(error) => Err(error),
                    };
                    let (feed, followed) = match opened {
                        Ok((feed, followed)) => (Ok(feed), Ok(followed)),
                        Err(error) => (Err(error.clone()), Err(error)),
                    };
                    opener.send_replace(Some(feed));
                    return followed;
                }
                Turn::Wait(mut opened) => {
                    // An error: who was opening it has given up. Then it is somebody else's turn.
                    let feed = match opened.wait_for(Option::is_some).await {
                        Ok(opened) => opened.clone(),
                        Err(_) => None,
                    };
                    match feed {
                        Some(Ok(feed)) => {
                            if let Some(followed) = feed.follow(key.clone()) {
                                return Ok(followed);
                            }
                        }
                        Some(Err(error)) => return Err(error),
                        None => {}
                    }
                }
            }
        }
    }

    fn turn(&self) -> Turn<K> {
        let mut last = lock(&self.inner.last);
        let usable = match &*last.borrow() {
            Some(Ok(feed)) => !feed.has_ended(),
            Some(Err(_)) => false,
            // Somebody is at it, if there is one who could tell.
            None => last.has_changed().is_ok(),
        };
        if usable {
            return Turn::Wait(last.clone());
        }
        let (opener, opened) = watch::channel(None);
        *last = opened;
        Turn::Open(opener)
    }
}

enum Turn<K> {
    Open(watch::Sender<Opened<K>>),
    Wait(watch::Receiver<Opened<K>>),
}

/// An open watch, received by a task of its own.
struct Feed<K> {
    /// The newest of each key that is followed. `None`: the watch has ended.
    followed: Mutex<Option<BTreeMap<K, watch::Sender<Shown>>>>,
    /// Nobody follows any more.
    left: Notify,
}

#[derive(Clone)]
enum Shown {
    Nothing,
    State(Observation),
    /// With the error, if there was one.
    Ended(Option<LockError>),
}

impl<K: Ord + Clone + Send + Sync + 'static> Feed<K> {
    /// Follows the first key before anything is received.
    fn begin(stream: KeyedStream<K>, key: K) -> Result<(Arc<Self>, ObservationStream), LockError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            LockError::new(LockErrorKind::Invalid, "a shared watch needs a runtime").with_source(error)
        })?;
        let feed = Arc::new(Self {
            followed: Mutex::new(Some(BTreeMap::new())),
            left: Notify::new(),
        });
        let Some(followed) = feed.follow(key) else {
            return Err(LockError::new(
                LockErrorKind::Unavailable,
                "the shared watch has ended",
            ));
        };
        runtime.spawn(receive(
            Ending {
                feed: Arc::clone(&feed),
                error: None,
            },
            stream,
        ));
        Ok((feed, followed))
    }

    /// `None`: it has ended.
    fn follow(self: &Arc<Self>, key: K) -> Option<ObservationStream> {
        let receiver = {
            let mut followed = lock(&self.followed);
            let newest = followed.as_mut()?.entry(key.clone());
            newest
                .or_insert_with(|| watch::channel(Shown::Nothing).0)
                .subscribe()
        };
        let follower = Follower {
            receiver: Some(receiver),
            feed: Arc::clone(self),
            key,
        };
        Some(stream::unfold(Some(follower), |follower| async { follower?.next().await }).boxed())
    }

    fn has_ended(&self) -> bool {
        lock(&self.followed).is_none()
    }

    fn show(&self, key: &K, observation: Observation) {
        let followed = lock(&self.followed);
        if let Some(newest) = followed.as_ref().and_then(|followed| followed.get(key)) {
            newest.send_replace(Shown::State(observation));
        }
    }

    /// One who followed this key does so no longer.
    fn leave(&self, key: &K) {
        let mut followed = lock(&self.followed);
        let Some(keys) = followed.as_mut() else { return };
        if keys.get(key).is_some_and(|newest| newest.receiver_count() == 0) {
            keys.remove(key);
        }
        if keys.is_empty() {
            *followed = None;
            self.left.notify_one();
        }
    }

    fn end(&self, error: Option<&LockError>) {
        let followed = lock(&self.followed).take();
        for newest in followed.into_iter().flat_map(BTreeMap::into_values) {
            newest.send_replace(Shown::Ended(error.cloned()));
        }
    }
}

/// Receives until the watch ends, or nobody follows.
async fn receive<K: Ord + Clone + Send + Sync + 'static>(mut ending: Ending<K>, mut stream: KeyedStream<K>) {
    let feed = Arc::clone(&ending.feed);
    let mut left = pin!(feed.left.notified());
    loop {
        let next = tokio::select! {
            biased;
            () = &mut left => return,
            next = stream.next() => next,
        };
        match next {
            Some(Ok((key, observation))) => feed.show(&key, observation),
            Some(Err(error)) => {
                ending.error = Some(error);
                return;
            }
            None => return,
        }
    }
}

/// Tells all followers that the watch has ended, also where its task was: with its runtime.
struct Ending<K: Ord + Clone + Send + Sync + 'static> {
    feed: Arc<Feed<K>>,
    error: Option<LockError>,
}

impl<K: Ord + Clone + Send + Sync + 'static> Drop for Ending<K> {
    fn drop(&mut self) {
        self.feed.end(self.error.as_ref());
    }
}

/// Who follows one key.
struct Follower<K: Ord + Clone + Send + Sync + 'static> {
    /// `Some` until it is dropped.
    receiver: Option<watch::Receiver<Shown>>,
    feed: Arc<Feed<K>>,
    key: K,
}

impl<K: Ord + Clone + Send + Sync + 'static> Follower<K> {
    /// The next item, and the follower unless that was the last.
    async fn next(mut self) -> Option<(Result<Observation, LockError>, Option<Self>)> {
        let receiver = self.receiver.as_mut()?;
        loop {
            receiver.changed().await.ok()?;
            let shown = receiver.borrow_and_update().clone();
            match shown {
                Shown::Nothing => {}
                Shown::State(observation) => return Some((Ok(observation), Some(self))),
                Shown::Ended(error) => return error.map(|error| (Err(error), None)),
            }
        }
    }
}

impl<K: Ord + Clone + Send + Sync + 'static> Drop for Follower<K> {
    fn drop(&mut self) {
        self.receiver = None;
        self.feed.leave(&self.key);
    }
}

impl<K> Clone for SharedWatch<K> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K> fmt::Debug for SharedWatch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWatch").finish_non_exhaustive()
    }
}

/// Nothing in here panics while it holds a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
