//! What can be wrong with an etcd and with what is in it, with the real elector: no panic, a clear error or event, and the
//! election goes on as soon as the store is sane again.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use etcd_client::Client;
use leaderelection::{
    ElectionEvent, Event, LeaderElectionRecord, LockError, LockErrorKind, LossReason, ResourceLock,
};
use leaderelection_etcd::{EtcdConnection, EtcdLock, EtcdUrl};
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::side_door::SideDoor;
use leaderelection_tests::time::{now, sleep, within};

type TestResult = Result<(), Box<dyn Error>>;

/// For what takes no waiting.
const SOON: Duration = Duration::from_secs(1);
const KEY: &str = "leader";

async fn lock(endpoint: impl Into<String>) -> Result<EtcdLock, Box<dyn Error>> {
    Ok(EtcdConnection::connect([endpoint]).await?.lock(KEY)?)
}

async fn start() -> Result<(Etcd, EtcdLock, SideDoor), Box<dyn Error>> {
    let etcd = Etcd::start()?;
    let lock = lock(etcd.endpoint()).await?;
    let door = SideDoor::open(etcd.endpoint(), KEY).await?;
    Ok((etcd, lock, door))
}

fn record(holder: &str, seconds: i64) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        lease_duration_seconds: seconds,
        ..LeaderElectionRecord::default()
    }
}

async fn call_failed(candidate: &mut Candidate) -> LockError {
    candidate
        .event(LEASE * 2, "a failed call", |event| match event {
            Event::CallFailed { error, .. } => Some(error),
            _ => None,
        })
        .await
}

async fn unreadable(candidate: &mut Candidate) -> (String, Duration) {
    candidate
        .event(SOON, "that the record is unreadable", |event| match event {
            Event::Noticed(ElectionEvent::Unreadable { reason, waited_out }) => Some((reason, waited_out)),
            _ => None,
        })
        .await
}

/// Started anew while the electors go on.
async fn restarted(mut etcd: Etcd) -> Result<Etcd, Box<dyn Error>> {
    Ok(tokio::task::spawn_blocking(move || etcd.restart().map(|()| etcd)).await??)
}

async fn shut_down(candidate: Candidate) -> TestResult {
    Ok(within(LEASE, "the end of the election", candidate.handle.shutdown()).await?)
}

#[tokio::test]
async fn an_etcd_that_is_down_at_start_is_waited_for() -> TestResult {
    let mut etcd = Etcd::start()?;
    etcd.kill();
    let mut candidate = Candidate::start(lock(etcd.endpoint()).await?, "a")?;
    let error = call_failed(&mut candidate).await;
    assert_eq!(error.kind(), LockErrorKind::Unavailable);
    let said = error.to_string();
    assert!(
        said.contains(&etcd.endpoint()) && said.contains("refused"),
        "{said}"
    );
    sleep(LEASE).await;

    let _etcd = restarted(etcd).await?;
    let up = now();
    candidate.leads(LEASE).await?;
    println!("leads {:?} after etcd came up", now().since(up));
    // Two tries: the first may still be told of the connection that was refused before.
    assert!(now().since(up) < RETRY_PERIOD * 3);
    shut_down(candidate).await
}

#[tokio::test]
async fn a_port_on_which_nothing_listens_is_an_error_again_and_again_and_no_end() -> TestResult {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = listener.local_addr()?.to_string();
    drop(listener);
    let mut candidate = Candidate::start(lock(endpoint.as_str()).await?, "a")?;
    for _ in 0..3 {
        let error = call_failed(&mut candidate).await;
        assert_eq!(error.kind(), LockErrorKind::Unavailable);
        assert!(error.to_string().contains(&endpoint), "{error}");
    }
    assert!(!candidate.handle.is_leader());
    shut_down(candidate).await
}

#[tokio::test]
async fn a_port_on_which_something_else_listens_is_an_error_and_no_end() -> TestResult {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let _ =
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno etcd here\r\n");
        }
    });
    let mut candidate = Candidate::start(lock(endpoint.as_str()).await?, "a")?;
    for _ in 0..3 {
        let error = call_failed(&mut candidate).await;
        assert!(error.to_string().contains(&endpoint), "{error}");
        println!("{error}");
    }
    assert!(!candidate.handle.is_leader());
    shut_down(candidate).await
}

/// The elector's own deadlines tell: the connection is open, and nothing comes of it.
#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_does_not_hang_the_election() -> TestResult {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = silent.local_addr()?.to_string();
    let mut candidate = Candidate::start(lock(endpoint.as_str()).await?, "a")?;
    for _ in 0..2 {
        let error = call_failed(&mut candidate).await;
        assert!(error.to_string().contains(&endpoint), "{error}");
    }
    shut_down(candidate).await
}

