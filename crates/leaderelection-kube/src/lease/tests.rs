//! What is written on a Lease, and what is read from it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use leaderelection::{Expected, ResourceLock as _};
use tokio::task::{unconstrained, yield_now};
use tower::service_fn;

use super::*;
use crate::KubeConnection;

type Change = fn(&mut LeaderElectionRecord);

const TIMES: &str =
    r#""acquireTime":"2024-02-29T23:58:00.000000Z","renewTime":"2024-02-29T23:58:02.000000Z""#;

fn content(spec: &str) -> Content {
    let json = format!(r#"{{"metadata":{{"name":"n"}}{spec}}}"#);
    let object = Object::parse(json.as_bytes(), "n").unwrap();
    match read(&object, Version::new(7)) {
        Observation::Present { content, .. } => content,
        Observation::Absent { .. } => panic!("an object is not absent"),
    }
}

fn record_in(spec: &str) -> LeaderElectionRecord {
    match content(&format!(r#","spec":{spec}"#)) {
        Content::Record(record) => LeaderElectionRecord::clone(&record),
        other => panic!("{spec}: {other:?}"),
    }
}

fn at(seconds: i64, micros: u32) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(1_709_251_080 + seconds, micros * 1000)
}

fn held() -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: "a".to_owned(),
        lease_duration_seconds: 15,
        acquire_time: at(0, 0),
        renew_time: at(2, 0),
        leader_transitions: 3,
        unknown_fields: Vec::new(),
    }
}

#[test]
fn without_holder_times_and_transitions_there_is_no_record() {
    for spec in [
        "",
        r#","spec":null"#,
        r#","spec":{}"#,
        r#","spec":{"holderIdentity":null,"acquireTime":null}"#,
        r#","spec":{"leaseDurationSeconds":15,"leaseTransitions":null}"#,
        r#","spec":{"strategy":"OldestEmulationVersion","preferredHolder":"b"}"#,
    ] {
        assert_eq!(content(spec), Content::Empty, "{spec}");
    }
}

