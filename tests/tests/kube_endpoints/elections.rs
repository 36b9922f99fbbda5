//! The real elector on it, while others write and watches break.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use leaderelection::{Capabilities, Content, Leadership};

use super::*;

/// Writes a label every 100 ms, as somebody might, and counts them.
async fn labels(door: &KubeDoor, written: &std::cell::Cell<u32>) -> Box<dyn Error> {
    loop {
        if let Err(error) = door.touch().await {
            return error.into();
        }
        written.set(written.get() + 1);
        sleep(Duration::from_millis(100)).await;
    }
}

/// SAFETY 4 and 5: it costs a conflict now and then, and no leader their lead.
#[tokio::test]
async fn a_label_every_100_ms_costs_no_lead() -> TestResult {
    let stage = Stage::new("labels").await?;
    let mut candidate = Candidate::start(stage.lock.clone(), "a")?;
    let leadership = candidate.leads(SOON).await?;
    let written = std::cell::Cell::new(0);
    let leading = async {
        let mut renewals = 0;
        let end = now().after(LEASE * 3);
        while now() < end {
            renewed(&mut candidate).await;
            renewals += 1;
        }
        renewals
    };
    let renewals = tokio::select! {
        renewals = leading => renewals,
        error = labels(&stage.door, &written) => return Err(error),
    };
    println!("{renewals} renewals among {} labels", written.get());
    assert!(written.get() > 20, "{}", written.get());
    assert!(leadership.is_valid(), "{:?}", leadership.check());
    Ok(())
}

/// SAFETY 5: the labels keep no dead leader alive.
#[tokio::test]
async fn a_label_every_100_ms_keeps_no_dead_leader_alive() -> TestResult {
    let stage = Stage::new("dead").await?;
    let dead = record("dead", 3).to_json();
    stage.door.put(dead.as_str()).await?;
    let began = now();
    let candidate = Candidate::start(stage.lock.clone(), "a")?;
    let written = std::cell::Cell::new(0);
    tokio::select! {
        leadership = candidate.leads(LEASE + SOON) => drop(leadership?),
        error = labels(&stage.door, &written) => return Err(error),
    }
    let waited = now().since(began);
    println!("outlived in {waited:?} among {} labels", written.get());
    assert!(waited >= LEASE, "{waited:?}");
    Ok(())
}

/// SAFETY 6: renewals twice a second are all written, though the record knows whole seconds only.
#[tokio::test]
async fn two_renewals_within_a_second_are_two_writes() -> TestResult {
    let stage = Stage::new("renewals").await?;
    let mut candidate = Candidate::start(stage.lock.clone(), "a")?;
    let _leadership = candidate.leads(SOON).await?;
    let mut watch = watch(&stage.lock).await?;
    let mut shown_times = Vec::new();
    for _ in 0..8 {
        renewed(&mut candidate).await;
        if let Observation::Present {
            version,
            content: Content::Record(record),
        } = shown(&mut watch).await?
        {
            shown_times.push((version, record.renew_time));
        }
    }
    assert_eq!(shown_times.len(), 8);
    assert!(
        shown_times.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1),
        "{shown_times:?}"
    );
    Ok(())
}

/// Clause 11, SAFETY 20: who follows sees it, opens another, and is told of the release by that.
#[tokio::test]
async fn a_watch_that_is_cut_is_opened_again() -> TestResult {
    let stage = Stage::new("cut").await?;
    let leader = Candidate::unhurried(stage.lock.clone(), "a")?;
    let leadership = leader.leads(SOON).await?;
    let (lock, proxy) = stage.lock_through_a_proxy().await?;
    let mut follower = Candidate::unhurried(lock, "b")?;
    follows(&mut follower).await;
    for _ in 0..3 {
        proxy.cut();
        let error = call_failed(&mut follower).await;
        assert!(error.to_string().contains("watch of endpoints"), "{error}");
        // It is opened again after a retry period.
        sleep(UNHURRIED + SOON).await;
    }
    assert!(leadership.is_valid() && !follower.handle.is_leader());
    drop(leadership);
    let asked = now();
    shut_down(leader).await?;
    follower.leads(LEASE).await?;
    let took = now().since(asked);
    println!("handed over in {took:?} after three cuts");
    assert!(took < UNHURRIED, "{took:?}: the watch did not tell");
    Ok(())
}

