//! SIGTERM and SIGINT: drain, release, exit.

use crate::*;

fn a_stop_signal_ends_the_command_and_hands_over_at_once<S: Store>() -> TestResult {
    for signal in [Signal::TERM, Signal::INT] {
        let store = S::new()?;
        let (mut leader, first, follower) = pair(&store, &[], WORK);
        let asked = now();
        leader.send(signal)?;
        leader.said("term")?;
        let second = follower.started()?;
        assert_eq!(leader.exited()?.code(), Some(0), "{signal:?}");
        assert!(is_dead(first.pid));
        assert!(second.token > first.token, "{first:?} {second:?}");
        assert!(second.at.since(asked) < AT_ONCE, "{:?}", second.at.since(asked));
    }
    Ok(())
}

fn a_stop_signal_ends_a_follower_too<S: Store>() -> TestResult {
    let store = S::new()?;
    let (_leader, _, mut follower) = pair(&store, &[], WORK);
    let asked = now();
    follower.send(Signal::TERM)?;
    assert_eq!(follower.exited()?.code(), Some(0));
    assert!(now().since(asked) < AT_ONCE);
    assert!(follower.said_so_far().is_empty());
    Ok(())
}

fn a_draining_command_keeps_the_lease_beyond_its_duration<S: Store>() -> TestResult {
    let store = S::new()?;
    let slow = WORK.replace("echo term;", "echo term; sleep 4; echo done;");
    let (mut leader, _, follower) = pair(
        &store,
        &[&SHORT_LEASE[..], &["--drain-timeout", "10s"]].concat(),
        &slow,
    );
    leader.send(Signal::TERM)?;
    leader.said("term")?;
    let done = leader.said("done")?;
    let next = follower.started()?;
    assert!(next.at >= done.at, "two at work");
    assert!(next.at.since(done.at) < AT_ONCE, "{:?}", next.at.since(done.at));
    assert_eq!(leader.exited()?.code(), Some(0));
    Ok(())
}

fn a_drain_ends_at_its_limit_and_the_lease_is_released_all_the_same<S: Store>() -> TestResult {
    let store = S::new()?;
    let flags = ["--drain-timeout", "300ms", "--stop-grace", "500ms"];
    let (mut leader, first, follower) = pair(&store, &flags, STUBBORN_WORK);
    let asked = now();
    leader.send(Signal::TERM)?;
    leader.said("term")?;
    let dead = death_of(first.pid, Duration::from_secs(5)).ok_or("it outlives the drain")?;
    let lived = dead.since(asked);
    assert!(
        lived >= Duration::from_millis(300) && lived < Duration::from_millis(800) + BUSY,
        "{lived:?}"
    );
    let second = follower.started()?;
    assert!(second.at.since(dead) < AT_ONCE, "{:?}", second.at.since(dead));
    assert_eq!(leader.exited()?.code(), Some(0));
    Ok(())
}

fn a_second_stop_signal_kills_at_once<S: Store>() -> TestResult {
    let store = S::new()?;
    let (mut leader, first, follower) = pair(&store, &[], STUBBORN_WORK);
    leader.send(Signal::TERM)?;
    leader.said("term")?;
    wait(Duration::from_millis(200));
    assert!(!is_dead(first.pid), "it drains");
    leader.send(Signal::TERM)?;
    dies(first.pid);
    assert_eq!(leader.exited()?.code(), Some(0));
    follower.started()?;
    Ok(())
}

on_each_store! {
    a_stop_signal_ends_the_command_and_hands_over_at_once,
    a_stop_signal_ends_a_follower_too,
    a_draining_command_keeps_the_lease_beyond_its_duration,
    a_drain_ends_at_its_limit_and_the_lease_is_released_all_the_same,
    a_second_stop_signal_kills_at_once,
}

on_other_kinds_of_objects! {
    a_stop_signal_ends_the_command_and_hands_over_at_once,
}