/// SAFETY 15: free is a record without a holder, however that is written; SAFETY 7: a duration is as it is declared.
#[test]
fn what_clients_write_is_read() {
    let duration = |seconds| LeaderElectionRecord {
        lease_duration_seconds: seconds,
        ..held()
    };
    let free = LeaderElectionRecord {
        holder_identity: String::new(),
        ..held()
    };
    for (spec, record) in [
        (
            r#""holderIdentity":"a","leaseDurationSeconds":15,"leaseTransitions":3"#,
            held(),
        ),
        (
            r#""holderIdentity":"","leaseDurationSeconds":15,"leaseTransitions":3"#,
            free.clone(),
        ),
        (
            r#""holderIdentity":null,"leaseDurationSeconds":15,"leaseTransitions":3"#,
            free.clone(),
        ),
        (r#""leaseDurationSeconds":15,"leaseTransitions":3"#, free),
        (r#""holderIdentity":"a","leaseTransitions":3"#, duration(0)),
        (
            r#""holderIdentity":"a","leaseDurationSeconds":0,"leaseTransitions":3"#,
            duration(0),
        ),
        (
            r#""holderIdentity":"a","leaseDurationSeconds":-1,"leaseTransitions":3"#,
            duration(-1),
        ),
        (
            r#""holderIdentity":"a","leaseDurationSeconds":99999999999999999999,"leaseTransitions":3"#,
            duration(i64::MAX),
        ),
    ] {
        let spec = format!("{{{spec},{TIMES}}}");
        assert_eq!(record_in(&spec), record, "{spec}");
    }
    for (spec, holder) in [
        (r#"{"holderIdentity":""}"#, ""),
        (r#"{"holderIdentity":" "}"#, " "),
        (r#"{"holderIdentity":"\u00e4"}"#, "ä"),
    ] {
        assert_eq!(record_in(spec).holder_identity, holder);
    }
}

/// SAFETY 5: a renewal within the same second is one, whatever its fraction; another writer's field is none.
#[test]
fn a_fraction_of_a_second_is_a_change_and_a_foreign_field_is_none() {
    let spec = |micros: &str, more: &str| {
        record_in(&format!(
            r#"{{"holderIdentity":"a","renewTime":"2024-02-29T23:58:02{micros}Z"{more}}}"#
        ))
    };
    let seen = spec(".000001", "");
    assert_eq!(seen.renew_time, at(2, 1));
    for fraction in ["", ".000000", ".000002", ".1"] {
        assert_ne!(spec(fraction, ""), seen, "{fraction}");
    }
    for more in [
        r#","strategy":"OldestEmulationVersion","preferredHolder":"b""#,
        r#","ofTheFuture":{"a":[1]}"#,
    ] {
        assert_eq!(spec(".000001", more), seen, "{more}");
    }
}

/// SAFETY 17: held when unreadable.
#[test]
fn what_no_client_may_write_is_unreadable_and_raw() {
    for (spec, said) in [
        ("7", "invalid type"),
        ("[]", "invalid length 0"),
        (
            r#"{"holderIdentity":7}"#,
            "holderIdentity: expected a string or null, found 7",
        ),
        (
            r#"{"holderIdentity":"a","leaseDurationSeconds":1.5}"#,
            "leaseDurationSeconds: expected a whole",
        ),
        (
            r#"{"holderIdentity":"a","leaseTransitions":"x"}"#,
            "Transitions: expected a whole number, found \"x\"",
        ),
        (
            r#"{"holderIdentity":"a","renewTime":"yesterday"}"#,
            "renewTime: expected an RFC 3339 time",
        ),
        (
            r#"{"holderIdentity":"a","acquireTime":7}"#,
            "acquireTime: expected an RFC 3339 time",
        ),
        (
            r#"{"holderIdentity":"a","holderIdentity":"b"}"#,
            "duplicate field",
        ),
    ] {
        match content(&format!(r#","spec":{spec}"#)) {
            Content::Unreadable(found) => {
                assert_eq!(String::from_utf8_lossy(&found.raw), spec);
                assert!(found.reason.contains(said), "{spec}: {}", found.reason);
            }
            other => panic!("{spec}: {other:?}"),
        }
    }
}

fn written(record: &LeaderElectionRecord) -> Result<Value, String> {
    let mut draft = Draft::default();
    write(&mut draft, record)?;
    assert!(draft.metadata.is_empty());
    Ok(Value::Object(draft.fields))
}

#[test]
fn a_record_is_written_in_the_types_of_a_lease() {
    assert_eq!(
        written(&held()).unwrap(),
        json!({"spec": {
            "holderIdentity": "a",
            "leaseDurationSeconds": 15,
            "acquireTime": "2024-02-29T23:58:00.000000Z",
            "renewTime": "2024-02-29T23:58:02.000000Z",
            "leaseTransitions": 3,
        }})
    );
    // What there is none of is taken away; the empty holder is written, as it says that somebody released it.
    assert_eq!(
        written(&LeaderElectionRecord::default()).unwrap(),
        json!({"spec": {
            "holderIdentity": "",
            "leaseDurationSeconds": null,
            "acquireTime": null,
            "renewTime": null,
            "leaseTransitions": 0,
        }})
    );
}

/// Clause 3 of the lock's contract.
#[test]
fn what_is_written_is_what_is_read() {
    let changes: [Change; 11] = [
        |_| {},
        |record| *record = LeaderElectionRecord::default(),
        |record| record.holder_identity.clear(),
        |record| record.lease_duration_seconds = 0,
        |record| record.lease_duration_seconds = i64::from(i32::MAX),
        |record| record.leader_transitions = i64::from(i32::MAX),
        |record| record.renew_time = at(2, 1),
        |record| record.acquire_time = None,
        |record| record.renew_time = DateTime::from_timestamp(-62_167_219_200, 0),
        |record| record.renew_time = DateTime::from_timestamp(253_402_300_799, 0),
        |record| record.renew_time = DateTime::from_timestamp(-62_135_596_799, 0),
    ];
    for change in changes {
        let mut record = held();
        change(&mut record);
        let spec = written(&record).unwrap().get("spec").unwrap().to_string();
        assert_eq!(record_in(&spec), record);
    }
}

#[test]
fn what_a_lease_cannot_hold_is_refused() {
    let changes: [(Change, &str); 7] = [
        (
            |record| record.lease_duration_seconds = -1,
            "leaseDurationSeconds -1; it holds 1 to 2147483647",
        ),
        (
            |record| record.lease_duration_seconds = 1 << 31,
            "leaseDurationSeconds 2147483648;",
        ),
        (
            |record| record.leader_transitions = -1,
            "leaderTransitions -1; it holds 0 to 2147483647",
        ),
        (
            |record| record.leader_transitions = 1 << 31,
            "leaderTransitions 2147483648;",
        ),
        (
            |record| {
                record
                    .unknown_fields
                    .push(("strategy".to_owned(), "null".to_owned()))
            },
            "the record's field \"strategy\"",
        ),
        (
            |record| record.acquire_time = DateTime::from_timestamp(-62_135_596_800, 0),
            "acquireTime 0001-01-01 00:00:00 UTC",
        ),
        (
            |record| record.renew_time = Some(DateTime::<Utc>::MAX_UTC),
            "renewTime +262142",
        ),
    ];
    for (change, said) in changes {
        let mut record = held();
        change(&mut record);
        let problem = written(&record).unwrap_err();
        assert!(problem.contains(said), "{problem}");
    }
}

/// How many calls there are at once to a server that answers none, where so many elections read and write together.
async fn under_way(elections: usize, sharing: bool) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::Relaxed);
        pending::<Result<Response<Body>, tower::BoxError>>()
    });
    let kube = KubeConnection::from_client(Client::new(server, "default"));
    let kube = if sharing { kube.with_shared_watches() } else { kube };
    let locks: Vec<_> = (0..elections)
        .map(|election| kube.lease("default", election.to_string()).unwrap())
        .collect();
    let record = held();
    let reads = locks.iter().map(|lock| lock.get().map(drop).boxed());
    let writes = locks
        .iter()
        .map(|lock| lock.compare_and_swap(Expected::Absent, &record).map(drop).boxed());
    let mut calls: Vec<_> = reads.chain(writes).collect();
    // kube's client sends from a task of its own. Time stands still while nobody is idle.
    for _ in 0..20 {
        for call in &mut calls {
            assert!(unconstrained(call).now_or_never().is_none());
        }
        yield_now().await;
    }
    count.load(Ordering::Relaxed)
}

/// Over HTTP/1.1 each has a connection.
#[tokio::test(start_paused = true)]
async fn elections_that_share_watches_have_few_calls_under_way() {
    assert_eq!(under_way(100, true).await, 24);
    assert_eq!(under_way(100, false).await, 200, "the count would show it");
}
