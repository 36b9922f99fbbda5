//! A member that has lost its cluster: it must neither answer from what it remembers nor keep a watch in silence.

use super::*;

/// Makes the only member one of two, of which the other never comes: without a majority there is no leader.
async fn lose_the_majority(etcd: &Etcd) -> TestResult {
    let mut client = Client::connect([etcd.endpoint()], None).await?;
    client.member_add(["http://127.0.0.1:9"], None).await?;
    Ok(())
}

/// Clause 1, SAFETY 4: a read that one member alone could answer is none. Clause 9: nor is a swap done.
#[tokio::test]
async fn without_a_majority_nothing_is_read_and_nothing_is_written() -> TestResult {
    let (etcd, ours, _) = start().await?;
    create(&ours, "a").await?;
    let client = Client::connect([etcd.endpoint()], None).await?;
    let users_own = EtcdLock::new(client.clone(), KEY)?;
    lose_the_majority(&etcd).await?;

    let serializable = Some(etcd_client::GetOptions::new().with_serializable());
    let remembered = client.kv_client().get(KEY, serializable).await?;
    assert_eq!(remembered.kvs().len(), 1, "the member does remember");
    let record = record("b");
    for lock in [&users_own, &ours] {
        tokio::select! {
            read = lock.get() => assert!(read.is_err(), "{read:?}"),
            swap = lock.compare_and_swap(Expected::Absent, &record) => assert!(swap.is_err(), "{swap:?}"),
            () = sleep(Duration::from_secs(2)) => {}
        }
    }
    Ok(())
}

/// `with_require_leader`: the member says so, at once for a call and within seconds for a watch.
#[tokio::test]
async fn a_member_without_a_leader_refuses_and_ends_its_watches() -> TestResult {
    let (etcd, lock, _) = start().await?;
    let mut stream = watch(&lock).await?;
    shown(&mut stream).await?;
    lose_the_majority(&etcd).await?;
    let ended = within(SOON * 3, "the end of the watch", stream.next()).await;
    let error = ended.ok_or("it ended without a word")?.unwrap_err();
    assert_eq!(error.kind(), LockErrorKind::Unavailable);
    assert!(error.to_string().contains("etcdserver: no leader"), "{error}");

    let record = record("a");
    let swap = lock.compare_and_swap(Expected::Absent, &record);
    let refused = within(Duration::from_secs(1), "an answer", swap)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), LockErrorKind::Unavailable, "{refused}");
    assert!(refused.to_string().contains("etcdserver: no leader"), "{refused}");
    Ok(())
}
