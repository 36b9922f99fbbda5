//! One look at every kind of record.

use std::time::Duration;

use expect_test::{Expect, expect};
use leaderelection::{Content, LockError, LockErrorKind, Observation, Version};

use super::super::report::{Report, State};
use super::super::seen::{Event, Unreachable, Viewer};
use super::super::{json as as_json, text};
use super::{at, json, record};

fn look(observation: Observation) -> Report {
    let mut viewer = Viewer::default();
    viewer.read(at(10).mono, observation);
    Report::new("etcd://h:1/k", &viewer, None, at(10))
}

#[track_caller]
fn said(observation: Observation, expected: &Expect) {
    let report = look(observation);
    expected.assert_eq(&format!(
        "exit {}\n{}",
        report.state.exit_code(),
        text::lines(&report)
    ));
}

#[test]
fn a_leader() {
    said(
        json(17, &record("a_1", 0, 8, 3)),
        &expect![[r#"
        exit 0
        lock          etcd://h:1/k
        state         led by "a_1"
        holder        "a_1"
        since         2026-01-01T00:00:00Z by the holder's clock
        last renewal  2026-01-01T00:00:08Z by the holder's clock; from here one look does not tell when
        lease         15s, of which at most 15s are left: how long it stood still before this look is not known
        transitions   3
        version       17, which grows with every renewal
        token         at most 17: it is the version of the write that acquired the lease, which this look may not have seen
    "#]],
    );
}

/// The names of the fields and their order are promised.
#[test]
fn json_has_every_field() {
    let report = look(json(17, &record("a_1", 0, 8, 3)));
    expect![[r#"
        {"lock":"etcd://h:1/k","at":"2026-01-01T00:00:10.000Z","event":null,"state":"led","reason":null,"message":"led by \"a_1\"","holderIdentity":"a_1","leaseDurationSeconds":15,"acquireTime":"2026-01-01T00:00:00Z","renewTime":"2026-01-01T00:00:08Z","leaderTransitions":3,"version":17,"token":null,"tokenAtMost":17,"renewalSeenSecondsAgo":null,"stoodStillSecondsAtLeast":0.0,"leaseLeftSecondsAtMost":15.0,"otherFields":{},"problems":[]}
    "#]].assert_eq(&as_json(&report));
    let report = look(Observation::Absent { as_of: None });
    expect![[r#"
        {"lock":"etcd://h:1/k","at":"2026-01-01T00:00:10.000Z","event":null,"state":"free","reason":"noObject","message":"free: there is no object, as before the first election, or when somebody has deleted it","holderIdentity":null,"leaseDurationSeconds":null,"acquireTime":null,"renewTime":null,"leaderTransitions":null,"version":null,"token":null,"tokenAtMost":null,"renewalSeenSecondsAgo":null,"stoodStillSecondsAtLeast":null,"leaseLeftSecondsAtMost":null,"otherFields":{},"problems":[]}
    "#]].assert_eq(&as_json(&report));
    // The help names each of them.
    let help = <super::super::StatusArgs as clap::Args>::augment_args(clap::Command::new("status"))
        .render_long_help()
        .to_string();
    let value: serde_json::Value = serde_json::from_str(&as_json(&report)).unwrap();
    let fields = value.as_object().unwrap();
    assert_eq!(fields.len(), 19);
    for field in fields.keys() {
        assert!(help.contains(field.as_str()), "{field}");
    }
}

#[test]
fn free_and_why() {
    said(
        Observation::Absent {
            as_of: Some(Version::new(9)),
        },
        &expect![[r#"
            exit 3
            lock          etcd://h:1/k
            state         free: there is no object, as before the first election, or when somebody has deleted it
        "#]],
    );
    let empty = Observation::Present {
        version: Version::new(7),
        content: Content::Empty,
    };
    said(
        empty,
        &expect![[r#"
            exit 3
            lock          etcd://h:1/k
            state         free: there is an object, and no record in it
            version       7
        "#]],
    );
    let released = record("", 9, 9, 4).replace(r#""leaseDurationSeconds":15"#, r#""leaseDurationSeconds":1"#);
    said(
        json(18, &released),
        &expect![[r#"
            exit 3
            lock          etcd://h:1/k
            state         free: the last leader has released it
            transitions   4
            version       18
        "#]],
    );
    said(
        json(18, &record("", 0, 8, 3)),
        &expect![[r#"
            exit 3
            lock          etcd://h:1/k
            state         free: the record names no holder, and is no release as this project and client-go write it
            transitions   3
            version       18
        "#]],
    );
    said(
        json(18, "{}"),
        &expect![[r#"
            exit 3
            lock          etcd://h:1/k
            state         free: the record names no holder, and is no release as this project and client-go write it
            transitions   0
            version       18
        "#]],
    );
}

#[test]
fn closed_by_a_move() {
    for (holder, expected) in [
        (
            "moved to leases:ns/job",
            expect![[r#"
                exit 1
                lock          etcd://h:1/k
                state         closed: the election was moved to leases:ns/job; nobody leads by this lock
                transitions   3
                version       17
            "#]],
        ),
        (
            "not before etcd:old",
            expect![[r#"
                exit 1
                lock          etcd://h:1/k
                state         closed: the election is to come here from etcd:old; nobody leads by this lock before
                transitions   3
                version       17
            "#]],
        ),
    ] {
        let record = record(holder, 0, 0, 3).replace(
            r#""leaseDurationSeconds":15"#,
            r#""leaseDurationSeconds":2147483647"#,
        );
        said(json(17, &record), &expected);
    }
}

#[test]
fn unreadable_and_why() {
    for (raw, expected) in [
        (
            "hello",
            expect![[r#"
                exit 4
                lock          etcd://h:1/k
                state         unreadable: not a leader election record: expected value at line 1 column 1; candidates wait for their own lease and take it over
                version       17
            "#]],
        ),
        (
            r#"{"holderIdentity":"a","leaseDurationSeconds":"soon"}"#,
            expect![[r#"
                exit 4
                lock          etcd://h:1/k
                state         unreadable: not a leader election record: leaseDurationSeconds: expected a whole number, found "soon" at line 1 column 52; candidates wait for their own lease and take it over
                version       17
            "#]],
        ),
    ] {
        said(json(17, raw), &expected);
    }
}

#[test]
fn other_fields_are_shown() {
    let record = record("a_1", 0, 8, 3);
    let more = r#","strategy":"OldestEmulationVersion","preferredHolder":"b_2"}"#;
    said(
        json(17, &format!("{}{more}", record.trim_end_matches('}'))),
        &expect![[r#"
            exit 0
            lock          etcd://h:1/k
            state         led by "a_1"
            holder        "a_1"
            since         2026-01-01T00:00:00Z by the holder's clock
            last renewal  2026-01-01T00:00:08Z by the holder's clock; from here one look does not tell when
            lease         15s, of which at most 15s are left: how long it stood still before this look is not known
            transitions   3
            version       17, which grows with every renewal
            token         at most 17: it is the version of the write that acquired the lease, which this look may not have seen
            other field   preferredHolder: "b_2"
            other field   strategy: "OldestEmulationVersion"
        "#]],
    );
}

#[test]
fn what_is_odd_is_a_problem() {
    for (record, codes) in [
        (record("a_1", 0, 8, 3), &[][..]),
        (
            r#"{"holderIdentity":"bing"}"#.to_owned(),
            &["missingDuration", "missingAcquireTime", "missingRenewTime"],
        ),
        (
            record("a_1", 0, 8, 3).replace(":15,", ":-1,"),
            &["missingDuration"],
        ),
        (
            record("a_1", 0, 8, 3).replace(":15,", ":0,"),
            &["missingDuration"],
        ),
        (record("a_1", 0, 8, 3).replace(":15,", ":86400,"), &[]),
        (
            record("a_1", 0, 8, 3).replace(":15,", ":86401,"),
            &["absurdDuration"],
        ),
        // Only a holder that says so closes a lock.
        (
            record("a_1", 0, 8, 3).replace(":15,", ":2147483647,"),
            &["absurdDuration"],
        ),
        (record("a_1", 9, 8, 3), &["renewedBeforeAcquired"]),
        (record("a_1", 0, 20, 3), &[]),
        (record("a_1", 0, 21, 3), &["inTheFuture"]),
        (record("a_1", 3600, 3600, 3), &["inTheFuture"]),
        (record(" ", 0, 8, 3), &["blankHolder"]),
        (record("a_1", 0, 8, -1), &["oddTransitions"]),
        (record("a_1", 0, 8, 2_147_483_648), &["oddTransitions"]),
        (record("a_1", 0, 8, 2_147_483_647), &[]),
        // A Lease's have microseconds.
        (record("a_1", 0, 8, 3).replace("08Z", "08.000001Z"), &[]),
        (
            record("a_1", 0, 8, 3).replace("08Z", "08.000000001Z"),
            &["formOf2016"],
        ),
        (record("", 0, 8, 3).replace(":15,", ":0,"), &[]),
    ] {
        let report = look(json(17, &record));
        let found: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(found, codes, "{record}");
        assert!(text::lines(&report).matches("\nproblem ").count() == codes.len());
    }
}

#[test]
fn unreachable_and_why() {
    let failed = |kind| Unreachable::Failed(LockError::new(kind, "get of etcd://h:1/k: so it is"));
    let slow = Unreachable::TimedOut {
        what: "read",
        after: Duration::from_secs(10),
    };
    for (why, reason, said) in [
        (
            failed(LockErrorKind::Denied),
            "denied",
            "unreachable: denied: get of etcd://h:1/k: so it is",
        ),
        (
            failed(LockErrorKind::Unavailable),
            "unavailable",
            "unreachable: unavailable: get of",
        ),
        (
            failed(LockErrorKind::Invalid),
            "invalid",
            "unreachable: invalid: get of",
        ),
        (slow, "timedOut", "unreachable: no answer to a read within 10s"),
    ] {
        let mut viewer = Viewer::default();
        viewer.failed(why);
        let report = Report::new("etcd://h:1/k", &viewer, None, at(10));
        assert_eq!((report.state, report.reason), (State::Unreachable, Some(reason)));
        assert_eq!(report.state.exit_code(), 5);
        assert!(report.message.starts_with(said), "{}", report.message);
    }
}

/// What a record says is neither a line of its own nor a word to the terminal.
#[test]
fn a_record_forges_no_lines() {
    let forged = r#"{"holderIdentity":"a\nstate         free","leaseDurationSeconds":15,"x\nstate         free\u001b[2J":"\u009b2J\u2028"}"#;
    let mut viewer = Viewer::default();
    let event = viewer.read(at(0).mono, json(17, forged));
    let looked = Report::new("etcd://h:1/k", &viewer, None, at(0));
    let lines = text::lines(&looked);
    let watched = text::line(
        &Report::new("etcd://h:1/k", &viewer, event, at(0)),
        &mut Vec::new(),
    );
    for text in [&lines, &watched] {
        assert!(
            !text.replace('\n', "").contains(|c: char| c.is_control()),
            "{text:?}"
        );
    }
    assert_eq!(lines.matches("\nstate ").count(), 1, "{lines}");
    assert_eq!(watched.matches('\n').count(), 1, "{watched}");
    assert!(lines.contains(r"x\nstate         free\u{1b}[2J"), "{lines}");
}

/// SAFETY 16: every acquisition adds one to the transitions, so one that is alike in all else is another term, with another token.
#[test]
fn another_transition_is_another_term() {
    let mut viewer = Viewer::default();
    viewer.read(at(0).mono, json(17, &record("a_1", 0, 0, 3)));
    for (version, transitions, event, token) in [
        (18, 3, Some(Event::Touched), 17),
        (19, 4, Some(Event::Acquired), 19),
    ] {
        let seen = viewer.read(at(1).mono, json(version, &record("a_1", 0, 0, transitions)));
        assert_eq!(seen, event);
        let report = Report::new("etcd://h:1/k", &viewer, seen, at(1));
        assert_eq!((report.token, report.token_at_most), (None, Some(token)));
    }
}

/// Of a lock that cannot be seen nobody says that its lease has run out.
#[test]
fn what_cannot_be_seen_does_not_run_out() {
    let mut viewer = Viewer::default();
    viewer.read(at(0).mono, json(17, &record("a_1", 0, 0, 3)));
    let timed_out = Unreachable::TimedOut {
        what: "read",
        after: Duration::from_secs(10),
    };
    assert_eq!(viewer.failed(timed_out), Some(Event::Unreachable));
    assert_eq!(viewer.look_at_the_clock(at(60).mono), None);
    viewer.read(at(61).mono, json(17, &record("a_1", 0, 0, 3)));
    assert_eq!(viewer.look_at_the_clock(at(61).mono), Some(Event::LeaseRanOut));
}
