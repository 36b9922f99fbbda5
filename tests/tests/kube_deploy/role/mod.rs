//! The Role, given to a user who may nothing else.

mod stage;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use chrono::SubsecRound as _;
use leaderelection::{
    Clock, Content, Event, Expected, LeaderElectionRecord, Observation, Operation, Swap, SystemClock,
};
use leaderelection_tests::candidate::Candidate;
use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, WORK};
use leaderelection_tests::time::{sleep, within};
use rustix::process::Signal;

use crate::PROGRAM;

use self::stage::{KINDS, Less, Stage, allowed};

type TestResult = Result<(), Box<dyn Error>>;

/// For what must come, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// To create, to renew, to follow, to release, to take over, with Events; and nothing of it is never used.
#[tokio::test]
async fn it_is_enough_for_the_whole_life_of_an_election_and_all_of_it_is_used() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Less::Nothing).await?;
        let (mut leader, first) = stage.recorded("a")?;
        let leadership = leader.leads(LIMIT).await?;
        let (mut follower, second) = stage.recorded("b")?;
        for _ in 0..4 {
            leader
                .event(LIMIT, "a renewal", |event| {
                    matches!(event, Event::Renewed { .. }).then_some(())
                })
                .await;
        }
        drop(leadership);
        within(LIMIT, "the release", leader.handle.shutdown()).await?;
        let leadership = follower.leads(LIMIT).await?;
        drop(leadership);
        within(LIMIT, "the end", follower.handle.shutdown()).await?;
        assert!(first.finish(LIMIT).await && second.finish(LIMIT).await);
        for candidate in [&mut leader.events, &mut follower.events] {
            while let Some(event) = candidate.recv().await {
                assert!(!matches!(event, Event::CallFailed { .. }), "{event:?}");
            }
        }
        assert_eq!(stage.asked()?, allowed(&stage.rules), "{}", kind.form);
        assert_eq!(stage.events()?, 4);
    }
    Ok(())
}

#[tokio::test]
async fn without_get_nobody_learns_that_the_lock_is_free() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Less::Verb("get")).await?;
        let mut candidate = Candidate::start(stage.lock(), "a")?;
        stage.denied(&mut candidate, Operation::Get, "get").await;
        assert!(!candidate.handle.is_leader());
        within(LIMIT, "the end", candidate.handle.shutdown()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_create_nobody_leads_where_there_is_no_object() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Less::Verb("create")).await?;
        let mut candidate = Candidate::start(stage.lock(), "a")?;
        stage
            .denied(&mut candidate, Operation::CompareAndSwap, "create")
            .await;
        assert!(!candidate.handle.is_leader());
        within(LIMIT, "the end", candidate.handle.shutdown()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_patch_a_leader_cannot_renew_and_loses_its_lease() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Less::Verb("patch")).await?;
        let mut candidate = Candidate::start(stage.lock(), "a")?;
        let leadership = candidate.leads(LIMIT).await?;
        stage
            .denied(&mut candidate, Operation::CompareAndSwap, "patch")
            .await;
        within(LIMIT, "the loss", leadership.lost()).await;
        drop(leadership);
        within(LIMIT, "the end", candidate.handle.shutdown()).await?;
    }
    Ok(())
}

/// It says so, asks again and again, and so takes over all the same.
#[tokio::test]
async fn without_watch_a_follower_polls() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Less::Verb("watch")).await?;
        let leader = Candidate::start(stage.lock(), "a")?;
        let leadership = leader.leads(LIMIT).await?;
        let mut follower = Candidate::start(stage.lock(), "b")?;
        stage.denied(&mut follower, Operation::Watch, "watch").await;
        let before = stage.gets()?;
        let polled = async {
            while stage.gets()? < before + 3 {
                sleep(Duration::from_millis(20)).await;
            }
            Ok::<_, Box<dyn Error>>(())
        };
        within(LIMIT, "three reads", polled).await?;
        drop(leadership);
        within(LIMIT, "the release", leader.handle.shutdown()).await?;
        follower.leads(LIMIT).await?;
        within(LIMIT, "the end", follower.handle.shutdown()).await?;
    }
    Ok(())
}

/// The election goes on, from `leaderelect run` with the flag that wants them to its release, and its log says what is missing.
#[tokio::test]
async fn without_create_on_events_none_is_written_and_the_election_goes_on() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Less::Events).await?;
        let mut leader = Leaderelect::start_in(
            &stage.server.kubeconfig_for(stage.server.restricted_token())?,
            Path::new(PROGRAM),
            &stage.lock.to_string(),
            "a",
            &[&SHORT_LEASE[..], &["--events"]].concat(),
            &["sh", "-c", WORK],
        )?;
        leader.started()?;
        let told = leader.logged("an Event could not be written; the election goes on without")?;
        assert!(
            told.text.contains(r#"cannot create resource \"events\""#),
            "{}",
            told.text
        );
        leader.send(Signal::TERM)?;
        assert!(leader.exited()?.success());
        let log = leader.logged_so_far();
        assert!(!log.iter().any(|line| line.contains(" WARN ")), "{log:?}");
        let Observation::Present {
            content: Content::Record(record),
            ..
        } = stage.lock().get().await?
        else {
            return Err("no record".into());
        };
        assert!(record.is_free(), "{record:?}");
        assert_eq!(stage.events()?, 0, "{}", kind.form);
    }
    Ok(())
}

/// All but `create`, which has no name to be restricted to.
#[tokio::test]
async fn with_another_object_named_ours_can_be_neither_read_nor_written_nor_watched() -> TestResult {
    for kind in KINDS {
        let stage = Stage::new(kind, Less::Name).await?;
        let now = SystemClock.wall().trunc_subsecs(0);
        let record = |transitions| LeaderElectionRecord {
            holder_identity: "a".to_owned(),
            lease_duration_seconds: 15,
            acquire_time: Some(now),
            renew_time: Some(now),
            leader_transitions: transitions,
            ..LeaderElectionRecord::default()
        };
        for (lock, ours) in [(stage.granted()?, false), (stage.lock(), true)] {
            let Swap::Done(version) = lock.compare_and_swap(Expected::Absent, &record(0)).await? else {
                return Err("it was there".into());
            };
            let renewed = lock
                .compare_and_swap(Expected::Version(version), &record(1))
                .await;
            let (read, watched) = (lock.get().await, lock.watch().await);
            if ours {
                stage.is_denied(&renewed.err().ok_or("written")?, "patch");
                stage.is_denied(&read.err().ok_or("read")?, "get");
                stage.is_denied(&watched.err().ok_or("watched")?, "watch");
            } else {
                // What is denied for ours is granted, so it is the name that is wanting.
                assert!(matches!(renewed?, Swap::Done(_)));
                read?;
                assert!(watched?.is_some());
            }
        }
        let mut candidate = Candidate::start(stage.lock(), "b")?;
        stage.denied(&mut candidate, Operation::Get, "get").await;
        assert!(!candidate.handle.is_leader());
        within(LIMIT, "the end", candidate.handle.shutdown()).await?;
    }
    Ok(())
}
