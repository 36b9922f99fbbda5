//! The record as an annotation, where client-go's Endpoints and ConfigMap locks keep it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use leaderelection::{Content, LeaderElectionRecord, Observation, Unreadable, Version};
use serde_json::value::RawValue;

use crate::object::Draft;
use crate::wire::Object;

/// client-go's `LeaderElectionRecordAnnotationKey` (`tools/leaderelection/resourcelock/interface.go`).
const KEY: &str = "control-plane.alpha.kubernetes.io/leader";

/// Takes the record from an object's annotations.
///
/// Only where the annotation is missing is there none. An empty one is no record, and so it holds until it is waited out
/// (SAFETY 17): who wrote it may be at work.
pub(crate) fn read(object: &Object<'_>, version: Version) -> Observation {
    let Some(annotations) = object.metadata.annotations else {
        return present(version, Content::Empty);
    };
    // Values stay unparsed: those of others are nobody's business here.
    let annotations: BTreeMap<Cow<'_, str>, &RawValue> = match serde_json::from_str(annotations.get()) {
        Ok(annotations) => annotations,
        Err(error) => return unreadable(version, annotations, &format!("metadata.annotations: {error}")),
    };
    let Some(value) = annotations.get(KEY) else {
        return present(version, Content::Empty);
    };
    match serde_json::from_str::<Cow<'_, str>>(value.get()) {
        Ok(json) => Observation::from_json(version, json.as_bytes()),
        Err(error) => unreadable(version, value, &format!("annotation {KEY}: {error}")),
    }
}

/// Puts the record into the annotations that are to be written; others stay as they are.
pub(crate) fn write(draft: &mut Draft, record: &LeaderElectionRecord) -> Result<(), String> {
    let mut json = record.to_json();
    if record.closed().is_some() {
        // client-go to 0.26 waits for its own lease, whatever a record says. But its decoder refuses a duration in quotes, and then
        // it never leads (`tryAcquireOrRenew` gives up where `Get` fails). Quotes within the holder are escaped: no such match.
        let duration = record.lease_duration_seconds;
        let name = r#""leaseDurationSeconds":"#;
        json = json.replacen(
            &format!("{name}{duration},"),
            &format!("{name}\"{duration}\","),
            1,
        );
    }
    let annotation = serde_json::Map::from_iter([(KEY.to_owned(), json.into())]);
    draft.metadata.insert("annotations".to_owned(), annotation.into());
    Ok(())
}

fn present(version: Version, content: Content) -> Observation {
    Observation::Present { version, content }
}

fn unreadable(version: Version, raw: &RawValue, reason: &str) -> Observation {
    let content = Unreadable {
        raw: raw.get().as_bytes().to_vec(),
        reason: reason.to_owned(),
    };
    present(version, Content::Unreadable(Arc::new(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(annotations: &str) -> Content {
        let json = format!(r#"{{"metadata":{{"name":"n"{annotations}}}}}"#);
        let object = Object::parse(json.as_bytes(), "n").unwrap();
        match read(&object, Version::new(7)) {
            Observation::Present { content, .. } => content,
            Observation::Absent { .. } => panic!("an object is not absent"),
        }
    }

    #[test]
    fn without_the_annotation_there_is_no_record() {
        for annotations in [
            "",
            r#","annotations":null"#,
            r#","annotations":{}"#,
            r#","annotations":{"another":"{}","third":7}"#,
        ] {
            assert_eq!(content(annotations), Content::Empty, "{annotations}");
        }
    }

    #[test]
    fn with_it_there_is_one_however_it_is_escaped() {
        for (annotation, holder) in [
            (r#""{\"holderIdentity\":\"a\"}""#, "a"),
            (r#""\u007b\"holderIdentity\":\"\\u00e4\"}""#, "ä"),
            (r#""{}""#, ""),
        ] {
            let annotations = format!(
                r#","annotations":{{"x":"y","control-plane.alpha.kubernetes.io/leader":{annotation}}}"#
            );
            match content(&annotations) {
                Content::Record(record) => assert_eq!(record.holder_identity, holder),
                other => panic!("{annotation}: {other:?}"),
            }
        }
    }

    fn written(record: &LeaderElectionRecord) -> String {
        let mut draft = Draft::default();
        write(&mut draft, record).unwrap();
        let annotations = draft.metadata.get("annotations").unwrap();
        annotations.get(KEY).unwrap().as_str().unwrap().to_owned()
    }

    /// Closed locks only, whatever their holder looks like; and what is written is what is read.
    #[test]
    fn the_duration_of_a_closed_lock_is_text() {
        let nested = r#"moved to "leaseDurationSeconds":2147483647,"#;
        for (holder, seconds, text) in [
            ("moved to leases:ns/n", i32::MAX, true),
            ("not before endpoints:ns/n", i32::MAX, true),
            (nested, i32::MAX, true),
            ("moved to leases:ns/n", 15, false),
            ("a", i32::MAX, false),
            ("", 1, false),
        ] {
            let record = LeaderElectionRecord {
                holder_identity: holder.to_owned(),
                lease_duration_seconds: seconds.into(),
                leader_transitions: 3,
                unknown_fields: vec![("strategy".to_owned(), r#""x""#.to_owned())],
                ..LeaderElectionRecord::default()
            };
            let json = written(&record);
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            let duration = value.get("leaseDurationSeconds").unwrap();
            assert_eq!(duration.is_string(), text, "{json}");
            assert_eq!(duration.is_number(), !text, "{json}");
            assert_eq!(LeaderElectionRecord::from_json(json.as_bytes()).unwrap(), record);
        }
    }

    /// SAFETY 17: held when unreadable, the empty string too.
    #[test]
    fn what_is_no_record_is_unreadable_and_raw() {
        let key = r#""control-plane.alpha.kubernetes.io/leader""#;
        for (annotations, raw) in [
            (format!(r#"{{{key}:""}}"#), ""),
            (format!(r#"{{{key}:"not yours"}}"#), "not yours"),
            (format!(r#"{{{key}:"[\"a\"]"}}"#), r#"["a"]"#),
            (format!(r#"{{{key}:"null"}}"#), "null"),
            // No apiserver serves these; something between might.
            (format!(r#"{{{key}:null}}"#), "null"),
            (format!(r#"{{{key}:7}}"#), "7"),
            (
                format!(r#"{{{key}:{{"holderIdentity":"a"}}}}"#),
                r#"{"holderIdentity":"a"}"#,
            ),
            ("[1]".to_owned(), "[1]"),
        ] {
            match content(&format!(r#","annotations":{annotations}"#)) {
                Content::Unreadable(found) => {
                    assert_eq!(String::from_utf8_lossy(&found.raw), raw, "{annotations}");
                    assert!(!found.reason.is_empty(), "{annotations}");
                }
                other => panic!("{annotations}: {other:?}"),
            }
        }
    }
}
