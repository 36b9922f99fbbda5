//! The record against what other clients write: golden records, what is refused, and the round trip.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

#[path = "../fuzz/record_property.rs"]
mod record_property;

use chrono::{DateTime, Utc};
use leaderelection::LeaderElectionRecord;
use proptest::prelude::*;

macro_rules! golden {
    ($name:literal) => {
        LeaderElectionRecord::from_json(include_bytes!(concat!("records/", $name, ".json")))
            .unwrap_or_else(|error| panic!("{}: {error}", $name))
    };
}

fn utc(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().unwrap())
}

fn record(holder: &str, seconds: i64, transitions: i64) -> LeaderElectionRecord {
    LeaderElectionRecord {
        holder_identity: holder.to_owned(),
        lease_duration_seconds: seconds,
        leader_transitions: transitions,
        ..LeaderElectionRecord::default()
    }
}

#[test]
fn records_of_every_age_of_go_are_read() {
    let four = golden!("go-2016-four-fields");
    assert_eq!(four.holder_identity, "node-1");
    assert_eq!(four.renew_time, utc("2016-02-16T08:58:01Z"));
    assert_eq!(four.leader_transitions, 0, "the first form has none");

    assert_eq!(golden!("go-2016-five-fields").leader_transitions, 0);

    let nanoseconds = golden!("go-1.3-nanoseconds");
    assert_eq!(nanoseconds.acquire_time, utc("2016-07-19T14:06:21.123456789Z"));
    assert_eq!(nanoseconds.renew_time, utc("2016-07-19T16:35:06.5Z"));

    let today = golden!("go-today");
    assert_eq!((today.lease_duration_seconds, today.leader_transitions), (15, 7));
    assert_eq!(
        today.unknown_fields,
        [
            ("strategy".to_owned(), "\"\"".to_owned()),
            ("preferredHolder".to_owned(), "\"\"".to_owned())
        ]
    );

    let zero = golden!("go-zero-times");
    assert_eq!((zero.acquire_time, zero.renew_time), (None, None));
}

#[test]
fn a_go_record_is_written_back_byte_for_byte() {
    for (name, bytes) in [
        (
            "go-2016-five-fields",
            &include_bytes!("records/go-2016-five-fields.json")[..],
        ),
        ("go-today", include_bytes!("records/go-today.json")),
        ("go-released", include_bytes!("records/go-released.json")),
        ("go-zero-times", include_bytes!("records/go-zero-times.json")),
        ("year-0-and-9999", include_bytes!("records/year-0-and-9999.json")),
    ] {
        let record = LeaderElectionRecord::from_json(bytes).unwrap();
        assert_eq!(
            record.to_json(),
            std::str::from_utf8(bytes).unwrap().trim_end(),
            "{name}"
        );
    }
}

