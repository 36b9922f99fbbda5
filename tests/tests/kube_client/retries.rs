//! A client of the user's that repeats requests: kube's own retry, which does not repeat what a lock sends, and one of
//! another make, which does. Neither makes a second leader, nor keeps one beyond its deadline.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::FutureExt;
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LockError, LockErrorKind, Observation, ObservationStream,
    Swap,
};
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder, service_fn};

use super::*;

/// How the way to the apiserver is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Clear,
    /// What is written arrives, and the answer is lost; of what is repeated only the first time.
    LosesAnswers,
    /// Nothing arrives, and one should come again in ten minutes.
    Closed,
}

/// A way to the apiserver below a client's retry.
struct Gate {
    client: Client,
    way: Mutex<Way>,
    /// How many writes came here.
    writes: AtomicUsize,
}

/// How often a request was sent before.
#[derive(Clone, Copy)]
struct Repeated(usize);

impl Gate {
    fn before(client: &Client) -> Arc<Self> {
        Arc::new(Self {
            client: client.clone(),
            way: Mutex::new(Way::Clear),
            writes: AtomicUsize::new(0),
        })
    }

    fn set(&self, way: Way) {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
    }

    async fn pass(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let writes = *request.method() != Method::GET;
        let repeated = request
            .extensions()
            .get()
            .is_some_and(|&Repeated(times)| times > 0);
        if writes {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        let way = *self.way.lock().unwrap_or_else(PoisonError::into_inner);
        let instead = match way {
            Way::Closed => Response::builder().status(503).header("retry-after", 600),
            Way::LosesAnswers if writes && !repeated => {
                self.client.send(request).await?;
                Response::builder().status(504)
            }
            Way::Clear | Way::LosesAnswers => return Ok(self.client.send(request).await?),
        };
        Ok(instead.body(Body::empty())?)
    }

    /// As kube makes clients by default.
    fn with_kubes_retry(self: &Arc<Self>) -> Client {
        let gate = Arc::clone(self);
        let service = ServiceBuilder::new()
            .layer(RetryLayer::new(RetryPolicy::server_retry()))
            .service(service_fn(move |request| {
                let gate = Arc::clone(&gate);
                async move { gate.pass(request).await }
            }));
        Client::new(service, "default")
    }

    /// It reads every body and repeats for ever whatever failed, asked to wait or not.
    fn with_a_wild_retry(self: &Arc<Self>) -> Client {
        let gate = Arc::clone(self);
        let service = service_fn(move |request: Request<Body>| {
            let gate = Arc::clone(&gate);
            async move {
                let (head, body) = request.into_parts();
                let bytes = body.collect_bytes().await?;
                let mut times = 0;
                loop {
                    let mut again = Request::from_parts(head.clone(), Body::from(bytes.clone()));
                    again.extensions_mut().insert(Repeated(times));
                    let answer = gate.pass(again).await?;
                    if !answer.status().is_server_error() {
                        return Ok::<_, BoxError>(answer);
                    }
                    times += 1;
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
        Client::new(service, "default")
    }
}

/// A lock, and how often it was called to write.
struct Counted {
    lock: LeaseLock,
    calls: Arc<AtomicUsize>,
    /// Where it does not, what was written is found only by asking.
    watches: bool,
}

#[async_trait]
impl ResourceLock for Counted {
    async fn get(&self) -> Result<Observation, LockError> {
        self.lock.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.lock.compare_and_swap(expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        if self.watches {
            self.lock.watch().await
        } else {
            Ok(None)
        }
    }

    fn describe(&self) -> String {
        self.lock.describe()
    }

    fn capabilities(&self) -> Capabilities {
        if self.watches {
            self.lock.capabilities()
        } else {
            Capabilities::LEAST
        }
    }
}

/// One whose client retries, from the first write on, beside one whose does not.
struct Pair {
    gate: Arc<Gate>,
    calls: Arc<AtomicUsize>,
    retrying: Candidate,
    other: Candidate,
}

impl Pair {
    /// The one that retries leads, though no answer to a write has come through.
    async fn new(
        test: &str,
        client: impl Fn(&Arc<Gate>) -> Client,
        watches: bool,
    ) -> Result<(Self, Leadership), Box<dyn Error>> {
        let stage = Stage::new(test).await?;
        let gate = Gate::before(stage.door.client());
        gate.set(Way::LosesAnswers);
        let calls = Arc::new(AtomicUsize::new(0));
        let lock = KubeConnection::from_client(client(&gate)).lease(&stage.namespace, NAME)?;
        let retrying = unique(Counted {
            lock,
            calls: Arc::clone(&calls),
            watches,
        })?;
        let leadership = retrying.leads(LEASE).await?;
        let mut other = start(stage.lock.clone(), "other")?;
        follows(&mut other).await;
        let pair = Self {
            gate,
            calls,
            retrying,
            other,
        };
        Ok((pair, leadership))
    }

    /// It leads on for two leases: it finds in the store what it wrote (SAFETY 9).
    async fn leads_without_answers(&self, leadership: &Leadership) {
        let end = now().after(LEASE * 2);
        while now() < end {
            assert!(leadership.is_valid(), "{:?}", leadership.check());
            assert!(!self.other.handle.is_leader(), "two leaders");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its way is closed: it has lost by its deadline, whatever its client does, and the other leads only then. When the way is
    /// open again nothing that it sent does any harm.
    async fn loses_in_time(self, leadership: Leadership) -> TestResult {
        self.gate.set(Way::Closed);
        let closed = now();
        let next = lost_before_another_leads(closed, leadership, &self.other).await?;
        self.gate.set(Way::Clear);
        let end = now().after(LEASE * 2);
        while now() < end {
            assert!(next.is_valid() && !self.retrying.handle.is_leader());
            sleep(Duration::from_millis(10)).await;
        }
        drop(next);
        shut_down(self.retrying).await?;
        shut_down(self.other).await
    }
}

/// SAFETY 8, 9.
#[tokio::test]
async fn kubes_retry_in_a_users_client_is_harmless() -> TestResult {
    let (mut pair, leadership) = Pair::new("kubes-retry", Gate::with_kubes_retry, true).await?;
    pair.leads_without_answers(&leadership).await;
    let (calls, writes) = (&pair.calls, &pair.gate.writes);
    let counts = [calls, writes].map(|count| count.load(Ordering::Relaxed));
    println!("calls that write, and writes on the wire: {counts:?}");
    assert!(counts[0] > 10 && counts[0] == counts[1], "{counts:?}");
    let mut ambiguous = 0;
    while let Some(Some(event)) = pair.retrying.events.recv().now_or_never() {
        if let Event::CallFailed { error, .. } = event {
            assert_eq!(error.kind(), LockErrorKind::Ambiguous, "{error}");
            ambiguous += 1;
        }
    }
    assert!(ambiguous > 10, "{ambiguous}");
    pair.loses_in_time(leadership).await
}

/// SAFETY 9: a conflict is in doubt, too, for a client's own retry may have landed before it. No watch has shown it before.
#[tokio::test]
async fn a_retry_that_repeats_everything_makes_no_second_leader() -> TestResult {
    let (pair, leadership) = Pair::new("wild-retry", Gate::with_a_wild_retry, false).await?;
    pair.leads_without_answers(&leadership).await;
    let (calls, writes) = (&pair.calls, &pair.gate.writes);
    let counts = [calls, writes].map(|count| count.load(Ordering::Relaxed));
    println!("calls that write, and writes on the wire: {counts:?}");
    // Each was sent again when it had landed, and met its own record.
    assert!(counts[0] > 10 && counts[1] >= 2 * counts[0] - 1, "{counts:?}");
    pair.loses_in_time(leadership).await
}
