//! One watch for many: opened once, its end told to all, closed when nobody is left.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

use std::sync::{Arc, Mutex};

use futures_util::future::{join, join_all};
use futures_util::{FutureExt, StreamExt, stream};
use leaderelection::{
    KeyedStream, LockError, LockErrorKind, Observation, ObservationStream, SharedWatch, Version, WatchedKey,
};
use tokio::sync::{mpsc, oneshot};

type Item = Result<(&'static str, Observation), LockError>;
type Answer = oneshot::Sender<Result<mpsc::UnboundedReceiver<Item>, LockError>>;

/// Whose watch is opened, and refused, when the test says so.
#[derive(Clone, Default)]
struct Store {
    asked: Arc<Mutex<Vec<Answer>>>,
}

impl Store {
    fn watch(&self) -> SharedWatch<&'static str> {
        let asked = Arc::clone(&self.asked);
        SharedWatch::new(move || {
            let (answer, answered) = oneshot::channel();
            asked.lock().unwrap().push(answer);
            async move {
                let mut items = answered.await.unwrap()?;
                let stream: KeyedStream<_> = stream::poll_fn(move |context| items.poll_recv(context)).boxed();
                Ok(stream)
            }
        })
    }

    /// How often it was asked for a watch that nobody has answered.
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn opens(&self) -> mpsc::UnboundedSender<Item> {
        let (items, received) = mpsc::unbounded_channel();
        let answer = self.asked.lock().unwrap().pop().unwrap();
        answer.send(Ok(received)).unwrap();
        items
    }

    /// Whether those who asked, and have no answer, no longer wait for it.
    fn given_up(&self) -> bool {
        self.asked
            .lock()
            .unwrap()
            .drain(..)
            .all(|answer| answer.is_closed())
    }

    fn refuses(&self, error: LockError) {
        let answer = self.asked.lock().unwrap().pop().unwrap();
        answer.send(Err(error)).unwrap();
    }
}

fn at(version: u64) -> Observation {
    Observation::Absent {
        as_of: Some(Version::new(version)),
    }
}

