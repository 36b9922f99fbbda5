//! A graceful hand-over on a real etcd is one watch event and one swap. And what is measured, in small.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use leaderelection_etcd::EtcdConnection;
use leaderelection_tests::candidate::{Candidate, LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::fleet::client_go;
use leaderelection_tests::handover::{Chain, Place, Side};
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::time::now;

type TestResult = Result<(), Box<dyn Error>>;

const HANDOVERS: usize = 20;

/// SAFETY 12 and 10: who stops releases, and who watches leads at once; the token grows from term to term (SAFETY 19).
#[tokio::test]
async fn a_graceful_handover_takes_milliseconds_not_a_polling_period() -> TestResult {
    let etcd = Etcd::start()?;
    let candidate = async |number: usize| -> Result<Candidate, Box<dyn Error>> {
        let connection = EtcdConnection::connect([etcd.endpoint()]).await?;
        Ok(Candidate::start(
            connection.lock("leader")?,
            &format!("candidate-{number}"),
        )?)
    };
    let mut leader = candidate(0).await?;
    let mut leadership = leader.leads(LEASE).await?;
    let mut took = Vec::new();
    for number in 1..=HANDOVERS {
        let mut next = candidate(number).await?;
        // It follows: it has seen who leads, and its watch is open.
        next.event(LEASE, "the leader seen", |event| {
            matches!(event, leaderelection::Event::Noticed(_)).then_some(())
        })
        .await;
        leaderelection_tests::time::sleep(Duration::from_millis(50)).await;

        let token = leadership.token();
        let asked = now();
        let shutdown = leader.handle.shutdown();
        drop(leadership);
        let (ended, next_leadership) = tokio::join!(shutdown, next.leads(LEASE));
        took.push(now().since(asked));
        ended?;
        leadership = next_leadership?;
        assert!(leadership.token() > token);
        leader = next;
    }
    took.sort();
    let (median, longest) = (took[HANDOVERS / 2], took[HANDOVERS - 1]);
    println!("{HANDOVERS} graceful hand-overs: median {median:?}, longest {longest:?}");
    assert!(median < Duration::from_millis(50), "{took:?}");
    assert!(longest < RETRY_PERIOD, "{took:?}");
    Ok(())
}

/// A step-down hands over too, and who stepped down stays a candidate (SAFETY 14).
#[tokio::test]
async fn a_step_down_hands_over_and_back() -> TestResult {
    let etcd = Etcd::start()?;
    let connection = EtcdConnection::connect([etcd.endpoint()]).await?;
    let one = Candidate::start(connection.lock("leader")?, "one")?;
    let leadership = one.leads(LEASE).await?;
    let mut two = Candidate::start(connection.lock("leader")?, "two")?;
    two.event(LEASE, "the leader seen", |event| {
        matches!(event, leaderelection::Event::Noticed(_)).then_some(())
    })
    .await;
    one.handle.step_down();
    leadership.stop_requested().await;
    drop(leadership);
    let leadership = two.leads(LEASE).await?;
    two.handle.step_down();
    drop(leadership);
    one.leads(LEASE).await?;
    Ok(())
}

/// `--bin handover` in small, and no matter how fast: ours, that of etcd's Go client and client-go's hand over on one server, the
/// first two fail over, and no two of one side are at work at once.
#[test]
fn ours_and_those_in_go_change_leaders_on_one_server() -> TestResult {
    let etcd = Etcd::start()?;
    let ours = Path::new(env!("CARGO_BIN_EXE_handover"));
    let client_go = client_go()?;
    let timing = [LEASE, RENEW_DEADLINE, RETRY_PERIOD];
    for (side, program) in [(Side::Ours, ours), (Side::Go, ours), (Side::ClientGo, &client_go)] {
        let mut chain = Chain::begin(
            Place::key(&etcd, format!("changes-{side:?}")),
            program,
            side,
            timing,
        )?;
        for _ in 0..3 {
            println!("{side:?}: {:?}", chain.by_release()?);
        }
        if side == Side::ClientGo {
            // It does not say when it has renewed.
            continue;
        }
        let failover = chain.by_kill(RETRY_PERIOD / 5)?;
        println!("{side:?}: {failover:?}");
        // A renewal is known to be one behind the moment from which others count.
        let early = failover.from_renewal + RETRY_PERIOD < LEASE;
        assert!(!early, "{side:?}: {failover:?}");
    }
    Ok(())
}
