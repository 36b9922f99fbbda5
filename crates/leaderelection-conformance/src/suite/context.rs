//! What every case uses: calls with a deadline, and side doors.

use std::time::Duration;

use futures_util::StreamExt;
use leaderelection::{
    Capabilities, Clock, Expected, LeaderElectionRecord, LockError, LockErrorKind, Observation,
    ObservationStream, PausedClock, ResourceLock, Swap, Version,
};

use crate::fixture::{Door, Fixture, Subject};

/// How long a lock has for one answer, and a watch to show a change.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// Why a case ended early.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(String),
    DidNotRun(String),
}

/// Ends the case with a failure, in words.
macro_rules! fail {
    ($($words:tt)*) => { return Err($crate::suite::context::Stop::Failed(format!($($words)*))) };
}
pub(super) use fail;

/// Fails the case unless the condition holds.
macro_rules! check {
    ($holds:expr, $($words:tt)*) => { if !$holds { $crate::suite::context::fail!($($words)*) } };
}
pub(super) use check;

/// The lock under examination.
pub(super) struct Context<'a> {
    pub(super) subject: Subject,
    fixture: &'a dyn Fixture,
}

impl<'a> Context<'a> {
    /// Opens a fresh lock. What a test needs is never optional, so that a case fails without one.
    pub(super) async fn open(fixture: &'a dyn Fixture, name: &'static str) -> Result<Self, Stop> {
        match fixture.fresh(name).await {
            Ok(subject) => Ok(Self { subject, fixture }),
            Err(why) => fail!("the fixture gave no lock: {why}"),
        }
    }

    /// Another fresh lock, for what can be done to a lock only once.
    pub(super) async fn another(&self, name: &'static str) -> Result<Self, Stop> {
        Self::open(self.fixture, name).await
    }

    pub(super) fn lock(&self) -> &dyn ResourceLock {
        &*self.subject.lock
    }

    pub(super) fn peer(&self) -> &dyn ResourceLock {
        &*self.subject.peer
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.lock().capabilities()
    }

    /// Waits for the lock, but not for ever.
    pub(super) async fn within<T>(&self, what: &str, answer: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            () = self.sleep(LIMIT) => fail!("{what} gave no answer within {LIMIT:?}"),
        }
    }

    /// Runs on real and on paused time.
    pub(super) async fn sleep(&self, by: Duration) {
        PausedClock.sleep_until(PausedClock.mono().after(by)).await;
    }

    pub(super) async fn get(&self) -> Result<Observation, Stop> {
        self.get_by(self.lock()).await
    }

    pub(super) async fn get_by(&self, lock: &dyn ResourceLock) -> Result<Observation, Stop> {
        match self.within("get", lock.get()).await? {
            Ok(observation) => Ok(observation),
            Err(error) => fail!("get failed on a sane store: {error}"),
        }
    }

    /// The version and the content, where there has to be an object.
    pub(super) async fn version(&self) -> Result<Version, Stop> {
        match self.get().await? {
            Observation::Present { version, .. } => Ok(version),
            Observation::Absent { .. } => fail!("get shows nothing where there is an object"),
        }
    }

    /// The record, where there has to be one.
    pub(super) async fn record(&self) -> Result<LeaderElectionRecord, Stop> {
        match self.get().await? {
            Observation::Present {
                content: leaderelection::Content::Record(record),
                ..
            } => Ok(LeaderElectionRecord::clone(&record)),
            other => fail!("a record was written, and get shows {}", brief(&other)),
        }
    }

    pub(super) async fn swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Result<Swap, LockError>, Stop> {
        self.within("compare_and_swap", self.lock().compare_and_swap(expected, record))
            .await
    }

    /// A swap that nothing stands in the way of.
    pub(super) async fn done(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Version, Stop> {
        match self.swap(expected, record).await? {
            Ok(Swap::Done(version)) => Ok(version),
            Ok(Swap::Conflict(told)) => {
                let told = told.as_ref().map(brief);
                fail!("a swap on {expected:?}, the newest state, met a conflict: {told:?}")
            }
            Err(error) => fail!("a swap on {expected:?}, the newest state, failed: {error}"),
        }
    }

    /// The first write of a case.
    pub(super) async fn create(&self, record: &LeaderElectionRecord) -> Result<Version, Stop> {
        self.done(Expected::Absent, record).await
    }

    /// A record that a store may be too small for: it then says Invalid, which this contract allows.
    pub(super) async fn create_if_allowed(&self, record: &LeaderElectionRecord) -> Result<Version, Stop> {
        match self.swap(Expected::Absent, record).await? {
            Ok(Swap::Done(version)) => Ok(version),
            Err(error) if error.kind() == LockErrorKind::Invalid => {
                let state = self.get().await?;
                check!(
                    matches!(state, Observation::Absent { .. }),
                    "the record was refused as invalid, and yet there is {}",
                    brief(&state)
                );
                Err(Stop::DidNotRun(format!(
                    "the store refuses such a record: {}",
                    shorten(&error.to_string())
                )))
            }
            other => fail!("the first write was not done: {other:?}"),
        }
    }

    /// A swap on a state that the lock is not in. How it says so is another clause's matter.
    pub(super) async fn refused(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
        because: &str,
    ) -> Result<(), Stop> {
        match self.swap(expected, record).await? {
            Ok(Swap::Done(version)) => {
                fail!("a swap on {expected:?} was done as version {version}, though {because}")
            }
            Ok(Swap::Conflict(_)) | Err(_) => Ok(()),
        }
    }

    pub(super) async fn delete(&self) -> Result<(), Stop> {
        open(
            self.within("the side door", self.subject.door.delete()).await?,
            "delete the object",
        )
    }

    pub(super) async fn put_raw(&self, bytes: &[u8]) -> Result<(), Stop> {
        open(
            self.within("the side door", self.subject.door.put_raw(bytes))
                .await?,
            "write unreadable content",
        )
    }

    pub(super) async fn put_empty(&self) -> Result<(), Stop> {
        open(
            self.within("the side door", self.subject.door.put_empty())
                .await?,
            "write an object without a record",
        )
    }

    pub(super) async fn touch(&self) -> Result<(), Stop> {
        open(
            self.within("the side door", self.subject.door.touch()).await?,
            "change the object beside the record",
        )
    }

    pub(super) async fn disturb_next_swap(&self) -> Result<(), Stop> {
        open(
            self.within("the side door", self.subject.door.disturb_next_swap())
                .await?,
            "lose a request or a reply",
        )
    }

    /// A watch, where one is declared.
    pub(super) async fn watch(&self) -> Result<Watching<'_>, Stop> {
        if !self.capabilities().watch {
            return Err(Stop::DidNotRun("the lock declares no watch".into()));
        }
        Ok(Watching {
            context: self,
            stream: self.open_watch().await?,
            ended: 0,
        })
    }

    async fn open_watch(&self) -> Result<ObservationStream, Stop> {
        match self.within("watch", self.lock().watch()).await? {
            Ok(Some(stream)) => Ok(stream),
            // That a declared watch exists is examined by a case of its own.
            Ok(None) => Err(Stop::DidNotRun("the lock opened no watch".into())),
            Err(error) => fail!("watch failed on a sane store: {error}"),
        }
    }
}

