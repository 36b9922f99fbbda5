//! What an apiserver, or something between, may answer, and what a lock makes of it: no panic, a clear error of the right
//! kind, and never more than one request.
//!
//! A fake server answers here what a real one cannot be made to answer at will; the real one is in the workspace's tests.

mod fake;

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

/// Clause 9, SAFETY 9: what is certain, and what is not.
#[tokio::test]
async fn a_refusal_says_what_may_be_concluded() -> TestResult {
    use LockErrorKind::{Ambiguous, Denied, Invalid, Unavailable};
    let text = |code, text: &str| Answer::new(code, text.to_owned());
    for (answer, of_swap, of_read, said) in [
        (
            status(401, "Unauthorized", "Unauthorized"),
            Denied,
            Denied,
            "401 Unauthorized",
        ),
        (
            status(403, "Forbidden", "User \\\"r\\\" cannot patch resource"),
            Denied,
            Denied,
            "403 Forbidden: User \"r\" cannot patch resource",
        ),
        (text(403, "<html>a proxy</html>"), Denied, Denied, "a proxy"),
        (status(400, "BadRequest", "bad"), Invalid, Invalid, "bad"),
        (text(400, "bad"), Ambiguous, Unavailable, "bad"),
        (
            status_about(
                404,
                "NotFound",
                "namespaces \\\"ns\\\" not found",
                "namespaces",
                "ns",
            ),
            Unavailable,
            Unavailable,
            "namespaces \"ns\" not found",
        ),
        (
            status_about(
                404,
                "NotFound",
                "the server could not find the requested resource",
                "",
                "",
            ),
            Invalid,
            Invalid,
            "could not find the requested resource",
        ),
        (
            text(404, "404 page not found\n"),
            Ambiguous,
            Unavailable,
            "404 page not found",
        ),
        (status(405, "MethodNotAllowed", "no"), Invalid, Invalid, "405"),
        (status(406, "NotAcceptable", "no"), Invalid, Invalid, "406"),
        (
            status(409, "Conflict-of-a-quota", "quota"),
            Unavailable,
            Unavailable,
            "quota",
        ),
        (text(409, "?"), Ambiguous, Unavailable, "409"),
        (
            status(410, "Expired", "too old"),
            Unavailable,
            Unavailable,
            "410 Gone: too old",
        ),
        (text(413, "too large"), Invalid, Invalid, "too large"),
        (status(422, "Invalid", "Too long"), Invalid, Invalid, "Too long"),
        (
            text(429, "Too many requests, please try again later.\n"),
            Unavailable,
            Unavailable,
            "again later",
        ),
        (
            status(500, "InternalError", "etcdserver: no leader"),
            Ambiguous,
            Unavailable,
            "etcdserver: no leader",
        ),
        (
            text(502, "<html>\n<h1>Bad\n\n  Gateway"),
            Ambiguous,
            Unavailable,
            "<html> <h1>Bad Gateway",
        ),
        (
            status(503, "ServiceUnavailable", "shutting down"),
            Ambiguous,
            Unavailable,
            "shutting down",
        ),
        (
            status(504, "Timeout", "Timeout: request did not complete"),
            Ambiguous,
            Unavailable,
            "504",
        ),
        (text(504, ""), Ambiguous, Unavailable, "the answer is empty"),
        (text(302, ""), Ambiguous, Unavailable, "302"),
        (
            text(500, &"x".repeat(1000)),
            Ambiguous,
            Unavailable,
            "x… (1000 bytes)",
        ),
    ] {
        let errors = [
            (of_swap, swap_error(answer.clone()).await?),
            (of_read, get_error(answer.clone()).await?),
            (of_read, watch_error(answer).await?),
        ];
        for (kind, error) in errors {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(said), "{error}: {said}");
            assert_eq!(error.retry_after(), None, "{error}");
            assert!(error.to_string().len() < 400, "{error}");
        }
    }
    Ok(())
}

/// 429 with Retry-After; whoever else sends it is heeded, too.
#[tokio::test]
async fn how_long_to_stay_away_is_passed_on() -> TestResult {
    let busy = Answer::new(429, "Too many requests".to_owned());
    for (answer, seconds) in [
        (busy.clone().retry_after("7"), Some(7)),
        (busy.clone().retry_after("0"), Some(0)),
        (busy.clone().retry_after("18446744073709551615"), Some(u64::MAX)),
        (busy.clone().retry_after("-1"), None),
        (busy.retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), None),
        (status(503, "ServiceUnavailable", "later").retry_after("3"), Some(3)),
        (
            Answer::new(
                429,
                r#"{"kind":"Status","reason":"TooManyRequests","details":{"retryAfterSeconds":5},"code":429}"#.to_owned(),
            ),
            Some(5),
        ),
    ] {
        let retry_after = seconds.map(Duration::from_secs);
        assert_eq!(swap_error(answer.clone()).await?.retry_after(), retry_after);
        assert_eq!(get_error(answer.clone()).await?.retry_after(), retry_after);
        assert_eq!(watch_error(answer).await?.retry_after(), retry_after);
    }
    Ok(())
}

