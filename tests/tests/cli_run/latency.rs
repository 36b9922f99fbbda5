//! How long an election is without a leader: a short form of `--bin handover`.

use crate::*;

#[test]
fn a_hand_over_takes_far_less_than_a_polling_period() -> TestResult {
    let measured = graceful(Path::new(PROGRAM), 5)?;
    let median = percentile(measured.iter().map(|one| one.from_signal), 50);
    assert!(median < Duration::from_millis(500), "{measured:?}");
    Ok(())
}

#[test]
fn after_a_kill_the_next_starts_when_the_lease_has_run_out() -> TestResult {
    for one in after_kill(Path::new(PROGRAM), &SHORT_LEASE, 2)? {
        // The watch here and the follower's own are told at about the same time.
        assert!(
            one.from_renewal + BUSY >= LEASE && one.from_renewal <= LEASE + BUSY,
            "{one:?}"
        );
    }
    Ok(())
}
