//! Users and passwords: etcd's tokens end, and an election does not.

use etcd_client::{Client, ConnectOptions, Permission, PermissionType};
use futures_util::StreamExt as _;
use leaderelection::{LeaderElector, LeaseTiming};
use leaderelection_tests::time::{sleep, within};

use super::*;

pub(super) const USER: &str = "elector";
pub(super) const PASSWORD: &str = "s3cret";

/// The least that etcd knows. It looks every second.
const TOKEN_TTL: Duration = Duration::from_secs(1);

/// After so long without use a token has ended.
pub(super) const ENDED: Duration = Duration::from_millis(2_500);

/// Tokens end after a second without use.
pub(super) fn settings() -> EtcdSettings {
    let ttl = TOKEN_TTL.as_secs().to_string();
    EtcdSettings::new()
        .flag("--auth-token-ttl", &ttl)
        // Passwords are hashed on purpose slowly; here is nothing to protect.
        .flag("--bcrypt-cost", "4")
}

/// An etcd that lets nobody in but root, and a user who may use the lock; its tokens end after a second without use.
async fn etcd() -> Result<(Etcd, Client), Box<dyn Error>> {
    let etcd = Etcd::start_with(&settings())?;
    let root = only_the_user_may(&[etcd.endpoint()]).await?;
    Ok((etcd, root))
}

/// From now on only root is let in, and a user who may use the lock. Root's client.
pub(super) async fn only_the_user_may(endpoints: &[String]) -> Result<Client, Box<dyn Error>> {
    let mut client = Client::connect(endpoints, None).await?;
    client.user_add("root", "root", None).await?;
    client.role_add("root").await?;
    client.user_grant_role("root", "root").await?;
    client.role_add("election").await?;
    let permission = Permission::new(PermissionType::Readwrite, KEY).with_prefix();
    client.role_grant_permission("election", permission).await?;
    client.user_add(USER, PASSWORD, None).await?;
    client.user_grant_role(USER, "election").await?;
    client.auth_enable().await?;
    let options = ConnectOptions::new()
        .with_user("root", "root")
        .with_auto_token_refresh(true);
    Ok(Client::connect(endpoints, Some(options)).await?)
}

fn logged_in(etcd: &Etcd) -> EtcdConnectionBuilder {
    EtcdConnection::builder([etcd.endpoint()]).user(USER, PASSWORD)
}

fn logins(etcd: &Etcd) -> Result<u64, Box<dyn Error>> {
    Ok(etcd.requests(|method| method.ends_with("Auth/Authenticate"))?)
}

/// SAFETY 8, SAFETY 9: a token that has ended is renewed within the call, whichever call that is, and a swap is one write.
#[tokio::test]
async fn a_token_that_has_ended_is_renewed_within_the_call() -> TestResult {
    let (etcd, root) = etcd().await?;
    let lock = lock(logged_in(&etcd)).await?;
    let before = logins(&etcd)?;
    let first = swap(&lock, Expected::Absent, "a").await?;
    assert_eq!(logins(&etcd)? - before, 1, "the first call");

    sleep(ENDED).await;
    let second = swap(&lock, Expected::Version(first), "b").await?;
    assert_eq!(logins(&etcd)? - before, 2, "a swap");
    assert_eq!(second.get() - first.get(), 1, "one write");
    sleep(ENDED).await;
    assert_eq!(lock.get().await?, Observation::record(second, record("b")));
    assert_eq!(logins(&etcd)? - before, 3, "a read");
    sleep(ENDED).await;
    let mut watch = lock.watch().await?.ok_or("no watch")?;
    assert_eq!(logins(&etcd)? - before, 4, "a watch");
    let shown = watch.next().await.ok_or("ended")??;
    assert_eq!(shown, Observation::record(second, record("b")));

    // An open watch outlives its token.
    sleep(ENDED).await;
    root.kv_client().put(KEY, record("c").to_json(), None).await?;
    let shown = within(SOON, "an item", watch.next()).await.ok_or("ended")??;
    assert!(matches!(shown, Observation::Present { version, .. } if version > second));
    Ok(())
}

/// A watch by a token that has ended is refused on its stream, in the words that the lock looks for; it reads first, but perhaps
/// at another member.
#[tokio::test]
async fn the_stream_of_a_watch_says_that_its_token_has_ended() -> TestResult {
    let (etcd, _root) = etcd().await?;
    let options = ConnectOptions::new().with_user(USER, PASSWORD);
    let client = Client::connect([etcd.endpoint()], Some(options)).await?;
    sleep(ENDED).await;
    let mut stream = client.watch_client().watch(KEY, None).await?;
    let refusal = within(SOON, "a refusal", stream.message())
        .await?
        .ok_or("ended")?;
    assert!(refusal.created() && refusal.canceled());
    assert_eq!(
        refusal.cancel_reason(),
        "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"
    );
    Ok(())
}

