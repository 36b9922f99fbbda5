//! Leaders that are killed, stopped, cut off or deposed: their command is dead in time, and nobody starts early.

use crate::*;

#[test]
fn a_killed_supervisor_takes_all_of_its_group_along_and_the_next_waits_for_the_lease() -> TestResult {
    let etcd = Etcd::start()?;
    let work =
        r#"sleep 1000 & echo "start $LEADERELECT_IDENTITY $LEADERELECT_TOKEN $$"; echo "also $!"; wait"#;
    let (mut leader, first, follower) = pair(&etcd, &SHORT_LEASE, work);
    let also = leader.said("also ")?.text.split_off(5).parse()?;
    let guard = guard_of(leader.pid());
    leader.send(Signal::KILL)?;
    let killed = now();
    leader.exited()?;
    dies(first.pid);
    dies(also);
    dies(guard);
    assert!(now().since(killed) < AT_ONCE);

    let second = follower.started()?;
    let waited = second.at.since(killed);
    assert!(
        waited + RETRY_PERIOD + BUSY >= LEASE,
        "after {waited:?}: its lease was not waited out"
    );
    assert!(waited <= LEASE + BUSY, "{waited:?}");
    assert!(second.token > first.token);
    Ok(())
}

#[test]
fn a_killed_supervisor_takes_its_command_along_also_while_the_guard_is_stopped() -> TestResult {
    let etcd = Etcd::start()?;
    let leader = run(&etcd, "a", &[], STUBBORN_WORK);
    let first = leader.started()?;
    let guard = guard_of(leader.pid());
    kill(guard, Signal::STOP);
    leader.send(Signal::KILL)?;
    let died = death_of(first.pid, AT_ONCE);
    kill(guard, Signal::CONT);
    assert!(died.is_some(), "process {} lives on", first.pid);
    dies(guard);
    Ok(())
}

#[test]
fn a_stopped_supervisor_loses_its_command_in_time() -> TestResult {
    let etcd = Etcd::start()?;
    let (mut leader, first, follower) = pair(&etcd, &SHORT_LEASE, WORK);
    leader.send(Signal::STOP)?;
    let stopped = now();
    let dead = death_of(first.pid, Duration::from_secs(10)).ok_or("its command lives on")?;
    assert!(
        dead.since(stopped) <= RENEW_DEADLINE + STOP_GRACE + BUSY,
        "{:?}",
        dead.since(stopped)
    );
    let second = follower.started()?;
    assert!(second.at > dead, "two at work");

    leader.send(Signal::CONT)?;
    leader.follows("b")?;
    leader.send(Signal::TERM)?;
    assert_eq!(leader.exited()?.code(), Some(0), "it campaigned again");
    Ok(())
}

#[test]
fn when_etcd_does_not_answer_a_stubborn_command_is_killed_in_time_and_started_again_later() -> TestResult {
    let etcd = Etcd::start()?;
    let leader = run(&etcd, "a", &SHORT_LEASE, STUBBORN_WORK);
    let first = leader.started()?;
    wait(Duration::from_millis(700));
    etcd.stop()?;
    let stopped = now();
    let asked = leader.said("term")?.at.since(stopped);
    let dead = death_of(first.pid, Duration::from_secs(10))
        .ok_or("it outlives its lease")?
        .since(stopped);
    // The last renewal was sent before etcd was stopped, and less than a period before.
    assert!(
        asked + RETRY_PERIOD + BUSY >= RENEW_DEADLINE && asked <= RENEW_DEADLINE + BUSY,
        "asked after {asked:?}"
    );
    let limit = RENEW_DEADLINE + STOP_GRACE;
    assert!(dead <= limit + BUSY, "dead after {dead:?}");
    assert!(
        dead + RETRY_PERIOD + BUSY >= limit,
        "dead after {dead:?}: it had no grace"
    );

    etcd.cont()?;
    let second = leader.started()?;
    assert!(second.token > first.token);
    Ok(())
}

#[test]
fn an_etcd_that_is_down_at_the_start_is_waited_for() -> TestResult {
    let mut etcd = Etcd::start()?;
    etcd.kill();
    let leader = run(&etcd, "a", &[], WORK);
    leader.logged("failed; it is tried again")?;
    let mut other = run(&etcd, "b", &[], WORK);
    other.logged("failed; it is tried again")?;
    other.send(Signal::TERM)?;
    assert_eq!(other.exited()?.code(), Some(0), "nothing holds it");
    assert!(leader.said_so_far().is_empty());
    etcd.restart()?;
    leader.started()?;
    Ok(())
}

#[test]
fn a_command_without_its_guard_is_killed_and_the_lease_released() -> TestResult {
    let etcd = Etcd::start()?;
    let (mut leader, first, follower) = pair(&etcd, &[], STUBBORN_WORK);
    kill(guard_of(leader.pid()), Signal::KILL);
    dies(first.pid);
    follower.started()?;
    assert_eq!(leader.exited()?.code(), Some(1));
    leader.logged("the process that guards it is gone")?;
    Ok(())
}

#[test]
fn a_record_overwritten_by_somebody_else_ends_the_command_at_once() -> TestResult {
    let etcd = Etcd::start()?;
    let leader = run(&etcd, "a", &SHORT_LEASE, WORK);
    let first = leader.started()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let record = r#"{"holderIdentity":"operator","leaseDurationSeconds":1,"acquireTime":null,"renewTime":null,"leaderTransitions":7}"#;
    runtime.block_on(async { SideDoor::open(etcd.endpoint(), "leader").await?.put(record).await })?;
    let overwritten = now();
    let asked = leader.said("term")?.at.since(overwritten);
    assert!(asked < AT_ONCE, "{asked:?}");
    let second = leader.started()?;
    assert!(second.token > first.token);
    let waited = second.at.since(overwritten);
    assert!(waited + BUSY >= LEASE && waited <= LEASE + AT_ONCE, "{waited:?}");
    Ok(())
}
