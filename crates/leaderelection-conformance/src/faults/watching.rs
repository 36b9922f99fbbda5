//! A watch that stalls, repeats, reorders, lags and ends as ordered.

use std::collections::VecDeque;

use futures_util::{StreamExt, stream};
use leaderelection::{LockError, LockErrorKind, Observation, ObservationStream};
use tokio::sync::watch;

use super::control::{Faults, WatchEnd};
use super::state::Leg;

type Item = Result<Observation, LockError>;

struct Watching {
    inner: ObservationStream,
    faults: Faults,
    changes: watch::Receiver<()>,
    /// What has arrived and is to be shown.
    ready: VecDeque<Item>,
    /// How often watches had been ended when this one was opened.
    ends_before: u64,
    over: bool,
}

pub(super) fn watching(inner: ObservationStream, faults: Faults) -> ObservationStream {
    let watching = Watching {
        inner,
        changes: faults.changes(),
        ends_before: faults.watch_orders().ends,
        faults,
        ready: VecDeque::new(),
        over: false,
    };
    Box::pin(stream::unfold(watching, |mut watching| async move {
        let item = watching.next().await?;
        Some((item, watching))
    }))
}

impl Watching {
    async fn next(&mut self) -> Option<Item> {
        loop {
            if self.over {
                return None;
            }
            let orders = self.faults.watch_orders();
            if orders.ends > self.ends_before {
                self.over = true;
                return match orders.ended {
                    Some(WatchEnd::With(kind)) => Some(Err(ended(kind))),
                    _ => None,
                };
            }
            if orders.stalled || self.faults.is_cut(Leg::Reply) {
                self.changes.changed().await.ok()?;
                continue;
            }
            if let Some(item) = self.ready.pop_front() {
                return Some(item.map(|observation| self.faults.corrupted(observation)));
            }
            tokio::select! {
                biased;
                changed = self.changes.changed() => changed.ok()?,
                item = self.inner.next() => match item {
                    Some(item) => self.arrived(item).await,
                    None => self.over = true,
                },
            }
        }
    }

    /// Puts what has arrived into the order in which it is shown.
    async fn arrived(&mut self, item: Item) {
        let orders = self.faults.watch_orders();
        self.faults.pause(orders.lag).await;
        let mut shown = vec![item];
        if let Some(within) = orders.reorder {
            tokio::select! {
                biased;
                later = self.inner.next() => if let Some(later) = later { shown.insert(0, later) },
                () = self.faults.pause(within) => {}
            }
        }
        for item in shown {
            if orders.repeat {
                self.ready.push_back(item.clone());
            }
            self.ready.push_back(item);
        }
    }
}

fn ended(kind: LockErrorKind) -> LockError {
    LockError::new(kind, "watch: ended as ordered")
}
