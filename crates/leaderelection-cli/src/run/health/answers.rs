//! What is answered to whom.

use std::cell::OnceCell;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use leaderelection::{ElectionObserver, Readiness};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::run::stops::Stops;

/// A whole answer.
pub(super) type Answer = Response<Full<Bytes>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Prometheus' own, of its text format.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Renewals take a millisecond or two, and at the worst a renew deadline; a take-over from a dead leader a lease and more.
const BUCKETS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0,
];

/// What can be asked, and of whom it is known.
pub(super) struct Answers<'a> {
    /// Empty until there is an election: its store may have to be found first.
    pub(super) election: OnceCell<ElectionObserver>,
    pub(super) tolerance: Duration,
    pub(super) readiness: Readiness,
    pub(super) stops: &'a Stops,
    pub(super) metrics: PrometheusHandle,
}

/// Collects what the election counts, from now on.
pub(super) fn metrics() -> Result<PrometheusHandle, String> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &BUCKETS)
        .map_err(|error| error.to_string())?;
    builder.install_recorder().map_err(|error| error.to_string())
}

impl Answers<'_> {
    pub(super) fn to(&self, method: &Method, path: &str) -> Answer {
        let answer = match path {
            "/healthz" => checked(self.health()),
            "/readyz" => checked(self.ready()),
            "/metrics" => {
                if let Some(election) = self.election.get() {
                    election.refresh_metrics();
                }
                answer(StatusCode::OK, METRICS, self.metrics.render())
            }
            "/" => answer(StatusCode::OK, TEXT, self.name()),
            _ => return answer(StatusCode::NOT_FOUND, TEXT, "404 page not found\n"),
        };
        if matches!(*method, Method::GET | Method::HEAD) {
            return answer;
        }
        let mut refused = self::answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        refused
    }

    fn health(&self) -> Result<(), String> {
        let Some(election) = self.election.get() else {
            // Who does not lead is healthy.
            return Ok(());
        };
        election.health(self.tolerance).map_err(failed("leaderElection"))
    }

    fn ready(&self) -> Result<(), String> {
        if self.stops.asked() {
            return Err("this candidate was asked to stop".to_owned());
        }
        let election = self.election.get().ok_or("the election has not begun")?;
        election.ready(self.readiness).map_err(|why| why.to_string())
    }

    /// As Go's leader-elector sidecar: `json.Marshal` of a struct with one field, and no type, so that Go takes it for text.
    fn name(&self) -> String {
        let leader = self.election.get().and_then(ElectionObserver::leader);
        let name = serde_json::Value::from(leader.unwrap_or_default()).to_string();
        // Go writes JSON that may stand in HTML.
        let name = [
            ("<", "\\u003c"),
            (">", "\\u003e"),
            ("&", "\\u0026"),
            ("\u{2028}", "\\u2028"),
            ("\u{2029}", "\\u2029"),
        ]
        .iter()
        .fold(name, |name, (from, to)| name.replace(from, to));
        format!("{{\"name\":{name}}}")
    }
}

fn failed<E: fmt::Display>(check: &'static str) -> impl Fn(E) -> String {
    move |why| format!("{check}: {why}")
}

/// Kubernetes' own components answer 500, and not 503.
fn checked(outcome: Result<(), String>) -> Answer {
    match outcome {
        Ok(()) => answer(StatusCode::OK, TEXT, "ok"),
        Err(why) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, why + "\n"),
    }
}

fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use leaderelection::{Clock as _, LeaderElector, PausedClock};
    use leaderelection_conformance::{FaultLock, Partition};
    use leaderelection_memory::MemoryLock;

    use super::*;

    async fn asked(answers: &Answers<'_>, path: &str) -> (u16, String) {
        let answer = answers.to(&Method::GET, path);
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn sleep(millis: u64) {
        let until = PausedClock.mono().after(Duration::from_millis(millis));
        PausedClock.sleep_until(until).await;
    }

    /// No COMMAND can do that, as it is killed in time; a leader whose work is not a COMMAND can.
    #[tokio::test(start_paused = true)]
    async fn a_leader_whose_work_outlives_the_lease_and_the_tolerance_is_unhealthy() {
        let faulty = FaultLock::new(MemoryLock::new());
        let faults = faulty.faults();
        let elector = LeaderElector::builder(faulty, "a")
            .clock(PausedClock)
            .build()
            .unwrap();
        let stops = Stops::default();
        let answers = Answers {
            election: OnceCell::from(elector.observer()),
            tolerance: Duration::from_secs(20),
            readiness: Readiness::LeaderOnly,
            stops: &stops,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
        };
        let handle = elector.spawn().unwrap();
        let work = handle.leadership().await.unwrap();
        faults.partition(Partition::Full);
        assert_eq!(asked(&answers, "/readyz").await, (200, "ok".to_owned()));
        // 15 s and 20 s after the acquisition was sent.
        sleep(34_900).await;
        assert_eq!(asked(&answers, "/healthz").await, (200, "ok".to_owned()));
        let (status, why) = asked(&answers, "/readyz").await;
        assert_eq!(status, 500, "{why}");
        sleep(1_100).await;
        let (status, why) = asked(&answers, "/healthz").await;
        assert_eq!(status, 500, "{why}");
        assert!(why.starts_with("leaderElection: the lease ran out "), "{why}");
        drop(work);
        sleep(10).await;
        assert_eq!(asked(&answers, "/healthz").await, (200, "ok".to_owned()));
    }
}