/// A hundred calls that find their token ended fetch one.
#[tokio::test]
async fn calls_that_find_the_token_ended_at_once_log_in_once() -> TestResult {
    let (etcd, _root) = etcd().await?;
    let connection = logged_in(&etcd).connect().await?;
    let lock = connection.lock(KEY)?;
    lock.get().await?;
    sleep(ENDED).await;
    let before = logins(&etcd)?;
    let reads = (0..100).map(|_| lock.get());
    for read in futures_util::future::join_all(reads).await {
        read?;
    }
    assert_eq!(logins(&etcd)? - before, 1);
    Ok(())
}

/// An election leads on while its token ends between its renewals, again and again, and so does its follower, who does nothing
/// for long and then takes over.
#[tokio::test]
async fn an_election_outlives_its_tokens() -> TestResult {
    let (etcd, _root) = etcd().await?;
    // Renewed every 3 s: each renewal finds its token ended.
    let timing = LeaseTiming::new(
        Duration::from_secs(10),
        Duration::from_secs(8),
        Duration::from_secs(3),
    )?;
    let elector = async |identity: &str| -> Result<_, Box<dyn Error>> {
        let lock = lock(logged_in(&etcd)).await?;
        Ok(LeaderElector::builder(lock, identity)
            .timing(timing.clone())
            .build()?
            .spawn()?)
    };
    let leader = elector("a").await?;
    let term = within(SOON, "a leader", leader.leadership()).await?;
    let before = logins(&etcd)?;
    let follower = elector("b").await?;
    let expiries = 4;
    for _ in 0..expiries {
        sleep(Duration::from_secs(3)).await;
        assert_eq!(term.check()?, term.token());
    }
    // One of each renewal; one more may be on its way, and the follower's first.
    let spent = logins(&etcd)? - before;
    assert!((expiries - 1..=expiries + 2).contains(&spent), "{spent} logins");

    let token = term.token();
    drop(term);
    leader.shutdown().await?;
    let next = within(Duration::from_secs(3), "the next leader", follower.leadership()).await?;
    assert!(next.token() > token);
    Ok(())
}

/// Whoever is not let in is told who was refused; that is certain, and a password that is put right lets him in.
#[tokio::test]
async fn a_wrong_password_is_denied_until_it_is_right() -> TestResult {
    let (etcd, mut root) = etcd().await?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), "wrong\n")?;
    let lock =
        lock(EtcdConnection::builder([etcd.endpoint()]).user_with_password_file(USER, file.path())).await?;
    let said = ["login of user \"elector\"", "invalid user ID or password"];
    refused(&lock, LockErrorKind::Denied, &said).await?;
    std::fs::write(file.path(), format!("{PASSWORD}\n"))?;
    let version = swap(&lock, Expected::Absent, "a").await?;

    // It is changed while the election goes on.
    root.user_change_password(USER, "another").await?;
    std::fs::write(file.path(), "another")?;
    sleep(ENDED).await;
    swap(&lock, Expected::Version(version), "b").await?;

    std::fs::remove_file(file.path())?;
    sleep(ENDED).await;
    let name = file.path().display().to_string();
    refused(
        &lock,
        LockErrorKind::Denied,
        &["the password", &name, "No such file"],
    )
    .await
}

/// Where nobody has to log in nobody does, until that is enabled.
#[tokio::test]
async fn authentication_may_be_enabled_while_an_election_goes_on() -> TestResult {
    let etcd = Etcd::start_with(&EtcdSettings::new().flag("--bcrypt-cost", "4"))?;
    let lock = lock(EtcdConnection::builder([etcd.endpoint()]).user("root", PASSWORD)).await?;
    let version = swap(&lock, Expected::Absent, "a").await?;
    let mut client = Client::connect([etcd.endpoint()], None).await?;
    client.user_add("root", PASSWORD, None).await?;
    client.role_add("root").await?;
    client.user_grant_role("root", "root").await?;
    client.auth_enable().await?;
    swap(&lock, Expected::Version(version), "b").await?;
    Ok(())
}

/// A login is no write: that its answer is lost leaves no doubt (SAFETY 9).
#[tokio::test]
async fn a_login_that_gets_no_answer_is_no_doubtful_write() -> TestResult {
    let (mut etcd, _root) = etcd().await?;
    let lock = lock(logged_in(&etcd)).await?;
    etcd.kill();
    let said = ["login of user", "Connection refused"];
    refused(&lock, LockErrorKind::Unavailable, &said).await
}
