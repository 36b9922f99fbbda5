//! The newest thing of one key, and who waits for the next: what tokio's `watch` is, in a quarter of its memory, for there is one for
//! each election.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

pub(super) struct Newest<T>(Mutex<State<T>>);

struct State<T> {
    value: T,
    /// How often it was another.
    changes: u64,
    readers: Vec<Waiting>,
}

struct Waiting {
    reader: u64,
    waker: Option<Waker>,
}

/// So often no value has changed: the one that is there is new to who has seen this.
const NOTHING: u64 = u64::MAX;

impl<T> Newest<T> {
    pub(super) fn new(value: T) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            value,
            changes: 0,
            readers: Vec::new(),
        })))
    }

    /// To whom the value that is there is new. It has no reader with this number yet.
    pub(super) fn reader(self: &Arc<Self>, reader: u64) -> Reader<T> {
        let mut state = self.state();
        // Hardly any key has two.
        state.readers.reserve_exact(1);
        state.readers.push(Waiting { reader, waker: None });
        drop(state);
        Reader {
            newest: Arc::clone(self),
            number: reader,
            seen: NOTHING,
        }
    }

    pub(super) fn has_readers(&self) -> bool {
        !self.state().readers.is_empty()
    }

    pub(super) fn replace(&self, value: T) {
        self.replace_unless(value, |_, _| false);
    }

    /// Puts it in place of the old one, unless that, the first of the two, is better.
    pub(super) fn replace_unless(&self, value: T, better: impl FnOnce(&T, &T) -> bool) {
        let mut state = self.state();
        if better(&state.value, &value) {
            return;
        }
        state.value = value;
        state.changes = state.changes.wrapping_add(1) % NOTHING;
        let woken: Vec<_> = state
            .readers
            .iter_mut()
            .filter_map(|reader| reader.waker.take())
            .collect();
        drop(state);
        // Whatever a waker does, it does without the lock.
        woken.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Reader<T> {
    newest: Arc<Newest<T>>,
    number: u64,
    seen: u64,
}

impl<T: Clone> Reader<T> {
    /// What is there, when this reader has not seen it.
    pub(super) fn poll_new(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.newest.state();
        if state.changes != self.seen {
            self.seen = state.changes;
            return Poll::Ready(state.value.clone());
        }
        let own = state
            .readers
            .iter_mut()
            .find(|reader| reader.reader == self.number);
        if let Some(own) = own {
            match &mut own.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                waker => *waker = Some(cx.waker().clone()),
            }
        }
        Poll::Pending
    }

    /// Whether there is something that this reader has not seen, and that is such.
    pub(super) fn has_new(&self, such: impl FnOnce(&T) -> bool) -> bool {
        let state = self.newest.state();
        state.changes != self.seen && such(&state.value)
    }

    /// What is there is new once more.
    pub(super) fn look_again(&mut self) {
        self.seen = NOTHING;
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.newest
            .state()
            .readers
            .retain(|reader| reader.reader != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_reader_is_shown_the_newest_once_and_woken_for_the_next() {
        let newest = Newest::new(1);
        let (mut first, mut second) = (newest.reader(1), newest.reader(2));
        let woken: [Arc<Woken>; 2] = Default::default();
        let [one, two] = woken.clone().map(Waker::from);
        let (mut one, mut two) = (Context::from_waker(&one), Context::from_waker(&two));
        assert_eq!(first.poll_new(&mut one), Poll::Ready(1));
        assert_eq!(first.poll_new(&mut one), Poll::Pending);
        newest.replace(2);
        newest.replace(3);
        assert_eq!(second.poll_new(&mut two), Poll::Ready(3), "the newest alone");
        assert_eq!(second.poll_new(&mut two), Poll::Pending);
        newest.replace_unless(2, |old, new| new < old);
        assert_eq!(
            second.poll_new(&mut two),
            Poll::Pending,
            "what is older is not shown"
        );
        newest.replace(4);
        assert_eq!(woken.map(|woken| woken.0.load(Ordering::Relaxed)), [1, 1]);
        first.look_again();
        assert_eq!(first.poll_new(&mut one), Poll::Ready(4));
        first.look_again();
        assert_eq!(first.poll_new(&mut one), Poll::Ready(4), "once more");
        drop(first);
        assert!(newest.has_readers());
        drop(second);
        assert!(!newest.has_readers());
    }
}
