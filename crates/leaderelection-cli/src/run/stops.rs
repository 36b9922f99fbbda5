//! SIGTERM and SIGINT: the first asks to stop, the second means it.

use std::convert::Infallible;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How many have come.
#[derive(Default)]
pub(super) struct Stops(watch::Sender<u32>);

impl Stops {
    /// Takes over the signals at once; they are counted while the future is polled.
    pub(super) fn listen(&self) -> io::Result<impl Future<Output = Infallible>> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                self.0.send_modify(|count| *count += 1);
                match *self.0.borrow() {
                    1 => tracing::info!("asked to stop"),
                    _ => tracing::warn!("asked to stop again: COMMAND is killed"),
                }
            }
        })
    }

    /// Whether the first has come.
    pub(super) fn asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    pub(super) async fn first(&self) {
        self.at_least(1).await;
    }

    pub(super) async fn second(&self) {
        self.at_least(2).await;
    }

    async fn at_least(&self, wanted: u32) {
        // The sender lives in self, so the count is all that ends this.
        let _ = self.0.subscribe().wait_for(|count| *count >= wanted).await;
    }
}
