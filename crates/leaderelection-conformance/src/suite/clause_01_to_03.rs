//! Clauses 1 to 3: what a read shows.

use std::cell::Cell;

use leaderelection::{Content, Expected, LeaderElectionRecord, Observation, Version};

use super::context::{Context, Stop, brief, check, fail};
use super::samples::{at, record};

/// Clause 1, SAFETY 4: a read that is sent after a write was answered shows that write, whoever reads.
pub(super) async fn clause_01_a_read_shows_the_latest_write(cx: &Context<'_>) -> Result<(), Stop> {
    let mut expected = Expected::Absent;
    for number in 0..5 {
        let written = record("a", number);
        let version = cx.done(expected, &written).await?;
        for (who, lock) in [("the writer", cx.lock()), ("its peer", cx.peer())] {
            let seen = cx.get_by(lock).await?;
            let right = matches!(&seen, Observation::Present { version: at, .. } if *at == version);
            check!(
                right,
                "version {version} was written, and a read by {who} after it shows {}",
                brief(&seen)
            );
        }
        expected = Expected::Version(version);
    }
    Ok(())
}

/// Clause 1, SAFETY 4: reads that run beside writes show nothing older than what was known when they were sent.
pub(super) async fn clause_01_reads_never_go_back(cx: &Context<'_>) -> Result<(), Stop> {
    let newest = Cell::new(cx.create(&record("a", 0)).await?);
    let write = async {
        for number in 1..=30 {
            newest.set(
                cx.done(Expected::Version(newest.get()), &record("a", number))
                    .await?,
            );
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let read = async {
        for _ in 0..30 {
            let floor = newest.get();
            match cx.get_by(cx.peer()).await? {
                Observation::Present { version, .. } if version >= floor => {
                    newest.set(version.max(newest.get()))
                }
                seen => fail!(
                    "a read that was sent when {floor} had been seen shows {}",
                    brief(&seen)
                ),
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    futures_util::future::try_join(write, read).await.map(|_| ())
}

/// Clause 2, SAFETY 18: a name that has never been written is absent, not an error.
pub(super) async fn clause_02_never_written_is_absent(cx: &Context<'_>) -> Result<(), Stop> {
    match cx.within("get", cx.lock().get()).await? {
        Ok(Observation::Absent { as_of }) => {
            let told = as_of.is_some() || !cx.capabilities().versioned_absence;
            check!(
                told,
                "the lock declares that an absence carries its version, and this one has none"
            );
            Ok(())
        }
        Ok(seen) => fail!("nothing was ever written, and get shows {}", brief(&seen)),
        Err(error) => fail!("nothing was ever written, and get fails instead of showing that: {error}"),
    }
}

/// Clause 2, SAFETY 4: a deleted object is absent, as of a version newer than its last one where the lock gives one.
pub(super) async fn clause_02_deleted_is_absent(cx: &Context<'_>) -> Result<(), Stop> {
    let last = cx.create(&record("a", 0)).await?;
    cx.delete().await?;
    match cx.get().await? {
        Observation::Absent { as_of: None } => {
            let declared = cx.capabilities().versioned_absence;
            check!(
                !declared,
                "the lock declares that an absence carries its version, and this one has none"
            );
        }
        Observation::Absent { as_of: Some(as_of) } => {
            check!(
                as_of > last,
                "version {last} was deleted, and its absence is as of {as_of}, which is not newer"
            );
        }
        seen => fail!("the object was deleted, and get shows {}", brief(&seen)),
    }
    Ok(())
}

/// Clause 2, SAFETY 18: an object without a record is shown as that, is not absent, and can be given a record.
pub(super) async fn clause_02_an_object_without_a_record_is_empty(cx: &Context<'_>) -> Result<(), Stop> {
    if !cx.capabilities().empty_object {
        return Err(Stop::DidNotRun(
            "the lock declares that there is no object without a record".into(),
        ));
    }
    cx.put_empty().await?;
    let version = match cx.get().await? {
        Observation::Present {
            version,
            content: Content::Empty,
        } => version,
        seen => fail!(
            "there is an object without a record, and get shows {}",
            brief(&seen)
        ),
    };
    cx.refused(Expected::Absent, &record("a", 0), "there is an object")
        .await?;
    let taken = cx.done(Expected::Version(version), &record("a", 1)).await?;
    check!(
        taken > version,
        "an empty object of version {version} was given a record as version {taken}"
    );
    Ok(())
}

async fn read_back(cx: &Context<'_>, written: &LeaderElectionRecord) -> Result<LeaderElectionRecord, Stop> {
    cx.create_if_allowed(written).await?;
    cx.record().await
}

/// Clause 3, SAFETY 9: a record is read back equal. (An election recognises its own ambiguous write by that.)
pub(super) async fn clause_03_a_record_reads_back(cx: &Context<'_>) -> Result<(), Stop> {
    let mut written = record("host_0b7d", 11);
    (written.acquire_time, written.renew_time) = (at(1), at(59));
    let seen = read_back(cx, &written).await?;
    check!(seen == written, "written: {written:?}; read back: {seen:?}");
    Ok(())
}

/// Clause 3, SAFETY 9: fields that the core does not know survive, in their order and with their exact text.
pub(super) async fn clause_03_unknown_fields_survive(cx: &Context<'_>) -> Result<(), Stop> {
    let field = |name: &str, raw: &str| (name.to_owned(), raw.to_owned());
    let mut written = record("a", 0);
    written.unknown_fields = vec![
        field("strategy", r#""OldestEmulationVersion""#),
        field("preferredHolder", "null"),
        field("a stranger's", r#"{"b":[1,2.50,"x"],"a":true}"#),
    ];
    let seen = read_back(cx, &written).await?;
    let (wrote, saw) = (&written.unknown_fields, &seen.unknown_fields);
    check!(
        wrote == saw,
        "unknown fields written: {wrote:?}; read back: {saw:?}"
    );
    Ok(())
}

/// Clause 3, SAFETY 9: a record of 200 KiB is read back whole, unless the store refuses it.
pub(super) async fn clause_03_a_record_of_200_kib(cx: &Context<'_>) -> Result<(), Stop> {
    let mut written = record("a", 0);
    written.unknown_fields = vec![("big".into(), format!("\"{}\"", "x".repeat(200 * 1024)))];
    let seen = read_back(cx, &written).await?;
    let (wrote, saw) = (written.to_json().len(), seen.to_json().len());
    check!(
        seen == written,
        "a record of {wrote} bytes is read back as another one of {saw}"
    );
    Ok(())
}

/// Clause 3, SAFETY 15: a holder of 64 KiB is read back whole, unless the store refuses it.
pub(super) async fn clause_03_a_holder_of_64_kib(cx: &Context<'_>) -> Result<(), Stop> {
    let written = record(&"h".repeat(64 * 1024), 0);
    let seen = read_back(cx, &written).await?.holder_identity;
    let wrote = &written.holder_identity;
    check!(
        seen == *wrote,
        "a holder of {} bytes is read back as another one of {}",
        wrote.len(),
        seen.len()
    );
    Ok(())
}

/// Clause 3, SAFETY 15: a holder may contain anything that a string may.
pub(super) async fn clause_03_a_holder_of_any_letters(cx: &Context<'_>) -> Result<(), Stop> {
    let written = record("\"quoted\" \\ back\n\ttab ünïcödé 選挙 🗳 </script> \u{1}", 0);
    let seen = read_back(cx, &written).await?.holder_identity;
    check!(
        seen == written.holder_identity,
        "holder written: {:?}; read back: {seen:?}",
        written.holder_identity
    );
    Ok(())
}

/// Clause 3, SAFETY 15: an empty holder is free, a blank one holds; neither becomes the other.
pub(super) async fn clause_03_a_blank_holder_is_not_an_empty_one(cx: &Context<'_>) -> Result<(), Stop> {
    let mut expected = Expected::Absent;
    for holder in ["", " ", ""] {
        let version = cx.done(expected, &record(holder, 0)).await?;
        let seen = cx.record().await?.holder_identity;
        check!(seen == holder, "holder written: {holder:?}; read back: {seen:?}");
        expected = Expected::Version(version);
    }
    Ok(())
}

/// Clause 3, SAFETY 6: times of the years 0 and 9999, and none at all, are read back, unless the store refuses them.
pub(super) async fn clause_03_the_years_0_and_9999(cx: &Context<'_>) -> Result<(), Stop> {
    // From the start of the year 0 to the last whole minute of 9999, as seconds since 1970.
    let [first, last] =
        [-62_167_219_200, 253_402_300_740].map(|unix| chrono::DateTime::from_timestamp(unix, 0));
    let mut expected: Option<Version> = None;
    for (acquired, renewed) in [(first, last), (last, first), (None, None)] {
        let mut written = record("a", 0);
        (written.acquire_time, written.renew_time) = (acquired, renewed);
        let version = match expected {
            None => cx.create_if_allowed(&written).await?,
            Some(version) => cx.done(Expected::Version(version), &written).await?,
        };
        let seen = cx.record().await?;
        let seen = (seen.acquire_time, seen.renew_time);
        check!(
            seen == (acquired, renewed),
            "times written: {acquired:?}, {renewed:?}; read back: {seen:?}"
        );
        expected = Some(version);
    }
    Ok(())
}

/// Clause 3, SAFETY 7: durations and transitions of any size are read back, unless the store refuses them.
pub(super) async fn clause_03_extreme_durations(cx: &Context<'_>) -> Result<(), Stop> {
    let mut expected: Option<Version> = None;
    for number in [-1, 0, i64::MAX, i64::MIN] {
        let mut written = record("a", 0);
        (written.lease_duration_seconds, written.leader_transitions) = (number, number);
        let version = match expected {
            None => cx.create_if_allowed(&written).await?,
            Some(version) => cx.done(Expected::Version(version), &written).await?,
        };
        let seen = cx.record().await?;
        let seen = (seen.lease_duration_seconds, seen.leader_transitions);
        check!(
            seen == (number, number),
            "duration and transitions written: {number}; read back: {seen:?}"
        );
        expected = Some(version);
    }
    Ok(())
}
