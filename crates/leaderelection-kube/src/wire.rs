//! The parts of the apiserver's JSON that a lock looks at. Everything else stays unparsed.

use std::borrow::Cow;

use leaderelection::Version;
use serde::Deserialize;
use serde_json::value::RawValue;

/// An object, or its metadata alone (`PartialObjectMetadata`).
#[derive(Deserialize)]
pub(crate) struct Object<'a> {
    #[serde(borrow)]
    pub(crate) metadata: Metadata<'a>,
    pub(crate) spec: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) annotations: Option<&'a RawValue>,
}

/// One line of a watch.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) object: &'a RawValue,
}

impl<'a> Object<'a> {
    /// An answer about the object of that name, or what is wrong with it.
    pub(crate) fn parse(json: &'a [u8], name: &str) -> Result<Self, String> {
        let object = Self::any(json)?;
        match &*object.metadata.name {
            its_name if its_name == name => Ok(object),
            other => Err(format!("the answer is about an object named {other:?}")),
        }
    }

    /// An object of whatever name.
    pub(crate) fn any(json: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| format!("the answer is no object: {error}"))
    }

    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Its resourceVersion. Kubernetes calls it opaque, but it is a decimal number, and comparable since 1.35.
    pub(crate) fn version(&self) -> Result<Version, String> {
        let text = &*self.metadata.resource_version;
        let canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if canonical => Ok(Version::new(number)),
            _ => Err(format!("resourceVersion {text:?} is not a positive number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Result<Version, String> {
        let json = format!(r#"{{"metadata":{{"name":"n","resourceVersion":{text}}}}}"#);
        Object::parse(json.as_bytes(), "n")?.version()
    }

    #[test]
    fn a_version_is_a_positive_number() {
        assert_eq!(version(r#""1""#), Ok(Version::new(1)));
        assert_eq!(version(r#""18446744073709551615""#), Ok(Version::new(u64::MAX)));
        for text in [
            r#""""#,
            r#""0""#,
            r#""007""#,
            r#""+7""#,
            r#""-7""#,
            r#"" 7""#,
            r#""7a""#,
            r#""opaque""#,
            r#""18446744073709551616""#,
        ] {
            let error = version(text).unwrap_err();
            assert!(error.contains("is not a positive number"), "{text}: {error}");
        }
        assert!(version("7").unwrap_err().contains("no object"));
    }

    #[test]
    fn an_answer_is_about_the_object_that_was_asked_for() {
        for (json, said) in [
            ("<html>", "no object"),
            ("[]", "no object"),
            ("{}", "no object"),
            (r#"{"metadata":7}"#, "no object"),
            (r#"{"metadata":{}}"#, "named \"\""),
            (r#"{"metadata":{"name":"other"}}"#, "named \"other\""),
        ] {
            let error = Object::parse(json.as_bytes(), "n").err().unwrap();
            assert!(error.contains(said), "{json}: {error}");
        }
    }
}
