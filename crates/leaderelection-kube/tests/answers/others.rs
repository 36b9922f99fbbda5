//! What other clients leave in the spec of a Lease, as an apiserver shows it, and what this lock reads.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::*;

const ACQUIRED: &str = "2024-02-29T23:58:00Z";
const RENEWED: &str = "2024-02-29T23:58:02.500Z";

fn time(text: &str) -> Result<Option<DateTime<Utc>>, Box<dyn Error>> {
    Ok(Some(text.parse()?))
}

/// A Lease of that spec, read by the lock.
async fn read(spec: &str) -> Result<Content, Box<dyn Error>> {
    let object = format!(
        r#"{{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{{"name":"leader","namespace":"ns","resourceVersion":"7"}},"spec":{spec}}}"#
    );
    let lock = Fake::new(Answer::new(200, object))
        .connection()
        .lease("ns", "leader")?;
    match lock.get().await? {
        Observation::Present { content, .. } => Ok(content),
        absent @ Observation::Absent { .. } => Err(format!("{absent:?}").into()),
    }
}

#[tokio::test]
async fn what_other_clients_hold_a_lease_with_is_held() -> TestResult {
    let held = |holder: &str, leader_transitions| {
        Ok::<_, Box<dyn Error>>(LeaderElectionRecord {
            holder_identity: holder.to_owned(),
            lease_duration_seconds: 15,
            acquire_time: time(ACQUIRED)?,
            renew_time: time(RENEWED)?,
            leader_transitions,
            ..LeaderElectionRecord::default()
        })
    };
    for (spec, expected) in [
        (include_str!("leases/go.json"), held("go_1", 3)?),
        (include_str!("leases/java.json"), held("java_1", 3)?),
        (include_str!("leases/fabric8.json"), held("fabric8_1", 3)?),
        (include_str!("leases/csharp.json"), held("csharp_1", 3)?),
        // It counts no transitions.
        (include_str!("leases/python.json"), held("python_1", 0)?),
        // Nor has it a form for a time that falls on a whole second: followers of its own take the lease then.
        (
            include_str!("leases/python-without-renew-time.json"),
            LeaderElectionRecord {
                renew_time: None,
                ..held("python_1", 0)?
            },
        ),
    ] {
        assert_eq!(read(spec).await?, Content::Record(Arc::new(expected)), "{spec}");
    }
    Ok(())
}

/// SAFETY 15: and the transitions stay.
#[tokio::test]
async fn what_other_clients_release_a_lease_with_is_free() -> TestResult {
    for (spec, seconds, at) in [
        (include_str!("leases/go-released.json"), 1, time(RENEWED)?),
        (include_str!("leases/java-released.json"), 15, None),
        (include_str!("leases/fabric8-released.json"), 1, time(RENEWED)?),
        (
            include_str!("leases/fabric8-released-null.json"),
            1,
            time(RENEWED)?,
        ),
    ] {
        let expected = LeaderElectionRecord {
            lease_duration_seconds: seconds,
            acquire_time: at,
            renew_time: at,
            leader_transitions: 3,
            ..LeaderElectionRecord::default()
        };
        assert!(expected.is_free());
        assert_eq!(read(spec).await?, Content::Record(Arc::new(expected)), "{spec}");
    }
    Ok(())
}
