//! An apiserver that refuses or fails for a while, with the real elector: while it lasts it is said what failed and nobody
//! leads who may not; when it has passed, the election goes on.
//!
//! Where the real server can be brought to say it, it does. Each trouble comes twice: briefly, which costs the leader
//! nothing, and then for longer than the lease.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use etcd_client::{AlarmAction, AlarmType};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use leaderelection::{Events, LeaderElector, LeaseTiming, LossReason, Operation};
use serde_json::json;
use tokio::task::JoinSet;

use super::permissions::{grant, rules_are_known};
use super::tap::{Asked, Canned, Instead, Tap};
use super::*;

/// Longer than those of [`Candidate::start`]: a brief trouble must end well within the renew deadline.
const LEASE: Duration = Duration::from_secs(6);
const RENEW_DEADLINE: Duration = Duration::from_secs(4);

/// What is wrong for a while.
trait Trouble {
    async fn begin(&mut self) -> TestResult;
    async fn end(&mut self) -> TestResult;
}

/// How it shows.
struct Signs {
    /// What the leader is told of a renewal.
    renewal: &'static str,
    /// The calls that fail, and what each says.
    calls: &'static [(&'static str, &'static str)],
}

/// Two candidates' ways to a server, and a third for looking.
struct Ways {
    namespace: String,
    leader: Tap,
    other: Tap,
    looking: Tap,
}

impl Ways {
    fn through(client: &kube::Client, namespace: &str, instead: &Instead) -> Self {
        let tap = || Tap::before(client.clone(), instead);
        Self {
            namespace: namespace.to_owned(),
            leader: tap(),
            other: tap(),
            looking: tap(),
        }
    }

    async fn by(kubeconfig: impl AsRef<Path>, namespace: &str) -> Result<Self, Box<dyn Error>> {
        let connection = KubeConnection::from_kubeconfig(kubeconfig).await?;
        Ok(Self::through(connection.client(), namespace, &Instead::default()))
    }

    fn candidate(&self, tap: &Tap, identity: &str) -> Result<Candidate, Box<dyn Error>> {
        let timing = LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?;
        let lock = tap.lock(&self.namespace)?;
        let handle = LeaderElector::builder(lock, identity)
            .timing(timing)
            .build()?
            .spawn()?;
        let events = handle.events();
        Ok(Candidate { handle, events })
    }

    /// The next renewal that a leader tells has failed: it names the object and the trouble.
    async fn told(&self, events: &mut Events, signs: &Signs) -> TestResult {
        let failed = async {
            loop {
                match events.recv().await {
                    Some(Event::CallFailed { operation, error, .. }) => {
                        println!("{operation}: {error}");
                        if operation == Operation::CompareAndSwap {
                            return Ok(error.to_string());
                        }
                    }
                    Some(_) => {}
                    None => return Err("the election has ended"),
                }
            }
        };
        let said = within(RENEW_DEADLINE, "a failed renewal", failed).await?;
        let call = format!("patch of endpoints {}/{NAME}: ", self.namespace);
        assert!(said.contains(&call) && said.contains(signs.renewal), "{said}");
        Ok(())
    }

    /// Each call that fails names itself, the object and the trouble.
    async fn each_call_says_so(&self, signs: &Signs) -> TestResult {
        let lock = self.looking.lock(&self.namespace)?;
        let swap = async |expected| lock.compare_and_swap(expected, &record("another", 1)).await.err();
        let watch = async {
            tokio::select! {
                opened = lock.watch() => opened.err(),
                // An apiserver whose etcd does not answer says nothing at all.
                () = sleep(SOON) => None,
            }
        };
        let calls = [
            ("get", lock.get().await.err()),
            ("create", swap(Expected::Absent).await),
            // Nothing has that version any more.
            ("patch", swap(Expected::Version(Version::new(1))).await),
            ("watch", watch.await),
        ];
        for (verb, error) in calls {
            let said = error.map(|error| error.to_string());
            println!("{verb}: {said:?}");
            let expected = signs.calls.iter().find(|(fails, _)| *fails == verb);
            assert_eq!(said.is_some(), expected.is_some(), "{verb}: {said:?}");
            if let (Some(said), Some((_, problem))) = (said, expected) {
                let call = format!("{verb} of endpoints {}/{NAME}: ", self.namespace);
                assert!(said.contains(&call) && said.contains(problem), "{said}");
            }
        }
        Ok(())
    }

    /// Who was asked to stay away did: the leader and the other with writes, the other with these reads as well.
    fn stay_away(&self, reads: &[&str]) {
        let (leader, other) = (self.leader.asked(), self.other.asked());
        println!("the leader's patches: {}", waits(&leader, "patch"));
        assert!(waits(&leader, "patch") > 0, "{leader:#?}");
        for verb in reads {
            println!("the other's {verb}s: {}", waits(&other, verb));
            assert!(waits(&other, verb) > 0, "{other:#?}");
        }
        println!("the other's patches: {}", waits(&other, "patch"));
    }

