//! Leaders that are killed, stopped, cut off or deposed: their command is dead in time, and nobody starts early.

use crate::*;

fn a_killed_supervisor_takes_all_of_its_group_along_and_the_next_waits_for_the_lease<S: Store>() -> TestResult
{
    let store = S::new()?;
    let work =
        r#"sleep 1000 & echo "start $LEADERELECT_IDENTITY $LEADERELECT_TOKEN $$"; echo "also $!"; wait"#;
    let (mut leader, first, follower) = pair(&store, &SHORT_LEASE, work);
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
    assert!(waited <= LEASE + AT_ONCE, "{waited:?}");
    assert!(second.token > first.token);
    Ok(())
}

fn a_killed_supervisor_takes_its_command_along_also_while_the_guard_is_stopped<S: Store>() -> TestResult {
    let store = S::new()?;
    let leader = run(&store, "a", &[], STUBBORN_WORK);
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

fn a_stopped_supervisor_loses_its_command_in_time<S: Store>() -> TestResult {
    let store = S::new()?;
    let (mut leader, first, follower) = pair(&store, &SHORT_LEASE, WORK);
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

fn when_the_store_does_not_answer_a_stubborn_command_is_killed_in_time_and_started_again_later<S: Store>()
-> TestResult {
    let mut store = S::of_its_own()?;
    let leader = run(&store, "a", &SHORT_LEASE, STUBBORN_WORK);
    let first = leader.started()?;
    wait(Duration::from_millis(700));
    store.stop()?;
    let stopped = now();
    let asked = leader.said("term")?.at.since(stopped);
    let dead = death_of(first.pid, Duration::from_secs(10))
        .ok_or("it outlives its lease")?
        .since(stopped);
    // The last renewal was sent before the server was stopped, and less than a period before.
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

    store.cont()?;
    let second = leader.started()?;
    assert!(second.token > first.token);
    Ok(())
}

fn a_store_that_is_down_at_the_start_is_waited_for<S: Store>() -> TestResult {
    let mut store = S::of_its_own()?;
    store.kill();
    let leader = run(&store, "a", &[], WORK);
    leader.logged("failed; it is tried again")?;
    let mut other = run(&store, "b", &[], WORK);
    other.logged("failed; it is tried again")?;
    other.send(Signal::TERM)?;
    assert_eq!(other.exited()?.code(), Some(0), "nothing holds it");
    assert!(leader.said_so_far().is_empty());
    store.restart()?;
    leader.started()?;
    Ok(())
}

fn a_command_without_its_guard_is_killed_and_the_lease_released<S: Store>() -> TestResult {
    let store = S::new()?;
    let (mut leader, first, follower) = pair(&store, &[], STUBBORN_WORK);
    kill(guard_of(leader.pid()), Signal::KILL);
    dies(first.pid);
    follower.started()?;
    assert_eq!(leader.exited()?.code(), Some(1));
    leader.logged("the process that guards it is gone")?;
    Ok(())
}

fn a_record_overwritten_by_somebody_else_ends_the_command_at_once<S: Store>() -> TestResult {
    let store = S::new()?;
    let leader = run(&store, "a", &SHORT_LEASE, WORK);
    let first = leader.started()?;
    let record = r#"{"holderIdentity":"operator","leaseDurationSeconds":1,"acquireTime":null,"renewTime":null,"leaderTransitions":7}"#;
    store.overwrite(record)?;
    let overwritten = now();
    let asked = leader.said("term")?.at.since(overwritten);
    assert!(asked < AT_ONCE, "{asked:?}");
    let second = leader.started()?;
    assert!(second.token > first.token);
    let waited = second.at.since(overwritten);
    assert!(waited + BUSY >= LEASE && waited <= LEASE + AT_ONCE, "{waited:?}");
    Ok(())
}

on_each_store! {
    a_killed_supervisor_takes_all_of_its_group_along_and_the_next_waits_for_the_lease,
    a_killed_supervisor_takes_its_command_along_also_while_the_guard_is_stopped,
    a_stopped_supervisor_loses_its_command_in_time,
    when_the_store_does_not_answer_a_stubborn_command_is_killed_in_time_and_started_again_later,
    a_store_that_is_down_at_the_start_is_waited_for,
    a_command_without_its_guard_is_killed_and_the_lease_released,
    a_record_overwritten_by_somebody_else_ends_the_command_at_once,
}

on_other_kinds_of_objects! {
    a_killed_supervisor_takes_all_of_its_group_along_and_the_next_waits_for_the_lease,
    a_record_overwritten_by_somebody_else_ends_the_command_at_once,
}
