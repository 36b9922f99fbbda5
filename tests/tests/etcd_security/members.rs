//! Several members: each is asked over a connection and with a token of its own, so what is refused by one is asked of the next, and
//! a term outlives the member that served it.

use std::time::Duration;

use leaderelection_etcd::EtcdTls;
use leaderelection_tests::candidate::{Candidate, RENEW_DEADLINE};
use leaderelection_tests::servers::EtcdCluster;
use leaderelection_tests::time::{now, sleep};

use super::users::{ENDED, PASSWORD, USER, only_the_user_may, settings};
use super::*;

/// For an election among the members, too.
const LIMIT: Duration = Duration::from_secs(30);

/// As where members are given a new authority one after another: nothing was written, and the next member is asked.
#[tokio::test]
async fn a_member_that_refuses_the_certificate_is_left_for_the_next() -> TestResult {
    let (servers, clients, others) = (Authority::new()?, Authority::new()?, Authority::new()?);
    let refusing = Etcd::start_with(&EtcdSettings::new().tls(&servers)?.client_certificates(&others))?;
    let serving = Etcd::start_with(&EtcdSettings::new().tls(&servers)?.client_certificates(&clients))?;
    let client = clients.client("elector")?;
    let tls = EtcdTls::new()
        .ca_file(servers.file())
        .client_files(client.certificate, client.key);
    let endpoints = [refusing.endpoint(), serving.endpoint()];
    let lock = lock(EtcdConnection::builder(endpoints).tls(tls)).await?;
    let refused = lock.compare_and_swap(Expected::Absent, &record("a")).await;
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains("refuses this one") && said.contains(&refusing.endpoint()),
        "{said}"
    );
    let mut expected = Expected::Absent;
    for holder in ["a", "b", "c"] {
        expected = Expected::Version(swap(&lock, expected, holder).await?);
    }
    Ok(())
}

/// Leads by the first member while it does not lead the others, kills it, and leads on by the next.
async fn a_term_outlives_its_member(
    mut cluster: EtcdCluster,
    connection: impl Fn(Vec<String>) -> EtcdConnectionBuilder,
) -> TestResult {
    let struck = (cluster.leader()? + 1) % 3;
    let mut endpoints = cluster.endpoints();
    endpoints.rotate_left(struck);
    let lock = lock(connection(endpoints)).await?;
    // Beside the election something more that is asked of a member.
    let lock = lock.garbage_collect_after(Duration::from_secs(12))?;
    let candidate = Candidate::start(lock, "a")?;
    let term = candidate.leads(LIMIT).await?;
    sleep(ENDED).await;
    assert_eq!(term.check()?, term.token());
    cluster.member_mut(struck).kill();
    let end = now().after(RENEW_DEADLINE * 3);
    while now() < end {
        assert_eq!(term.check()?, term.token());
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_term_outlives_its_member_with_tls_and_certificates() -> TestResult {
    let (servers, clients) = (Authority::new()?, Authority::new()?);
    let settings = EtcdSettings::new().tls(&servers)?.client_certificates(&clients);
    let client = clients.client("elector")?;
    let connection = |endpoints: Vec<String>| {
        let tls = EtcdTls::new()
            .ca_file(servers.file())
            .client_files(&client.certificate, &client.key);
        EtcdConnection::builder(endpoints).tls(tls)
    };
    a_term_outlives_its_member(EtcdCluster::start_with(&settings)?, connection).await
}

/// The token that the next member has given, or would have, ended long ago: it is not the one that was used.
#[tokio::test]
async fn a_term_outlives_its_member_with_a_user_whose_tokens_end() -> TestResult {
    let cluster = EtcdCluster::start_with(&settings())?;
    only_the_user_may(&cluster.endpoints()).await?;
    let connection = |endpoints: Vec<String>| EtcdConnection::builder(endpoints).user(USER, PASSWORD);
    a_term_outlives_its_member(cluster, connection).await
}
