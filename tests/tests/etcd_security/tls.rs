//! TLS: an election through it, and what is said where the two sides do not fit.

use futures_util::StreamExt as _;
use leaderelection_etcd::EtcdTls;
use leaderelection_tests::time::within;

use super::*;

/// An etcd with TLS, and who has signed its certificate.
fn with_tls() -> Result<(Etcd, Authority), Box<dyn Error>> {
    let authority = Authority::new()?;
    let etcd = Etcd::start_with(&EtcdSettings::new().tls(&authority)?)?;
    Ok((etcd, authority))
}

fn to(etcd: &Etcd, tls: EtcdTls) -> EtcdConnectionBuilder {
    EtcdConnection::builder([etcd.endpoint()]).tls(tls)
}

/// A swap, a read and a watch.
async fn serves(lock: &EtcdLock) -> TestResult {
    let version = swap(lock, Expected::Absent, "a").await?;
    let there = Observation::record(version, record("a"));
    assert_eq!(lock.get().await?, there);
    let mut watch = within(SOON, "a watch", lock.watch()).await?.ok_or("no watch")?;
    assert_eq!(watch.next().await.ok_or("ended")??, there);
    let version = swap(lock, Expected::Version(version), "b").await?;
    let shown = within(SOON, "an item", watch.next()).await.ok_or("ended")??;
    assert_eq!(shown, Observation::record(version, record("b")));
    Ok(())
}

#[tokio::test]
async fn an_authority_is_enough_for_tls() -> TestResult {
    let (etcd, authority) = with_tls()?;
    let tls = EtcdTls::new().ca_file(authority.file());
    let lock = lock(to(&etcd, tls)).await?;
    assert_eq!(lock.describe(), format!("etcds://{}/{KEY}", etcd.endpoint()));
    serves(&lock).await
}

#[tokio::test]
async fn a_client_that_has_to_shows_its_certificate() -> TestResult {
    let (servers, clients) = (Authority::new()?, Authority::new()?);
    let etcd = Etcd::start_with(&EtcdSettings::new().tls(&servers)?.client_certificates(&clients))?;
    let trusting = || EtcdTls::new().ca_file(servers.file());
    let client = clients.client("elector")?;
    let shown = trusting().client_files(client.certificate, client.key);
    serves(&lock(to(&etcd, shown)).await?).await?;

    let another = Authority::new()?;
    let stranger = another.client("stranger")?;
    let stranger = trusting().client_files(stranger.certificate, stranger.key);
    for tls in [trusting(), stranger] {
        let outsider = lock(to(&etcd, tls)).await?;
        for _ in 0..10 {
            let swap = outsider.compare_and_swap(Expected::Absent, &record("x")).await;
            let error = swap.unwrap_err();
            let said = error.to_string();
            assert!(
                said.contains("wants a client's certificate, and refuses this one"),
                "{said}"
            );
            assert!(said.contains(&etcd.endpoint()), "{said}");
            // With TLS 1.3 the request was sent before the refusal. If that is read before the connection is seen to end, it is
            // certain that nothing was written.
            let alert = said.contains("received fatal alert");
            let kind = if alert {
                LockErrorKind::Denied
            } else {
                LockErrorKind::Ambiguous
            };
            assert_eq!(error.kind(), kind, "{said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_by_another_authority_is_not_trusted() -> TestResult {
    let (etcd, _authority) = with_tls()?;
    let another = Authority::new()?;
    let tls = EtcdTls::new().ca_file(another.file());
    let wrong = lock(to(&etcd, tls)).await?;
    let said = ["by none of the authorities that are trusted", &etcd.endpoint()];
    refused(&wrong, LockErrorKind::Unavailable, &said).await?;
    // Those of the machine do not know it either.
    let machine = lock(EtcdConnection::builder([format!("https://{}", etcd.endpoint())])).await?;
    refused(&machine, LockErrorKind::Unavailable, &said).await
}

#[tokio::test]
async fn a_server_by_another_name_is_not_trusted_unless_it_is_the_name_that_was_set() -> TestResult {
    let authority = Authority::new()?;
    let etcd = Etcd::start_with(&EtcdSettings::new().tls_for(&authority, &["etcd.example"])?)?;
    let tls = || EtcdTls::new().ca_file(authority.file());
    let wrong = lock(to(&etcd, tls())).await?;
    refused(&wrong, LockErrorKind::Unavailable, &["127.0.0.1", "etcd.example"]).await?;
    serves(&lock(to(&etcd, tls().server_name("etcd.example"))).await?).await
}

/// Each side waits for something else to be said: an error that says so, and no hanging.
#[tokio::test]
async fn with_tls_to_a_server_without_and_without_to_one_with() -> TestResult {
    let (with, authority) = with_tls()?;
    let without = Etcd::start()?;
    let tls = EtcdTls::new().ca_file(authority.file());
    let speaks = lock(to(&without, tls)).await?;
    within(SOON, "a refusal", async {
        refused(
            &speaks,
            LockErrorKind::Unavailable,
            &["does not answer in TLS", "etcd://", &without.endpoint()],
        )
        .await
    })
    .await?;

    let mute = lock(EtcdConnection::builder([with.endpoint()])).await?;
    let said = ["it has never answered", "etcds://", &with.endpoint()];
    within(SOON, "a refusal", refused(&mute, LockErrorKind::Ambiguous, &said)).await
}