/// Clause 5: a conflict is an outcome. Only a 404 tells which state was in the way.
#[tokio::test]
async fn a_conflict_is_an_outcome() -> TestResult {
    for (expected, answer, told) in [
        (SWAPS[0], status(409, "AlreadyExists", "exists"), None),
        (
            SWAPS[1],
            status(409, "Conflict", "the object has been modified"),
            None,
        ),
        (
            SWAPS[1],
            status(404, "NotFound", "not found"),
            Some(Observation::Absent { as_of: None }),
        ),
    ] {
        let swapped = Fake::new(answer)
            .lock()?
            .compare_and_swap(expected, &record())
            .await?;
        assert_eq!(swapped, Swap::Conflict(told));
    }
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

/// Clause 2: absent is an object of this name that is missing, and nothing else that is.
#[tokio::test]
async fn an_object_that_is_missing_is_absent() -> TestResult {
    let answer = status(404, "NotFound", "endpoints \\\"leader\\\" not found");
    assert_eq!(
        Fake::new(answer).lock()?.get().await?,
        Observation::Absent { as_of: None }
    );
    for answer in [
        status_about(404, "NotFound", "other", "endpoints", "other"),
        status_about(404, "NotFound", "pods", "pods", "leader"),
        status_about(404, "Gone", "no reason", "endpoints", "leader"),
    ] {
        assert_eq!(get_error(answer).await?.kind(), LockErrorKind::Invalid);
    }
    Ok(())
}

/// Clause 9: a success that says nothing may have been one.
#[tokio::test]
async fn a_success_that_makes_no_sense_is_an_error() -> TestResult {
    for (body, said) in [
        ("", "no object"),
        ("<html>login here</html>", "no object"),
        (
            r#"{"kind":"Status","status":"Success","metadata":{}}"#,
            "named \"\"",
        ),
        (r#"{"metadata":{"name":"leader"}}"#, "resourceVersion \"\""),
        (
            r#"{"metadata":{"name":"leader","resourceVersion":"opaque-7"}}"#,
            "resourceVersion \"opaque-7\"",
        ),
        (
            r#"{"metadata":{"name":"leader","resourceVersion":7}}"#,
            "no object",
        ),
        (
            r#"{"metadata":{"name":"another","resourceVersion":"7"}}"#,
            "named \"another\"",
        ),
    ] {
        let answer = Answer::new(200, body.to_owned());
        let (swap, get) = (swap_error(answer.clone()).await?, get_error(answer).await?);
        let watch = watch_error(Answer::new(
            200,
            format!(
                "{{\"type\":\"ADDED\",\"object\":{}}}\n",
                if body.starts_with('{') { body } else { "7" }
            ),
        ))
        .await?;
        assert_eq!(swap.kind(), LockErrorKind::Ambiguous, "{swap}");
        assert_eq!(get.kind(), LockErrorKind::Unavailable, "{get}");
        assert_eq!(watch.kind(), LockErrorKind::Unavailable, "{watch}");
        for error in [&swap, &get, &watch] {
            assert!(error.to_string().contains(said), "{error}: {said}");
        }
    }
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
            Answer::new(200, "x".repeat(5 << 20)),
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

/// What broke on the way: nothing was sent where there was no connection or no token; else nobody knows.
#[tokio::test]
async fn a_call_that_broke_is_ambiguous_unless_nothing_was_sent() -> TestResult {
    let error = swap_error(Answer::new(200, String::new()).broken()).await?;
    assert_eq!(error.kind(), LockErrorKind::Ambiguous, "{error}");
    let error = get_error(Answer::new(200, String::new()).broken()).await?;
    assert_eq!(error.kind(), LockErrorKind::Unavailable, "{error}");
    let error = swap_error(Answer::none(|| std::io::Error::other("reset").into())).await?;
    assert_eq!(error.kind(), LockErrorKind::Ambiguous, "{error}");
    assert!(error.to_string().ends_with(": reset"), "{error}");
    let no_token = || kube::client::AuthError::AuthExec("no token to be had".to_owned()).into();
    let error = swap_error(Answer::none(no_token)).await?;
    assert_eq!(error.kind(), LockErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("no token to be had"), "{error}");
    Ok(())
}

/// What goes over the wire: metadata only, a version always, a PUT never.
#[tokio::test]
async fn what_is_asked() -> TestResult {
    let metadata_only = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let fake = Fake::new(Answer::new(200, object("8", "{}")));
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
