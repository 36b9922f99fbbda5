//! Clauses 5 and 6: conflicts, and one write per call.

use leaderelection::{Expected, Observation, Swap, Version};

use super::context::{Context, Stop, brief, check, fail, shorten};
use super::samples::record;

/// Three states that the lock is not in, after `a` and `b` were written.
async fn stale_states(cx: &Context<'_>) -> Result<(Version, [Expected; 3]), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    let newest = cx.done(Expected::Version(first), &record("b", 1)).await?;
    let future = Version::new(newest.get().saturating_add(1_000_000));
    Ok((
        newest,
        [
            Expected::Absent,
            Expected::Version(first),
            Expected::Version(future),
        ],
    ))
}

/// Clause 5, SAFETY 9: a swap on another state answers a conflict and does not fail.
pub(super) async fn clause_05_a_conflict_is_an_outcome(cx: &Context<'_>) -> Result<(), Stop> {
    let never = Expected::Version(Version::new(1));
    match cx.swap(never, &record("a", 0)).await? {
        Ok(Swap::Conflict(_)) => {}
        other => {
            fail!("a swap on {never:?} where nothing was ever written answers {other:?}, not a conflict")
        }
    }
    let (newest, stale) = stale_states(cx).await?;
    for expected in stale {
        match cx.swap(expected, &record("c", 2)).await? {
            Ok(Swap::Conflict(_)) => {}
            other => {
                fail!("a swap on {expected:?}, with {newest} the newest, answers {other:?}, not a conflict")
            }
        }
    }
    Ok(())
}

/// Clause 5, SAFETY 9: a lock that declares so tells the state that stood in the way, as it is; any lock that tells one
/// tells the right one.
pub(super) async fn clause_05_a_conflict_tells_the_state(cx: &Context<'_>) -> Result<(), Stop> {
    let declared = cx.capabilities().conflict_tells_state;
    let (newest, stale) = stale_states(cx).await?;
    let right = Observation::record(newest, record("b", 1));
    let mut told_any = false;
    for expected in stale {
        match cx.swap(expected, &record("c", 2)).await? {
            Ok(Swap::Conflict(Some(told))) => {
                told_any = true;
                check!(
                    told == right,
                    "the state in the way of {expected:?} is {}; told: {}",
                    brief(&right),
                    brief(&told)
                );
            }
            Ok(Swap::Conflict(None)) => {
                check!(
                    !declared,
                    "the lock declares that a conflict tells the state, and this one did not"
                );
            }
            // Whether the swap is refused, and how, is examined by other cases.
            _ => {}
        }
    }
    match told_any || declared {
        true => Ok(()),
        false => Err(Stop::DidNotRun(
            "the lock declares that a conflict does not tell the state".into(),
        )),
    }
}

/// Clause 5, SAFETY 8: a conflict changes nothing, not even the version.
pub(super) async fn clause_05_a_conflict_changes_nothing(cx: &Context<'_>) -> Result<(), Stop> {
    let (newest, stale) = stale_states(cx).await?;
    let before = Observation::record(newest, record("b", 1));
    for expected in stale {
        let answer = cx.swap(expected, &record("c", 2)).await?;
        let after = cx.get().await?;
        let answer = shorten(&format!("{answer:?}"));
        check!(
            before == after,
            "before a swap on {expected:?}: {}; after it, which answered {answer}: {}",
            brief(&before),
            brief(&after)
        );
    }
    Ok(())
}

/// Clause 6, SAFETY 8: a swap that meets a conflict is not tried again on the newer state, also when that is one's own.
pub(super) async fn clause_06_no_hidden_retry(cx: &Context<'_>) -> Result<(), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    let second = cx.done(Expected::Version(first), &record("a", 1)).await?;
    let because = format!("{second}, of the same holder, is the newest");
    cx.refused(Expected::Version(first), &record("a", 2), &because)
        .await?;
    let seen = cx.version().await?;
    check!(
        seen == second,
        "a swap on {first} met a conflict, and the lock went from {second} to {seen}"
    );
    Ok(())
}

/// Clause 6, SAFETY 8: one call is one write: the version it answers is the newest, and stays so.
pub(super) async fn clause_06_one_call_is_one_write(cx: &Context<'_>) -> Result<(), Stop> {
    let mut expected = Expected::Absent;
    for number in 0..3 {
        let version = cx.done(expected, &record("a", number)).await?;
        let seen = cx.version().await?;
        check!(
            seen == version,
            "one swap answered version {version}, and the lock is at {seen}"
        );
        cx.sleep(std::time::Duration::from_millis(50)).await;
        let later = cx.version().await?;
        check!(
            later == version,
            "one swap answered version {version}, and a moment later the lock is at {later}"
        );
        expected = Expected::Version(version);
    }
    Ok(())
}
