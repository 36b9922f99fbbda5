//! What an object is created with beside the record, and in whose name the record is written.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::names;
use crate::setup::SetupError;

/// What the apiserver allows (`FieldManagerMaxLength` in `apimachinery/pkg/apis/meta/v1/validation`).
const LONGEST_FIELD_MANAGER: usize = 128;

/// In whose name everything is written unless the user says another.
pub(crate) const FIELD_MANAGER: &str = "leaderelection";

#[derive(Clone)]
pub(crate) struct Creation {
    labels: Map<String, Value>,
    owners: Vec<OwnerReference>,
    /// Whom the apiserver notes in `managedFields` as the one who wrote the record; as it stands in a URL.
    field_manager: String,
}

impl Default for Creation {
    fn default() -> Self {
        Self {
            labels: Map::new(),
            owners: Vec::new(),
            field_manager: FIELD_MANAGER.to_owned(),
        }
    }
}

impl Creation {
    pub(crate) fn add_label(&mut self, key: String, value: String) -> Result<(), SetupError> {
        match names::label_key(&key).and_then(|()| names::label_value(&value)) {
            Ok(()) => {
                self.labels.insert(key, value.into());
                Ok(())
            }
            Err(problem) => Err(SetupError::BadLabel { key, value, problem }),
        }
    }

    pub(crate) fn add_owner(&mut self, owner: OwnerReference) -> Result<(), SetupError> {
        let is_controller = |owner: &OwnerReference| owner.controller == Some(true);
        let second_controller = is_controller(&owner) && self.owners.iter().any(is_controller);
        match problem_of(&owner).or(second_controller.then_some("another owner is the controller already")) {
            None => {
                self.owners.push(owner);
                Ok(())
            }
            Some(problem) => Err(SetupError::BadOwnerReference {
                api_version: owner.api_version,
                kind: owner.kind,
                name: owner.name,
                uid: owner.uid,
                problem,
            }),
        }
    }

    pub(crate) fn set_field_manager(&mut self, name: String) -> Result<(), SetupError> {
        let printable = |letter: char| letter == ' ' || !(letter.is_control() || letter.is_whitespace());
        let problem = if name.is_empty() {
            "it is empty"
        } else if name.len() > LONGEST_FIELD_MANAGER {
            "it is longer than 128 bytes"
        } else if !name.chars().all(printable) {
            "it has a character that cannot be printed"
        } else {
            self.field_manager = utf8_percent_encode(&name, NON_ALPHANUMERIC).to_string();
            return Ok(());
        };
        Err(SetupError::BadFieldManager { name, problem })
    }

    /// Puts labels and owners on an object that is to be created.
    pub(crate) fn complete(&self, metadata: &mut Map<String, Value>) {
        if !self.labels.is_empty() {
            metadata.insert("labels".to_owned(), self.labels.clone().into());
        }
        if !self.owners.is_empty() {
            let owners: Vec<_> = self.owners.iter().map(reference).collect();
            metadata.insert("ownerReferences".to_owned(), owners.into());
        }
    }

    /// A path to write to.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{path}?fieldManager={}", self.field_manager)
    }
}

/// As the apiserver's `validateOwnerReference`.
fn problem_of(owner: &OwnerReference) -> Option<&'static str> {
    let (group, version) = match owner.api_version.split_once('/') {
        Some((group, version)) => (Some(group), version),
        None => (None, owner.api_version.as_str()),
    };
    if version.is_empty() || version.contains('/') || group == Some("") {
        Some("its apiVersion is not VERSION or GROUP/VERSION")
    } else if owner.kind.is_empty() {
        Some("its kind is empty")
    } else if owner.name.is_empty() {
        Some("its name is empty")
    } else if owner.uid.is_empty() {
        Some("its uid is empty")
    } else {
        None
    }
}

fn reference(owner: &OwnerReference) -> Value {
    let mut fields = Map::new();
    for (field, value) in [
        ("apiVersion", &owner.api_version),
        ("kind", &owner.kind),
        ("name", &owner.name),
        ("uid", &owner.uid),
    ] {
        fields.insert(field.to_owned(), value.as_str().into());
    }
    for (field, value) in [
        ("controller", owner.controller),
        ("blockOwnerDeletion", owner.block_owner_deletion),
    ] {
        if let Some(value) = value {
            fields.insert(field.to_owned(), value.into());
        }
    }
    fields.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(api_version: &str, kind: &str, name: &str, uid: &str) -> OwnerReference {
        OwnerReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            ..OwnerReference::default()
        }
    }

    #[test]
    fn what_was_chosen_is_written() {
        let mut creation = Creation::default();
        assert_eq!(creation.path("/p"), "/p?fieldManager=leaderelection");
        let mut metadata = Map::new();
        creation.complete(&mut metadata);
        assert!(metadata.is_empty());

        creation.set_field_manager("my tool/1 ä&".to_owned()).unwrap();
        assert_eq!(creation.path("/p"), "/p?fieldManager=my%20tool%2F1%20%C3%A4%26");
        creation.add_label("app".to_owned(), "first".to_owned()).unwrap();
        creation.add_label("app".to_owned(), String::new()).unwrap();
        let controller = OwnerReference {
            controller: Some(true),
            block_owner_deletion: Some(false),
            ..owner("apps/v1", "Deployment", "d", "7")
        };
        creation.add_owner(controller).unwrap();
        creation.add_owner(owner("v1", "Service", "s", "8")).unwrap();
        creation.complete(&mut metadata);
        assert_eq!(
            Value::Object(metadata),
            serde_json::json!({
                "labels": {"app": ""},
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "7", "controller": true, "blockOwnerDeletion": false},
                    {"apiVersion": "v1", "kind": "Service", "name": "s", "uid": "8"},
                ],
            })
        );
    }

    #[test]
    fn what_kubernetes_refuses_is_an_error_that_names_it() {
        let mut creation = Creation::default();
        for (key, value, said) in [
            ("", "v", "label \"\" = \"v\": its key"),
            ("a/b/c", "v", "label \"a/b/c\" = \"v\": its key"),
            ("k", "no blanks", "label \"k\" = \"no blanks\": its value"),
        ] {
            let error = creation.add_label(key.to_owned(), value.to_owned()).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        for (refused, said) in [
            (owner("", "K", "n", "u"), "its apiVersion"),
            (owner("/v1", "K", "n", "u"), "its apiVersion"),
            (owner("g/", "K", "n", "u"), "its apiVersion"),
            (owner("g/v/x", "K", "n", "u"), "its apiVersion"),
            (owner("v1", "", "n", "u"), "its kind is empty"),
            (owner("v1", "K", "", "u"), "its name is empty"),
            (
                owner("v1", "K", "n", ""),
                "K \"n\" (apiVersion \"v1\", uid \"\"): its uid is empty",
            ),
        ] {
            let error = creation.add_owner(refused).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        let controller = OwnerReference {
            controller: Some(true),
            ..owner("v1", "K", "n", "u")
        };
        creation.add_owner(controller.clone()).unwrap();
        let error = creation.add_owner(controller).unwrap_err();
        assert!(error.to_string().contains("is the controller already"), "{error}");
        for (name, said) in [
            ("", "\"\": it is empty"),
            (&*"m".repeat(129), "longer than 128"),
            ("a\nb", "\"a\\nb\": it has a character"),
            ("a\u{a0}b", "cannot be printed"),
        ] {
            let error = creation.set_field_manager(name.to_owned()).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
