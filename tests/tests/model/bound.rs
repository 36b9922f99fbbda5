//! The bound of SAFETY's theorem is exact: at the smallest safe lease no schedule makes two leaders, one tick below it one
//! does.

use leaderelection::EmptyIdentity;
use leaderelection_tests::model::setting::Ticks;
use leaderelection_tests::model::world::ONE_LEADER;
use leaderelection_tests::model::{Outcome, Powers, Setting, check};

/// Clock rates per tick, R, P, σ.
type Row = ([u8; 2], u64, u64, u64);

const SMALL: [Row; 5] = [
    ([1, 1], 2, 1, 0),
    ([1, 1], 2, 1, 1),
    ([1, 1], 3, 1, 0),
    ([1, 2], 2, 1, 0),
    ([1, 2], 2, 1, 1),
];

const LARGE: [Row; 9] = [
    ([1, 1], 3, 2, 1),
    ([1, 1], 4, 1, 0),
    ([1, 1], 4, 2, 2),
    ([1, 2], 3, 1, 0),
    ([1, 2], 3, 1, 1),
    ([1, 3], 2, 1, 0),
    ([2, 3], 3, 2, 0),
    ([2, 3], 4, 2, 0),
    ([2, 3], 4, 2, 1),
];

#[test]
fn bound() -> Result<(), EmptyIdentity> {
    table(&SMALL)
}

#[test]
#[ignore = "large: minutes"]
fn bound_of_more() -> Result<(), EmptyIdentity> {
    table(&LARGE)
}

fn table(rows: &[Row]) -> Result<(), EmptyIdentity> {
    println!("| clock rates | R | P | σ | L | at L | at L − 1 |");
    println!("|---|---|---|---|---|---|---|");
    for (rates, deadline, period, grace) in rows.iter().copied() {
        let ticks = Ticks {
            lease: 0,
            deadline,
            period,
            grace,
        };
        let safe = ticks.at_threshold(rates);
        let below = Ticks {
            lease: safe.lease - 1,
            ..safe
        };
        let at = explored(rates, safe)?;
        assert!(at.failure.is_none(), "at L = {}: {at}", safe.lease);
        let under = explored(rates, below)?;
        let steps = match &under.failure {
            Some((name, steps)) if *name == ONE_LEADER => steps.len(),
            _ => panic!("at L = {}: {under}", below.lease),
        };
        let ([lo, hi], lease) = (rates, safe.lease);
        println!(
            "| {lo} to {hi} | {deadline} | {period} | {grace} | {lease} | never two leaders: {} states, {:.1?} | two leaders after {steps} steps |",
            at.states, at.took
        );
    }
    Ok(())
}

fn explored(rates: [u8; 2], ticks: Ticks) -> Result<Outcome, EmptyIdentity> {
    let mut setting = Setting::new(rates, ticks)?.powers(Powers::NONE);
    setting.on_their_way = 1;
    check(setting)
}
