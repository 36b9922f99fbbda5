//! The shift by which a model keeps its states finite, record by record. That a whole machine behaves the same when shifted is
//! shown by `normalise`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leaderelection::election::Shift;
use leaderelection::{Content, LeaderElectionRecord, MonoTime};

fn wall(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap_or_default()
}

/// What each part of a shift does to a record, alone and with the rest.
#[test]
fn a_shift_shifts_a_record() {
    let nothing = Shift {
        now: MonoTime::ZERO,
        version: 0,
        seconds: 0,
        transitions: 0,
        coarse: None,
        deletes: false,
    };
    let (seconds, transitions) = (
        Shift {
            seconds: 5,
            ..nothing
        },
        Shift {
            transitions: 3,
            ..nothing
        },
    );
    let begun = Some(wall(7));
    let coarse = Shift {
        coarse: begun,
        ..nothing
    };
    let deletes = Shift {
        deletes: true,
        ..coarse
    };
    // Acquired and renewed at, and what becomes of it; transitions are 10.
    for (by, before, after) in [
        (nothing, (20, 30), (20, 30, 10)),
        (seconds, (20, 30), (15, 25, 10)),
        (transitions, (20, 30), (20, 30, 7)),
        (
            Shift {
                deletes: true,
                ..nothing
            },
            (20, 30),
            (20, 30, 10),
        ),
        (coarse, (20, 30), (7, 30, 10)),
        (coarse, (20, 20), (7, 20, 10)),
        (deletes, (20, 30), (0, 30, 10)),
        (deletes, (20, 20), (20, 20, 10)),
        (
            Shift {
                seconds: 5,
                ..deletes
            },
            (20, 20),
            (15, 15, 10),
        ),
        (
            Shift {
                seconds: 5,
                transitions: 3,
                ..nothing
            },
            (4, 30),
            (0, 25, 7),
        ),
    ] {
        let record = |acquired, renewed, leader_transitions| LeaderElectionRecord {
            acquire_time: Some(wall(acquired)),
            renew_time: Some(wall(renewed)),
            leader_transitions,
            ..LeaderElectionRecord::default()
        };
        let mut content = Content::Record(Arc::new(record(before.0, before.1, 10)));
        by.content(&mut content);
        let after = record(after.0, after.1, after.2);
        assert_eq!(content, Content::Record(Arc::new(after.clone())), "{by:?}");
        assert_eq!(by.record(&record(before.0, before.1, 10)), after, "{by:?}");
        // Only the renewal's time is another.
        let mut acquired_nowhere = Content::Record(Arc::new(LeaderElectionRecord {
            acquire_time: None,
            ..record(before.0, before.1, 10)
        }));
        by.content(&mut acquired_nowhere);
        let acquire_time = None;
        let expected = LeaderElectionRecord {
            acquire_time,
            ..after
        };
        assert_eq!(acquired_nowhere, Content::Record(Arc::new(expected)), "{by:?}");
    }
}
