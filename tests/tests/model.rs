//! The shipped machine under every schedule of a small world.

use leaderelection_tests::model::{Outcome, Setting, check, setting::Ticks};

fn report(name: &str, outcome: &Outcome) {
    println!(
        "{name}: {} states, depth {}, {:.1?}, found {:?}",
        outcome.states, outcome.depth, outcome.took, outcome.found
    );
    for (at, line) in outcome.two_leaders.iter().flatten().enumerate() {
        println!("{:>4}. {line}", at + 1);
    }
}

#[test]
fn sound() {
    let rates = [1, 1];
    let ticks = Ticks {
        lease: 0,
        deadline: 2,
        period: 1,
        grace: 0,
    }
    .at_threshold(rates);
    let mut setting = Setting::new(rates, ticks).unwrap();
    setting.on_their_way = std::env::var("W").map_or(1, |w| w.parse().unwrap());
    let outcome = check(setting);
    report("sound", &outcome);
}
