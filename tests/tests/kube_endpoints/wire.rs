//! What goes over the wire, and what stays on the object.

use leaderelection_tests::figures::keep_if_asked;
use serde_json::{Value, json};

use super::*;

/// So many addresses; with a thousand the object is large, and client-go ships them with every read and write.
fn addresses(count: usize) -> Value {
    let addresses: Vec<_> = (0..count)
        .map(|number| {
            let ip = format!("10.1.{}.{}", number / 250, number % 250 + 1);
            json!({"ip": ip, "nodeName": "a-node-of-the-cluster"})
        })
        .collect();
    json!([{"addresses": addresses, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}])
}

/// A read, ten writes and a watch that shows them, counted in bytes on the wire, TLS and all.
async fn bytes_of_an_election(subsets: Value) -> Result<u64, Box<dyn Error>> {
    let stage = Stage::new("bytes").await?;
    stage.door.create(json!({"subsets": subsets})).await?;
    let (lock, proxy) = stage.lock_through_a_proxy().await?;
    let Observation::Present { mut version, .. } = lock.get().await? else {
        return Err("absent".into());
    };
    let mut watch = watch(&lock).await?;
    shown(&mut watch).await?;
    for number in 0..10 {
        version = swap(&lock, Expected::Version(version), &record("a", number)).await?;
        shown(&mut watch).await?;
    }
    Ok(proxy.passed())
}

#[tokio::test]
async fn a_thousand_addresses_are_never_shipped() -> TestResult {
    let size = addresses(1000).to_string().len();
    let (many, one) = (
        bytes_of_an_election(addresses(1000)).await?,
        bytes_of_an_election(addresses(1)).await?,
    );
    println!(
        "a read, ten writes and a watch: {many} bytes beside 1,000 addresses ({size} bytes), {one} beside one"
    );
    assert!(size > 50_000);
    assert!(
        many.abs_diff(one) < 1_000,
        "{many} bytes beside 1,000 addresses, {one} beside one"
    );
    Ok(())
}

/// With TLS, the headers of HTTP and all: what a leader costs the network every RetryPeriod, and what the watch shows of it.
#[tokio::test]
async fn a_renewal_beside_a_thousand_addresses_takes_two_kibibytes_each_way_at_most() -> TestResult {
    const RENEWALS: u64 = 20;
    let stage = Stage::new("renewals").await?;
    stage.door.create(json!({"subsets": addresses(1000)})).await?;
    let (lock, proxy) = stage.lock_through_a_proxy().await?;
    let Observation::Present { mut version, .. } = lock.get().await? else {
        return Err("absent".into());
    };
    let passed = || [Way::Request, Way::Reply].map(|way| proxy.passed_this_way(way));
    // The connection is there by now.
    version = swap(
        &lock,
        Expected::Version(version),
        &record("a-pod-of-some-deployment-7d9c6b5f4-x2x9z", 0),
    )
    .await?;
    let before = passed();
    for number in 1..=RENEWALS {
        let renewal = record("a-pod-of-some-deployment-7d9c6b5f4-x2x9z", i64::try_from(number)?);
        version = swap(&lock, Expected::Version(version), &renewal).await?;
    }
    let renewals = passed();
    let mut watch = watch(&lock).await?;
    shown(&mut watch).await?;
    let opened = passed();
    for number in 1..=RENEWALS {
        let renewal = record(
            "a-pod-of-some-deployment-7d9c6b5f4-x2x9z",
            i64::try_from(RENEWALS + number)?,
        );
        version = swap(&lock, Expected::Version(version), &renewal).await?;
        shown(&mut watch).await?;
    }
    let watched = passed();
    let each = |after: [u64; 2], before: [u64; 2]| {
        let [request, reply] = [0, 1].map(|way| (after[way] - before[way]).div_ceil(RENEWALS));
        [request, reply]
    };
    let [request, reply] = each(renewals, before);
    let shown = each(watched, opened)[1].saturating_sub(reply);
    println!(
        "a renewal beside 1,000 addresses: {request} bytes to the server, {reply} back; shown to a watch: {shown} more"
    );
    keep_if_asked(
        "wire-kube",
        &json!({"to the server": request, "back": reply, "shown to a watch": shown}),
    )?;
    assert!(request <= 2048 && reply <= 2048, "{request} {reply}");
    assert!(shown <= 2048, "{shown}");
    Ok(())
}

/// The measure measures: one whole object would show in it.
#[tokio::test]
async fn one_whole_object_would_be_noticed() -> TestResult {
    let stage = Stage::new("whole").await?;
    stage.door.create(json!({"subsets": addresses(1000)})).await?;
    let proxy = Proxy::before(address(stage.server))?;
    let connection = connect_through(&stage.server.kubeconfig(), &proxy.endpoint()).await?;
    KubeDoor::new(connection.client().clone(), &stage.namespace, NAME)
        .object()
        .await?;
    assert!(proxy.passed() > 50_000, "{}", proxy.passed());
    Ok(())
}

