//! Starts a kube-apiserver, prints process ids and folders, and holds it until its standard input ends: the victim of
//! `kube_fixture.rs`, which looks for what it leaves. The argument says what it holds: `own` or `shared`.

use std::io::Read;
use std::process::ExitCode;

use leaderelection_tests::servers::{KubeApiserver, ServerError};

fn show(server: &KubeApiserver) {
    println!("{}", server.pid().unwrap_or_default());
    println!("{}", server.etcd().pid().unwrap_or_default());
    println!("{}", server.folder().display());
    println!("{}", server.etcd().folder().display());
    let _ = std::io::stdin().read(&mut [0]);
}

fn hold() -> Result<(), ServerError> {
    match std::env::args().nth(1).as_deref() {
        Some("shared") => show(KubeApiserver::shared()?),
        _ => show(&KubeApiserver::start()?),
    }
    Ok(())
}

fn main() -> ExitCode {
    match hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