#[tokio::test]
async fn an_empty_key_is_an_error_that_says_so() -> TestResult {
    let etcd = Etcd::start()?;
    let connection = EtcdConnection::connect([etcd.endpoint()]).await?;
    let said = connection.lock("").unwrap_err().to_string();
    assert!(said.contains("key") && said.contains("empty"), "{said}");
    let client = Client::connect([etcd.endpoint()], None).await?;
    assert_eq!(EtcdLock::new(client, "").unwrap_err().to_string(), said);
    let said = format!("etcd://{}/", etcd.endpoint())
        .parse::<EtcdUrl>()
        .unwrap_err()
        .to_string();
    assert!(said.contains("names no key"), "{said}");
    Ok(())
}

/// SAFETY 17: what is no record is reported, waited out unchanged, and only then replaced.
#[tokio::test]
async fn a_key_that_another_program_wrote_is_reported_and_waited_out() -> TestResult {
    for raw in [&b"not yours"[..], b"\xff\xfe", b"[]", b""] {
        let (_etcd, lock, door) = start().await?;
        door.put(raw).await?;
        let began = now();
        let mut candidate = Candidate::start(lock.clone(), "a")?;
        let (reason, waited_out) = unreadable(&mut candidate).await;
        assert!(
            !reason.is_empty() && waited_out == LEASE,
            "{reason} {waited_out:?}"
        );
        candidate.leads(LEASE * 2).await?;
        let waited = now().since(began);
        assert!(waited >= LEASE && waited < LEASE + SOON, "{waited:?}");
        shut_down(candidate).await?;
    }
    Ok(())
}

/// It is sane again, so nobody waits any longer.
#[tokio::test]
async fn as_soon_as_the_other_program_lets_go_the_election_goes_on() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    door.put("not yours").await?;
    let mut candidate = Candidate::start(lock, "a")?;
    unreadable(&mut candidate).await;
    door.put(record("", 1).to_json()).await?;
    candidate.leads(SOON).await?;
    shut_down(candidate).await
}

/// SAFETY 11: a leader whose record is spoiled or deleted stops at once, and campaigns again.
#[tokio::test]
async fn a_leader_whose_key_is_overwritten_or_deleted_stops_at_once() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    let candidate = Candidate::start(lock, "a")?;
    let leadership = candidate.leads(SOON).await?;
    door.put("not yours").await?;
    let reason = within(SOON, "the loss", leadership.lost()).await;
    assert_eq!(reason, LossReason::RecordUnreadable);
    let spoiled = leadership.token();
    drop(leadership);

    let leadership = candidate.leads(LEASE * 2).await?;
    assert!(leadership.token() > spoiled);
    door.delete().await?;
    let reason = within(SOON, "the loss", leadership.lost()).await;
    assert_eq!(reason, LossReason::RecordGone);
    let deleted = leadership.token();
    drop(leadership);
    assert!(candidate.leads(LEASE * 2).await?.token() > deleted);
    shut_down(candidate).await
}

/// 200 KiB of fields that nobody here knows, held by nobody: taken at once, kept, renewed.
#[tokio::test]
async fn a_record_of_200_kib_is_led_with_and_kept() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    let mut large = record("", 1);
    large.unknown_fields = vec![("notes".to_owned(), format!("\"{}\"", "x".repeat(200 * 1024)))];
    door.put(large.to_json()).await?;
    let mut candidate = Candidate::start(lock, "a")?;
    let _leadership = candidate.leads(SOON).await?;
    candidate
        .event(LEASE, "a renewal", |event| {
            matches!(event, Event::Renewed { .. }).then_some(())
        })
        .await;
    let (value, _) = door.get().await?.ok_or("no key")?;
    let now = LeaderElectionRecord::from_json(&value)?;
    assert_eq!(
        (now.holder_identity.as_str(), now.unknown_fields),
        ("a", large.unknown_fields)
    );
    Ok(())
}

/// 200 KiB that are no record, and 200 KiB in the record of a dead leader: waited out like anything else.
#[tokio::test]
async fn a_dead_leader_with_a_record_of_200_kib_is_outlived() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    let mut large = record("dead", 1);
    large.unknown_fields = vec![("notes".to_owned(), format!("\"{}\"", "x".repeat(200 * 1024)))];
    for value in [large.to_json(), "x".repeat(200 * 1024)] {
        door.put(value).await?;
        let candidate = Candidate::start(lock.clone(), "a")?;
        candidate.leads(LEASE + SOON).await?;
        shut_down(candidate).await?;
    }
    Ok(())
}

