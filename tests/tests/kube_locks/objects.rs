//! What stays on an object, and what one is made with.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use leaderelection_tests::kube_door::ANNOTATION;
use serde_json::{Value, json};

use super::*;

/// What others keep on an object of that kind beside its metadata.
fn body(kind: Kind) -> (&'static str, Value) {
    match kind {
        Kind::Endpoints => (
            "subsets",
            json!([{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}]),
        ),
        Kind::ConfigMap => ("data", json!({"theirs": "value", "empty": ""})),
        // Its spec is the record, and what else may be in it has a test of its own.
        Kind::Lease => ("spec", json!({})),
    }
}

fn managers(object: &Value) -> Vec<&str> {
    object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("manager")?.as_str())
        .collect()
}

/// Foreign annotations, labels, finalizers, owners, subsets and data, and which of them are written between two renewals.
#[tokio::test]
async fn what_others_keep_on_the_object_survives_every_write() -> TestResult {
    for kind in Kind::ALL {
        let stage = Stage::new(kind, "foreign").await?;
        let (field, theirs) = body(kind);
        let foreign = json!({
            "metadata": {
                "annotations": {"example.com/note": "theirs", "example.com/empty": ""},
                "labels": {"app": "theirs"},
                "finalizers": ["example.com/theirs"],
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "theirs", "uid": "7"}],
            },
            field: theirs,
        });
        stage.door.create(foreign.clone()).await?;
        let (empty, content) = shown(&*stage.lock).await?;
        assert_eq!(content, Content::Empty, "{kind:?}");
        let mut version = empty;
        for written in [record("a", 15), record("a", 16), record("", 1), record("b", 15)] {
            version = swap(&*stage.lock, Expected::Version(version), &written).await?;
            assert_eq!(*held(&*stage.lock).await?, written, "{kind:?}");
        }
        let mut now = stage.door.object().await?;
        if let Some(annotations) = now
            .pointer_mut("/metadata/annotations")
            .and_then(Value::as_object_mut)
        {
            assert_eq!(annotations.remove(ANNOTATION).is_none(), kind == Kind::Lease);
        }
        for path in ["annotations", "labels", "finalizers", "ownerReferences"]
            .map(|field| format!("/metadata/{field}"))
        {
            assert_eq!(now.pointer(&path), foreign.pointer(&path), "{kind:?} {path}");
        }
        if kind != Kind::Lease {
            assert_eq!(now.get(field), foreign.get(field), "{kind:?}");
        }
        assert!(managers(&now).contains(&"leaderelection"), "{:?}", managers(&now));
        let labelled = stage.door.touch().await?;
        assert_eq!(
            stage
                .lock
                .compare_and_swap(Expected::Version(version), &record("a", 15))
                .await?,
            Swap::Conflict(None)
        );
        assert_eq!(
            shown(&*stage.lock).await?,
            (Version::new(labelled), Content::Record(Arc::new(record("b", 15)))),
            "a label is no renewal"
        );
    }
    Ok(())
}

fn owner(name: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-of-{name}"),
        controller: (name == "first").then_some(true),
        ..OwnerReference::default()
    }
}

/// The same methods on locks of different types.
macro_rules! with_all {
    ($lock:expr) => {
        Arc::new(
            $lock?
                .with_labels([("app.kubernetes.io/name", "mine"), ("empty", "")])?
                .with_owner_reference(owner("first"))?
                .with_owner_reference(owner("second"))?
                .with_field_manager("my tool/1.0 ä")?,
        )
    };
}

fn with_all(stage: &Stage, kind: Kind) -> Result<Arc<dyn ResourceLock>, Box<dyn Error>> {
    let (kube, namespace) = (&stage.kube, &stage.namespace);
    Ok(match kind {
        Kind::Endpoints => with_all!(kube.endpoints(namespace, NAME)),
        Kind::ConfigMap => with_all!(kube.config_map(namespace, NAME)),
        Kind::Lease => with_all!(kube.lease(namespace, NAME)),
    })
}

#[tokio::test]
async fn an_object_is_made_with_labels_owners_and_in_the_name_that_were_chosen() -> TestResult {
    for kind in Kind::ALL {
        let stage = Stage::new(kind, "made").await?;
        let lock = with_all(&stage, kind)?;
        let created = swap(&*lock, Expected::Absent, &record("a", 15)).await?;
        swap(&*lock, Expected::Version(created), &record("a", 16)).await?;
        let object = stage.door.object().await?;
        let metadata = object.get("metadata").ok_or("no metadata")?;
        assert_eq!(
            metadata.get("labels"),
            Some(&json!({"app.kubernetes.io/name": "mine", "empty": ""})),
            "{kind:?}"
        );
        let reference = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": format!("uid-of-{name}")});
        let mut first = reference("first");
        first["controller"] = true.into();
        assert_eq!(
            metadata.get("ownerReferences"),
            Some(&json!([first, reference("second")])),
            "{kind:?}"
        );
        let managers = managers(&object);
        assert!(
            managers.iter().all(|manager| *manager == "my tool/1.0 ä") && !managers.is_empty(),
            "{managers:?}"
        );
    }
    Ok(())
}

/// They are for the creation: who finds an object leaves it as it is.
#[tokio::test]
async fn an_object_that_exists_keeps_its_own_labels_and_owners() -> TestResult {
    for kind in Kind::ALL {
        let stage = Stage::new(kind, "kept").await?;
        let lock = with_all(&stage, kind)?;
        let labels = json!({"empty": "theirs"});
        let made = stage.door.create(json!({"metadata": {"labels": labels}})).await?;
        swap(&*lock, Expected::Version(Version::new(made)), &record("a", 15)).await?;
        let object = stage.door.object().await?;
        assert_eq!(object.pointer("/metadata/labels"), Some(&labels), "{kind:?}");
        assert_eq!(object.pointer("/metadata/ownerReferences"), None, "{kind:?}");
    }
    Ok(())
}