    /// It happens briefly, and then for longer than the lease.
    async fn outlive(&self, mut trouble: impl Trouble, signs: &Signs) -> TestResult {
        let first = self.candidate(&self.leader, "first")?;
        let leadership = first.leads(LEASE).await?;

        let mut events = first.handle.events();
        trouble.begin().await?;
        self.told(&mut events, signs).await?;
        trouble.end().await?;
        let renewed = async { while !matches!(events.recv().await, Some(Event::Renewed { .. }) | None) {} };
        within(RENEW_DEADLINE, "a renewal", renewed).await;
        assert!(leadership.is_valid(), "{:?}", leadership.check());

        let mut events = first.handle.events();
        trouble.begin().await?;
        let second = self.candidate(&self.other, "second")?;
        self.told(&mut events, signs).await?;
        let reason = within(RENEW_DEADLINE + SOON, "the loss", leadership.lost()).await;
        assert_eq!(reason, LossReason::DeadlineExceeded);
        let token = leadership.token();
        drop(leadership);
        self.each_call_says_so(signs).await?;
        let leads = || [&first, &second].map(|candidate| candidate.handle.is_leader());
        let end = now().after(LEASE + RETRY_PERIOD);
        while now() < end {
            assert_eq!(leads(), [false, false]);
            sleep(Duration::from_millis(10)).await;
        }

        trouble.end().await?;
        let sane = now();
        let leadership = tokio::select! {
            leadership = first.leads(LEASE * 2) => leadership?,
            leadership = second.leads(LEASE * 2) => leadership?,
        };
        println!("{:?} leads {:?} after the end of it", leads(), now().since(sane));
        assert!(leadership.token() > token);
        let end = now().after(LEASE);
        while now() < end {
            let [first, second] = leads();
            assert!(first != second, "{first} {second}");
            sleep(Duration::from_millis(10)).await;
        }
        assert!(leadership.is_valid(), "{:?}", leadership.check());
        drop(leadership);
        shut_down(first).await?;
        shut_down(second).await
    }
}

/// How often one call was followed by another of its kind no sooner than the answer asked for.
///
/// A leader stays away for half of what is left of its lease at most, anybody for a lease at most: answers that come too
/// late in a lease are not counted.
fn waits(asked: &[Asked], verb: &str) -> usize {
    let calls: Vec<_> = asked.iter().filter(|call| call.verb == verb).collect();
    let mut held_until = None;
    let mut waits = 0;
    for call in &calls {
        let Some((answered, code, retry_after)) = call.answer else {
            continue;
        };
        if verb != "get" && (200..300).contains(&code) {
            held_until = Some(call.sent.after(RENEW_DEADLINE));
        }
        let Some(retry_after) = retry_after else { continue };
        let left = held_until.map_or(Duration::ZERO, |until| until.since(answered));
        if !left.is_zero() && left < retry_after * 2 + Duration::from_millis(200) {
            continue;
        }
        if let Some(next) = calls.iter().find(|next| next.sent >= answered) {
            let waited = next.sent.since(answered);
            assert!(
                waited >= retry_after,
                "{verb} after {waited:?}, not {retry_after:?}: {asked:#?}"
            );
            waits += 1;
        }
    }
    waits
}

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

/// Credentials that the apiserver does not know, as after a revocation or while a token is rotated.
struct Revoked {
    credential: PathBuf,
    token: &'static str,
}

impl Revoked {
    fn write(&self, token: &str) -> TestResult {
        // It has expired already: the plugin is run before every call.
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"},
        });
        let new = self.credential.with_extension("new");
        std::fs::write(&new, credential.to_string())?;
        Ok(std::fs::rename(new, &self.credential)?)
    }
}

impl Trouble for Revoked {
    async fn begin(&mut self) -> TestResult {
        self.write("nobodys-token")
    }

    async fn end(&mut self) -> TestResult {
        self.write(self.token)
    }
}

#[tokio::test]
async fn credentials_that_are_not_known() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("revoked")?;
    let folder = tempfile::tempdir()?;
    let mut revoked = Revoked {
        credential: folder.path().join("credential"),
        token: server.admin_token(),
    };
    revoked.end().await?;
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "cat",
        "args": [revoked.credential],
    });
    let token = format!("token: {}", server.admin_token());
    let text = std::fs::read_to_string(server.kubeconfig())?;
    assert!(text.contains(&token));
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, text.replace(&token, &format!("exec: {plugin}")))?;
    let signs = Signs {
        renewal: "401 Unauthorized",
        calls: &[
            ("get", "401 Unauthorized"),
            ("create", "401 Unauthorized"),
            ("patch", "401 Unauthorized"),
            ("watch", "401 Unauthorized"),
        ],
    };
    Ways::by(kubeconfig, &namespace)
        .await?
        .outlive(revoked, &signs)
        .await
}