/// Foreign annotations, labels, finalizers, owners and subsets are there after an election as before it.
#[tokio::test]
async fn what_others_keep_on_the_object_survives() -> TestResult {
    let stage = Stage::new("foreign").await?;
    let foreign = json!({
        "metadata": {
            "annotations": {"example.com/note": "theirs", "example.com/empty": ""},
            "labels": {"app": "theirs"},
            "finalizers": ["example.com/theirs"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "theirs", "uid": "7"}],
        },
        "subsets": addresses(1000),
    });
    stage.door.create(foreign.clone()).await?;
    let mut candidate = Candidate::start(stage.lock.clone(), "a")?;
    candidate.leads(SOON * 2).await?;
    renewed(&mut candidate).await;
    shut_down(candidate).await?;

    let mut now = stage.door.object().await?;
    let annotations = now
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
        .ok_or("no annotations")?;
    let ours = annotations
        .remove(leaderelection_tests::kube_door::ANNOTATION)
        .ok_or("no record")?;
    let ours = LeaderElectionRecord::from_json(ours.as_str().unwrap_or_default().as_bytes())?;
    assert_eq!(ours.holder_identity, "", "released");
    for path in
        ["annotations", "labels", "finalizers", "ownerReferences"].map(|field| format!("/metadata/{field}"))
    {
        assert_eq!(now.pointer(&path), foreign.pointer(&path), "{path}");
    }
    // The server sorts them; it gives none away.
    let addresses = now
        .pointer("/subsets/0/addresses")
        .and_then(Value::as_array)
        .map(Vec::len);
    assert_eq!(addresses, Some(1000));
    // Nobody's whole object was replaced: who wrote what is told apart.
    let managers: Vec<_> = now
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("manager")?.as_str())
        .collect();
    assert!(managers.contains(&"leaderelection"), "{managers:?}");
    Ok(())
}

/// SAFETY 8: why the version 0 is never sent, and what becomes of it.
#[tokio::test]
async fn the_version_0_means_any_to_the_apiserver_and_none_to_the_lock() -> TestResult {
    let stage = Stage::new("zero").await?;
    let created = swap(&stage.lock, Expected::Absent, &record("a", 1)).await?;
    let zero = Expected::Version(Version::new(0));
    assert_eq!(
        stage.lock.compare_and_swap(zero, &record("b", 1)).await?,
        Swap::Conflict(None)
    );
    assert_eq!(
        stage.lock.get().await?,
        Observation::record(created, record("a", 1))
    );
    let forced = stage
        .door
        .patch(json!({"metadata": {"resourceVersion": "0", "labels": {"x": "y"}}}))
        .await;
    println!("a patch with resourceVersion 0 on version {created}: {forced:?}");
    assert!(forced? > created.get());
    Ok(())
}

/// SAFETY 6: two equal writes, within one second or not, are one.
#[tokio::test]
async fn an_equal_write_keeps_the_version_and_sends_no_event() -> TestResult {
    let stage = Stage::new("equal").await?;
    let created = swap(&stage.lock, Expected::Absent, &record("a", 1)).await?;
    let mut watch = watch(&stage.lock).await?;
    assert_eq!(
        shown(&mut watch).await?,
        Observation::record(created, record("a", 1))
    );
    for _ in 0..2 {
        assert_eq!(
            swap(&stage.lock, Expected::Version(created), &record("a", 1)).await?,
            created
        );
    }
    let changed = swap(&stage.lock, Expected::Version(created), &record("a", 2)).await?;
    assert_eq!(
        shown(&mut watch).await?,
        Observation::record(changed, record("a", 2))
    );
    Ok(())
}

/// Clause 7: the deletion has a version, newer than the last and older than the next.
#[tokio::test]
async fn a_deletion_is_shown_with_its_version() -> TestResult {
    let stage = Stage::new("deletion").await?;
    let created = swap(&stage.lock, Expected::Absent, &record("a", 1)).await?;
    let mut watch = watch(&stage.lock).await?;
    shown(&mut watch).await?;
    stage.door.delete().await?;
    let Observation::Absent { as_of: Some(as_of) } = shown(&mut watch).await? else {
        return Err("not a deletion with its version".into());
    };
    assert_eq!(
        stage
            .lock
            .compare_and_swap(Expected::Version(created), &record("a", 2))
            .await?,
        Swap::Conflict(Some(Observation::Absent { as_of: None }))
    );
    let again = swap(&stage.lock, Expected::Absent, &record("a", 1)).await?;
    assert!(created < as_of && as_of < again, "{created} {as_of} {again}");
    Ok(())
}
