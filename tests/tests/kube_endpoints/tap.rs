//! A place between a lock and the real apiserver, within the lock's client: it notes each call, and may answer instead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, Response, header};
use kube::Client;
use kube::client::Body;
use leaderelection::MonoTime;

use super::*;

/// An answer that does not come from the apiserver.
#[derive(Clone, Copy)]
pub(crate) struct Canned {
    /// To one kind of call; to all where there is none.
    pub(crate) only: Option<&'static str>,
    pub(crate) code: u16,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: &'static str,
}

/// What all taps answer that share it, if anything.
#[derive(Clone, Default)]
pub(crate) struct Instead(Arc<Mutex<Option<Canned>>>);

impl Instead {
    pub(crate) fn set(&self, canned: Option<Canned>) {
        *locked(&self.0) = canned;
    }
}

/// A call and how it was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) verb: &'static str,
    pub(crate) sent: MonoTime,
    /// When, with which status and which Retry-After.
    pub(crate) answer: Option<(MonoTime, u16, Option<Duration>)>,
}

/// One client's.
#[derive(Clone)]
pub(crate) struct Tap {
    client: Client,
    instead: Instead,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Tap {
    pub(crate) fn before(client: Client, instead: &Instead) -> Self {
        Self {
            client,
            instead: instead.clone(),
            asked: Arc::default(),
        }
    }

    pub(crate) fn lock(&self, namespace: &str) -> Result<EndpointsLock, Box<dyn Error>> {
        let tap = self.clone();
        let service = tower::service_fn(move |request| {
            let tap = tap.clone();
            async move { tap.pass(request).await }
        });
        Ok(EndpointsLock::new(
            Client::new(service, "default"),
            namespace,
            NAME,
        )?)
    }

    /// All calls so far, in the order in which they were sent.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        locked(&self.asked).clone()
    }

    async fn pass(&self, request: Request<Body>) -> Result<Response<Body>, Box<dyn Error + Send + Sync>> {
        let verb = verb(&request);
        let number = {
            let mut asked = locked(&self.asked);
            asked.push(Asked {
                verb,
                sent: now(),
                answer: None,
            });
            asked.len() - 1
        };
        let instead = (*locked(&self.instead.0)).filter(|canned| canned.only.is_none_or(|only| only == verb));
        let response = match instead {
            None => self.client.send(request).await?,
            Some(canned) => {
                let mut response = Response::builder().status(canned.code);
                if let Some(seconds) = canned.retry_after {
                    response = response.header(header::RETRY_AFTER, seconds);
                }
                response.body(canned.body.as_bytes().to_vec().into())?
            }
        };
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let answer = (
            now(),
            response.status().as_u16(),
            retry_after.map(Duration::from_secs),
        );
        if let Some(asked) = locked(&self.asked).get_mut(number) {
            asked.answer = Some(answer);
        }
        Ok(response)
    }
}

/// As the apiserver's authorization names it.
fn verb(request: &Request<Body>) -> &'static str {
    let watches = request
        .uri()
        .query()
        .is_some_and(|query| query.contains("watch=true"));
    match *request.method() {
        Method::GET if watches => "watch",
        Method::GET => "get",
        Method::POST => "create",
        Method::PATCH => "patch",
        _ => "another",
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
