//! Clauses 9 and 10: what a failure means, and content that is no record.

use std::time::Duration;

use leaderelection::{Content, Expected, LockErrorKind, Observation, Swap, Version};

use super::context::{Context, Stop, brief, check, fail, shorten};
use super::samples::record;

/// Clause 9, SAFETY 9: whoever says that nothing was written has written nothing, and writes nothing later. Only an
/// ambiguous failure may have written.
pub(super) async fn clause_09_a_failure_says_what_may_be_concluded(cx: &Context<'_>) -> Result<(), Stop> {
    let mut newest = cx.create(&record("a", 0)).await?;
    let mut failures = 0_u32;
    for number in 1..=6 {
        cx.disturb_next_swap().await?;
        let attempt = record("a", number);
        let answer = cx.swap(Expected::Version(newest), &attempt).await?;
        cx.sleep(Duration::from_millis(200)).await;
        let seen = cx.get().await?;
        let Observation::Present { version, .. } = seen else {
            fail!("a disturbed swap on {newest} left {}", brief(&seen));
        };
        let landed = seen == Observation::record(version, attempt) && version > newest;
        check!(
            landed || version == newest,
            "a disturbed swap on {newest} left {}",
            brief(&seen)
        );
        match answer {
            Err(error) if error.kind() == LockErrorKind::Ambiguous => failures += 1,
            Err(error) => {
                failures += 1;
                check!(
                    !landed,
                    "a swap failed as {}, which says that nothing was written, and it was: {error}",
                    error.kind()
                );
            }
            Ok(Swap::Done(answered)) => {
                check!(
                    landed && answered == version,
                    "a swap was done as {answered}, and the lock is at {version}"
                );
            }
            Ok(Swap::Conflict(_)) => {}
        }
        newest = version;
    }
    check!(
        failures > 0,
        "six disturbed swaps, and not one failed: the fixture's side door disturbs nothing"
    );
    Ok(())
}

/// Clause 9, SAFETY 9: a record that the store refuses was not written. Tried with 8 MiB, which most stores refuse.
pub(super) async fn clause_09_a_refusal_wrote_nothing(cx: &Context<'_>) -> Result<(), Stop> {
    let first = cx.create(&record("a", 0)).await?;
    let mut big = record("a", 1);
    big.unknown_fields = vec![("big".into(), format!("\"{}\"", "x".repeat(8 * 1024 * 1024)))];
    let error = match cx.swap(Expected::Version(first), &big).await? {
        Ok(Swap::Done(_)) => return Err(Stop::DidNotRun("the store takes a record of 8 MiB too".into())),
        Ok(Swap::Conflict(_)) => fail!("a record of 8 MiB on the newest version met a conflict"),
        Err(error) => error,
    };
    if error.kind() == LockErrorKind::Ambiguous {
        return Ok(());
    }
    cx.sleep(Duration::from_millis(200)).await;
    let seen = cx.get().await?;
    let unchanged = seen == Observation::record(first, record("a", 0));
    let error = shorten(&error.to_string());
    check!(
        unchanged,
        "a record of 8 MiB failed with \"{error}\", which says that nothing was written; there is {}",
        brief(&seen)
    );
    Ok(())
}

/// Spoils the lock and answers what it then shows.
async fn spoiled(cx: &Context<'_>, raw: &str) -> Result<(Version, Content), Stop> {
    cx.put_raw(raw.as_bytes()).await?;
    match cx.get().await? {
        Observation::Present { version, content } => Ok((version, content)),
        absent @ Observation::Absent { .. } => fail!("there is {raw:?}, and get shows {}", brief(&absent)),
    }
}

/// Clause 10, SAFETY 17: what is no record is shown raw and with the reason, and counts as something that is there.
pub(super) async fn clause_10_unreadable_content_is_shown(cx: &Context<'_>) -> Result<(), Stop> {
    cx.create(&record("a", 0)).await?;
    for raw in [
        "no JSON",
        r#"{"holderIdentity":7}"#,
        r#"{"holderIdentity":"a","#,
        r#"["a"]"#,
        "ünïcödé \u{1F5F3}",
    ] {
        match spoiled(cx, raw).await? {
            (_, Content::Unreadable(found)) => {
                let shown = String::from_utf8_lossy(&found.raw);
                check!(
                    found.raw == raw.as_bytes(),
                    "there is {raw:?}, and get shows {shown:?}"
                );
                check!(
                    !found.reason.is_empty(),
                    "no reason is given why {raw:?} cannot be read"
                );
            }
            (_, other) => fail!("there is {raw:?}, which is no record, and get shows {other:?}"),
        }
        cx.refused(
            Expected::Absent,
            &record("b", 1),
            "there is something, if unreadable",
        )
        .await?;
    }
    Ok(())
}

/// Clause 10, SAFETY 17: what is no record can be replaced by a swap on its version.
pub(super) async fn clause_10_unreadable_content_can_be_replaced(cx: &Context<'_>) -> Result<(), Stop> {
    let (version, _) = spoiled(cx, "no JSON").await?;
    let replaced = cx.done(Expected::Version(version), &record("a", 1)).await?;
    check!(
        replaced > version,
        "unreadable content of version {version} was replaced as version {replaced}"
    );
    let seen = cx.get().await?;
    check!(
        seen == Observation::record(replaced, record("a", 1)),
        "unreadable content was replaced by a record, and get shows {}",
        brief(&seen)
    );
    Ok(())
}
