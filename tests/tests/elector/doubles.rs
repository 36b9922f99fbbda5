//! Test doubles as a downstream crate uses them: the mockall mock behind the feature `mock`, and a lock of one's own.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, ready};
use leaderelection::{
    Capabilities, Ended, Event, Expected, LeaderElectionRecord, LockError, LockErrorKind, MockResourceLock,
    Observation, ObservationStream, Operation, ResourceLock, Swap, Version,
};

use crate::{candidate, s, sleep};

/// A table of scripted reactions that fails on one call too many.
#[tokio::test(start_paused = true)]
async fn a_mock_scripts_an_election() {
    let mut lock = MockResourceLock::new();
    lock.expect_describe().return_const("mock://lock".to_owned());
    lock.expect_watch().returning(|| Ok(None));
    lock.expect_get()
        .times(1)
        .returning(|| Ok(Observation::Absent { as_of: None }));
    let mut swaps = mockall::Sequence::new();
    lock.expect_compare_and_swap()
        .times(1)
        .in_sequence(&mut swaps)
        .withf(|expected, record| *expected == Expected::Absent && record.holder_identity == "a")
        .returning(|_, _| Ok(Swap::Done(Version::new(7))));
    lock.expect_compare_and_swap()
        .times(1)
        .in_sequence(&mut swaps)
        .withf(|expected, record| *expected == Expected::Version(Version::new(7)) && record.is_free())
        .returning(|_, _| Ok(Swap::Done(Version::new(8))));
    let ended = candidate(lock, "a")
        .build()
        .unwrap()
        .run(std::future::pending::<()>(), |leadership| async move {
            leadership.token().get()
        })
        .await;
    assert_eq!(ended, Ok(Ended::Finished(7)));
}

/// Every call fails in its own way; none ends the election.
struct Bad(LockErrorKind);

#[async_trait]
impl ResourceLock for Bad {
    async fn get(&self) -> Result<Observation, LockError> {
        Err(LockError::new(self.0, "get of bad://lock refused"))
    }
    async fn compare_and_swap(&self, _: Expected, _: &LeaderElectionRecord) -> Result<Swap, LockError> {
        unreachable!("nothing is known to swap on")
    }
    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        panic!("bad://lock has a bug")
    }
    fn describe(&self) -> String {
        "bad://lock".to_owned()
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST.with_watch()
    }
}

/// A permission that is missing is an event, not an end; a lock that panics is a lock that failed.
#[tokio::test(start_paused = true)]
async fn no_failure_of_a_lock_ends_an_election() {
    use LockErrorKind::{Ambiguous, Denied, Invalid, Unavailable};
    for kind in [Ambiguous, Denied, Invalid, Unavailable] {
        let lock: Arc<dyn ResourceLock> = Arc::new(Bad(kind));
        let handle = candidate(lock, "a").build().unwrap().spawn().unwrap();
        let mut events = handle.events();
        let (mut gets, mut watches) = (0, 0);
        let mut end = std::pin::pin!(sleep(s(60)));
        loop {
            let event = tokio::select! { event = events.recv() => event.unwrap(), () = &mut end => break };
            match event {
                Event::CallFailed {
                    operation: Operation::Get,
                    error,
                    remaining,
                    ..
                } => {
                    assert_eq!((error.kind(), remaining), (kind, None));
                    assert!(error.to_string().contains("get of bad://lock refused"), "{error}");
                    assert_eq!(Operation::Get.to_string(), "get");
                    gets += 1;
                }
                Event::CallFailed {
                    operation: Operation::Watch,
                    error,
                    ..
                } => {
                    assert!(error.to_string().contains("bad://lock has a bug"), "{error}");
                    watches += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        // Every P, with the spread of polling; a watch that panics every P.
        assert!((20..=31).contains(&gets), "{kind}: {gets} reads in 60 s");
        assert!((20..=31).contains(&watches), "{kind}: {watches} watches in 60 s");
        handle.shutdown().await.unwrap();
    }
}

/// Written by hand: it panics where it is called, and not where what it returns is waited for.
struct Sudden(Operation);

impl Sudden {
    fn may(&self, operation: Operation) {
        assert!(self.0 != operation, "no {operation} at all");
    }
}

impl ResourceLock for Sudden {
    fn get<'s, 'f>(&'s self) -> BoxFuture<'f, Result<Observation, LockError>>
    where
        's: 'f,
        Self: 'f,
    {
        self.may(Operation::Get);
        Box::pin(ready(Ok(Observation::Absent { as_of: None })))
    }

    fn compare_and_swap<'s, 'r, 'f>(
        &'s self,
        _expected: Expected,
        _record: &'r LeaderElectionRecord,
    ) -> BoxFuture<'f, Result<Swap, LockError>>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        self.may(Operation::CompareAndSwap);
        Box::pin(ready(Err(LockError::new(LockErrorKind::Denied, "no"))))
    }

    fn watch<'s, 'f>(&'s self) -> BoxFuture<'f, Result<Option<ObservationStream>, LockError>>
    where
        's: 'f,
        Self: 'f,
    {
        self.may(Operation::Watch);
        Box::pin(ready(Ok(None)))
    }

    fn describe(&self) -> String {
        "sudden://lock".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST.with_watch()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_panics_before_it_returns_a_future_is_a_lock_that_failed() {
    for operation in [Operation::Get, Operation::CompareAndSwap, Operation::Watch] {
        let handle = candidate(Sudden(operation), "a")
            .build()
            .unwrap()
            .spawn()
            .unwrap();
        let mut events = handle.events();
        let mut told = 0;
        while told < 3 {
            let event = tokio::select! {
                event = events.recv() => event.unwrap(),
                () = sleep(s(60)) => panic!("{operation}: told {told} times"),
            };
            if let Event::CallFailed {
                operation: failed,
                error,
                ..
            } = event
                && failed == operation
            {
                assert!(
                    error
                        .to_string()
                        .contains(&format!("the lock panicked: no {operation} at all")),
                    "{error}"
                );
                told += 1;
            }
        }
        handle.shutdown().await.unwrap();
    }
}
