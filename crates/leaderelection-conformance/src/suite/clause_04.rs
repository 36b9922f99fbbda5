//! Clause 4: a swap happens only on the state that the caller names.

use leaderelection::{Expected, Observation, Version};

use super::context::{Context, Stop, brief, check};
use super::race::{By, race};
use super::samples::record;

/// Clause 4, SAFETY 8: a swap on an older or a future version is not done.
pub(super) async fn clause_04_swap_names_its_state(cx: &Context<'_>) -> Result<(), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    let second = cx.done(Expected::Version(first), &record("b", 1)).await?;
    let because = format!("{second} is the newest");
    let future = Version::new(second.get().saturating_add(1_000_000));
    for (holder, version) in [("c", first), ("d", future)] {
        cx.refused(Expected::Version(version), &record(holder, 2), &because)
            .await?;
    }
    cx.done(Expected::Version(second), &record("e", 3)).await?;
    Ok(())
}

/// Clause 4, SAFETY 8: a create where there is an object is not done, also where its holder is empty.
pub(super) async fn clause_04_create_only_where_nothing_is(cx: &Context<'_>) -> Result<(), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    cx.refused(Expected::Absent, &record("b", 1), "there is a record")
        .await?;
    cx.done(Expected::Version(first), &record("", 2)).await?;
    cx.refused(Expected::Absent, &record("b", 3), "there is a record, of nobody")
        .await?;
    Ok(())
}

/// Clause 4, SAFETY 8: a swap on a version, where nothing was ever written, creates nothing.
pub(super) async fn clause_04_swap_on_nothing_creates_nothing(cx: &Context<'_>) -> Result<(), Stop> {
    for number in [0, 1, 2, 1_000_000] {
        let expected = Expected::Version(Version::new(number));
        cx.refused(expected, &record("a", 0), "nothing was ever written")
            .await?;
    }
    cx.create(&record("b", 0)).await?;
    Ok(())
}

/// Clause 4, SAFETY 8: a swap on the last version of a deleted object does not bring it back. (A Kubernetes PUT does.)
pub(super) async fn clause_04_swap_on_deleted_creates_nothing(cx: &Context<'_>) -> Result<(), Stop> {
    let last = cx.create(&record("a", 0)).await?;
    cx.delete().await?;
    cx.refused(Expected::Version(last), &record("a", 1), "the object was deleted")
        .await?;
    let seen = cx.get().await?;
    let absent = matches!(seen, Observation::Absent { .. });
    check!(
        absent,
        "a swap on version {last}, which was deleted, left {}",
        brief(&seen)
    );
    Ok(())
}

/// Clause 4, SAFETY 8: of many swaps on one version at most one is done, and it is the one that is read.
pub(super) async fn clause_04_race_of_swaps(cx: &Context<'_>) -> Result<(), Stop> {
    let mut newest = cx.create(&record("a", 0)).await?;
    for round in 1..=10 {
        let by = if round % 2 == 0 { By::Threads } else { By::Futures };
        newest = race(cx, Expected::Version(newest), round, by).await?;
    }
    Ok(())
}

/// Clause 4, SAFETY 8: of many creates at most one is done, and it is the one that is read.
pub(super) async fn clause_04_race_of_creates(cx: &Context<'_>) -> Result<(), Stop> {
    race(cx, Expected::Absent, 0, By::Futures).await?;
    let another = cx.another("clause_04_race_of_creates_by_threads").await?;
    race(&another, Expected::Absent, 0, By::Threads).await?;
    Ok(())
}
