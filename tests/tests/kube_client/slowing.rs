//! A kube-apiserver that slows down step by step, behind a network that takes ever longer: the work is warned, the durations are
//! called too tight with numbers, the lead is kept for as long as answers come in time, and when none comes it ends by its deadline,
//! before another leads. The same by the millisecond, on paused time: `elector/slowing.rs`.

use leaderelection::{ElectionHandle, Events, TimingVerdict};
use leaderelection_tests::faults::{Proxy, Way};
use leaderelection_tests::kube_door::connect_through;

use super::*;

/// Of 4 s, a renewal may be under way for 2 s. At risk after 1 s and a quarter of the other 3 s; too tight when more than half of
/// these 3 s is needed.
const PERIOD: Duration = Duration::from_secs(1);

/// The next `lasting`: how often the leader was at risk.
async fn risks(events: &mut Events, lasting: Duration) -> usize {
    let (mut risks, until) = (0, now().after(lasting));
    loop {
        tokio::select! {
            event = events.recv() => risks += usize::from(matches!(event, Some(Event::AtRisk(_)))),
            () = sleep(until.since(now())) => return risks,
        }
    }
}

fn verdict(handle: &ElectionHandle) -> TimingVerdict {
    handle.timing_advice().verdict
}

#[tokio::test]
async fn warned_advised_kept_and_lost_in_time() -> TestResult {
    let stage = Stage::new("slowing").await?;
    let network = Proxy::before(&stage.server.url().replace("https://", ""))?;
    let slow = connect_through(&stage.server.kubeconfig(), &network.endpoint()).await?;
    let timing = LeaseTiming::new(LEASE, RENEW_DEADLINE, PERIOD)?;
    let elector = LeaderElector::builder(slow.lease(&stage.namespace, NAME)?, Identity::unique())
        .timing(timing.clone())
        .build()?;
    let handle = elector.spawn()?;
    let leadership = within(LEASE, "the first term", handle.leadership()).await?;
    let mut other = unique(lock_on(stage.server, &stage.namespace).await?)?;
    follows(&mut other).await;
    let mut events = handle.events();

    // All is well, also when an answer takes 0.3 s.
    assert_eq!(risks(&mut events, PERIOD * 6).await, 0);
    network.delay(Duration::from_millis(150));
    assert_eq!(risks(&mut events, PERIOD * 6).await, 0);
    assert_eq!(
        verdict(&handle),
        TimingVerdict::Fine,
        "{}",
        handle.timing_advice()
    );

    // At 1.4 s it is at risk before every answer, and 2.8 s pass without one; both are told, and the lead is kept.
    network.delay(Duration::from_millis(700));
    let warned = risks(&mut events, PERIOD * 9).await;
    assert!(warned >= 3, "{warned} warnings");
    let advice = handle.timing_advice();
    println!("{advice}");
    assert_eq!(advice.verdict, TimingVerdict::TooTight, "{advice}");
    assert_eq!(advice.terms_lost, 0);
    let longest = advice.longest_unrenewed;
    assert!(
        longest > Duration::from_millis(2_500) && longest < RENEW_DEADLINE,
        "{longest:?}"
    );
    let suggested = advice.suggestion.ok_or("no durations are suggested")?;
    assert!(suggested.renew_deadline() > RENEW_DEADLINE, "{suggested:?}");
    assert!(suggested.tolerated_clock_rate_ratio() >= timing.tolerated_clock_rate_ratio());
    assert!(leadership.is_valid(), "kept, by the same term");

    // Nothing comes through: at risk, and lost by the deadline of what was renewed last.
    let began = now();
    network.hold(Way::Request);
    network.hold(Way::Reply);
    within(RENEW_DEADLINE, "the risk", leadership.at_risk()).await;
    assert!(leadership.is_valid() || leadership.risk().is_none());
    let next = lost_before_another_leads(began, leadership, &other).await?;
    assert_eq!(handle.timing_advice().terms_lost, 1);

    drop(next);
    network.delay(Duration::ZERO);
    network.release();
    shut_down(other).await?;
    within(LEASE, "the end of the election", handle.shutdown()).await?;
    Ok(())
}
