//! Flaws that spoil a record while it is written.

use async_trait::async_trait;
use chrono::{DateTime, Datelike, Timelike, Utc};
use leaderelection::{Expected, LeaderElectionRecord, LockError, ResourceLock, Swap};

use super::flaw::{Flaw, Store};

/// Makes a flaw that changes each record before it is written.
macro_rules! spoils {
    ($name:ident, $spoil:expr) => {
        #[derive(Default)]
        pub(super) struct $name;

        #[async_trait]
        impl Flaw for $name {
            async fn swap(
                &self,
                store: &Store,
                expected: Expected,
                record: &LeaderElectionRecord,
            ) -> Result<Swap, LockError> {
                let spoil: fn(&mut LeaderElectionRecord) = $spoil;
                let mut record = record.clone();
                spoil(&mut record);
                store.lock.compare_and_swap(expected, &record).await
            }
        }
    };
}

spoils!(TruncatesSeconds, |record| {
    let whole_minute = |time: DateTime<Utc>| time.with_second(0);
    record.acquire_time = record.acquire_time.and_then(whole_minute);
    record.renew_time = record.renew_time.and_then(whole_minute);
});

spoils!(DropsUnknownFields, |record| record.unknown_fields.clear());

spoils!(CutsBigFields, |record| record
    .unknown_fields
    .retain(|(_, raw)| raw.len() <= 100 * 1024));

spoils!(CutsHolders, |record| record.holder_identity =
    record.holder_identity.chars().take(1024).collect());

spoils!(AsciiOnly, |record| {
    let ascii = |letter: char| if letter.is_ascii() { letter } else { '?' };
    record.holder_identity = record.holder_identity.chars().map(ascii).collect();
});

spoils!(TrimsHolders, |record| record.holder_identity =
    record.holder_identity.trim().to_owned());

spoils!(NarrowYears, |record| {
    let usual = |time: &DateTime<Utc>| (1970..=2262).contains(&time.year());
    record.acquire_time = record.acquire_time.filter(usual);
    record.renew_time = record.renew_time.filter(usual);
});

spoils!(NarrowNumbers, |record| {
    let narrow = |number: i64| number.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    record.lease_duration_seconds = narrow(record.lease_duration_seconds);
    record.leader_transitions = narrow(record.leader_transitions);
});
