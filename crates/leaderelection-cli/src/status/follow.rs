//! `--watch`: reads and watches, over and over, and every change is told.

use std::io;
use std::time::Duration;

use futures_util::StreamExt as _;
use leaderelection::{Clock, Moment, MonoTime, ObservationStream};

use super::report::Report;
use super::seen::{Event, Shown, Unreachable, Viewer};
use super::source::Source;

/// How often a lock is read that cannot be watched, and how long a watch may be silent before a read verifies it.
const POLL: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(5);

/// How much later than a read a watch may show the same.
const BEHIND: Duration = Duration::from_secs(1);

/// How long a watch must have lasted so that its end is no reason to wait.
const LASTED: Duration = Duration::from_secs(30);

/// From one try to the next.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(15);

    pub(super) fn is_first(&self) -> bool {
        self.tries == 0
    }

    fn next(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.tries).unwrap_or(u32::MAX);
        self.tries = self.tries.saturating_add(1);
        Self::FIRST.saturating_mul(factor).min(Self::LONGEST)
    }

    pub(super) async fn pause(&mut self, clock: &dyn Clock) {
        let pause = self.next();
        clock.sleep_until(clock.mono().after(pause)).await;
    }
}

/// To whom it is told, and by which clock.
pub(super) struct Tell<'a, F> {
    clock: &'a dyn Clock,
    write: F,
}

impl<'a, F: AsyncFn(Report) -> io::Result<()>> Tell<'a, F> {
    pub(super) fn new(clock: &'a dyn Clock, write: F) -> Self {
        Self { clock, write }
    }

    fn mono(&self) -> MonoTime {
        self.clock.mono()
    }

    pub(super) async fn tell(&self, lock: &str, viewer: &Viewer, event: Event) -> io::Result<()> {
        let now: Moment = self.clock.now();
        (self.write)(Report::new(lock, viewer, Some(event), now)).await
    }
}

/// Why a watch is over.
enum Over {
    Ended(Option<Unreachable>),
    /// A read has shown what it did not.
    Behind,
    /// The store is gone.
    Unreachable,
}

struct Following<'a, F> {
    source: &'a Source,
    name: String,
    viewer: Viewer,
    tell: &'a Tell<'a, F>,
}

/// Never ends but when nobody can be told.
pub(super) async fn follow<F: AsyncFn(Report) -> io::Result<()>>(
    source: &Source,
    viewer: Viewer,
    tell: &Tell<'_, F>,
) -> io::Error {
    let name = source.name();
    let mut following = Following {
        source,
        name,
        viewer,
        tell,
    };
    match following.run().await {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

impl<F: AsyncFn(Report) -> io::Result<()>> Following<'_, F> {
    async fn run(&mut self) -> io::Result<std::convert::Infallible> {
        let mut backoff = Backoff::default();
        // Before the watch: it may take its time to fail.
        self.look().await?;
        loop {
            let clock = self.tell.clock;
            let watch = self.source.watch(clock).await;
            self.viewer.opened();
            if !self.look().await? {
                backoff.pause(clock).await;
                continue;
            }
            match watch {
                Ok(Some(watch)) => {
                    let opened_at = clock.mono();
                    match self.watched(watch).await? {
                        Over::Ended(Some(why)) => {
                            tracing::info!("the watch has ended and is opened anew: {why}");
                        }
                        Over::Ended(None) | Over::Behind | Over::Unreachable => {}
                    }
                    if clock.mono().since(opened_at) >= LASTED {
                        backoff = Backoff::default();
                    }
                    let retry = clock.mono().after(backoff.next());
                    self.poll(retry).await?;
                }
                Ok(None) => self.poll(MonoTime::NEVER).await?,
                Err(why) => {
                    tracing::warn!("no watch, so it is asked every {POLL:?}: {why}");
                    // Longer than for a read: what forbids it does not pass soon.
                    let retry = clock.mono().after(backoff.next() * 10);
                    self.poll(retry).await?;
                }
            }
        }
    }

    /// Reads, and tells what is news. Whether the store has answered.
    async fn look(&mut self) -> io::Result<bool> {
        match self.source.get(self.tell.clock).await {
            Ok(observation) => {
                let now = self.tell.mono();
                let event = self.viewer.read(now, observation);
                let ran_out = self.viewer.look_at_the_clock(now);
                self.tell(event).await?;
                self.tell(ran_out).await?;
                Ok(true)
            }
            Err(why) => {
                let event = self.viewer.failed(why);
                self.tell(event).await?;
                Ok(false)
            }
        }
    }

    async fn tell(&self, event: Option<Event>) -> io::Result<()> {
        match event {
            Some(event) => self.tell.tell(&self.name, &self.viewer, event).await,
            None => Ok(()),
        }
    }

    /// Until the store no longer answers, or that moment.
    async fn poll(&mut self, until: MonoTime) -> io::Result<()> {
        let clock = self.tell.clock;
        while clock.mono() < until {
            let next = clock.mono().after(POLL).min(self.viewer.runs_out_at()).min(until);
            clock.sleep_until(next).await;
            if !self.look().await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn watched(&mut self, mut watch: ObservationStream) -> io::Result<Over> {
        let clock = self.tell.clock;
        let mut behind = false;
        loop {
            // What is said of a lease that has run out is a read's word, too: a watch may be silent because it is dead (SAFETY 20).
            let silence = if behind { BEHIND } else { SILENCE };
            let verify_at = clock.mono().after(silence).min(self.viewer.runs_out_at());
            let shown = tokio::select! {
                biased;
                shown = watch.next() => shown,
                () = clock.sleep_until(verify_at) => {
                    if behind {
                        return Ok(Over::Behind);
                    }
                    let before = self.viewer.version();
                    if !self.look().await? {
                        return Ok(Over::Unreachable);
                    }
                    behind = self.viewer.version() != before;
                    continue;
                }
            };
            behind = false;
            match shown {
                None => return Ok(Over::Ended(None)),
                Some(Err(error)) => return Ok(Over::Ended(Some(Unreachable::Failed(error)))),
                Some(Ok(observation)) => match self.viewer.streamed(clock.mono(), observation) {
                    Shown::News(event) => self.tell(Some(event)).await?,
                    Shown::Nothing => {}
                    Shown::AskAgain => {
                        if !self.look().await? {
                            return Ok(Over::Unreachable);
                        }
                    }
                },
            }
        }
    }
}
