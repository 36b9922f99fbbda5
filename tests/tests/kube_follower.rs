//! A steady follower asks a kube-apiserver for nothing while its watch is healthy, counted there beside one of client-go.

use std::error::Error;
use std::time::Duration;

use leaderelection::{Clock as _, SystemClock};
use leaderelection_kube::KubeConnection;
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::figures::keep_if_asked;
use leaderelection_tests::servers::{GoContender, KubeApiserver, Said};
use leaderelection_tests::time::sleep;
use serde_json::json;

type TestResult = Result<(), Box<dyn Error>>;

const FOLLOWERS: usize = 3;
const COUNTED: Duration = Duration::from_secs(9);

#[tokio::test]
async fn a_steady_follower_asks_for_nothing_and_client_go_s_asks_all_the_time() -> TestResult {
    let server = KubeApiserver::shared()?;
    let namespace = server.namespace("follower")?;
    let connect = async || KubeConnection::from_kubeconfig(server.kubeconfig()).await;
    let leader = Candidate::start(connect().await?.lease(&namespace, "leader")?, "leader")?;
    let leadership = leader.leads(LEASE).await?;
    let mut followers = Vec::new();
    for number in 0..FOLLOWERS {
        let lock = connect().await?.lease(&namespace, "leader")?;
        followers.push(Candidate::start(lock, &format!("follower-{number}"))?);
    }
    let mut go = GoContender::lease(server.kubeconfig(), &namespace, "leader", "go")
        .timing(LEASE, RENEW_DEADLINE, RETRY_PERIOD)
        .start()?;
    go.wait_for(Said::NewLeader, LEASE * 2)?;
    // Until the watches are open.
    sleep(LEASE).await;
    let (from, to) = (SystemClock.wall(), SystemClock.wall() + COUNTED);
    sleep(COUNTED + RETRY_PERIOD).await;

    let asked = server.requests_in(&namespace, |request| (from..to).contains(&request.at))?;
    let (go_asked, ours): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(|request| request.user_agent.starts_with("contender-lease"));
    let renewals = ours.iter().filter(|request| request.verb == "patch").count();
    println!(
        "in {COUNTED:?}: {renewals} renewals; {} requests by {FOLLOWERS} followers, {} by one of client-go",
        ours.len() - renewals,
        go_asked.len()
    );
    keep_if_asked(
        "follower-kube",
        &json!({
            "seconds": COUNTED.as_secs(),
            "renewals of the leader's": renewals,
            "requests of 3 followers": ours.len() - renewals,
            "requests of a follower of client-go's": go_asked.len(),
        }),
    )?;
    assert_eq!(ours.len(), renewals, "followers asked: {ours:?}");
    // One every RetryPeriod while the machine is idle.
    assert!(renewals >= 4, "{renewals}");
    assert!(
        go_asked.iter().all(|request| request.verb == "get"),
        "{go_asked:?}"
    );
    // One every 1 to 2.2 RetryPeriods.
    assert!(go_asked.len() >= 4, "the count would show it: {go_asked:?}");
    assert!(leadership.is_valid());
    for follower in &followers {
        assert_eq!(follower.handle.leader().as_deref(), Some("leader"));
    }
    Ok(())
}
