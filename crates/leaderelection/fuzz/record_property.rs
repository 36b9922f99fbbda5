//! What holds of every sequence of bytes that somebody may put where a record belongs. The fuzz target asserts it of what it
//! makes up, and the test `record_corpus` of everything in the corpus, in every test run.

use leaderelection::LeaderElectionRecord;

/// No panic; an error that is short enough for a log; and a record that was read is written so that it reads as the same,
/// but for the fractions of seconds, which are never written.
pub(crate) fn holds(json: &[u8]) {
    let read = match LeaderElectionRecord::from_json(json) {
        Ok(read) => read,
        Err(error) => {
            let told = error.to_string();
            assert!(
                !told.is_empty() && told.len() < 1_000,
                "{} bytes: {told}",
                told.len()
            );
            return;
        }
    };
    let written = read.to_json();
    let again = match LeaderElectionRecord::from_json(written.as_bytes()) {
        Ok(again) => again,
        Err(error) => panic!("written, it is no record: {error}: {written}"),
    };
    assert_eq!(again.to_json(), written, "written twice");
    assert_eq!(again.is_free(), read.is_free());
    let mut whole_seconds = read.clone();
    whole_seconds.acquire_time = again.acquire_time;
    whole_seconds.renew_time = again.renew_time;
    assert_eq!(whole_seconds, again);
    for (read, again) in [
        (read.acquire_time, again.acquire_time),
        (read.renew_time, again.renew_time),
    ] {
        assert_eq!(
            read.map(|time| time.timestamp()),
            again.map(|time| time.timestamp()),
            "{written}"
        );
    }
}
