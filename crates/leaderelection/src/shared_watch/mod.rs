//! One watch of a store, shared by the locks of many elections.

mod follower;
mod newest;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::Notify;

use self::follower::Follower;
use self::newest::{Newest, Reader};
use crate::identity::Version;
use crate::lock::{LockError, LockErrorKind, Observation, ObservationStream};

/// What a [`SharedWatch`] opens: which lock, and what is seen of it.
pub type KeyedStream<K> = BoxStream<'static, Result<(K, Observation), LockError>>;

/// One watch of a store for the locks of many elections, such as all below one prefix of keys: a store then serves one watch,
/// and not one for each election. For the authors of locks; cheap to clone.
///
/// The first lock that [follows](WatchedKey::follow) its key opens the watch, and the last one that has gone closes it. Whoever comes
/// while it is being opened waits for the same; who gives up waiting gives up for all, so that the least patient sets the limit. When
/// the watch ends, it ends for all, with the same error, and the next who follows opens the next one. So it does where a lock has left it
/// and comes again, as elections do whose watch has kept silent about what a read then showed (SAFETY 20), but for one who had something
/// left to look at.
///
/// Of a key the newest state is kept for who has not looked yet, and nothing of a key that nobody follows. It is received by a task on
/// the runtime of who opened it.
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
/// let mut seen = watch.key("b").follow().await?;
/// assert!(matches!(seen.next().await, Some(Ok(Observation::Absent { .. })) | None));
/// # Ok::<(), leaderelection::LockError>(())
/// # }).unwrap();
/// ```
pub struct SharedWatch<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    open: Box<dyn Fn() -> BoxFuture<'static, Result<KeyedStream<K>, LockError>> + Send + Sync>,
    /// The last one, which may have ended.
    last: Mutex<Option<Arc<Feed<K>>>>,
}

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
                last: Mutex::new(None),
            }),
        }
    }

    /// The part that one lock has in it. The lock keeps it, and so do its clones.
    pub fn key(&self, key: K) -> WatchedKey<K> {
        WatchedKey {
            watch: self.clone(),
            key,
            left: Arc::new(AtomicU64::new(NONE)),
        }
    }

    /// The watch that is open or being opened, unless it is the one that is not trusted: that ends for all.
    fn current(&self, distrusted: u64, runtime: &tokio::runtime::Handle) -> Arc<Feed<K>> {
        let mut last = lock(&self.inner.last);
        let number = last.as_ref().map_or(NONE, |feed| feed.number);
        if let Some(feed) = &*last {
            if number == distrusted {
                feed.end(None);
            }
            if !feed.has_ended() {
                return Arc::clone(feed);
            }
        }
        let feed = Arc::new(Feed {
            number: number + 1,
            state: Mutex::new(State {
                phase: Phase::Opening,
                followed: BTreeMap::new(),
                followers: 0,
            }),
            ended: Notify::new(),
        });
        let ending = Ending {
            feed: Arc::clone(&feed),
            error: None,
        };
        runtime.spawn(receive(ending, (self.inner.open)()));
        *last = Some(Arc::clone(&feed));
        feed
    }
}

/// The number of no watch.
const NONE: u64 = 0;

/// The part of one lock in a [`SharedWatch`]. Cheap to clone.
pub struct WatchedKey<K> {
    watch: SharedWatch<K>,
    key: K,
    /// The last watch that was left before it had ended.
    left: Arc<AtomicU64>,
}

impl<K: Ord + Clone + Send + Sync + 'static> WatchedKey<K> {
    /// What changes from now on.
    ///
    /// # Errors
    /// When the watch could not be opened, or another gave up waiting for it. And outside a tokio runtime.
    pub async fn follow(&self) -> Result<ObservationStream, LockError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            LockError::new(LockErrorKind::Invalid, "a shared watch needs a runtime").with_source(error)
        })?;
        let distrusted = self.left.swap(NONE, Ordering::Relaxed);
        let mut follower = self.follower(distrusted, &runtime);
        follower.is_open().await?;
        Ok(follower.boxed())
    }

    fn follower(&self, distrusted: u64, runtime: &tokio::runtime::Handle) -> Follower<K> {
        loop {
            let feed = self.watch.current(distrusted, runtime);
            // It may have ended in between; then there is another.
            if let Some(shown) = feed.follow(&self.key) {
                return Follower {
                    shown: Some(shown),
                    feed,
                    key: self.key.clone(),
                    left: Arc::clone(&self.left),
                };
            }
        }
    }
}

/// A watch, opened and received by a task of its own.
struct Feed<K> {
    /// They are counted from 1.
    number: u64,
    state: Mutex<State<K>>,
    ended: Notify,
}

