//! A real `leaderelect run` in a pod, whose token is a file that the kubelet replaces.

use std::io::Write as _;

use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, WORK};
use leaderelection_tests::pod::pod;
use leaderelection_tests::time::wait;
use tempfile::TempDir;

use super::*;

/// `leaderelect` when it has arguments.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover-kube");

/// A pod of the first account, and its leader at work.
struct Pod {
    accounts: Accounts,
    account: TempDir,
    leader: Leaderelect,
    runtime: tokio::runtime::Runtime,
    _home: TempDir,
}

impl Pod {
    fn start(test: &str) -> Result<Option<Self>, Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let accounts = runtime.block_on(Accounts::new(test))?;
        let (home, account) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let Some(mut process) = pod(accounts.server, account.path(), home.path()) else {
            // Past the test's own output, which nobody sees where it passes.
            writeln!(
                std::io::stderr(),
                "DID NOT RUN: a token that is {test} in a pod: `unshare --mount` is not allowed here"
            )?;
            return Ok(None);
        };
        std::fs::copy(accounts.server.ca_file(), account.path().join("ca.crt"))?;
        std::fs::write(account.path().join("namespace"), &accounts.namespace)?;
        let first = runtime.block_on(accounts.token("first"))?;
        mount(account.path(), &first)?;
        process.arg(PROGRAM);
        let lock = format!("leases:{}/leader", accounts.namespace);
        let leader = Leaderelect::start_by(process, &lock, "a", &SHORT_LEASE, &["sh", "-c", WORK])?;
        leader.started()?;
        Ok(Some(Self {
            accounts,
            account,
            leader,
            runtime,
            _home: home,
        }))
    }

    /// The kubelet has another token, and puts it there.
    fn rotate(&self, account: &str) -> TestResult {
        let token = self.runtime.block_on(self.accounts.token(account))?;
        Ok(mount(self.account.path(), &token)?)
    }

    /// It is the second's from now on, and in the same term.
    fn goes_on_as_the_second(&self) -> TestResult {
        let second = self.accounts.user("second");
        let began = now();
        while users(self.accounts.server, &self.accounts.namespace)?.last() != Some(&second) {
            assert!(now().since(began) < LIMIT, "it still comes as the first");
            wait(Duration::from_millis(200));
        }
        println!("it came as the second after {:?}", now().since(began));
        wait(LEASE * 2);
        let seen = users(self.accounts.server, &self.accounts.namespace)?;
        assert_eq!(seen, [self.accounts.user("first"), second]);
        let said = self.leader.said_so_far();
        assert!(said.is_empty(), "its term has ended: {said:?}");
        Ok(())
    }
}

/// As one rename, as the kubelet does, so that nobody reads half of it.
fn mount(account: &Path, token: &str) -> std::io::Result<()> {
    std::fs::write(account.join("new"), token)?;
    std::fs::rename(account.join("new"), account.join("token"))
}

/// The old one is still good, as it is with the kubelet: the new one is taken within a minute, and no call is refused.
#[test]
fn a_token_that_is_rotated_in_a_pod_is_taken_without_a_refusal() -> TestResult {
    let Some(pod) = Pod::start("rotated")? else {
        return Ok(());
    };
    pod.rotate("second")?;
    pod.goes_on_as_the_second()?;
    let log = pod.leader.logged_so_far();
    let refused: Vec<_> = log.iter().filter(|line| line.contains("failed")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    Ok(())
}

/// The old one is revoked before anybody would read the file again: 401, and it is read at once.
#[test]
fn a_token_that_is_revoked_in_a_pod_costs_no_leadership() -> TestResult {
    let Some(pod) = Pod::start("revoked")? else {
        return Ok(());
    };
    pod.rotate("second")?;
    pod.runtime.block_on(pod.accounts.delete("first"))?;
    let revoked = now();
    pod.leader.logged("401 Unauthorized")?;
    let refused = now();
    pod.leader.logged("have been fetched anew")?;
    println!(
        "refused {:?} after it was revoked, and fetched {:?} after that",
        refused.since(revoked),
        now().since(refused)
    );
    pod.goes_on_as_the_second()
}
