//! A frozen leader gains nothing by it, and loses nothing.

use std::path::Path;

use leaderelection_tests::leaderelect::{Leaderelect, SHORT_LEASE, WORK};
use rustix::process::Signal;

use super::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_handover");
/// The least for [`SHORT_LEASE`].
const OPTION: [&str; 2] = ["--etcd-garbage-collect-after", "12s"];
const LEASE: Duration = Duration::from_secs(3);

fn join(etcd: &Etcd, identity: &str) -> Result<Leaderelect, Box<dyn Error>> {
    let lock = format!("etcd://{}/{KEY}", etcd.endpoint());
    let flags = [&SHORT_LEASE[..], &OPTION].concat();
    Ok(Leaderelect::script(
        Path::new(PROGRAM),
        &lock,
        identity,
        &flags,
        WORK,
    )?)
}

fn operate<T>(
    etcd: &Etcd,
    operation: impl AsyncFnOnce(Operator) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { operation(Operator::of(etcd).await?).await })
}

/// SAFETY 1 and 11: another takes over when the record's lease has run out, and the end of the frozen one's lease of etcd takes
/// nothing from him.
#[test]
fn its_rival_takes_over_as_ever_and_keeps_what_he_has() -> TestResult {
    let etcd = Etcd::start()?;
    let frozen = join(&etcd, "frozen")?;
    let first = frozen.started()?;
    let rival = join(&etcd, "rival")?;
    rival.follows("frozen")?;
    let leases = operate(&etcd, async |operator| operator.leases().await)?;
    assert_eq!(leases.len(), 1, "a follower has none: {leases:?}");

    frozen.send(Signal::STOP)?;
    let stopped = now();
    let second = rival.started()?;
    let took = second.at.since(stopped);
    println!("frozen for {took:?} when the rival led");
    assert!(second.token > first.token);
    // Else it did not wait for the record's lease, but for etcd's, of which less than a third had passed.
    assert!(took < Duration::from_secs(8), "{took:?}");
    operate(&etcd, async |operator| {
        let keys = operator.leases_of(KEY).await?;
        assert!(
            !keys.contains(&leases[0]) && !keys.contains(&0),
            "{keys:?}, {leases:?}"
        );
        let left = operator.until_leases(1).await?;
        assert_eq!(operator.leases_of(KEY).await?, [left[0], left[0]], "the rival's");
        Ok(())
    })?;
    frozen.send(Signal::CONT)?;
    frozen.logged("lost the lease")?;
    frozen.follows("rival")?;
    assert_eq!(rival.said_so_far(), [""; 0], "it works on");
    Ok(())
}

/// Alone, it is an abandoned election until it wakes. Its term was over long before, and it leads anew with a greater token.
#[test]
fn alone_it_finds_a_new_election() -> TestResult {
    let etcd = Etcd::start()?;
    let frozen = join(&etcd, "frozen")?;
    let first = frozen.started()?;
    frozen.send(Signal::STOP)?;
    let stopped = now();
    operate(&etcd, async |operator| {
        operator.until_leases(0).await?;
        assert!(operator.keys(KEY).await?.is_empty());
        Ok(())
    })?;
    let stood = now().since(stopped);
    println!("frozen for {stood:?} when the keys vanished");
    // By two leases of the record since the last renewal, which was half a second before or some more.
    assert!(stood > LEASE, "{stood:?}");
    frozen.send(Signal::CONT)?;
    frozen.logged("lost the lease")?;
    let second = frozen.started()?;
    assert!(second.token > first.token, "{first:?}, {second:?}");
    Ok(())
}
