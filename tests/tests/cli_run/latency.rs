//! How long an election is without a leader: a short form of `--bin handover`, and of `--bin handover-kube`, which measures
//! in another way.

use leaderelection_tests::beside_go::{Side, Stage, by_kill, by_release};
use leaderelection_tests::handover::{after_kill, graceful, percentile};
use leaderelection_tests::servers::{Etcd, KubeApiserver};

use crate::*;

mod on_etcd {
    use super::*;

    #[test]
    fn a_hand_over_takes_far_less_than_a_polling_period() -> TestResult {
        let measured = graceful(&Etcd::start()?, Path::new(PROGRAM), 5)?;
        let median = percentile(measured.iter().map(|one| one.from_signal), 50);
        assert!(median < Duration::from_millis(500), "{measured:?}");
        Ok(())
    }

    #[test]
    fn after_a_kill_the_next_starts_when_the_lease_has_run_out() -> TestResult {
        for one in after_kill(&Etcd::start()?, Path::new(PROGRAM), &SHORT_LEASE, 2)? {
            // The watch here and the follower's own are told at about the same time.
            assert!(
                one.from_renewal + BUSY >= LEASE && one.from_renewal <= LEASE + AT_ONCE,
                "{one:?}"
            );
        }
        Ok(())
    }
}

mod on_endpoints {
    use super::*;

    /// `leaderelect`, or the work of these.
    const PROGRAM: &str = env!("CARGO_BIN_EXE_handover-kube");

    fn stage(name: &str) -> Result<Stage<'static>, Box<dyn Error>> {
        let timing = [LEASE, RENEW_DEADLINE, RETRY_PERIOD];
        let stop_grace = ["--stop-grace", "500ms"];
        Stage::new(KubeApiserver::shared()?, name, PROGRAM, timing, &stop_grace)
    }

    #[test]
    fn a_hand_over_takes_far_less_than_a_polling_period() -> TestResult {
        let measured = by_release(&mut stage("handover")?, [Side::Ours; 6], |_| {
            Duration::from_millis(30)
        })?;
        let mut took: Vec<_> = measured.iter().map(|one| one.from_signal).collect();
        took.sort_by(f64::total_cmp);
        assert!(took[took.len() / 2] < 500.0, "{measured:?}");
        Ok(())
    }

    #[test]
    fn after_a_kill_the_next_starts_when_the_lease_has_run_out() -> TestResult {
        for one in by_kill(&mut stage("failover")?, [Side::Ours; 3])? {
            let lease = LEASE.as_millis() as f64;
            // The server has logged a renewal before the follower's watch shows it.
            assert!(
                one.from_renewal >= lease && one.from_renewal <= lease + AT_ONCE.as_millis() as f64,
                "{one:?}"
            );
        }
        Ok(())
    }
}
