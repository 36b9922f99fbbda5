//! A leader of client-go with ReleaseOnCancel is frozen for longer than its lease, the election is moved meanwhile, and it wakes. What
//! it writes then no protocol prevents; what docs/MOVING.md promises of the guard is played here.

use leaderelection_tests::beside_go::ClientGo;
use leaderelection_tests::clocked::Moment;
use leaderelection_tests::kube_door::Kind;
use leaderelection_tests::servers::{GoContender, Said, monotonic};
use leaderelection_tests::time::wait;
use rustix::process::Signal;

use super::candidate::{Candidate, Going, Process};
use super::stage::Stage;
use super::{LIMIT, Result, TIMING, until};

/// What the woken leader writes where its release is not refused: `release` in client-go v0.23's leaderelection.go.
const RELEASED: &str = r#"{"holderIdentity":"","leaseDurationSeconds":1,"acquireTime":"2026-01-01T00:00:00Z","renewTime":"2026-01-01T00:00:00Z","leaderTransitions":0}"#;

fn by_go(candidate: &mut Candidate) -> Result<&mut GoContender> {
    match &mut candidate.process {
        Process::Go(go) => Ok(go),
        Process::Ours(_) => Err("this one is ours".into()),
    }
}

#[tokio::test]
async fn what_a_leader_writes_that_wakes_after_the_move_is_closed_again_by_the_guard() -> Result<()> {
    let stage = Stage::new(ClientGo::Old, Kind::Endpoints)?;
    let door = stage.old_door().await?;
    let mut frozen = stage.old("frozen")?;
    by_go(&mut frozen)?.wait_for(Said::StartedLeading, LIMIT)?;
    let mut guard = stage.mover(&["--guard"])?;
    guard.logged("closed: not before")?;
    let mut new = stage.new_by_us("new")?;

    by_go(&mut frozen)?.stop()?;
    // The mover has waited for its lease to end.
    guard.logged("guarding")?;
    assert!(stage.old_is_closed(), "{:?}", stage.old_record());
    until("the new one to work", || new.is_at_work())?;
    // An old candidate that is left. It cannot read the record, and so it does not say that it takes part.
    let (mut old, before) = (stage.old("old")?, stage.looks_by_go()?);
    until("the old one to look", || Ok(stage.looks_by_go()? > before))?;

    let (closed, woken) = (door.version().await?, Moment::now());
    by_go(&mut frozen)?.cont()?;
    let _status = by_go(&mut frozen)?.wait_for_end(LIMIT)?;
    let wrote = door.version().await? != closed;
    if !wrote {
        // It was refused, or its time was up before it looked: then another does what it may do.
        door.put(RELEASED).await?;
    }

    // The guard is told by its watch; the old one looks each second, and is faster if it looks in the moment between.
    let mut was_faster = false;
    until("the guard to close it", || {
        if !was_faster && old.is_at_work()? {
            was_faster = true;
            old.go_away(Going::Released)?;
        }
        Ok(stage.old_is_closed())
    })?;
    let closed_again = monotonic();
    let worked = frozen.shifts()?;
    assert_eq!(worked.len(), 1, "{worked:?}");
    let ended = worked[0].to.ok_or("it is gone, and still at work")?;
    let writes = stage.writes_since(woken.wall)?;
    println!(
        "{}: the woken leader worked for {} ms and {}; an old candidate was {}; who wrote since it woke: {writes:?}",
        stage.from(),
        ended.saturating_sub(woken.monotonic).as_millis(),
        if wrote {
            "wrote over the closed lock"
        } else {
            "did not write, so another did"
        },
        if was_faster {
            "faster, and went"
        } else {
            "not faster"
        },
    );

    // A lease, which is what it waits for, and a look more.
    wait(TIMING[0] + 3 * TIMING[2]);
    assert!(stage.old_is_closed(), "{:?}", stage.old_record());
    let shifts = old.shifts()?;
    assert_eq!(shifts.len(), usize::from(was_faster), "{shifts:?}");
    assert!(
        shifts
            .iter()
            .all(|shift| shift.from < closed_again && shift.to.is_some()),
        "{shifts:?}"
    );
    let shifts = new.shifts()?;
    assert!(shifts.len() == 1 && shifts[0].to.is_none(), "{shifts:?}");

    guard.send(Signal::TERM)?;
    assert_eq!(guard.exited()?.code(), Some(0));
    assert!(stage.old_is_closed(), "{:?}", stage.old_record());
    Ok(())
}
