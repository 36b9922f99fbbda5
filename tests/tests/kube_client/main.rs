//! How the lock behaves as a client of a real kube-apiserver, and how an election bears what happens to such a client:
//! retries, other calls that take all there is, watches that end, a store that went back.

#![allow(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

mod crowded;
mod ends;
mod restored;
mod retries;
mod slowing;

use std::error::Error;
use std::time::Duration;

use leaderelection::{Event, Identity, LeaderElector, Leadership, LeaseTiming, LossReason, ResourceLock};
use leaderelection_kube::{KubeConnection, LeaseLock};
use leaderelection_tests::candidate::{Candidate, RETRY_PERIOD};
use leaderelection_tests::kube_door::{Kind, KubeDoor};
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::{now, sleep, within};

type TestResult = Result<(), Box<dyn Error>>;

/// For what takes no waiting, on a busy machine.
const SOON: Duration = Duration::from_secs(1);
/// Longer than those of [`Candidate::start`]: what is done to a leader here must not cost a busy machine the lease.
const LEASE: Duration = Duration::from_secs(6);
const RENEW_DEADLINE: Duration = Duration::from_secs(4);
const NAME: &str = "leader";

/// A name in a namespace of its own.
struct Stage {
    server: &'static KubeApiserver,
    namespace: String,
    /// By a connection that is nobody else's.
    lock: LeaseLock,
    door: KubeDoor,
}

impl Stage {
    async fn new(test: &str) -> Result<Self, Box<dyn Error>> {
        let server = KubeApiserver::shared()?;
        let namespace = server.namespace(test)?;
        let lock = lock_on(server, &namespace).await?;
        let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
        let door = KubeDoor::on(Kind::Lease, admin.client().clone(), &namespace, NAME);
        Ok(Self {
            server,
            namespace,
            lock,
            door,
        })
    }
}

async fn lock_on(server: &KubeApiserver, namespace: &str) -> Result<LeaseLock, Box<dyn Error>> {
    let connection = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    Ok(connection.lease(namespace, NAME)?)
}

fn start(lock: impl ResourceLock + 'static, identity: &str) -> Result<Candidate, Box<dyn Error>> {
    campaign(lock, Identity::new(identity)?)
}

/// Under a name that no other life has: what it wrote, it knows again.
fn unique(lock: impl ResourceLock + 'static) -> Result<Candidate, Box<dyn Error>> {
    campaign(lock, Identity::unique())
}

fn campaign(lock: impl ResourceLock + 'static, identity: Identity) -> Result<Candidate, Box<dyn Error>> {
    let timing = LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?;
    let handle = LeaderElector::builder(lock, identity)
        .timing(timing)
        .build()?
        .spawn()?;
    let events = handle.events();
    Ok(Candidate { handle, events })
}

/// Until a follower has seen the leader and its watch is open.
async fn follows(candidate: &mut Candidate) {
    candidate
        .event(LEASE, "the leader seen", |event| {
            matches!(event, Event::Noticed(_)).then_some(())
        })
        .await;
    sleep(Duration::from_millis(200)).await;
}

/// Whose calls have failed since `began` has lost by its deadline, and only then another leads.
async fn lost_before_another_leads(
    began: leaderelection::MonoTime,
    leadership: Leadership,
    next: &Candidate,
) -> Result<Leadership, Box<dyn Error>> {
    let lost = async {
        let reason = within(LEASE, "the loss", leadership.lost()).await;
        (reason, now())
    };
    let led = async { (next.leads(LEASE * 2).await, now()) };
    let ((reason, lost), (next, led)) = tokio::join!(lost, led);
    let next = next?;
    assert_eq!(reason, LossReason::DeadlineExceeded);
    assert!(lost.since(began) <= RENEW_DEADLINE + Duration::from_millis(500));
    assert!(lost < led, "two leaders");
    assert!(next.token() > leadership.token());
    Ok(next)
}

async fn shut_down(candidate: Candidate) -> TestResult {
    Ok(within(LEASE, "the end of the election", candidate.handle.shutdown()).await?)
}