/// Somebody else's write without an end keeps the only place that an apiserver has for writes.
struct Crowded {
    client: kube::Client,
    path: String,
    writing: JoinSet<()>,
}

impl Trouble for Crowded {
    async fn begin(&mut self) -> TestResult {
        // kube makes a body of a stream nowhere but of a response.
        let echo = kube::Client::new(
            tower::service_fn(|_: http::Request<kube::client::Body>| async {
                let never = stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
                Ok::<_, std::io::Error>(http::Response::new(StreamBody::new(never)))
            }),
            "",
        );
        let body = echo
            .send(http::Request::new(Vec::new().into()))
            .await?
            .into_body();
        let request = http::Request::post(&self.path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)?;
        let client = self.client.clone();
        self.writing.spawn(async move {
            let ended = client.send(request).await.map(|response| response.status());
            println!("the write without an end ended: {ended:?}");
        });
        Ok(())
    }

    async fn end(&mut self) -> TestResult {
        self.writing.shutdown().await;
        Ok(())
    }
}

#[tokio::test]
async fn too_many_writes() -> TestResult {
    let server = KubeApiserver::start_with(&[
        "--enable-priority-and-fairness=false",
        "--max-mutating-requests-inflight=1",
    ])?;
    let namespace = server.namespace("crowded")?;
    let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let door = KubeDoor::new(admin.client().clone(), &namespace, NAME);
    grant(&door, &namespace, &["get", "patch", "watch"], true).await?;
    // Administrators are let in however many there are.
    let ways = Ways::by(server.kubeconfig_for(server.restricted_token())?, &namespace).await?;
    rules_are_known(&ways.looking.lock(&namespace)?).await;
    let crowded = Crowded {
        client: admin.client().clone(),
        path: door.collection(),
        writing: JoinSet::new(),
    };
    let signs = Signs {
        renewal: "429 Too Many Requests: Too many requests, please try again later.",
        calls: &[
            ("create", "429 Too Many Requests"),
            ("patch", "429 Too Many Requests"),
        ],
    };
    ways.outlive(crowded, &signs).await?;
    ways.stay_away(&[]);
    Ok(())
}

/// The etcd behind the apiserver hangs.
struct Stopped(KubeApiserver);

impl Trouble for Stopped {
    async fn begin(&mut self) -> TestResult {
        Ok(self.0.etcd().stop()?)
    }

    async fn end(&mut self) -> TestResult {
        Ok(self.0.etcd().cont()?)
    }
}

#[tokio::test]
async fn an_etcd_that_hangs() -> TestResult {
    let server = KubeApiserver::start_with(&["--request-timeout=1s"])?;
    let ways = Ways::by(server.kubeconfig(), &server.namespace("hangs")?).await?;
    let signs = Signs {
        renewal: "504 Gateway Timeout",
        calls: &[
            // Now and then the apiserver closes the connection instead.
            ("get", ""),
            ("create", "504 Gateway Timeout"),
            ("patch", "504 Gateway Timeout"),
        ],
    };
    ways.outlive(Stopped(server), &signs).await
}

/// The etcd behind the apiserver has no room and takes no more writes until an operator has made some.
struct Full(etcd_client::MaintenanceClient);

impl Trouble for Full {
    async fn begin(&mut self) -> TestResult {
        let raise = AlarmAction::Activate;
        Ok(self.0.alarm(raise, AlarmType::Nospace, None).await.map(drop)?)
    }

    async fn end(&mut self) -> TestResult {
        let disarm = AlarmAction::Deactivate;
        Ok(self.0.alarm(disarm, AlarmType::Nospace, None).await.map(drop)?)
    }
}

#[tokio::test]
async fn an_etcd_without_space() -> TestResult {
    let server = KubeApiserver::start()?;
    let ways = Ways::by(server.kubeconfig(), &server.namespace("full")?).await?;
    let etcd = etcd_client::Client::connect([server.etcd().endpoint()], None).await?;
    let signs = Signs {
        renewal: "500 Internal Server Error: etcdserver: mvcc: database space exceeded",
        // A patch on a version that is gone is a conflict: it would write nothing.
        calls: &[(
            "create",
            "500 Internal Server Error: etcdserver: mvcc: database space exceeded",
        )],
    };
    ways.outlive(Full(etcd.maintenance_client()), &signs).await
}
