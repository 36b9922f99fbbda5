//! The apiserver away and back, each test with one of its own.

use futures_util::StreamExt;
use leaderelection::{LeaderElector, LeaseTiming, LockErrorKind, LossReason};

use super::*;

async fn lock_on(server: &KubeApiserver) -> Result<EndpointsLock, Box<dyn Error>> {
    let connection = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    Ok(connection.endpoints("default", NAME)?)
}

/// Started anew while the electors go on.
async fn restarted(mut server: KubeApiserver) -> Result<KubeApiserver, Box<dyn Error>> {
    Ok(tokio::task::spawn_blocking(move || server.restart().map(|()| server)).await??)
}

/// Down at the start: said, and waited for. Down later for longer than the lease: lost on time, and led again.
#[tokio::test]
async fn an_apiserver_that_is_down_is_waited_for() -> TestResult {
    let mut server = KubeApiserver::start()?;
    server.kill();
    let mut candidate = Candidate::start(lock_on(&server).await?, "a")?;
    let error = call_failed(&mut candidate).await;
    assert_eq!(error.kind(), LockErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains(&server.url()) && error.to_string().contains("refused"),
        "{error}"
    );

    let mut server = restarted(server).await?;
    let up = now();
    let leadership = candidate.leads(LEASE * 2).await?;
    println!("leads {:?} after the apiserver was ready", now().since(up));
    let token = leadership.token();

    server.kill();
    let killed = now();
    let reason = within(RENEW_DEADLINE + SOON, "the loss", leadership.lost()).await;
    assert_eq!(reason, LossReason::DeadlineExceeded);
    assert!(now().since(killed) <= RENEW_DEADLINE + Duration::from_millis(500));
    drop(leadership);
    sleep(LEASE).await;
    let _server = restarted(server).await?;
    let up = now();
    let leadership = candidate.leads(LEASE * 2).await?;
    println!(
        "led again {:?} after the apiserver was ready again",
        now().since(up)
    );
    assert!(leadership.token() > token);
    drop(leadership);
    shut_down(candidate).await
}

/// A restart within the renew deadline costs nobody the lead, and the follower's watch comes back. This is also the
/// restart trap: a watch from the version that a read shows after a restart would fail until the object changes.
#[tokio::test]
async fn an_apiserver_that_restarts_keeps_its_leader_and_its_followers_watch() -> TestResult {
    // Longer than an apiserver takes to start on a busy machine.
    let deadline = Duration::from_secs(45);
    let start = async |lock: EndpointsLock, identity: &str| -> Result<Candidate, Box<dyn Error>> {
        let timing = LeaseTiming::new(Duration::from_secs(60), deadline, Duration::from_secs(2))?;
        let handle = LeaderElector::builder(lock, identity)
            .timing(timing)
            .build()?
            .spawn()?;
        let events = handle.events();
        Ok(Candidate { handle, events })
    };
    let server = KubeApiserver::start()?;
    let leader = start(lock_on(&server).await?, "a").await?;
    let leadership = leader.leads(SOON * 2).await?;
    let mut follower = start(lock_on(&server).await?, "b").await?;
    follows(&mut follower).await;
    let bystander = lock_on(&server).await?;
    let mut watching = watch(&bystander).await?;
    shown(&mut watching).await?;

    let down = now();
    let server = restarted(server).await?;
    println!("down for {:?}", now().since(down));
    let error = call_failed(&mut follower).await;
    assert!(
        error.to_string().contains("watch of endpoints default/leader"),
        "{error}"
    );

    // The bystander's stream has ended, with an error and not in silence, and was not opened anew in secret.
    while let Some(item) = within(SOON, "the end of the watch", watching.next()).await {
        if let Err(error) = item {
            assert_eq!(error.kind(), LockErrorKind::Unavailable, "{error}");
            assert!(watching.next().await.is_none());
            break;
        }
    }
    let Observation::Present { version, .. } = bystander.get().await? else {
        return Err("absent".into());
    };
    let mut watching = watch(&bystander).await?;
    assert!(
        matches!(shown(&mut watching).await?, Observation::Present { version: seen, .. } if seen >= version)
    );

    sleep(Duration::from_secs(12)).await;
    // By a renewal of the last few seconds, since the apiserver came back.
    let remaining = leadership.remaining();
    assert!(remaining > deadline - Duration::from_secs(10), "{remaining:?}");
    assert!(!follower.handle.is_leader());
    drop(leadership);
    let asked = now();
    shut_down(leader).await?;
    follower.leads(SOON * 3).await?;
    let took = now().since(asked);
    println!("handed over in {took:?} after a restart");
    assert!(took < SOON, "{took:?}: the watch did not tell");
    shut_down(follower).await?;

    // The trap is real: this object is not changed now, another one is, and the server starts anew.
    let admin = KubeConnection::from_kubeconfig(server.kubeconfig()).await?;
    let door = KubeDoor::new(admin.client().clone(), "default", NAME);
    let elsewhere = KubeDoor::new(admin.client().clone(), "default", "elsewhere");
    elsewhere.put(None).await?;
    elsewhere.touch().await?;
    let server = restarted(server).await?;
    let version = door.version().await?;
    let path = format!(
        "{}?watch=true&resourceVersion={version}&timeoutSeconds=1",
        door.collection()
    );
    let trapped = server.get(&path)?;
    println!(
        "a watch from version {version}, just read after a restart: {}",
        trapped.trim()
    );
    assert!(trapped.contains("\"code\":410"), "{trapped}");
    let mut watching = watch(&bystander).await?;
    assert!(matches!(
        shown(&mut watching).await?,
        Observation::Present { version: seen, .. } if seen == Version::new(version)
    ));
    let touched = Version::new(door.touch().await?);
    assert!(
        matches!(shown(&mut watching).await?, Observation::Present { version, .. } if version == touched)
    );
    Ok(())
}

/// SIGSTOP: the connections stay open and nothing answers. The lease runs out on time, and the election goes on (SAFETY 1).
#[tokio::test]
async fn an_apiserver_that_hangs_is_outlived() -> TestResult {
    let server = KubeApiserver::start()?;
    let candidate = Candidate::start(lock_on(&server).await?, "a")?;
    let leadership = candidate.leads(SOON * 2).await?;
    let token = leadership.token();
    server.stop()?;
    let frozen = now();
    let reason = within(RENEW_DEADLINE + SOON, "the loss", leadership.lost()).await;
    assert_eq!(reason, LossReason::DeadlineExceeded);
    assert!(now().since(frozen) <= RENEW_DEADLINE + Duration::from_millis(500));
    drop(leadership);
    sleep(LEASE).await;
    assert!(!candidate.handle.is_leader());
    server.cont()?;
    let leadership = candidate.leads(LEASE * 3).await?;
    assert!(leadership.token() > token);
    drop(leadership);
    shut_down(candidate).await
}
