//! A lock of a move is deleted under a live leader who does not see it: whoever finds nothing waits for that leader (SAFETY 18).

use leaderelection::election::MissingRecord;
use leaderelection_conformance::Partition;

use super::*;

/// FROM: a mover finds nothing and has nobody to wait out, but the leader is still at work.
#[tokio::test(start_paused = true)]
async fn a_mover_waits_for_the_leader_whose_record_was_deleted() {
    let (stage, (from, to)) = (Stage::default(), locks());
    let cut_off = FaultLock::new(from.clone());
    let faults = cut_off.faults();
    stage.run("old", candidate(cut_off, "old"));
    sleep(s(1)).await;
    let mover = mover(from.clone(), to.clone(), Life::of(Life::FOR_EVER, true), 0);
    sleep(s(1)).await;
    assert!(is_closed(&to, Closed::NotBefore(OLD)));
    stage.run("new", candidate(to.clone(), "new"));
    sleep(s(60)).await;
    faults.partition(Partition::Full);
    from.delete();
    sleep(s(60)).await;
    assert_moved(mover.await.unwrap());
    assert_eq!(stage.now(), ["new"]);
    assert_eq!(stage.at_once(), Duration::ZERO, "{:#?}", stage.shifts());
    stage.close().await;
}

/// TO, when the election has moved: a mover, as every program begins with one, leaves that to TO's candidates and their mode.
#[tokio::test(start_paused = true)]
async fn a_mover_leaves_a_deleted_new_lock_to_its_candidates() {
    let (stage, (from, to)) = (Stage::default(), locks());
    assert_moved(
        mover(from.clone(), to.clone(), Life::of(Life::FOR_EVER, true), 0)
            .await
            .unwrap(),
    );
    let cut_off = FaultLock::new(to.clone());
    let faults = cut_off.faults();
    let strict = |lock, name| candidate(lock, name).missing_record(MissingRecord::ClaimThenLead);
    stage.run("first", strict(cut_off, "first"));
    sleep(s(60)).await;
    assert_eq!(stage.now(), ["first"]);
    faults.partition(Partition::Full);
    to.delete();
    assert_moved(
        mover(from.clone(), to.clone(), Life::of(Life::FOR_EVER, true), 1)
            .await
            .unwrap(),
    );
    stage.run("second", strict(FaultLock::new(to.clone()), "second"));
    sleep(s(60)).await;
    assert_eq!(stage.now(), ["second"]);
    assert_eq!(stage.at_once(), Duration::ZERO, "{:#?}", stage.shifts());
    stage.close().await;
}
