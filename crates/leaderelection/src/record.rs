//! The record that candidates share: its meaning, and its wire form as Kubernetes' Go package reads and writes it.
//!
//! Source of the form: `LeaderElectionRecord` in client-go `tools/leaderelection/resourcelock/interface.go`.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Who leads, since when, and for how long others have to respect it.
///
/// The JSON is that of the Go package: the five fields in its order, none omitted, times in RFC 3339 UTC with whole
/// seconds, a missing time as `null`. Reading is as tolerant as the clients in the field are different:
///
/// * field names match without regard to case, and the last of two equal names counts, as in Go;
/// * `leaseDurationSeconds` and `leaderTransitions` may be missing, `null`, or (Python) a string of digits; a number
///   beyond 64 bits saturates;
/// * times may carry any fraction (1.3-era Go), lack the colon in the offset, or have Python's `str(datetime)` form;
/// * an absent, `null` or empty holder means that nobody holds it ([`is_free`](Self::is_free), SAFETY 15).
///
/// Fields that this version does not know (`strategy`, `preferredHolder`, a stranger's) are kept as they were written
/// and survive a rewrite.
///
/// Times are informational: no candidate compares them with its clock.
///
/// ```
/// use leaderelection::LeaderElectionRecord;
///
/// let record = LeaderElectionRecord::from_json(br#"{"holderIdentity":"a_1","leaseDurationSeconds":15}"#)?;
/// assert_eq!(record.holder_identity, "a_1");
/// assert!(!record.is_free());
/// # Ok::<(), leaderelection::RecordError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LeaderElectionRecord {
    /// Who holds the election. Empty means nobody; a blank `" "` is held, as in Go.
    pub holder_identity: String,
    /// How long others must see the record stand still before they may take over, in seconds. 0 where the record has
    /// none.
    pub lease_duration_seconds: i64,
    /// When the holder acquired it, by the holder's wall clock.
    pub acquire_time: Option<DateTime<Utc>>,
    /// When the holder last renewed it, by the holder's wall clock.
    pub renew_time: Option<DateTime<Utc>>,
    /// How often the election has been acquired since the record was created, without the creation itself.
    pub leader_transitions: i64,
    /// Fields that this version does not know: name and raw JSON text, in the order in which they stood.
    pub unknown_fields: Vec<(String, String)>,
}

/// Why bytes are not a leader election record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a leader election record: {reason}")]
pub struct RecordError {
    reason: String,
}

impl LeaderElectionRecord {
    /// Whether nobody holds the election: the holder is absent, `null` or empty (SAFETY 15).
    pub fn is_free(&self) -> bool {
        self.holder_identity.is_empty()
    }

    /// Reads a record from JSON.
    ///
    /// # Errors
    /// When the bytes are not a JSON object, or a known field has a type or a form that no client writes. The error
    /// names the field and shows the value.
    pub fn from_json(json: &[u8]) -> Result<Self, RecordError> {
        serde_json::from_slice(json).map_err(|error| RecordError {
            reason: shortened(&error.to_string()),
        })
    }

