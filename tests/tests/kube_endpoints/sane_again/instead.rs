//! What the real apiserver does not say, or cannot be brought to say of every call.

use super::*;
use crate::tap::Canned;

/// Something before the apiserver answers instead.
struct AnsweredInstead(Instead, Canned);

impl Trouble for AnsweredInstead {
    async fn begin(&mut self) -> TestResult {
        self.0.set(Some(self.1));
        Ok(())
    }

    async fn end(&mut self) -> TestResult {
        self.0.set(None);
        Ok(())
    }
}

async fn answered_instead(canned: Canned, signs: &Signs) -> Result<Ways, Box<dyn Error>> {
    let stage = Stage::new("instead").await?;
    let instead = Instead::default();
    let ways = Ways::through(stage.door.client(), &stage.namespace, &instead);
    ways.outlive(AnsweredInstead(instead, canned), signs).await?;
    Ok(ways)
}

/// A captive portal, or a proxy that has lost its way.
#[tokio::test]
async fn a_success_that_is_no_json() -> TestResult {
    let canned = Canned {
        only: None,
        code: 200,
        retry_after: None,
        body: "<html>log in here</html>",
    };
    let signs = Signs {
        renewal: "the answer is no object",
        calls: &[
            ("get", "the answer is no object"),
            ("create", "the answer is no object"),
            ("patch", "the answer is no object"),
        ],
    };
    answered_instead(canned, &signs).await.map(drop)
}

/// The real server's flow control refuses reads too, and its load balancer whatever it likes.
#[tokio::test]
async fn too_many_requests_of_any_kind() -> TestResult {
    let canned = Canned {
        only: None,
        code: 429,
        retry_after: Some(1),
        body: "Too many requests, please try again later.",
    };
    let signs = Signs {
        renewal: "429 Too Many Requests",
        calls: &[
            ("get", "429 Too Many Requests"),
            ("create", "429 Too Many Requests"),
            ("patch", "429 Too Many Requests"),
            ("watch", "429 Too Many Requests"),
        ],
    };
    let ways = answered_instead(canned, &signs).await?;
    ways.stay_away(&["get"]);
    Ok(())
}

/// Whom alone it befalls has lost before another leads, and follows when it has passed; also where it was told to stay away
/// for ten minutes.
#[tokio::test]
async fn who_alone_is_refused_is_replaced_and_not_before_it_has_lost() -> TestResult {
    let mut waiting = Vec::new();
    for (code, retry_after, body) in [
        (200, None, "<html>log in here</html>"),
        (
            401,
            None,
            r#"{"kind":"Status","reason":"Unauthorized","code":401}"#,
        ),
        (429, Some(600), "Too many requests, please try again later."),
        (
            500,
            None,
            r#"{"kind":"Status","reason":"InternalError","code":500}"#,
        ),
        (
            503,
            Some(600),
            r#"{"kind":"Status","reason":"ServiceUnavailable","code":503}"#,
        ),
        (504, None, r#"{"kind":"Status","reason":"Timeout","code":504}"#),
    ] {
        waiting.push(async move {
            let stage = Stage::new("alone").await?;
            let instead = Instead::default();
            let mut ways = Ways::through(stage.door.client(), &stage.namespace, &Instead::default());
            ways.leader = Tap::before(stage.door.client().clone(), &instead);
            let first = ways.candidate(&ways.leader, "first")?;
            let leadership = first.leads(LEASE).await?;
            let mut second = ways.candidate(&ways.other, "second")?;
            follows(&mut second).await;

            instead.set(Some(Canned {
                only: None,
                code,
                retry_after,
                body,
            }));
            let lost = async {
                let reason = within(LEASE, "the loss", leadership.lost()).await;
                (reason, now())
            };
            let ((reason, lost), next) = tokio::join!(lost, async { (second.leads(LEASE * 2).await, now()) });
            let (next, led) = next;
            let next = next?;
            assert_eq!(reason, LossReason::DeadlineExceeded, "{code}");
            assert!(lost < led, "{code}: two leaders");
            assert!(next.token() > leadership.token(), "{code}");
            drop(leadership);

            instead.set(None);
            let follows = async {
                while first.handle.leader().as_deref() != Some("second") {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            within(LEASE * 2, "the other followed", follows).await;
            assert!(next.is_valid() && !first.handle.is_leader(), "{code}");
            drop(next);
            shut_down(first).await?;
            shut_down(second).await
        });
    }
    for outcome in futures_util::future::join_all(waiting).await {
        outcome?;
    }
    Ok(())
}

/// 410 in both its forms: the watch is refused, or told in its stream that it is too old. Nobody leads or loses by it, and
/// the follower has a watch again when it has passed.
#[tokio::test]
async fn a_watch_that_is_too_old_is_opened_again() -> TestResult {
    for (code, body) in [
        (
            410,
            r#"{"kind":"Status","status":"Failure","message":"too old resource version","reason":"Expired","code":410}"#,
        ),
        (
            200,
            "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"too old resource version\",\"reason\":\"Expired\",\"code\":410}}\n",
        ),
    ] {
        let stage = Stage::new("too-old").await?;
        let instead = Instead::default();
        let mut ways = Ways::through(stage.door.client(), &stage.namespace, &Instead::default());
        ways.other = Tap::before(stage.door.client().clone(), &instead);
        let leader = ways.candidate(&ways.leader, "leader")?;
        let leadership = leader.leads(LEASE).await?;
        instead.set(Some(Canned {
            only: Some("watch"),
            code,
            retry_after: None,
            body,
        }));
        let mut follower = ways.candidate(&ways.other, "follower")?;
        for _ in 0..2 {
            let said = call_failed(&mut follower).await.to_string();
            println!("{said}");
            assert!(
                said.contains("watch of endpoints") && said.contains("410 Gone"),
                "{said}"
            );
        }
        assert!(leadership.is_valid() && !follower.handle.is_leader());

        instead.set(None);
        let healed = now();
        let watches = async {
            while !ways.other.asked().iter().any(|asked| {
                asked.verb == "watch"
                    && asked.sent > healed
                    && asked.answer.is_some_and(|(_, code, _)| code == 200)
            }) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        within(LEASE, "another watch", watches).await;
        assert!(leadership.is_valid() && !follower.handle.is_leader());
        drop(leadership);
        shut_down(leader).await?;
        drop(follower.leads(LEASE).await?);
        shut_down(follower).await?;
    }
    Ok(())
}
