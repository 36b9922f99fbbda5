//! Clauses 7 and 8: versions, and the equal write.

use leaderelection::{Expected, Observation};

use super::context::{Context, Stop, check};
use super::samples::record;

/// Clause 7, SAFETY 4: every write has a greater version than the one before.
pub(super) async fn clause_07_versions_grow_with_every_write(cx: &Context<'_>) -> Result<(), Stop> {
    let mut newest = cx.create(&record("a", 0)).await?;
    for number in 1..=20 {
        let version = cx.done(Expected::Version(newest), &record("a", number)).await?;
        check!(
            version > newest,
            "a write on version {newest} has version {version}"
        );
        newest = version;
    }
    Ok(())
}

/// Clause 7, SAFETY 4: the first version after a deletion is greater than the last before.
pub(super) async fn clause_07_versions_grow_across_delete(cx: &Context<'_>) -> Result<(), Stop> {
    let mut newest = cx.create(&record("a", 0)).await?;
    for number in 1..=3 {
        newest = newest.max(cx.done(Expected::Version(newest), &record("a", number)).await?);
        cx.delete().await?;
        let version = cx.create(&record("a", 0)).await?;
        check!(
            version > newest,
            "version {newest} was deleted, and the object created anew has version {version}"
        );
        newest = version;
    }
    Ok(())
}

/// Clause 7, SAFETY 5: a change beside the record has a greater version, with the record unchanged.
pub(super) async fn clause_07_versions_grow_with_a_foreign_write(cx: &Context<'_>) -> Result<(), Stop> {
    let before = cx.create(&record("a", 0)).await?;
    cx.touch().await?;
    let after = cx.version().await?;
    check!(
        after > before,
        "the object was changed beside the record, and went from version {before} to {after}"
    );
    let seen = cx.record().await?;
    check!(
        seen == record("a", 0),
        "the object was changed beside the record, and the record is now {seen:?}"
    );
    cx.refused(
        Expected::Version(before),
        &record("b", 1),
        &format!("{after} is the newest"),
    )
    .await?;
    cx.done(Expected::Version(after), &record("a", 2)).await?;
    Ok(())
}

/// Clause 8, SAFETY 6: an equal write either writes a new version or answers the one that it was given, as declared;
/// and the version it answers is the one that there is.
pub(super) async fn clause_08_an_equal_write_says_what_it_did(cx: &Context<'_>) -> Result<(), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    let answered = cx.done(Expected::Version(first), &record("a", 0)).await?;
    if cx.capabilities().equal_write_is_noop {
        check!(
            answered == first,
            "the lock declares that an equal write does nothing; it took {first} to {answered}"
        );
    } else {
        check!(
            answered > first,
            "the lock declares that an equal write is written; it took {first} to {answered}"
        );
    }
    let there = cx.version().await?;
    check!(
        there == answered,
        "an equal write on {first} answered version {answered}, and the lock is at {there}"
    );
    let next = cx.done(Expected::Version(answered), &record("a", 1)).await?;
    check!(next > answered, "a write on {answered} has version {next}");
    let seen = cx.get().await?;
    check!(
        seen == Observation::record(next, record("a", 1)),
        "after an equal write a different one was lost"
    );
    Ok(())
}
