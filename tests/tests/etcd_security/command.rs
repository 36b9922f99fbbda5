//! `leaderelect run` finds its way into an etcd with TLS, certificates of clients and users.

use std::process::Command;

use etcd_client::Client;
use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, WORK};

use super::*;

/// `leaderelect` when it has arguments.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover");

const PASSWORD: &str = "s3cret";

/// By flags for the one, by etcdctl's environment for the other, who takes over.
#[tokio::test]
async fn leaderelect_run_gets_in_by_flags_or_by_the_environment_of_etcdctl() -> TestResult {
    let authority = Authority::new()?;
    let client = authority.client("elector")?;
    let (ca, certificate, key) = (authority.file(), client.certificate, client.key);
    let settings = EtcdSettings::new()
        .tls(&authority)?
        .client_certificates(&authority)
        .flag("--bcrypt-cost", "4");
    let etcd = Etcd::start_with(&settings)?;
    let tls = etcd_client::TlsOptions::new()
        .ca_certificate(etcd_client::Certificate::from_pem(std::fs::read(&ca)?))
        .identity(etcd_client::Identity::from_pem(
            std::fs::read(&certificate)?,
            std::fs::read(&key)?,
        ));
    let options = etcd_client::ConnectOptions::new().with_tls(tls);
    let mut root = Client::connect([etcd.endpoint()], Some(options)).await?;
    root.user_add("root", PASSWORD, None).await?;
    root.role_add("root").await?;
    root.user_grant_role("root", "root").await?;
    root.auth_enable().await?;

    let lock = format!("etcds://{}/{KEY}", etcd.endpoint());
    let password = authority.file().with_file_name("password");
    std::fs::write(&password, format!("{PASSWORD}\n"))?;
    let [ca_flag, certificate_flag, key_flag, password_flag] = [
        ("cacert", &ca),
        ("cert", &certificate),
        ("key", &key),
        ("password-file", &password),
    ]
    .map(|(name, file)| format!("--etcd-{name}={}", file.display()));
    let mut flags = SHORT_LEASE.to_vec();
    flags.extend([
        &*ca_flag,
        &certificate_flag,
        &key_flag,
        &password_flag,
        "--etcd-user=root",
    ]);
    let work = ["sh", "-c", WORK];
    let leader = Leaderelect::start(PROGRAM.as_ref(), &lock, "a", &flags, &work)?;
    let first = leader.started()?;

    let mut command = Command::new(PROGRAM);
    command
        .env("ETCDCTL_CACERT", &ca)
        .env("ETCDCTL_CERT", &certificate)
        .env("ETCDCTL_KEY", &key)
        .env("ETCDCTL_USER", format!("root:{PASSWORD}"));
    let follower = Leaderelect::start_by(command, &lock, "b", &SHORT_LEASE, &work)?;
    follower.follows("a")?;
    drop(leader);
    let second = follower.started()?;
    assert_eq!(second.identity, "b");
    assert!(second.token > first.token);
    Ok(())
}