#[test]
fn times_are_written_in_whole_seconds_as_go_writes_them() {
    let json = golden!("go-1.3-nanoseconds").to_json();
    assert!(
        json.contains(r#""acquireTime":"2016-07-19T14:06:21Z","renewTime":"2016-07-19T16:35:06Z""#),
        "{json}"
    );
}

#[test]
fn records_of_the_java_client_are_read() {
    let endpoints = golden!("java-endpoints");
    assert_eq!(endpoints.renew_time, utc("2020-06-08T03:43:09.456Z"));
    assert_eq!(golden!("java-date-without-colon"), endpoints);
    assert!(golden!("java-released").is_free(), "it leaves a null holder out");
    assert_eq!(golden!("java-closed"), record("", 30, 1), "and the times");
    let owned = golden!("java-owner");
    let unknown: Vec<&str> = owned.unknown_fields.iter().map(|(name, _)| &**name).collect();
    assert_eq!(unknown, ["ownerReference"]);
    assert_eq!(
        (owned.renew_time, owned.leader_transitions),
        (endpoints.renew_time, 1)
    );
}

/// SAFETY 7: its duration has another name, so that a candidate waits its own.
#[test]
fn records_of_fabric8_are_read_but_for_their_duration() {
    let configmap = golden!("fabric8-configmap");
    assert_eq!(
        (&*configmap.holder_identity, configmap.leader_transitions),
        ("fabric8-1", 2)
    );
    assert_eq!(configmap.renew_time, utc("2023-05-04T10:20:40.654321Z"));
    assert_eq!(configmap.lease_duration_seconds, 0);
    assert_eq!(
        configmap.unknown_fields,
        [("leaseDuration".to_owned(), "15.000000000".to_owned())]
    );
}

#[test]
fn records_of_the_csharp_client_are_read() {
    let configmap = golden!("csharp-configmap");
    assert_eq!(
        (&*configmap.holder_identity, configmap.lease_duration_seconds),
        ("csharp-1", 15)
    );
    assert_eq!(configmap.renew_time, utc("2023-05-04T10:20:40.654321Z"));
}

#[test]
fn records_of_the_python_client_are_read() {
    let configmap = golden!("python-configmap");
    assert_eq!(configmap.lease_duration_seconds, 17, "written as a string");
    assert_eq!(
        configmap.renew_time,
        utc("2021-03-29T14:05:07.000001Z"),
        "neither T nor zone"
    );
    assert_eq!(
        golden!("python-whole-second").renew_time,
        utc("2021-03-29T14:05:07Z")
    );
    assert_eq!(golden!("python-nulls"), LeaderElectionRecord::default());
}

/// SAFETY 15.
#[test]
fn an_absent_null_or_empty_holder_is_free_and_a_blank_one_is_not() {
    for free in [
        golden!("holder-absent"),
        golden!("holder-null"),
        golden!("holder-empty"),
    ] {
        assert!(free.is_free());
        assert_eq!(free, record("", 15, 4), "the transitions stay");
    }
    let blank = golden!("holder-blank");
    assert!(!blank.is_free());
    assert_eq!(blank.holder_identity, " ");
    assert_eq!(golden!("holder-only"), record("bing", 0, 0));
}

#[test]
fn unknown_fields_survive_a_rewrite_as_they_were_written() {
    let read = golden!("unknown-fields");
    let mut renewed = read.clone();
    renewed.renew_time = utc("2026-01-01T00:00:00Z");
    let again = LeaderElectionRecord::from_json(renewed.to_json().as_bytes()).unwrap();
    assert_eq!(again, renewed);
    for raw in [
        r#""zone":{"name":"eu","ids":[1,2.50,1e400]}"#,
        r#""big":123456789012345678901234567890"#,
    ] {
        assert!(renewed.to_json().contains(raw), "{raw} in {}", renewed.to_json());
    }
}

#[test]
fn field_names_match_without_regard_to_case_and_the_last_counts_as_in_go() {
    assert_eq!(golden!("upper-case-names"), record("a", 15, 2));
    let twice = br#"{"holderIdentity":"a","holderIdentity":"b","x":1,"x":2}"#;
    let read = LeaderElectionRecord::from_json(twice).unwrap();
    assert_eq!(read.holder_identity, "b");
    assert_eq!(read.unknown_fields, [("x".to_owned(), "2".to_owned())]);
}

/// SAFETY 7: what they mean is the election's affair; reading loses nothing.
#[test]
fn odd_durations_are_read_as_declared() {
    assert_eq!(golden!("duration-negative").lease_duration_seconds, -1);
    assert_eq!(golden!("duration-zero").lease_duration_seconds, 0);
    assert_eq!(
        golden!("duration-2-to-the-63").lease_duration_seconds,
        i64::MAX,
        "saturating"
    );
}

#[test]
fn large_records_are_read() {
    let holder = "h".repeat(64 << 10);
    let read = LeaderElectionRecord::from_json(record(&holder, 15, 0).to_json().as_bytes()).unwrap();
    assert_eq!(read.holder_identity, holder);

    let json = format!(
        r#"{{"holderIdentity":"a","padding":"{}"}}"#,
        "p".repeat(200 << 10)
    );
    assert_eq!(
        LeaderElectionRecord::from_json(json.as_bytes())
            .unwrap()
            .holder_identity,
        "a"
    );
}

#[test]
fn what_is_no_record_is_refused_with_the_field_and_the_value() {
    for (json, expected) in [
        (&b""[..], "EOF"),
        (b"null", "expected a JSON object"),
        (b"[]", "expected a JSON object"),
        (b"\"a\"", "expected a JSON object"),
        (b"{\"holderIdentity\":\"a\"", "EOF"),
        (b"{} x", "trailing characters"),
        (b"\xFF\xFE", "expected value"),
        (b"{\"holderIdentity\":\"\xFF\"}", "unicode"),
        (
            br#"{"holderIdentity":7}"#,
            "holderIdentity: expected a string or null, found 7",
        ),
        (
            br#"{"leaseDurationSeconds":15.5}"#,
            "leaseDurationSeconds: expected a whole number, found 15.5",
        ),
        (
            br#"{"leaseDurationSeconds":"soon"}"#,
            "leaseDurationSeconds: expected a whole number, found \"soon\"",
        ),
        (
            br#"{"leaderTransitions":{}}"#,
            "leaderTransitions: expected a whole number, found {}",
        ),
        (
            br#"{"renewTime":"yesterday"}"#,
            "renewTime: expected an RFC 3339 time or null, found \"yesterday\"",
        ),
        (
            br#"{"acquireTime":1500000000}"#,
            "acquireTime: expected an RFC 3339 time or null, found 1500000000",
        ),
    ] {
        let error = LeaderElectionRecord::from_json(json).unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "{}: {error}",
            String::from_utf8_lossy(json)
        );
    }
    let long = format!(r#"{{"renewTime":"{}"}}"#, "x".repeat(100_000));
    let error = LeaderElectionRecord::from_json(long.as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.len() < 300 && error.contains("(100002 bytes)"), "{error}");
    let deep = format!(r#"{{"x":{}}}"#, "[".repeat(100_000));
    LeaderElectionRecord::from_json(deep.as_bytes()).unwrap_err();
}

fn seconds() -> impl Strategy<Value = Option<DateTime<Utc>>> {
    // Years 0 to 9999.
    proptest::option::of(
        (-62_167_219_200i64..=253_402_300_799).prop_map(|s| DateTime::from_timestamp(s, 0).unwrap()),
    )
}

/// A field's name, one of the record's or another.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(vec![
            "holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaderTransitions",
        ])
        .prop_map(str::to_owned),
        1 => "[a-zA-Z]{0,8}",
    ]
}

