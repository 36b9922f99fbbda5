//! What an apiserver, or something between, may answer, and what a lock makes of it: no panic, a clear error of the right
//! kind, and never more than one request.
//!
//! A fake server answers here what a real one cannot be made to answer at will; the real one is in the workspace's tests.

mod fake;
mod kinds;
mod others;
mod refusals;
mod requests;
mod watching;

use std::error::Error;
use std::time::Duration;

use fake::{Answer, Fake};
use futures_util::StreamExt;
use leaderelection::{
    Content, Expected, LeaderElectionRecord, LockError, LockErrorKind, Observation, ResourceLock, Swap,
    Version,
};

type TestResult = Result<(), Box<dyn Error>>;

const SWAPS: [Expected; 2] = [Expected::Absent, Expected::Version(Version::new(7))];

fn record() -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: "a".to_owned(),
        ..LeaderElectionRecord::default()
    }
}

/// An answer of the apiserver that it did not do it.
fn status(code: u16, reason: &str, message: &str) -> Answer {
    status_about(code, reason, message, "endpoints", "leader")
}

fn status_about(code: u16, reason: &str, message: &str, kind: &str, name: &str) -> Answer {
    Answer::new(
        code,
        format!(
            r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{message}","reason":"{reason}","details":{{"name":"{name}","kind":"{kind}"}},"code":{code}}}"#
        ),
    )
}

fn object(resource_version: &str, annotations: &str) -> String {
    format!(
        r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{{"name":"leader","namespace":"ns","uid":"u","resourceVersion":"{resource_version}","annotations":{annotations}}}}}"#
    )
}

/// An object on which `record` stands.
fn written(resource_version: &str) -> String {
    let json = record().to_json().replace('"', "\\\"");
    object(
        resource_version,
        &format!(r#"{{"control-plane.alpha.kubernetes.io/leader":"{json}"}}"#),
    )
}

/// The error of a swap, of each of the two ways, which has to be the same.
async fn swap_error(answer: Answer) -> Result<LockError, Box<dyn Error>> {
    let mut errors = Vec::new();
    for expected in SWAPS {
        let fake = Fake::new(answer.clone());
        errors.push(
            fake.lock()?
                .compare_and_swap(expected, &record())
                .await
                .err()
                .ok_or("done")?,
        );
        assert_eq!(fake.seen().len(), 1, "one call is one request (SAFETY 8)");
    }
    let [create, patch] = <[LockError; 2]>::try_from(errors).map_err(|_| "not two")?;
    assert_eq!(create.kind(), patch.kind(), "{create} / {patch}");
    assert_eq!(create.retry_after(), patch.retry_after());
    for (error, verb) in [(&create, "create"), (&patch, "patch")] {
        let call = format!("{verb} of endpoints ns/leader");
        assert!(error.to_string().contains(&call), "{error}");
    }
    Ok(patch)
}

async fn get_error(answer: Answer) -> Result<LockError, Box<dyn Error>> {
    let fake = Fake::new(answer);
    let error = fake.lock()?.get().await.err().ok_or("shown")?;
    assert_eq!(fake.seen().len(), 1);
    assert!(
        error.to_string().contains("get of endpoints ns/leader"),
        "{error}"
    );
    Ok(error)
}

/// What a watch could not be opened for, or ended with.
async fn watch_error(answer: Answer) -> Result<LockError, Box<dyn Error>> {
    let fake = Fake::new(answer);
    let error = match fake.lock()?.watch().await {
        Err(error) => error,
        Ok(stream) => {
            let mut stream = stream.ok_or("no watch")?;
            let error = stream.next().await.ok_or("ended")?.err().ok_or("shown")?;
            assert!(stream.next().await.is_none(), "an error is the last item");
            error
        }
    };
    assert_eq!(fake.seen().len(), 1, "a watch is not opened anew in secret");
    assert!(
        error.to_string().contains("watch of endpoints ns/leader"),
        "{error}"
    );
    Ok(error)
}
