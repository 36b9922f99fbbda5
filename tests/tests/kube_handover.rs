//! `--bin handover -- kube` in small, and no matter how fast.

use std::error::Error;
use std::path::Path;

use leaderelection_tests::candidate::{LEASE, RENEW_DEADLINE, RETRY_PERIOD};
use leaderelection_tests::handover::{Chain, Place, Side};
use leaderelection_tests::servers::KubeApiserver;

type TestResult = Result<(), Box<dyn Error>>;

/// SAFETY 7 and 12: ours and client-go's hand over on Leases of one server, ours fails over, and no two of one side are at work at
/// once.
#[test]
fn ours_and_client_gos_change_leaders_on_one_server() -> TestResult {
    let server = KubeApiserver::shared()?;
    let program = Path::new(env!("CARGO_BIN_EXE_handover"));
    let timing = [LEASE, RENEW_DEADLINE, RETRY_PERIOD];
    for side in [Side::Ours, Side::Go] {
        let place = Place::lease(server, format!("changes-{side:?}").to_lowercase())?;
        let mut chain = Chain::begin(place, program, side, timing)?;
        for _ in 0..3 {
            println!("{side:?}: {:?}", chain.by_release()?);
        }
        if side == Side::Ours {
            let failover = chain.by_kill(RETRY_PERIOD / 5)?;
            println!("{side:?}: {failover:?}");
            // A renewal is known to be one behind the moment from which others count.
            let early = failover.from_renewal + RETRY_PERIOD < LEASE;
            assert!(!early, "{side:?}: {failover:?}");
        }
    }
    Ok(())
}