/// What somebody may put there: what fits, what almost does, and what does not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        seconds().prop_map(|time| match time {
            Some(time) => format!("{:?}", time.to_rfc3339()),
            None => "null".to_owned(),
        }),
        r#""[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|\+[0-9]{2}:[0-9]{2})""#,
        proptest::sample::select(vec![
            "true",
            "{}",
            "[]",
            "[[1]]",
            r#"{"a":null}"#,
            "1e400",
            "-0",
            "1.0"
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        record_property::holds(&bytes);
    }

    #[test]
    fn whatever_its_fields_hold_it_is_a_record_or_an_error(
        fields in proptest::collection::vec((field(), value()), 0..8),
        (at, byte) in any::<(proptest::sample::Index, Option<u8>)>(),
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        let mut json = format!("{{{}}}", fields.join(",")).into_bytes();
        record_property::holds(&json);
        // And with one byte put wrong.
        if let Some(byte) = byte {
            let at = at.index(json.len());
            json[at] = byte;
            record_property::holds(&json);
        }
    }

    #[test]
    fn what_is_written_is_read(
        holder in any::<String>(),
        lease_duration_seconds in any::<i64>(),
        leader_transitions in any::<i64>(),
        acquire_time in seconds(),
        renew_time in seconds(),
        unknown in proptest::collection::btree_map("x-[a-z]{1,8}", any::<i64>(), 0..4),
    ) {
        let unknown_fields = unknown.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let record = LeaderElectionRecord {
            holder_identity: holder, lease_duration_seconds, acquire_time, renew_time, leader_transitions, unknown_fields,
        };
        prop_assert_eq!(LeaderElectionRecord::from_json(record.to_json().as_bytes()).unwrap(), record);
    }
}

/// Its beginning tells what is wrong, and its end what was expected.
#[test]
fn an_error_about_a_long_text_is_short() {
    let said = LeaderElectionRecord::from_json(format!("{:?}", "é".repeat(5_000)).as_bytes());
    let said = said.unwrap_err().to_string();
    let reason = said.strip_prefix("not a leader election record: ").unwrap();
    let (head, tail) = reason.split_once(" … ").unwrap();
    assert_eq!((head.chars().count(), tail.chars().count()), (200, 120));
    assert!(head.starts_with("invalid type: string \"éé"), "{head}");
    assert!(tail.ends_with("at line 1 column 10002"), "{tail}");
    // And one that is just short enough is whole.
    let said = LeaderElectionRecord::from_json(format!("{:?}", "e".repeat(170)).as_bytes());
    assert!(said.unwrap_err().to_string().contains(&"e".repeat(170)));
}