struct State<K> {
    phase: Phase,
    followed: BTreeMap<K, Arc<Newest<Shown>>>,
    /// How many there have been.
    followers: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Ended,
}

#[derive(Clone)]
enum Shown {
    /// It is not open yet.
    Opening,
    /// It is, and has shown nothing.
    Open,
    State(Observation),
    /// With the error, if there was one.
    Ended(Option<LockError>),
}

impl<K: Ord + Clone> Feed<K> {
    /// `None`: it has ended.
    fn follow(&self, key: &K) -> Option<Reader<Shown>> {
        let mut state = lock(&self.state);
        let shown = match state.phase {
            Phase::Opening => Shown::Opening,
            Phase::Open => Shown::Open,
            Phase::Ended => return None,
        };
        state.followers += 1;
        let number = state.followers;
        let newest = state.followed.entry(key.clone());
        Some(newest.or_insert_with(|| Newest::new(shown)).reader(number))
    }

    fn has_ended(&self) -> bool {
        lock(&self.state).phase == Phase::Ended
    }

    fn opened(&self) {
        let mut state = lock(&self.state);
        if state.phase == Phase::Opening {
            state.phase = Phase::Open;
            for newest in state.followed.values() {
                newest.replace(Shown::Open);
            }
        }
    }

    /// The newest is shown: a watch may repeat what it has shown before.
    fn show(&self, key: &K, observation: Observation) {
        if let Some(newest) = lock(&self.state).followed.get(key) {
            newest.replace_unless(Shown::State(observation), |last, next| match (last, next) {
                (Shown::State(last), Shown::State(next)) => {
                    version(last).is_some_and(|last| version(next).is_some_and(|next| next < last))
                }
                _ => false,
            });
        }
    }

    /// One who followed this key does so no longer. Tells whether the watch goes on.
    fn leave(&self, key: &K) -> bool {
        let mut state = lock(&self.state);
        if state.phase == Phase::Ended {
            return false;
        }
        if state
            .followed
            .get(key)
            .is_some_and(|newest| !newest.has_readers())
        {
            state.followed.remove(key);
        }
        let (nobody, opening) = (state.followed.is_empty(), state.phase == Phase::Opening);
        drop(state);
        if nobody || opening {
            let said = "another lock has given up waiting until the shared watch is open";
            let given_up = opening.then(|| LockError::new(LockErrorKind::Unavailable, said));
            self.end(given_up);
            return false;
        }
        true
    }

    fn end(&self, error: Option<LockError>) {
        let mut state = lock(&self.state);
        state.phase = Phase::Ended;
        let followed = std::mem::take(&mut state.followed);
        drop(state);
        for newest in followed.into_values() {
            newest.replace(Shown::Ended(error.clone()));
        }
        self.ended.notify_one();
    }
}

/// An absence may have none; then nobody knows whether it is older.
fn version(observation: &Observation) -> Option<Version> {
    match observation {
        Observation::Present { version, .. } => Some(*version),
        Observation::Absent { as_of } => *as_of,
    }
}

/// Opens, and receives until the watch ends, or nobody follows.
async fn receive<K: Ord + Clone + Send + Sync + 'static>(
    mut ending: Ending<K>,
    open: BoxFuture<'static, Result<KeyedStream<K>, LockError>>,
) {
    let feed = Arc::clone(&ending.feed);
    let mut ended = pin!(feed.ended.notified());
    let opened = tokio::select! {
        biased;
        () = &mut ended => return,
        opened = open => opened,
    };
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(error) => {
            ending.error = Some(error);
            return;
        }
    };
    feed.opened();
    loop {
        let next = tokio::select! {
            biased;
            () = &mut ended => return,
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

/// Tells all followers that the watch has ended, also where its task was: with its runtime, or by a panic.
struct Ending<K: Ord + Clone> {
    feed: Arc<Feed<K>>,
    error: Option<LockError>,
}

impl<K: Ord + Clone> Drop for Ending<K> {
    fn drop(&mut self) {
        let panicked = || LockError::new(LockErrorKind::Unavailable, "the shared watch panicked");
        let error = self.error.take();
        self.feed
            .end(error.or_else(|| std::thread::panicking().then(panicked)));
    }
}

impl<K> Clone for SharedWatch<K> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K: Clone> Clone for WatchedKey<K> {
    fn clone(&self) -> Self {
        Self {
            watch: self.watch.clone(),
            key: self.key.clone(),
            left: Arc::clone(&self.left),
        }
    }
}

impl<K> fmt::Debug for SharedWatch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWatch").finish_non_exhaustive()
    }
}

impl<K: fmt::Debug> fmt::Debug for WatchedKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedKey").field(&self.key).finish()
    }
}

/// Nothing in here panics while it holds a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
