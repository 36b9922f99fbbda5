//! `fenced-leader ENDPOINT KEY IDENTITY`: the victim of `etcd_fence`, which freezes it while it leads.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, key, identity] = &*arguments else {
        eprintln!("fenced-leader: ENDPOINT KEY IDENTITY");
        return ExitCode::from(2);
    };
    match leaderelection_tests::fenced::lead(endpoint, key, identity) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fenced-leader: {error}");
            ExitCode::FAILURE
        }
    }
}