/// Follows keys through a watch that is opened on the way.
async fn follow<const N: usize>(
    store: &Store,
    watch: &SharedWatch<&'static str>,
    keys: [&'static str; N],
) -> (mpsc::UnboundedSender<Item>, Vec<ObservationStream>) {
    let keys = keys.map(|key| watch.key(key));
    let following = join_all(keys.iter().map(WatchedKey::follow));
    let mut following = std::pin::pin!(following);
    assert!(following.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    assert_eq!(store.asked(), 1, "one watch for all");
    let items = store.opens();
    let followed = following.await.into_iter().map(Result::unwrap).collect();
    assert_eq!(store.asked(), 0);
    (items, followed)
}

/// What comes without anything else having to happen first.
async fn shown(stream: &mut ObservationStream) -> Observation {
    for _ in 0..1_000 {
        if let Some(next) = stream.next().now_or_never() {
            return next.unwrap().unwrap();
        }
        tokio::task::yield_now().await;
    }
    panic!("nothing is shown");
}

#[tokio::test]
async fn each_sees_its_own_key_and_the_store_one_watch() {
    let (store, keys) = (Store::default(), ["a", "b", "a"]);
    let watch = store.watch();
    let (items, mut followed) = follow(&store, &watch, keys).await;
    items.send(Ok(("b", at(1)))).unwrap();
    items.send(Ok(("c", at(2)))).unwrap();
    items.send(Ok(("a", at(3)))).unwrap();
    assert_eq!(shown(&mut followed[0]).await, at(3));
    assert_eq!(shown(&mut followed[1]).await, at(1));
    assert_eq!(shown(&mut followed[2]).await, at(3));
    let mut late = watch.key("c").follow().now_or_never().unwrap().unwrap();
    assert_eq!(store.asked(), 0, "it is open already");
    assert!(
        late.next().now_or_never().is_none(),
        "what was before is not shown"
    );
    items.send(Ok(("c", at(4)))).unwrap();
    assert_eq!(shown(&mut late).await, at(4));
}

#[tokio::test]
async fn the_newest_alone_is_kept_for_who_has_not_looked() {
    let store = Store::default();
    let (items, mut followed) = follow(&store, &store.watch(), ["a"]).await;
    for version in 1..=1_000 {
        items.send(Ok(("a", at(version)))).unwrap();
    }
    // A watch may repeat what it has shown.
    items.send(Ok(("a", at(999)))).unwrap();
    drop(items);
    let mut seen = Vec::new();
    while let Some(Ok(observation)) = followed[0].next().await {
        seen.push(observation);
    }
    assert!(seen.len() < 100, "it is not a queue: {}", seen.len());
    let (items, mut followed) = follow(&store, &store.watch(), ["a"]).await;
    for version in [1, 5, 4] {
        items.send(Ok(("a", at(version)))).unwrap();
    }
    tokio::task::yield_now().await;
    assert_eq!(shown(&mut followed[0]).await, at(5));
    assert!(followed[0].next().now_or_never().is_none());
}

#[tokio::test]
async fn an_end_is_everybody_s_and_the_next_is_opened_once() {
    let store = Store::default();
    let watch = store.watch();
    let (items, mut followed) = follow(&store, &watch, ["a", "b"]).await;
    let error = LockError::new(LockErrorKind::Unavailable, "the member stopped");
    items.send(Err(error)).unwrap();
    for stream in &mut followed {
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "unavailable: the member stopped");
        assert!(stream.next().await.is_none());
    }
    let (items, mut followed) = follow(&store, &watch, ["a", "b"]).await;
    drop(items);
    for stream in &mut followed {
        assert!(stream.next().await.is_none(), "it ended in good order");
    }
}

#[tokio::test]
async fn who_waits_is_told_why_it_could_not_be_opened_and_the_next_tries_again() {
    let store = Store::default();
    let watch = store.watch();
    let (a, b) = (watch.key("a"), watch.key("b"));
    let mut following = std::pin::pin!(join(a.follow(), b.follow()));
    assert!(following.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    store.refuses(LockError::new(LockErrorKind::Denied, "not for you"));
    let (a, b) = following.await;
    for refused in [a, b] {
        assert_eq!(refused.err().unwrap().kind(), LockErrorKind::Denied);
    }
    follow(&store, &watch, ["a", "b"]).await;
}

/// The least patient sets the limit: an opening that hangs is not waited for because there is always somebody who has just come.
#[tokio::test]
async fn who_gives_up_waiting_gives_up_for_all_and_the_next_opens_another_once() {
    let store = Store::default();
    let watch = store.watch();
    let keys = ["a", "b", "c"].map(|key| watch.key(key));
    let [mut first, mut second, mut third] = keys.each_ref().map(|key| Box::pin(key.follow()));
    for waiting in [&mut first, &mut second, &mut third] {
        assert!(waiting.now_or_never().is_none());
    }
    tokio::task::yield_now().await;
    drop(second);
    for waiting in [first, third] {
        let error = waiting.await.err().unwrap();
        assert_eq!(error.kind(), LockErrorKind::Unavailable);
        assert!(error.to_string().contains("given up"), "{error}");
    }
    tokio::task::yield_now().await;
    assert!(store.given_up(), "the store is no longer asked");
    follow(&store, &watch, ["a", "b", "c"]).await;
}

/// SAFETY 20: a lock that opens its watch anew because it has kept silent gets another, however many trust it.
#[tokio::test]
async fn a_watch_that_was_left_for_another_ends_for_all() {
    let store = Store::default();
    let watch = store.watch();
    let (a, b) = (watch.key("a"), watch.key("b"));
    let following = async {
        futures_util::future::try_join(a.follow(), b.follow())
            .await
            .unwrap()
    };
    let mut following = std::pin::pin!(following);
    assert!(following.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    let silent = store.opens();
    let (left, mut trusting) = following.await;
    drop(left);
    // Another lock of the same key has no reason to mistrust it.
    let _other = watch.key("a").follow().now_or_never().unwrap().unwrap();
    let mut again = std::pin::pin!(a.follow());
    assert!(again.as_mut().now_or_never().is_none());
    assert!(trusting.next().await.is_none(), "it ends for who still trusts it");
    silent.closed().await;
    let items = store.opens();
    let mut again = again.await.unwrap();
    items.send(Ok(("a", at(7)))).unwrap();
    assert_eq!(shown(&mut again).await, at(7));
    // It has ended for the other one, who does not end the next for that.
    let _b = b.follow().now_or_never().unwrap().unwrap();
    assert_eq!(store.asked(), 0);
}

/// What was shown, and not looked at yet, is no silence.
#[tokio::test]
async fn who_has_not_looked_ends_the_watch_for_nobody() {
    let store = Store::default();
    let watch = store.watch();
    let a = watch.key("a");
    let following = async { futures_util::future::try_join(a.follow(), watch.key("b").follow()).await };
    let mut following = std::pin::pin!(following);
    assert!(following.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    let items = store.opens();
    let (left, mut trusting) = following.await.unwrap();
    items.send(Ok(("a", at(7)))).unwrap();
    items.send(Ok(("b", at(8)))).unwrap();
    assert_eq!(shown(&mut trusting).await, at(8));
    drop(left);
    let _again = a.follow().now_or_never().unwrap().unwrap();
    assert_eq!(store.asked(), 0, "the watch is still the one");
    items.send(Ok(("b", at(9)))).unwrap();
    assert_eq!(shown(&mut trusting).await, at(9));
}

/// An absence that says of no version when it was is followed by any.
#[tokio::test]
async fn an_absence_without_a_version_hides_nothing() {
    let store = Store::default();
    let watch = store.watch();
    let (items, mut followed) = follow(&store, &watch, ["a"]).await;
    let gone = Observation::Absent { as_of: None };
    for seen in [at(5), gone, at(7)] {
        items.send(Ok(("a", seen.clone()))).unwrap();
        assert_eq!(shown(&mut followed[0]).await, seen);
    }
    items.send(Ok(("a", at(6)))).unwrap();
    items.send(Ok(("a", at(8)))).unwrap();
    assert_eq!(shown(&mut followed[0]).await, at(8), "what is older is not shown");
}

/// What is opened and ends at once ends for all who waited, and is not opened by one after another.
#[tokio::test]
async fn one_that_ends_at_once_is_opened_once() {
    let store = Store::default();
    let watch = store.watch();
    let keys = ["a", "b", "c"].map(|key| watch.key(key));
    let mut following = std::pin::pin!(join_all(keys.iter().map(WatchedKey::follow)));
    assert!(following.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    drop(store.opens());
    for followed in following.await {
        assert!(followed.unwrap().next().await.is_none());
    }
    assert_eq!(store.asked(), 0);
}

#[tokio::test]
async fn a_panic_of_the_store_s_is_told() {
    let watch = SharedWatch::new(|| async {
        let stream: KeyedStream<&str> = stream::poll_fn(|_| panic!("no more")).boxed();
        Ok(stream)
    });
    let error = watch.key("a").follow().await.err().unwrap();
    assert_eq!(error.to_string(), "unavailable: the shared watch panicked");
}

#[tokio::test]
async fn it_is_closed_when_the_last_has_gone_and_not_before() {
    let store = Store::default();
    let watch = store.watch();
    let (items, mut followed) = follow(&store, &watch, ["a", "b", "b"]).await;
    let (mut last, _) = (followed.pop().unwrap(), followed.drain(..));
    items.send(Ok(("a", at(1)))).unwrap();
    items.send(Ok(("b", at(2)))).unwrap();
    assert_eq!(shown(&mut last).await, at(2));
    drop(last);
    items.closed().await;
    // And whoever comes now does not wait for what was closed.
    follow(&store, &watch, ["a"]).await;
}

/// Who has the connection may outlive the runtime in which it was watched.
#[test]
fn with_its_runtime_it_ends_and_another_opens_the_next() {
    let store = Store::default();
    let watch = store.watch();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let first = runtime();
    let (_items, mut followed) = first.block_on(follow(&store, &watch, ["a"]));
    drop(first);
    runtime().block_on(async {
        assert!(followed[0].next().now_or_never().unwrap().is_none());
        follow(&store, &watch, ["a"]).await;
    });
}

#[test]
fn outside_a_runtime_it_is_an_error_and_no_panic() {
    let watch = SharedWatch::new(|| async { Ok(stream::empty::<Item>().boxed()) });
    let refused = watch.key("a").follow().now_or_never().unwrap().err().unwrap();
    assert_eq!(refused.kind(), LockErrorKind::Invalid);
    assert!(refused.to_string().contains("runtime"), "{refused}");
}
