//! Clause 11: a watch may lag, repeat and skip, but it ends or goes on.

use std::collections::BTreeMap;

use leaderelection::{Content, Expected, LeaderElectionRecord, Observation, Version};

use super::context::{Context, Stop, brief, check, fail};
use super::samples::record;

/// Clause 11, SAFETY 20: a watch is there exactly if the lock declares one.
pub(super) async fn clause_11_a_watch_is_as_declared(cx: &Context<'_>) -> Result<(), Stop> {
    let declared = cx.capabilities().watch;
    match cx.within("watch", cx.lock().watch()).await? {
        Ok(stream) if stream.is_some() == declared => Ok(()),
        Ok(Some(_)) => fail!("the lock declares no watch, and opened one"),
        Ok(None) => fail!("the lock declares a watch, and says that it has none"),
        Err(error) => fail!("watch failed on a sane store: {error}"),
    }
}

/// Clause 11, SAFETY 11: what is written after a watch was opened is shown by it.
pub(super) async fn clause_11_a_watch_shows_a_later_change(cx: &Context<'_>) -> Result<(), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    let mut watch = cx.watch().await?;
    let second = cx.done(Expected::Version(first), &record("b", 1)).await?;
    watch
        .shows_version(second, "a change made after it was opened")
        .await
}

/// Clause 11, SAFETY 11: a watch goes on showing changes, also after a pause.
pub(super) async fn clause_11_a_watch_goes_on(cx: &Context<'_>) -> Result<(), Stop> {
    let mut newest = cx.create(&record("a", 0)).await?;
    let mut watch = cx.watch().await?;
    for number in 1..=20 {
        newest = cx.done(Expected::Version(newest), &record("a", number)).await?;
        watch
            .shows_version(newest, &format!("change {number} of 20"))
            .await?;
        if number == 10 {
            cx.sleep(std::time::Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

/// Clause 11, SAFETY 11: a watch opened before the first creation shows it.
pub(super) async fn clause_11_a_watch_shows_the_first_creation(cx: &Context<'_>) -> Result<(), Stop> {
    let mut watch = cx.watch().await?;
    // Time to settle: the change has to be a later one, not what the watch finds at its start.
    cx.sleep(std::time::Duration::from_millis(50)).await;
    let created = cx.create(&record("a", 0)).await?;
    watch.shows_version(created, "the first creation").await
}

/// Clause 11, SAFETY 11: a watch shows that the object was deleted, and that it was created anew.
pub(super) async fn clause_11_a_watch_shows_a_deletion(cx: &Context<'_>) -> Result<(), Stop> {
    cx.create(&record("a", 0)).await?;
    let mut watch = cx.watch().await?;
    cx.delete().await?;
    watch
        .shows("the deletion", |seen| matches!(seen, Observation::Absent { .. }))
        .await?;
    let again = cx.create(&record("a", 1)).await?;
    watch.shows_version(again, "the creation after a deletion").await
}

/// Clause 11, SAFETY 5: a change beside the record is shown, with its version.
pub(super) async fn clause_11_a_watch_shows_a_foreign_write(cx: &Context<'_>) -> Result<(), Stop> {
    cx.create(&record("a", 0)).await?;
    let mut watch = cx.watch().await?;
    cx.touch().await?;
    let touched = cx.version().await?;
    watch.shows_version(touched, "a change beside the record").await
}

/// Clause 11, SAFETY 11: each state that a watch shows is one that was: a version with the record that it had.
pub(super) async fn clause_11_a_watch_shows_nothing_that_never_was(cx: &Context<'_>) -> Result<(), Stop> {
    let mut newest = cx.create(&record("holder-0", 0)).await?;
    let mut was: BTreeMap<Version, LeaderElectionRecord> = BTreeMap::from([(newest, record("holder-0", 0))]);
    let mut watch = cx.watch().await?;
    for number in 1..=10 {
        let written = record(&format!("holder-{number}"), number);
        newest = cx.done(Expected::Version(newest), &written).await?;
        was.insert(newest, written);
        // What is shown meanwhile may be this change or older ones; the last round waits for the last change.
        loop {
            let Some(seen) = watch.next("a change").await? else {
                break;
            };
            match &seen {
                Observation::Present {
                    version: at,
                    content: Content::Record(record),
                } => {
                    let right = was.get(at) == Some(&**record);
                    check!(
                        right,
                        "the watch shows {}, which never was; at {at} there was {:?}",
                        brief(&seen),
                        was.get(at)
                    );
                    if *at == newest {
                        break;
                    }
                }
                _ => fail!("the watch shows {}, which never was", brief(&seen)),
            }
        }
    }
    Ok(())
}

/// Clause 11, SAFETY 20: several watches show the same change, and the end of one is not the end of another.
pub(super) async fn clause_11_watches_do_not_disturb_one_another(cx: &Context<'_>) -> Result<(), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    let (mut one, mut two) = (cx.watch().await?, cx.watch().await?);
    let second = cx.done(Expected::Version(first), &record("a", 1)).await?;
    one.shows_version(second, "a change, on the first of two watches")
        .await?;
    two.shows_version(second, "a change, on the second of two watches")
        .await?;
    drop(one);
    let third = cx.done(Expected::Version(second), &record("a", 2)).await?;
    two.shows_version(third, "a change, after another watch was dropped")
        .await
}