fn open(door: Result<Door, String>, what: &str) -> Result<(), Stop> {
    match door {
        Ok(Door::Done) => Ok(()),
        Ok(Door::Closed) => Err(Stop::DidNotRun(format!("the fixture has no side door to {what}"))),
        Ok(Door::Impossible(why)) => Err(Stop::DidNotRun(format!("nobody can {what}: {why}"))),
        Err(why) => fail!("the fixture could not {what}: {why}"),
    }
}

/// A watch that is opened again when it ends, which it may.
pub(super) struct Watching<'a> {
    context: &'a Context<'a>,
    stream: ObservationStream,
    ended: u32,
}

/// How often a watch may end without having shown anything.
const ENDS: u32 = 3;
/// How many older states a watch may show first.
const OLDER: u32 = 10_000;

impl Watching<'_> {
    /// What the watch shows next; `None`: it ended or failed, as it may, and has been opened again.
    pub(super) async fn next(&mut self, awaited: &str) -> Result<Option<Observation>, Stop> {
        let next = tokio::select! {
            biased;
            next = self.stream.next() => next,
            () = self.context.sleep(LIMIT) => {
                fail!("the watch neither showed {awaited} within {LIMIT:?} nor ended")
            }
        };
        if let Some(Ok(observation)) = next {
            self.ended = 0;
            return Ok(Some(observation));
        }
        self.ended = self.ended.saturating_add(1);
        check!(
            self.ended <= ENDS,
            "{} watches in a row ended without showing anything; awaited: {awaited}",
            self.ended
        );
        self.stream = self.context.open_watch().await?;
        Ok(None)
    }

    /// Waits until the watch has shown a state that the predicate accepts. A watch that ends is opened again; what has
    /// happened in between is then read.
    pub(super) async fn shows(
        &mut self,
        awaited: &str,
        is_it: impl Fn(&Observation) -> bool,
    ) -> Result<(), Stop> {
        for _ in 0..OLDER {
            let seen = match self.next(awaited).await? {
                Some(observation) => observation,
                None => self.context.get().await?,
            };
            if is_it(&seen) {
                return Ok(());
            }
        }
        fail!("the watch showed {OLDER} states, none of which was {awaited}")
    }

    /// Waits until the watch has shown this version or a newer one.
    pub(super) async fn shows_version(&mut self, version: Version, awaited: &str) -> Result<(), Stop> {
        self.shows(awaited, |seen| match seen {
            Observation::Present { version: seen, .. } => *seen >= version,
            Observation::Absent { as_of } => as_of.is_some_and(|as_of| as_of >= version),
        })
        .await
    }
}

/// A state in few words: a failure may concern a record of 200 KiB.
pub(super) fn brief(observation: &Observation) -> String {
    shorten(&format!("{observation:?}"))
}

pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 300;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}