/// A graceful hand-over is one watch event and one swap.
#[tokio::test]
async fn a_graceful_handover_takes_milliseconds() -> TestResult {
    const HANDOVERS: u32 = 20;
    let stage = Stage::new("handover").await?;
    let mut leader = Candidate::unhurried(stage.lock.clone(), "0")?;
    let mut leadership = leader.leads(SOON).await?;
    let mut took = Vec::new();
    for number in 1..=HANDOVERS {
        let mut next = Candidate::unhurried(stage.another_lock().await?, &number.to_string())?;
        follows(&mut next).await;
        let token = leadership.token();
        let asked = now();
        let shutdown = leader.handle.shutdown();
        drop(leadership);
        let (ended, next_leadership) = tokio::join!(shutdown, next.leads(LEASE));
        took.push(now().since(asked));
        ended?;
        leadership = next_leadership?;
        assert!(leadership.token() > token, "SAFETY 19");
        leader = next;
    }
    took.sort();
    println!("{HANDOVERS} graceful hand-overs: {took:?}");
    // Who asks once in 2 s would take one on average.
    assert!(took[10] < UNHURRIED / 4, "{took:?}");
    Ok(())
}

/// One connection carries many elections.
#[tokio::test]
async fn many_elections_share_one_connection() -> TestResult {
    const ELECTIONS: usize = 20;
    let stage = Stage::new("many").await?;
    let connection = KubeConnection::from_kubeconfig(stage.server.kubeconfig()).await?;
    let (mut candidates, mut leaderships) = (Vec::new(), Vec::new());
    for number in 0..ELECTIONS {
        let name = format!("election-{number}");
        let lock = connection.endpoints(&stage.namespace, &name)?;
        candidates.push(Candidate::unhurried(lock, &name)?);
    }
    for candidate in &candidates {
        leaderships.push(candidate.leads(SOON * 20).await?);
    }
    for candidate in &mut candidates {
        candidate
            .event(SOON * 20, "a renewal", |event| {
                matches!(event, Event::Renewed { .. }).then_some(())
            })
            .await;
    }
    assert!(leaderships.iter().all(Leadership::is_valid));
    let tokens: BTreeSet<_> = leaderships.iter().map(Leadership::token).collect();
    assert_eq!(tokens.len(), ELECTIONS);
    Ok(())
}

/// Counts requests, by verb, over two leases while a leader renews, from just after one renewal to just after another.
async fn count(
    stage: &Stage,
    leader: &mut Candidate,
) -> Result<(usize, BTreeMap<String, usize>), Box<dyn Error>> {
    let requests = || {
        stage
            .server
            .requests(|request| request.namespace == stage.namespace)
    };
    leader.events = leader.handle.events();
    renewed(leader).await;
    let before = requests()?.len();
    let end = now().after(LEASE * 2);
    let mut renewals = 0;
    while now() < end {
        renewed(leader).await;
        renewals += 1;
    }
    let mut counts = BTreeMap::new();
    for request in requests()?.into_iter().skip(before) {
        *counts.entry(request.verb).or_default() += 1;
    }
    Ok((renewals, counts))
}

/// SAFETY 20, and the goal of DESIGN: a follower's watch tells it everything.
#[tokio::test]
async fn a_steady_follower_sends_no_request() -> TestResult {
    let stage = Stage::new("follower").await?;
    let mut leader = Candidate::start(stage.lock.clone(), "leader")?;
    let _leadership = leader.leads(LEASE).await?;
    let mut followers = Vec::new();
    for number in 1..=3 {
        followers.push(Candidate::start(
            stage.another_lock().await?,
            &format!("follower-{number}"),
        )?);
    }
    // Until the watches are open.
    sleep(LEASE).await;
    let (renewals, requests) = count(&stage, &mut leader).await?;
    println!("{renewals} renewals over two leases beside three followers; requests: {requests:?}");
    assert_eq!(requests, [("patch".to_owned(), renewals)].into());
    for follower in followers {
        assert_eq!(follower.handle.leader().as_deref(), Some("leader"));
    }
    Ok(())
}

/// The count would show it: a follower without a watch has to ask.
#[tokio::test]
async fn a_follower_that_polls_is_counted() -> TestResult {
    let stage = Stage::new("polls").await?;
    let mut leader = Candidate::start(stage.lock.clone(), "leader")?;
    let _leadership = leader.leads(LEASE).await?;
    let _follower = Candidate::start(WithoutWatch(stage.another_lock().await?), "follower")?;
    let (_, requests) = count(&stage, &mut leader).await?;
    assert!(requests.contains_key("get"), "{requests:?}");
    Ok(())
}

/// A lock that refuses to watch.
struct WithoutWatch(EndpointsLock);

#[async_trait]
impl ResourceLock for WithoutWatch {
    async fn get(&self) -> Result<Observation, LockError> {
        self.0.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.0.compare_and_swap(expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        Ok(None)
    }

    fn describe(&self) -> String {
        self.0.describe()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::LEAST
    }
}
