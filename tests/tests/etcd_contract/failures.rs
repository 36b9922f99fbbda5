//! Clause 9: what a failure says; and that nothing is sent twice (SAFETY 8).

use super::*;

/// Clause 9, SAFETY 8 and 9: the write landed, its answer was lost: ambiguous, written once, not sent again.
#[tokio::test]
async fn a_lost_reply_is_ambiguous_and_the_swap_is_not_sent_again() -> TestResult {
    let (etcd, _, door) = start().await?;
    let proxy = Proxy::before(&etcd.endpoint())?;
    let lock = lock_at(proxy.endpoint()).await?;
    lock.get().await?;
    proxy.hold(Way::Reply);
    let landed = async {
        while door.get().await?.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
        proxy.cut();
        proxy.release();
        Ok::<(), Box<dyn Error>>(())
    };
    let record = record("a");
    let swap = lock.compare_and_swap(Expected::Absent, &record);
    let (answer, done) = within(SOON, "the end of the swap", async { tokio::join!(swap, landed) }).await;
    done?;
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), LockErrorKind::Ambiguous, "{error}");
    assert!(
        error
            .to_string()
            .contains("compare-and-swap of etcd://127.0.0.1:"),
        "{error}"
    );
    not_sent_again(&etcd, &lock, 1).await
}

/// Clause 9, SAFETY 8 and 9: nothing arrived, which the client cannot know.
#[tokio::test]
async fn a_lost_request_is_ambiguous_and_the_swap_is_not_sent_again() -> TestResult {
    let (etcd, _, door) = start().await?;
    let proxy = Proxy::before(&etcd.endpoint())?;
    let lock = lock_at(proxy.endpoint()).await?;
    lock.get().await?;
    proxy.lose_next(Way::Request);
    let error = within(SOON, "the end of the swap", create(&lock, "a"))
        .await
        .unwrap_err();
    let error = error.downcast::<leaderelection::LockError>()?;
    assert_eq!(error.kind(), LockErrorKind::Ambiguous, "{error}");
    assert_eq!(door.get().await?, None);
    not_sent_again(&etcd, &lock, 0).await
}

/// The way is free again, and the client has every chance to send once more what failed.
async fn not_sent_again(etcd: &Etcd, lock: &EtcdLock, sent: u64) -> TestResult {
    let swaps = || etcd.requests(|method| method.ends_with("/Txn"));
    assert_eq!(swaps()?, sent);
    while lock.get().await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(swaps()?, sent, "{:?}", etcd.requests_by_method()?);
    Ok(())
}

/// Clause 9: refused connections have written nothing, and the error says where.
#[tokio::test]
async fn a_refused_connection_is_certain_and_named() -> TestResult {
    let (mut etcd, lock, _) = start().await?;
    let endpoint = etcd.endpoint();
    etcd.kill();
    for _ in 0..3 {
        let swap = lock.compare_and_swap(Expected::Absent, &record("a")).await;
        let said = swap.unwrap_err().to_string();
        let call = format!("unavailable: compare-and-swap of etcd://{endpoint}/leader at {endpoint}: ");
        assert!(
            said.starts_with(&call) && said.ends_with("Connection refused (os error 111)"),
            "{said}"
        );
    }
    Ok(())
}

/// Clause 9: what etcd does not take is refused with its reason, and nothing was written.
#[tokio::test]
async fn a_record_that_is_too_large_is_invalid() -> TestResult {
    let (_etcd, lock, door) = start().await?;
    // Beyond etcd's limit, beyond its gRPC server's, and so far beyond that the answer comes while it is being sent.
    for bytes in [1_700_000, 2 << 20, 8 << 20] {
        let large = record(&"x".repeat(bytes));
        let error = lock.compare_and_swap(Expected::Absent, &large).await.unwrap_err();
        assert_eq!(error.kind(), LockErrorKind::Invalid, "{bytes} bytes: {error}");
        assert!(error.to_string().len() < 300, "{error}");
        assert_eq!(door.get().await?, None);
    }
    create(&lock, &"x".repeat(1024 * 1024)).await?;
    Ok(())
}

/// Clause 9: who may not is told so, on every kind of call, and without a password in the message.
#[tokio::test]
async fn who_is_not_let_in_is_denied() -> TestResult {
    let (etcd, lock, door) = start().await?;
    create(&lock, "a").await?;
    let mut root = Client::connect([etcd.endpoint()], None).await?;
    root.user_add("root", "secret", None).await?;
    root.role_add("root").await?;
    root.user_grant_role("root", "root").await?;
    root.user_add("guest", "secret", None).await?;
    root.auth_enable().await?;

    let options = etcd_client::ConnectOptions::new().with_user("guest", "secret");
    let guest = Client::connect([etcd.endpoint()], Some(options)).await?;
    let guest = EtcdLock::new(guest, KEY)?;
    for lock in [&lock, &guest] {
        let errors = [
            lock.get().await.unwrap_err(),
            lock.compare_and_swap(Expected::Absent, &record("b"))
                .await
                .unwrap_err(),
            lock.watch().await.err().ok_or("a watch was opened")?,
        ];
        for error in errors {
            assert_eq!(error.kind(), LockErrorKind::Denied, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
    drop(door);
    Ok(())
}

/// With several endpoints, one that is dead costs one call, and one that hangs costs none but those that hang on it.
#[tokio::test]
async fn a_dead_or_hanging_member_costs_one_call() -> TestResult {
    let mut dead = Etcd::start()?;
    dead.kill();
    let etcd = Etcd::start()?;
    let proxy = Proxy::before(&etcd.endpoint())?;
    let connection = EtcdConnection::connect([dead.endpoint(), proxy.endpoint(), etcd.endpoint()]).await?;
    let lock = connection.lock(KEY)?;
    assert!(lock.get().await.is_err());
    for _ in 0..5 {
        lock.get().await?;
    }
    proxy.hold(Way::Reply);
    let mut hanging = lock.get();
    tokio::select! {
        biased;
        answer = &mut hanging => panic!("through a held proxy: {answer:?}"),
        () = sleep(Duration::from_millis(100)) => {}
    }
    // Beside the one that hangs, and with the first member still dead: it is passed over once more at most.
    let answers = [lock.get().await, lock.get().await, lock.get().await];
    assert!(
        answers.iter().filter(|answer| answer.is_err()).count() <= 1,
        "{answers:?}"
    );
    Ok(())
}
