//! `machine-steps STEP TIMES`: does a step of the pure machine so many times, and nothing else. Run under an instrument that counts
//! instructions, once with TIMES and once with twice as many, it tells what one step is worth.

use std::env;
use std::process::ExitCode;

use leaderelection_benches::steps::{Follower, Leader};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [step, times] = arguments.as_slice() else {
        return usage();
    };
    let Ok(times) = times.parse::<u64>() else {
        return usage();
    };
    match step.as_str() {
        "renewal" => {
            let mut leader = Leader::default();
            (0..times).for_each(|_| leader.renew());
        }
        "nothing-new" => {
            let mut follower = Follower::default();
            (0..times).for_each(|_| follower.observe_the_same());
        }
        "observation" => {
            let mut follower = Follower::default();
            (0..times).for_each(|_| {
                let renewal = follower.next_renewal();
                follower.observe(renewal);
            });
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: machine-steps renewal|nothing-new|observation TIMES");
    ExitCode::from(2)
}
