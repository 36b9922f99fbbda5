//! Clause 11: a watch may lag, but it ends or goes on; and clause 12 for it.

use super::*;

/// Clause 11: the state at the start, then every change with its revision, a deletion too.
#[tokio::test]
async fn a_watch_begins_with_the_state_and_shows_every_change() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    let elsewhere = door.put_elsewhere().await?;
    let mut watch = watch(&lock).await?;
    assert_eq!(shown(&mut watch).await?, absent(elsewhere));

    let created = create(&lock, "a").await?;
    assert_eq!(
        shown(&mut watch).await?,
        Observation::record(created, record("a"))
    );
    door.put_elsewhere().await?;
    let touched = door.touch().await?.map(Version::new).ok_or("no key")?;
    assert_eq!(
        shown(&mut watch).await?,
        Observation::record(touched, record("a"))
    );
    let deleted = door.delete().await?;
    assert_eq!(shown(&mut watch).await?, absent(deleted));
    let raw = Version::new(door.put("raw").await?);
    assert!(matches!(
        shown(&mut watch).await?,
        Observation::Present { version, content: Content::Unreadable(_) } if version == raw
    ));
    Ok(())
}

/// Clause 11: a watch on a key that exists begins with it, also when what came before is compacted away.
#[tokio::test]
async fn a_watch_opens_on_a_compacted_store() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    create(&lock, "a").await?;
    let newest = door.touch().await?.ok_or("no key")?;
    door.compact(newest).await?;
    let mut watch = watch(&lock).await?;
    assert_eq!(
        shown(&mut watch).await?,
        Observation::record(Version::new(newest), record("a"))
    );
    let next = door.touch().await?.ok_or("no key")?;
    assert_eq!(
        shown(&mut watch).await?,
        Observation::record(Version::new(next), record("a"))
    );
    Ok(())
}

/// Clause 11: a compaction between the read and the watch hides nothing: the watch says so and ends.
#[tokio::test]
async fn changes_that_are_compacted_away_before_the_watch_starts_are_an_error() -> TestResult {
    let (etcd, _, door) = start().await?;
    let proxy = Proxy::before(&etcd.endpoint())?;
    let lock = lock_at(proxy.endpoint()).await?;
    let read = Version::new(door.put("{}").await?);
    lock.get().await?;
    // The read's answer is held, so that the watch from its revision is asked for only after the compaction.
    let before = etcd.requests(|method| method.ends_with("/Range"))?;
    proxy.hold(Way::Reply);
    let meanwhile = async {
        while etcd.requests(|method| method.ends_with("/Range"))? == before {
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_millis(100)).await;
        door.put("{}").await?;
        let newest = door.put("{}").await?;
        door.compact(newest).await?;
        proxy.release();
        Ok::<(), Box<dyn Error>>(())
    };
    let (stream, done) = tokio::join!(watch(&lock), meanwhile);
    done?;
    let mut stream = stream?;
    let first = shown(&mut stream).await?;
    assert!(
        matches!(first, Observation::Present { version, .. } if version == read),
        "{first:?}"
    );
    let error = next(&mut stream)
        .await
        .ok_or("it ended without a word")?
        .unwrap_err();
    assert_eq!(error.kind(), LockErrorKind::Unavailable);
    assert!(error.to_string().contains("compacted away"), "{error}");
    assert!(next(&mut stream).await.is_none());
    Ok(())
}

/// Clause 11, SAFETY 20: a watch does not outlive its connection in silence, and is not opened anew in secret.
#[tokio::test]
async fn a_broken_watch_says_so_and_ends() -> TestResult {
    let (mut etcd, lock, door) = start().await?;
    create(&lock, "a").await?;
    let mut stream = watch(&lock).await?;
    shown(&mut stream).await?;
    etcd.kill();
    let error = next(&mut stream)
        .await
        .ok_or("it ended without a word")?
        .unwrap_err();
    assert!(
        error.to_string().contains("watch of etcd://127.0.0.1:"),
        "{error}"
    );
    assert_eq!(error.kind(), LockErrorKind::Unavailable);
    assert!(next(&mut stream).await.is_none());

    etcd.restart()?;
    let served = async {
        while lock.get().await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    within(SOON, "an answer after the restart", served).await;
    let mut stream = watch(&lock).await?;
    shown(&mut stream).await?;
    let touched = door.touch().await?.map(Version::new).ok_or("no key")?;
    assert_eq!(
        shown(&mut stream).await?,
        Observation::record(touched, record("a"))
    );
    Ok(())
}

/// A member that hangs is found out by keepalive, although nobody asks anything of it.
#[tokio::test]
async fn a_watch_on_a_frozen_server_fails_by_keepalive() -> TestResult {
    let etcd = Etcd::start()?;
    let keep_alive = Duration::from_millis(500);
    let connection = EtcdConnection::builder([etcd.endpoint()])
        .keep_alive(keep_alive, keep_alive)
        .connect()
        .await?;
    let mut stream = watch(&connection.lock(KEY)?).await?;
    shown(&mut stream).await?;
    etcd.stop()?;
    let error = next(&mut stream)
        .await
        .ok_or("it ended without a word")?
        .unwrap_err();
    assert_eq!(error.kind(), LockErrorKind::Unavailable, "{error}");
    Ok(())
}

/// Clause 12: a dropped stream is gone from the server, and so is a watch dropped while it opens.
#[tokio::test]
async fn a_dropped_watch_leaves_nothing_on_the_server() -> TestResult {
    let (etcd, lock, _) = start().await?;
    let watchers = || -> Result<String, Box<dyn Error>> {
        let metrics = etcd.metrics()?;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("etcd_debugging_mvcc_watcher_total"));
        Ok(line
            .ok_or("no such metric")?
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned())
    };
    let streams = [watch(&lock).await?, watch(&lock).await?];
    assert_eq!(watchers()?, "2");
    drop(streams);
    for after in [0, 200, 500, 1_000, 2_000] {
        tokio::select! {
            biased;
            _ = lock.watch() => {}
            () = sleep(Duration::from_micros(after)) => {}
        }
    }
    let gone = async {
        while watchers().is_ok_and(|count| count != "0") {
            sleep(Duration::from_millis(10)).await;
        }
    };
    within(SOON, "the end of the watches on the server", gone).await;
    Ok(())
}
