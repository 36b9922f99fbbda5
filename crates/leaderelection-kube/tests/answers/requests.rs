//! What is sent, and what is never sent.

use super::*;

/// What goes over the wire: metadata only, a version always, a PUT never.
#[tokio::test]
async fn what_is_asked() -> TestResult {
    let metadata_only = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let fake = Fake::new(Answer::new(200, written("8")));
    let lock = fake.lock()?;
    lock.get().await?;
    for expected in SWAPS {
        assert_eq!(
            lock.compare_and_swap(expected, &record()).await?,
            Swap::Done(Version::new(8))
        );
    }
    let _open = lock.watch().await?;
    let seen = fake.seen();
    let asked: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect();
    assert_eq!(
        asked,
        [
            "GET /api/v1/namespaces/ns/endpoints/leader",
            "POST /api/v1/namespaces/ns/endpoints?fieldManager=leaderelection",
            "PATCH /api/v1/namespaces/ns/endpoints/leader?fieldManager=leaderelection",
            "GET /api/v1/namespaces/ns/endpoints?watch=true&fieldSelector=metadata.name%3Dleader",
        ]
    );
    assert!(seen.iter().all(|seen| seen.accept == metadata_only));
    let json = record().to_json().replace('"', "\\\"");
    let annotations = format!(r#""annotations":{{"control-plane.alpha.kubernetes.io/leader":"{json}"}}"#);
    let sent: Vec<_> = seen
        .iter()
        .map(|seen| (seen.content_type.as_str(), seen.body.as_str()))
        .collect();
    let create = format!(
        r#"{{"apiVersion":"v1","kind":"Endpoints","metadata":{{{annotations},"name":"leader","namespace":"ns"}}}}"#
    );
    let patch = format!(r#"{{"metadata":{{{annotations},"resourceVersion":"7"}}}}"#);
    assert_eq!(
        sent,
        [
            ("", ""),
            ("application/json", create.as_str()),
            ("application/merge-patch+json", patch.as_str()),
            ("", ""),
        ]
    );
    Ok(())
}

/// SAFETY 8: to the apiserver the version 0 means any. It is never sent.
#[tokio::test]
async fn the_version_0_is_in_conflict_with_everything() -> TestResult {
    let fake = Fake::new(Answer::new(200, object("9", "{}")));
    let swapped = fake
        .lock()?
        .compare_and_swap(Expected::Version(Version::new(0)), &record())
        .await?;
    assert_eq!((swapped, fake.seen().len()), (Swap::Conflict(None), 0));
    Ok(())
}

/// An annotation that is a number, as no apiserver has one: held, raw, and with the version on which it can be replaced.
#[tokio::test]
async fn an_annotation_of_the_wrong_type_is_unreadable() -> TestResult {
    let answer = Answer::new(
        200,
        object("7", r#"{"control-plane.alpha.kubernetes.io/leader":7}"#),
    );
    match Fake::new(answer).lock()?.get().await? {
        Observation::Present {
            version,
            content: Content::Unreadable(found),
        } => {
            assert_eq!((version, found.raw.as_slice()), (Version::new(7), &b"7"[..]));
            assert!(found.reason.contains("expected a string"), "{}", found.reason);
        }
        other => return Err(format!("{other:?}").into()),
    }
    Ok(())
}
