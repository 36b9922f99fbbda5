//! A lock by the component configuration, as a file has it.

use leaderelection::{LeaderElectionConfiguration, LeaderElector};
use leaderelection_tests::time::within;
use serde_json::Value;

use super::*;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Program {
    leader_election: LeaderElectionConfiguration,
}

#[tokio::test]
async fn a_program_leads_by_the_lock_and_the_durations_of_its_configuration() -> TestResult {
    for kind in Kind::ALL {
        let stage = Stage::new(kind, "configured").await?;
        let file = format!(
            "leaderElection:\n  resourceLock: {}\n  resourceNamespace: {}\n  resourceName: {NAME}\n  leaseDuration: 1m30s\n  renewDeadline: 1m0s\n",
            kind.plural(),
            stage.namespace
        );
        let config = serde_saphyr::from_str::<Program>(&file)?.leader_election;
        config.validate()?;
        let lock = stage.kube.lock(&LockRef::try_from(&config)?);
        let elector = LeaderElector::builder(lock, "a")
            .timing(config.timing()?)
            .build()?;
        let handle = elector.spawn()?;
        let leadership = within(SOON, "leadership", handle.leadership()).await?;

        // There it is, of that kind and under that name, by another way than the lock's.
        let object = stage.door.object().await?;
        let record: Value = match kind {
            Kind::Lease => object["spec"].clone(),
            Kind::ConfigMap | Kind::Endpoints => {
                let annotation =
                    &object["metadata"]["annotations"][leaderelection_tests::kube_door::ANNOTATION];
                serde_json::from_str(annotation.as_str().ok_or("no annotation")?)?
            }
        };
        assert_eq!(record["holderIdentity"], "a", "{kind:?}");
        assert_eq!(record["leaseDurationSeconds"], 90, "{kind:?}");
        drop(leadership);
        handle.shutdown().await?;
    }
    Ok(())
}