    /// Writes the record as the Go package does, unknown fields after the known ones.
    pub fn to_json(&self) -> String {
        // Serializing to a string fails only for maps with keys that are not strings; there are none here, and the raw
        // values were JSON when they were read. Values that a user made up and that are not JSON are left out.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// For a log: serde repeats a string that stands where the record should, however long it is.
fn shortened(reason: &str) -> String {
    const HEAD: usize = 200;
    const TAIL: usize = 120;
    let length = reason.chars().count();
    if length <= HEAD + TAIL {
        return reason.to_owned();
    }
    let head: String = reason.chars().take(HEAD).collect();
    let tail: String = reason.chars().skip(length - TAIL).collect();
    format!("{head} … {tail}")
}

impl Serialize for LeaderElectionRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("holderIdentity", &self.holder_identity)?;
        map.serialize_entry("leaseDurationSeconds", &self.lease_duration_seconds)?;
        map.serialize_entry("acquireTime", &self.acquire_time.map(go_time))?;
        map.serialize_entry("renewTime", &self.renew_time.map(go_time))?;
        map.serialize_entry("leaderTransitions", &self.leader_transitions)?;
        for (name, raw) in &self.unknown_fields {
            if let Ok(value) = serde_json::from_str::<&RawValue>(raw) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// `metav1.Time` on the wire: RFC 3339, UTC, whole seconds.
fn go_time(time: DateTime<Utc>) -> String {
    writable(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The nearest time that RFC 3339 can write: it has the years 0 to 9999. Times only inform, so a stranger's odd one is no
/// reason to call the whole record unreadable.
fn writable(time: DateTime<Utc>) -> DateTime<Utc> {
    const FIRST: i64 = -62_167_219_200;
    const LAST: i64 = 253_402_300_799;
    match time.timestamp() {
        FIRST..=LAST => time,
        seconds => DateTime::from_timestamp(seconds.clamp(FIRST, LAST), 0).unwrap_or(time),
    }
}

impl<'de> Deserialize<'de> for LeaderElectionRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = LeaderElectionRecord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with the fields of a leader election record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut record = LeaderElectionRecord::default();
        while let Some(name) = map.next_key::<String>()? {
            let raw: Box<RawValue> = map.next_value()?;
            let raw = raw.get();
            let field =
                |problem: &str| de::Error::custom(format!("{name}: {problem}, found {}", shorten(raw)));
            match name.to_ascii_lowercase().as_str() {
                "holderidentity" => record.holder_identity = text(raw).map_err(field)?.unwrap_or_default(),
                "leasedurationseconds" => record.lease_duration_seconds = integer(raw).map_err(field)?,
                "acquiretime" => record.acquire_time = time(raw).map_err(field)?,
                "renewtime" => record.renew_time = time(raw).map_err(field)?,
                "leadertransitions" => record.leader_transitions = integer(raw).map_err(field)?,
                _ => {
                    record.unknown_fields.retain(|(known, _)| *known != name);
                    record.unknown_fields.push((name, raw.to_owned()));
                }
            }
        }
        Ok(record)
    }
}

/// The start of a raw value: enough to recognise it, not enough to fill a log.
fn shorten(raw: &str) -> String {
    const SHOWN: usize = 60;
    match raw.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", raw.get(..end).unwrap_or_default(), raw.len()),
        None => raw.to_owned(),
    }
}

fn text(raw: &str) -> Result<Option<String>, &'static str> {
    serde_json::from_str(raw).map_err(|_| "expected a string or null")
}

fn integer(raw: &str) -> Result<i64, &'static str> {
    const EXPECTED: &str = "expected a whole number";
    if raw == "null" {
        return Ok(0);
    }
    // Python's client writes the duration as a string.
    let digits = match serde_json::from_str::<String>(raw) {
        Ok(quoted) => quoted.trim().to_owned(),
        Err(_) => raw.to_owned(),
    };
    let unsigned = digits.strip_prefix('-').unwrap_or(&digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(EXPECTED);
    }
    // Only digits are left, so a failure is a number beyond 64 bits: as declared, saturating (SAFETY 7).
    Ok(digits.parse().unwrap_or(if digits.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    }))
}

fn time(raw: &str) -> Result<Option<DateTime<Utc>>, &'static str> {
    const EXPECTED: &str = "expected an RFC 3339 time or null";
    let Some(text) = serde_json::from_str::<Option<String>>(raw).map_err(|_| EXPECTED)? else {
        return Ok(None);
    };
    let zoned = DateTime::parse_from_rfc3339(&text)
        .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%:z"))
        .map(|time| time.with_timezone(&Utc));
    let time = zoned.or_else(|_| {
        // Python's str(datetime): no zone, meant as UTC.
        NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").map(|naive| naive.and_utc())
    });
    time.map(|time| Some(writable(time))).map_err(|_| EXPECTED)
}
