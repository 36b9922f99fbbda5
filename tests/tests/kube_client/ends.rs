//! Watches that the apiserver itself ends, in good order, as it ends every watch after half an hour or longer: here after 2 to
//! 4 s. Nothing is lost between one and the next, and nobody asks more for it.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use leaderelection::{Expected, LeaderElectionRecord, Observation, Swap, Version};

use super::*;

/// How many watches are seen to end.
const WATCHES: u32 = 4;
/// So many, a little more than a second after one another.
const HAND_OVERS: usize = 6;

fn hurried() -> Result<KubeApiserver, Box<dyn Error>> {
    Ok(KubeApiserver::start_with(&["--min-request-timeout=2"])?)
}

/// Clause 11: the stream ends without an error, and the next one begins with what is there.
#[tokio::test]
async fn a_watch_that_has_ended_is_taken_up_where_it_ended() -> TestResult {
    let server = hurried()?;
    let namespace = server.namespace("ends")?;
    let (lock, writing) = (
        lock_on(&server, &namespace).await?,
        lock_on(&server, &namespace).await?,
    );
    let newest = std::cell::Cell::new(Version::new(0));
    let write = async {
        let mut expected = Expected::Absent;
        for transitions in 0.. {
            let record = LeaderElectionRecord {
                holder_identity: "a".to_owned(),
                lease_duration_seconds: 1,
                leader_transitions: transitions,
                ..LeaderElectionRecord::default()
            };
            match writing.compare_and_swap(expected, &record).await {
                Ok(Swap::Done(version)) => {
                    newest.set(version);
                    expected = Expected::Version(version);
                }
                other => return Err(format!("{other:?}")),
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    let follow = async {
        let mut shown = Vec::new();
        for _ in 0..WATCHES {
            let (before, opened) = (newest.get(), now());
            let mut watch = lock.watch().await?.ok_or("no watch")?;
            let began = shown.len();
            while let Some(observation) = watch.next().await {
                match observation? {
                    Observation::Present { version, .. } => shown.push(version),
                    other => return Err(format!("{other:?}").into()),
                }
            }
            println!("{} events within {:?}", shown.len() - began, now().since(opened));
            let first = shown.get(began).ok_or("nothing was shown")?;
            assert!(
                *first >= before,
                "it does not begin with what is there: {first} {before}"
            );
        }
        Ok::<_, Box<dyn Error>>(shown)
    };
    let shown = tokio::select! {
        shown = follow => shown?,
        failed = write => return Err(format!("{failed:?}").into()),
    };
    // The last of one watch may be the first of the next.
    assert!(shown.is_sorted(), "{shown:?}");
    Ok(())
}

/// Of the requests for the lease so far: how many of each verb.
fn requests(server: &KubeApiserver, namespace: &str) -> Result<BTreeMap<String, usize>, Box<dyn Error>> {
    let mut counts = BTreeMap::new();
    for request in server.requests_in(namespace, |request| request.resource == "leases")? {
        *counts.entry(request.verb).or_default() += 1;
    }
    Ok(counts)
}

/// The election goes on: each end costs one watch and at most two reads, nobody loses or is robbed, and a follower learns of a
/// release at once, whenever it comes.
#[tokio::test]
async fn followers_watch_again_and_do_not_storm() -> TestResult {
    const CANDIDATES: usize = 4;
    let server = hurried()?;
    let namespace = server.namespace("ends")?;
    let mut leader = Candidate::unhurried(lock_on(&server, &namespace).await?, "0")?;
    let mut leadership = leader.leads(SOON * 2).await?;
    let mut followers = Vec::new();
    for number in 1..CANDIDATES {
        let lock = lock_on(&server, &namespace).await?;
        let mut follower = Candidate::unhurried(lock, &number.to_string())?;
        follows(&mut follower).await;
        followers.push(follower);
    }
    let before = requests(&server, &namespace)?;
    let began = now();
    sleep(Duration::from_secs(20)).await;
    let (took, after) = (now().since(began), requests(&server, &namespace)?);
    let sent = |verb: &str| after.get(verb).unwrap_or(&0) - before.get(verb).unwrap_or(&0);
    let [watches, gets, patches] = ["watch", "get", "patch"].map(sent);
    println!("in {took:?}, of {CANDIDATES} candidates: {watches} watches, {gets} reads, {patches} renewals");
    assert!(leadership.is_valid(), "{:?}", leadership.check());
    // Each of them ends after 2 s at the soonest, and after 4 s at the latest.
    let in_seconds = usize::try_from(took.as_secs())?;
    assert!(
        watches >= CANDIDATES * (in_seconds / 4 - 1),
        "{watches}: they did not end"
    );
    assert!(watches <= CANDIDATES * (in_seconds / 2 + 1), "{watches}");
    assert!(gets <= watches * 2, "{gets} reads for {watches} watches");
    assert!(
        after
            .keys()
            .all(|verb| ["watch", "get", "patch", "create"].contains(&verb.as_str()))
    );

    // One follower, and hand-overs that fall anywhere between two ends.
    let mut follower = followers.pop().ok_or("no follower")?;
    for other in followers {
        shut_down(other).await?;
    }
    for round in 0..HAND_OVERS {
        sleep(Duration::from_millis(1300)).await;
        let asked = now();
        drop(leadership);
        let (ended, next) = tokio::join!(leader.handle.shutdown(), follower.leads(SOON * 5));
        let took = now().since(asked);
        ended?;
        leadership = next?;
        println!("handed over in {took:?}");
        // By asking again it would have taken 1 s on average, and by waiting 15.
        assert!(took < SOON, "{took:?}: the watch did not tell");
        leader = follower;
        follower = Candidate::unhurried(lock_on(&server, &namespace).await?, &format!("next-{round}"))?;
        follows(&mut follower).await;
    }
    Ok(())
}
