//! What a refusal, a broken call and a senseless success allow to conclude.

use super::*;

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
        (status(406, "NotAcceptable", "no"), Ambiguous, Unavailable, "406"),
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
        // As the apiserver's filter for requests that last too long writes it.
        (
            text(
                504,
                r#"{"metadata":{},"status":"Failure","message":"Timeout: it took too long","reason":"Timeout","details":{},"code":504}"#,
            ),
            Ambiguous,
            Unavailable,
            "504 Gateway Timeout: Timeout: it took too long",
        ),
        (
            status(500, "InternalError", &"x".repeat(1000)),
            Ambiguous,
            Unavailable,
            "x… (1000 bytes)",
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

/// Clause 3: a success is the success of what was asked. An admission webhook may drop the record or change it on its way
/// into the store; whoever led by what nobody can see would be one of two.
#[tokio::test]
async fn a_success_that_shows_another_record_is_in_doubt() -> TestResult {
    let another = written("8").replace("\\\"a\\\"", "\\\"b\\\"");
    assert_ne!(another, written("8"));
    for body in [object("8", "{}"), object("8", "null"), another] {
        let error = swap_error(Answer::new(200, body)).await?;
        assert_eq!(error.kind(), LockErrorKind::Ambiguous, "{error}");
        assert!(
            error.to_string().contains("another record than was sent"),
            "{error}"
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
