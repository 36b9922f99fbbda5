//! Starts an etcd, prints its process id and folder, and holds it until its standard input ends: the victim of
//! `server_fixture.rs`, which kills it to see that the etcd dies with it. With the argument `stopped`, the etcd is
//! stopped meanwhile.

use std::io::Read;
use std::process::ExitCode;

use leaderelection_tests::servers::{Etcd, ServerError};

fn hold() -> Result<(), ServerError> {
    let etcd = Etcd::start()?;
    if std::env::args().nth(1).as_deref() == Some("stopped") {
        etcd.stop()?;
    }
    println!("{}", etcd.pid().unwrap_or_default());
    println!("{}", etcd.folder().display());
    let _ = std::io::stdin().read(&mut [0]);
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
