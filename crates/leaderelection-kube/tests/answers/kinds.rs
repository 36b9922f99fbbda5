//! What differs by the kind of object: the path, the form of the answer, where the record is, and what an object is made
//! with.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use leaderelection_kube::LockRef;

use super::*;

fn lease(resource_version: &str, spec: &str) -> String {
    format!(
        r#"{{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{{"name":"leader","namespace":"ns","resourceVersion":"{resource_version}"}},"spec":{spec}}}"#
    )
}

/// A Lease on which `record` stands.
fn written_lease(resource_version: &str) -> String {
    lease(
        resource_version,
        r#"{"holderIdentity":"a","leaseTransitions":0,"strategy":"OldestEmulationVersion"}"#,
    )
}

fn owner() -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        name: "d".to_owned(),
        uid: "7".to_owned(),
        ..OwnerReference::default()
    }
}

/// Method and path, then type and body of what is sent.
fn asked(fake: &Fake) -> Vec<String> {
    fake.seen()
        .iter()
        .map(|seen| {
            [&*seen.method, &*seen.path, &*seen.content_type, &*seen.body]
                .join(" ")
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// A Lease is read whole, for its record is no metadata; of its spec the five fields of the record are written.
#[tokio::test]
async fn what_is_asked_of_a_lease() -> TestResult {
    let fake = Fake::new(Answer::new(200, written_lease("8")));
    let lock = fake
        .connection()
        .lease("ns", "leader")?
        .with_labels([("app", "x")])?
        .with_owner_reference(owner())?
        .with_field_manager("my tool")?;
    assert_eq!(lock.get().await?, Observation::record(Version::new(8), record()));
    for expected in SWAPS {
        let swapped = lock.compare_and_swap(expected, &record()).await?;
        assert_eq!(swapped, Swap::Done(Version::new(8)));
    }
    let _open = lock.watch().await?;
    let leases = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";
    let spec = r#""spec":{"acquireTime":null,"holderIdentity":"a","leaseDurationSeconds":null,"leaseTransitions":0,"renewTime":null}"#;
    let made = r#""labels":{"app":"x"},"name":"leader","namespace":"ns","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"d","uid":"7"}]"#;
    assert_eq!(
        asked(&fake),
        [
            format!("GET {leases}/leader"),
            format!(
                r#"POST {leases}?fieldManager=my%20tool application/json {{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{{made}}},{spec}}}"#
            ),
            format!(
                r#"PATCH {leases}/leader?fieldManager=my%20tool application/merge-patch+json {{"metadata":{{"resourceVersion":"7"}},{spec}}}"#
            ),
            format!("GET {leases}?watch=true&fieldSelector=metadata.name%3Dleader"),
        ]
    );
    assert!(fake.seen().iter().all(|seen| seen.accept == "application/json"));
    Ok(())
}

/// Of a ConfigMap the metadata, as of an Endpoints object.
#[tokio::test]
async fn what_is_asked_of_a_config_map() -> TestResult {
    let fake = Fake::new(Answer::new(200, written("8")));
    let lock = fake.connection().config_map("ns", "leader")?;
    assert_eq!(lock.get().await?, Observation::record(Version::new(8), record()));
    lock.compare_and_swap(Expected::Absent, &record()).await?;
    let (asked, seen) = (asked(&fake), fake.seen());
    let [get, create] = asked.as_slice() else {
        return Err(format!("{asked:?}").into());
    };
    assert_eq!(get, "GET /api/v1/namespaces/ns/configmaps/leader");
    let post = "POST /api/v1/namespaces/ns/configmaps?fieldManager=leaderelection application/json";
    assert!(
        create.starts_with(post) && create.contains(r#""apiVersion":"v1","kind":"ConfigMap""#),
        "{create}"
    );
    assert!(
        seen.iter()
            .all(|seen| seen.accept.contains("as=PartialObjectMetadata"))
    );
    Ok(())
}

/// By its name in one word a lock is the same.
#[tokio::test]
async fn a_lock_by_its_reference() -> TestResult {
    for (reference, path) in [
        (
            "leases:ns/leader",
            "/apis/coordination.k8s.io/v1/namespaces/ns/leases/leader",
        ),
        ("configmaps:ns/leader", "/api/v1/namespaces/ns/configmaps/leader"),
        ("endpoints:ns/leader", "/api/v1/namespaces/ns/endpoints/leader"),
    ] {
        let fake = Fake::new(Answer::new(200, object("7", "{}")));
        let lock = fake.connection().lock(&reference.parse::<LockRef>()?);
        let empty = Observation::Present {
            version: Version::new(7),
            content: Content::Empty,
        };
        assert_eq!(
            (lock.describe(), lock.get().await?),
            (reference.to_owned(), empty)
        );
        assert_eq!(asked(&fake), [format!("GET {path}")]);
    }
    Ok(())
}

/// What a Lease has no place for is refused before anything is sent, so nothing was written (clause 9).
#[tokio::test]
async fn what_a_lease_cannot_hold_is_not_sent() -> TestResult {
    let too_many = LeaderElectionRecord {
        leader_transitions: 1 << 31,
        ..record()
    };
    for (expected, verb) in SWAPS.into_iter().zip(["create", "patch"]) {
        let fake = Fake::new(Answer::new(200, written_lease("8")));
        let swapped = fake
            .connection()
            .lease("ns", "leader")?
            .compare_and_swap(expected, &too_many)
            .await;
        let error = swapped.err().ok_or("done")?;
        assert_eq!(error.kind(), LockErrorKind::Invalid, "{error}");
        let said = format!("{verb} of leases ns/leader: a Lease cannot hold leaderTransitions 2147483648");
        assert!(error.to_string().contains(&said), "{error}");
        assert!(fake.seen().is_empty());
    }
    Ok(())
}

/// Clause 3, as for an annotation: a webhook that changes the record leaves the swap in doubt; one that writes a field which
/// is none of the record's does not.
#[tokio::test]
async fn a_success_that_shows_another_spec_is_in_doubt() -> TestResult {
    for spec in [
        "{}",
        r#"{"holderIdentity":"b","leaseTransitions":0}"#,
        r#"{"holderIdentity":"a","leaseTransitions":0,"renewTime":"2024-02-29T23:58:00.000000Z"}"#,
    ] {
        for expected in SWAPS {
            let fake = Fake::new(Answer::new(200, lease("8", spec)));
            let lock = fake.connection().lease("ns", "leader")?;
            let error = lock
                .compare_and_swap(expected, &record())
                .await
                .err()
                .ok_or("done")?;
            assert_eq!(error.kind(), LockErrorKind::Ambiguous, "{error}");
            assert!(
                error.to_string().contains("another record than was sent"),
                "{error}"
            );
        }
    }
    Ok(())
}

/// Clause 11; SAFETY 5: what others write in the spec comes with a new version and the same record.
#[tokio::test]
async fn a_watch_shows_leases() -> TestResult {
    let held = r#""holderIdentity":"a","renewTime":"2024-02-29T23:58:00.500000Z""#;
    let lines: String = [
        ("ADDED", lease("7", "{}")),
        ("MODIFIED", lease("8", &format!("{{{held}}}"))),
        (
            "MODIFIED",
            lease("9", &format!(r#"{{{held},"preferredHolder":"b"}}"#)),
        ),
        ("MODIFIED", lease("10", r#"{"holderIdentity":7}"#)),
        ("DELETED", lease("11", "{}")),
    ]
    .iter()
    .map(|(kind, object)| format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
    .collect();
    let fake = Fake::new(Answer::new(200, lines));
    let stream = fake
        .connection()
        .lease("ns", "leader")?
        .watch()
        .await?
        .ok_or("no watch")?;
    let shown: Vec<_> = stream.map(Result::unwrap).collect().await;
    let contents: Vec<_> = shown
        .iter()
        .map(|shown| match shown {
            Observation::Present { version, content } => (version.get(), Some(content.clone())),
            Observation::Absent { as_of } => (as_of.map_or(0, Version::get), None),
        })
        .collect();
    let versions: Vec<_> = contents.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, [7, 8, 9, 10, 11]);
    let [
        (_, Some(Content::Empty)),
        (_, Some(renewed)),
        (_, Some(labelled)),
        (_, Some(Content::Unreadable(_))),
        (_, None),
    ] = contents.as_slice()
    else {
        return Err(format!("{contents:?}").into());
    };
    assert!(matches!(renewed, Content::Record(record) if record.holder_identity == "a"));
    assert_eq!(renewed, labelled);
    Ok(())
}
