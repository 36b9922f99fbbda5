//! A stranger's lock joins in one line. Nothing in this file knows an async runtime.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream, ResourceLock,
    Swap, Version,
};

/// The least that a lock can be: a version and bytes behind a mutex.
#[derive(Default)]
struct StrangersLock(Arc<Mutex<(u64, Option<String>)>>);

fn shown(version: u64, json: Option<&str>) -> Observation {
    match json {
        Some(json) => Observation::from_json(Version::new(version), json.as_bytes()),
        None => Observation::Absent { as_of: None },
    }
}

#[async_trait]
impl ResourceLock for StrangersLock {
    async fn get(&self) -> Result<Observation, LockError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(shown(state.0, state.1.as_deref()))
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = state.1.is_some().then(|| Version::new(state.0));
        let named = match expected {
            Expected::Absent => newest.is_none(),
            Expected::Version(version) => newest == Some(version),
        };
        if !named {
            return Ok(Swap::Conflict(None));
        }
        *state = (state.0 + 1, Some(record.to_json()));
        Ok(Swap::Done(Version::new(state.0)))
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        Ok(None)
    }

    fn describe(&self) -> String {
        "stranger://lock".into()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST
    }
}

leaderelection_conformance::suite!(
    stranger,
    leaderelection_conformance::fixture(|_| StrangersLock::default())
);
