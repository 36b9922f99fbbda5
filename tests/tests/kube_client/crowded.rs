//! The user's other calls, hundreds of them that the apiserver answers late or never ends. They keep nobody from renewing
//! whose lock has a connection of its own.

use http::Request;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::task::JoinSet;
use tower::limit::ConcurrencyLimitLayer;

use super::*;

/// How many slow calls are under way or wait.
const CALLS: usize = 300;
/// How many watches are open beside them.
const WATCHES: usize = 200;
/// How many requests the user's client sends at once: the apiserver is to be spared.
const LIMIT: usize = 20;

/// A client as a user may have made it: kube's, with its retry, and a limit.
async fn limited(server: &KubeApiserver) -> Result<Client, Box<dyn Error>> {
    let kubeconfig = Kubeconfig::read_from(server.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    assert!(config.default_retry);
    let limit = ConcurrencyLimitLayer::new(LIMIT);
    Ok(ClientBuilder::try_from(config)?.with_layer(&limit).build())
}

/// Calls without end. Dropping it gives them up.
struct Crowd(JoinSet<()>);

impl Crowd {
    /// Returns when as many as can be are at the server.
    async fn of(client: &Client, stage: &Stage, at_the_server: usize) -> Result<Self, Box<dyn Error>> {
        let configmaps = format!("/api/v1/namespaces/{}/configmaps", stage.namespace);
        let mut calls = JoinSet::new();
        for _ in 0..WATCHES {
            let (client, path) = (client.clone(), format!("{configmaps}?watch=true"));
            calls.spawn(async move {
                let opened = client
                    .send(Request::get(path).body(Vec::new().into()).unwrap())
                    .await;
                // Held, and never read.
                let _open = opened.unwrap();
                std::future::pending().await
            });
        }
        for _ in 0..CALLS {
            // The apiserver waits for a version that is not there yet; after 3 s it says 504, and that the version is too large.
            let path = format!("{configmaps}?resourceVersion=999999999999&resourceVersionMatch=NotOlderThan");
            let client = client.clone();
            calls.spawn(async move {
                loop {
                    let answer = client
                        .send(Request::get(&path).body(Vec::new().into()).unwrap())
                        .await;
                    assert_eq!(answer.unwrap().status(), 504);
                }
            });
        }
        let arrived = async {
            loop {
                let requests = stage
                    .server
                    .requests_in(&stage.namespace, |request| request.verb == "list");
                match requests {
                    Ok(requests) if requests.len() < at_the_server => sleep(Duration::from_millis(50)).await,
                    done => return done.map(drop),
                }
            }
        };
        within(SOON * 20, "the crowd", arrived).await?;
        Ok(Self(calls))
    }
}

/// A leader whose lock is this one, for two leases beside the crowd: what it has left of its lease at the worst, or that it
/// has lost.
async fn worst(
    lock: LeaseLock,
    crowd: impl Future<Output = Result<Crowd, Box<dyn Error>>>,
) -> Result<Option<Duration>, Box<dyn Error>> {
    let leader = start(lock, "leader")?;
    let leadership = leader.leads(SOON).await?;
    let mut crowd = crowd.await?;
    let (mut worst, end) = (leadership.remaining(), now().after(LEASE * 2));
    while now() < end {
        if !leadership.is_valid() {
            return Ok(None);
        }
        worst = worst.min(leadership.remaining());
        sleep(Duration::from_millis(10)).await;
    }
    // None of them has failed.
    assert!(crowd.0.try_join_next().is_none());
    drop(leadership);
    shut_down(leader).await?;
    Ok(Some(worst))
}

/// The client that the user shares with nobody is full, and the election has a connection of its own.
#[tokio::test]
async fn a_users_client_that_is_full_keeps_nobody_from_renewing() -> TestResult {
    let stage = Stage::new("crowded").await?;
    let client = limited(stage.server).await?;
    let worst = worst(stage.lock.clone(), Crowd::of(&client, &stage, LIMIT)).await?;
    println!("beside {CALLS} calls by a client that is full: {worst:?} left at the worst");
    assert!(worst.is_some(), "lost");
    Ok(())
}

/// The crowd is one: an election that shares the client has to wait behind it, which is why it must not
/// ([`KubeConnection::from_client`]).
#[tokio::test]
async fn an_election_that_shares_a_full_client_loses() -> TestResult {
    let stage = Stage::new("crowded-too").await?;
    let client = limited(stage.server).await?;
    let lock = KubeConnection::from_client(client.clone()).lease(&stage.namespace, NAME)?;
    let worst = worst(lock, Crowd::of(&client, &stage, LIMIT)).await?;
    assert_eq!(worst, None, "it renews through a full client");
    Ok(())
}

/// What else is done with the client of a connection that is made here does not fill it.
#[tokio::test]
async fn hundreds_of_calls_by_the_elections_own_client_keep_it_from_nothing() -> TestResult {
    let stage = Stage::new("crowded-own").await?;
    let connection = KubeConnection::from_kubeconfig(stage.server.kubeconfig()).await?;
    let lock = connection.lease(&stage.namespace, NAME)?;
    let worst = worst(lock, Crowd::of(connection.client(), &stage, CALLS)).await?;
    println!("beside {CALLS} calls and {WATCHES} watches by its own client: {worst:?} left at the worst");
    assert!(worst.is_some(), "lost");
    Ok(())
}
