//! A pod, as far as a program sees it: the apiserver in its environment, and the files of a service account in the one place
//! where a pod has them.

use std::path::Path;
use std::process::Command;

use crate::servers::KubeApiserver;

/// Makes `/var/run` one of its own, in which the folder `$0` is that of the service account.
const AS_IN_A_POD: &str = "\
mount -t tmpfs tmpfs /var/run/ &&
mkdir -p /var/run/secrets/kubernetes.io &&
ln -s \"$0\" /var/run/secrets/kubernetes.io/serviceaccount &&
exec \"$@\"";

/// Runs the program that is its last argument as in a pod of this server's cluster, whose service account is that folder, with
/// the files `token`, `ca.crt` and `namespace`. Nothing else of Kubernetes is in its environment, nor in `home`.
///
/// `None` where the system allows nobody mounts of his own: the place is not this machine's to have.
pub fn pod(server: &KubeApiserver, account: &Path, home: &Path) -> Option<Command> {
    let mut process = with_mounts_of_its_own()?;
    process.args(["sh", "-c", AS_IN_A_POD]).arg(account);
    process.env_remove("KUBECONFIG").env("HOME", home);
    let url = server.url();
    let (host, port) = url.trim_start_matches("https://").split_once(':')?;
    process.env("KUBERNETES_SERVICE_HOST", host);
    process.env("KUBERNETES_SERVICE_PORT", port);
    Some(process)
}

/// How to run a command with mounts of its own here, if that is allowed.
fn with_mounts_of_its_own() -> Option<Command> {
    let ways = [&[][..], &["--map-root-user"]];
    ways.into_iter().find_map(|way| {
        let unshare = || {
            let mut unshare = Command::new("unshare");
            unshare.args(["--mount", "--propagation", "private"]).args(way);
            unshare
        };
        let mounts = "mount -t tmpfs tmpfs /var/run/";
        let tried = unshare().args(["sh", "-c", mounts]).output().ok()?;
        tried.status.success().then(unshare)
    })
}
