//! What a watch shows, and how it ends.

use super::*;

/// 410 in both its forms, and whatever else ends a watch.
#[tokio::test]
async fn a_watch_that_ends_says_why() -> TestResult {
    use LockErrorKind::{Denied, Unavailable};
    let expired =
        r#"{"kind":"Status","message":"too old resource version: 1 (9)","reason":"Expired","code":410}"#;
    for (answer, kind, said) in [
        (
            status(410, "Expired", "too old resource version: 1 (9)"),
            Unavailable,
            "410 Gone: too old",
        ),
        (event("ERROR", expired), Unavailable, "410 Gone: too old"),
        (
            event(
                "ERROR",
                r#"{"kind":"Status","message":"no more","reason":"Forbidden","code":403}"#,
            ),
            Denied,
            "403 Forbidden: no more",
        ),
        (
            event(
                "ERROR",
                r#"{"kind":"Status","details":{"retryAfterSeconds":9},"code":429}"#,
            ),
            Unavailable,
            "429",
        ),
        (event("ERROR", "{}"), Unavailable, "500"),
        (event("RENAMED", "{}"), Unavailable, "type \"RENAMED\""),
        (Answer::new(200, "<html>\n".to_owned()), Unavailable, "no event"),
        (
            Answer::new(200, "{\"type\":\"ADDED\"".to_owned()),
            Unavailable,
            "in the middle of an event",
        ),
        (
            Answer::new(200, "x".repeat(17 << 20)),
            Unavailable,
            "an event without end",
        ),
        (
            Answer::new(200, String::new()).broken(),
            Unavailable,
            "connection reset",
        ),
    ] {
        let error = watch_error(answer).await?;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said), "{error}: {said}");
    }
    Ok(())
}

fn event(kind: &str, object: &str) -> Answer {
    Answer::new(200, format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}

/// Clause 11: events arrive in pieces or several at once; bookmarks show nothing; a deletion has its version.
#[tokio::test]
async fn a_watch_shows_every_event_however_it_is_cut() -> TestResult {
    let leader = r#"{"control-plane.alpha.kubernetes.io/leader":"{\"holderIdentity\":\"ä\"}"}"#;
    let lines = [
        format!(r#"{{"type":"ADDED","object":{}}}"#, object("7", "{}")),
        String::new(),
        format!(r#"{{"type":"MODIFIED","object":{}}}"#, object("8", leader)),
        r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","creationTimestamp":null}}}"#
            .to_owned(),
        format!(r#"{{"type":"DELETED","object":{}}}"#, object("10", leader)),
        String::new(),
    ]
    .join("\n");
    for piece in [1, 2, 7, 100, lines.len()] {
        let fake = Fake::new(Answer::new(200, lines.clone()).in_pieces(piece));
        let stream = fake.lock()?.watch().await?.ok_or("no watch")?;
        let shown: Vec<_> = stream.map(Result::unwrap).collect().await;
        let holder = match shown.get(1) {
            Some(Observation::Present {
                version,
                content: Content::Record(record),
            }) => (version.get(), record.holder_identity.as_str()),
            other => return Err(format!("{other:?}").into()),
        };
        assert_eq!(holder, (8, "ä"));
        let empty = Observation::Present {
            version: Version::new(7),
            content: Content::Empty,
        };
        let gone = Observation::Absent {
            as_of: Some(Version::new(10)),
        };
        assert_eq!(
            (shown.len(), shown.first(), shown.last()),
            (3, Some(&empty), Some(&gone))
        );
    }
    Ok(())
}