/// A holder of 64 KiB leads, is seen, and hands over.
#[tokio::test]
async fn a_holder_of_64_kib_is_a_candidate_like_any_other() -> TestResult {
    let (etcd, first, _) = start().await?;
    let long = "h".repeat(64 * 1024);
    let holder = Candidate::start(first, &long)?;
    let leadership = holder.leads(SOON).await?;
    let mut other = Candidate::start(lock(etcd.endpoint()).await?, "b")?;
    let seen = other
        .event(SOON, "the holder", |event| match event {
            Event::Noticed(ElectionEvent::HolderChanged(holder)) => holder,
            _ => None,
        })
        .await;
    assert!(seen == long);
    drop(leadership);
    shut_down(holder).await?;
    other.leads(SOON).await?;
    Ok(())
}

/// More than etcd takes: said again and again, never a leader, and no end.
#[tokio::test]
async fn a_holder_that_is_too_large_for_etcd_is_told_so() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    let mut candidate = Candidate::start(lock, &"h".repeat(2 * 1024 * 1024))?;
    for _ in 0..2 {
        // On a busy machine a try may take longer than the elector waits.
        let refused = |event| match event {
            Event::CallFailed { error, .. } if error.kind() == LockErrorKind::Invalid => Some(error),
            _ => None,
        };
        let error = candidate.event(LEASE * 5, "a refusal", refused).await;
        assert!(error.to_string().contains("larger than max"), "{error}");
    }
    assert_eq!(door.get().await?, None);
    shut_down(candidate).await
}

/// SAFETY 1 and 2: frozen, the lease runs out on time; continued, the election goes on.
#[tokio::test]
async fn an_etcd_that_is_stopped_and_continued_is_led_again() -> TestResult {
    let (etcd, first, door) = start().await?;
    let leader = Candidate::start(first, "a")?;
    let follower = Candidate::start(lock(etcd.endpoint()).await?, "b")?;
    let (candidate, leadership) = tokio::select! {
        leadership = leader.leads(SOON) => (&leader, leadership?),
        leadership = follower.leads(SOON) => (&follower, leadership?),
    };
    let token = leadership.token();
    etcd.stop()?;
    let frozen = now();
    let reason = within(RENEW_DEADLINE + SOON, "the loss", leadership.lost()).await;
    assert_eq!(reason, LossReason::DeadlineExceeded);
    assert!(now().since(frozen) <= RENEW_DEADLINE + Duration::from_millis(100));
    assert!(!candidate.handle.is_leader());
    drop(leadership);
    sleep(LEASE).await;
    assert!(!leader.handle.is_leader() && !follower.handle.is_leader());

    etcd.cont()?;
    let continued = now();
    let leadership = tokio::select! {
        leadership = leader.leads(LEASE * 2) => leadership?,
        leadership = follower.leads(LEASE * 2) => leadership?,
    };
    println!("led again {:?} after etcd was continued", now().since(continued));
    assert!(leadership.token() > token);
    assert_eq!(
        door.get()
            .await?
            .map(|(_, revision)| revision >= leadership.token().get()),
        Some(true)
    );
    Ok(())
}

/// A restart that is shorter than the lease costs nobody the leadership, and the follower's watch comes back.
#[tokio::test]
async fn a_restarted_etcd_keeps_its_leader_and_its_followers_watch() -> TestResult {
    let (etcd, first, _) = start().await?;
    let leader = Candidate::start(first, "a")?;
    let leadership = leader.leads(SOON).await?;
    let mut follower = Candidate::start(lock(etcd.endpoint()).await?, "b")?;
    sleep(RETRY_PERIOD).await;
    let etcd = restarted(etcd).await?;
    let error = call_failed(&mut follower).await;
    assert!(error.to_string().contains("watch"), "{error}");
    sleep(LEASE * 2).await;
    assert!(leadership.is_valid(), "{:?}", leadership.check());

    let requests = etcd.requests_by_method()?;
    drop(leadership);
    let asked = now();
    shut_down(leader).await?;
    follower.leads(SOON).await?;
    let took = now().since(asked);
    println!("handed over {took:?} after a restart; requests before: {requests:?}");
    assert!(took < RETRY_PERIOD, "{took:?}: the watch did not tell");
    Ok(())
}

/// Down for longer than the lease: nobody leads meanwhile, and somebody does as soon as it is up.
#[tokio::test]
async fn an_etcd_that_is_down_for_longer_than_a_lease_is_led_again() -> TestResult {
    let (mut etcd, lock, _) = start().await?;
    let candidate = Candidate::start(lock.clone(), "a")?;
    let leadership = candidate.leads(SOON).await?;
    let token = leadership.token();
    etcd.kill();
    let reason = within(RENEW_DEADLINE + SOON, "the loss", leadership.lost()).await;
    assert_eq!(reason, LossReason::DeadlineExceeded);
    drop(leadership);
    sleep(LEASE).await;
    let _etcd = restarted(etcd).await?;
    let up = now();
    let leadership = candidate.leads(LEASE * 2).await?;
    println!(
        "led again {:?} after etcd was up: {}",
        now().since(up),
        lock.describe()
    );
    assert!(leadership.token() > token);
    Ok(())
}
