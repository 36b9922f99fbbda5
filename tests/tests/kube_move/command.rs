//! `leaderelect move --guard` as a command: what it does until it ends, and with which code.

use leaderelection_tests::beside_go::ClientGo;
use leaderelection_tests::kube_door::Kind;
use rustix::process::Signal;

use super::stage::Stage;
use super::{Result, until};

/// Nobody holds it; and one that somebody holds for an hour.
const FREE: &str = r#"{"holderIdentity":"","leaseDurationSeconds":1,"acquireTime":"2026-01-01T00:00:00Z","renewTime":"2026-01-01T00:00:00Z","leaderTransitions":1}"#;
const HELD: &str = r#"{"holderIdentity":"somebody","leaseDurationSeconds":3600,"acquireTime":"2026-01-01T00:00:00Z","renewTime":"2026-01-01T00:00:00Z","leaderTransitions":1}"#;

#[tokio::test]
async fn a_guard_closes_what_others_open_until_it_is_told_to_stop() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT] {
        let stage = Stage::new(ClientGo::Old, Kind::Endpoints)?;
        let door = stage.old_door().await?;
        door.put(FREE).await?;
        let mut guard = stage.mover(&["--guard"])?;
        guard.logged("guarding")?;
        assert!(stage.old_is_closed(), "{:?}", stage.old_record());
        for opened in [Some(FREE), None] {
            match opened {
                Some(free) => door.put(free).await.map(drop)?,
                None => door.delete().await?,
            }
            until("the guard to close it", || Ok(stage.old_is_closed()))?;
        }
        guard.send(signal)?;
        assert_eq!(guard.exited()?.code(), Some(0));
        assert!(stage.old_is_closed(), "{:?}", stage.old_record());
    }
    Ok(())
}

/// What comes after `&&` must not begin.
#[tokio::test]
async fn with_a_guard_too_a_move_that_is_stopped_before_it_is_done_says_so() -> Result<()> {
    let stage = Stage::new(ClientGo::Old, Kind::Endpoints)?;
    stage.old_door().await?.put(HELD).await?;
    let mut guard = stage.mover(&["--guard"])?;
    guard.logged("campaigning, to move the election")?;
    guard.send(Signal::TERM)?;
    assert_eq!(guard.exited()?.code(), Some(143));
    assert!(stage.new_is_closed());
    Ok(())
}

#[tokio::test]
async fn a_guard_ends_when_the_election_is_moved_back() -> Result<()> {
    let stage = Stage::new(ClientGo::Old, Kind::Endpoints)?;
    stage.old_door().await?.put(FREE).await?;
    let mut guard = stage.mover(&["--guard"])?;
    guard.logged("guarding")?;
    let mut back = stage.mover_back()?;
    assert_eq!(back.exited()?.code(), Some(0));
    guard.logged("the election was moved back")?;
    assert_eq!(guard.exited()?.code(), Some(0));
    assert_eq!(stage.old_record()?[0], "", "it is free for its candidates");
    Ok(())
}
