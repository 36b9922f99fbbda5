//! Locks that are wrong on purpose. **For tests only**: they show that the suite catches each of them, and let a test
//! of an election meet them.
//!
//! Each breaks one promise, and [`BROKEN`] names the case of the suite that was made to reject it, and all others that
//! reject it besides. Every case has at least one broken lock that it rejects.

mod failures;
mod flaw;
mod reads;
mod records;
mod versions;
mod watches;
mod writes;

use std::fmt;
use std::sync::Arc;

use leaderelection::ResourceLock;
use leaderelection_memory::MemoryLock;

use crate::faults::FaultLock;
use crate::fixture::{Fixture, MemoryFixture};
use flaw::{BrokenLock, Flaw};

/// One lock that is wrong on purpose.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Broken {
    /// Its name.
    pub name: &'static str,
    /// What is wrong with it.
    pub flaw: &'static str,
    /// The case that was made to reject it.
    pub rejected_by: &'static str,
    /// Other cases that reject it too, since the promise it breaks is one they build on.
    pub also: &'static [&'static str],
    fixture: fn(&'static str) -> MemoryFixture,
    lock: fn(&'static str, FaultLock<MemoryLock>) -> Arc<dyn ResourceLock>,
}

impl Broken {
    /// The broken lock as a backend that the suite can examine.
    pub fn fixture(&self) -> impl Fixture + use<> {
        (self.fixture)(self.name)
    }

    /// The broken lock around a lock in memory, of which the caller keeps a clone to look behind.
    pub fn lock(&self, memory: MemoryLock) -> Arc<dyn ResourceLock> {
        (self.lock)(self.name, FaultLock::new(memory))
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.flaw)
    }
}

/// The honest lock that the broken ones are made of: every case passes on it, and each runs.
pub fn honest() -> impl Fixture {
    MemoryFixture::new(builder())
}

fn builder() -> leaderelection_memory::MemoryLockBuilder {
    MemoryLock::builder().with_max_bytes(1024 * 1024)
}

fn broken<F: Flaw + Default>(name: &'static str) -> MemoryFixture {
    MemoryFixture::wrapped(builder(), move |lock| BrokenLock::<F>::new(name, lock))
}

/// The lock itself is honest, and its peer is not: a replica.
fn broken_peer<F: Flaw + Default>(name: &'static str) -> MemoryFixture {
    MemoryFixture::new(builder()).with_peer(move |lock| BrokenLock::<F>::new(name, lock))
}

fn lock<F: Flaw + Default>(name: &'static str, lock: FaultLock<MemoryLock>) -> Arc<dyn ResourceLock> {
    Arc::new(BrokenLock::<F>::new(name, lock))
}

/// Makes the table: the name of the flaw, what it does, the case that rejects it, and others that do.
macro_rules! table {
    ($($fixture:ident $module:ident::$name:ident: $flaw:literal => $case:literal $(, $also:literal)*;)*) => {
        /// All of them.
        pub const BROKEN: &[Broken] = &[$(Broken {
            name: stringify!($name),
            flaw: $flaw,
            rejected_by: $case,
            also: &[$($also),*],
            fixture: $fixture::<$module::$name>,
            lock: lock::<$module::$name>,
        }),*];
    };
}

table! {
    broken_peer reads::StaleReads: "reads come from a replica that lags one write behind"
        => "clause_01_a_read_shows_the_latest_write", "clause_01_reads_never_go_back";
    broken reads::RacingReads: "a read that meets a write shows what the read before it showed"
        => "clause_01_reads_never_go_back";
    broken reads::AbsentAsError: "a name that was never written is an error"
        => "clause_02_never_written_is_absent";
    broken reads::OldAbsence: "an absence has the version of the object that was deleted"
        => "clause_02_deleted_is_absent";
    broken reads::EmptyAsAbsent: "an object without a record is shown as none"
        => "clause_02_an_object_without_a_record_is_empty";
    broken records::TruncatesSeconds: "times lose their seconds"
        => "clause_03_a_record_reads_back";
    broken records::DropsUnknownFields: "fields that the core does not know are lost"
        => "clause_03_unknown_fields_survive", "clause_03_a_record_of_200_kib";
    broken records::CutsBigFields: "unknown fields of more than 100 KiB are lost"
        => "clause_03_a_record_of_200_kib";
    broken records::CutsHolders: "holders are cut to 1 KiB"
        => "clause_03_a_holder_of_64_kib";
    broken records::AsciiOnly: "letters beyond ASCII become question marks"
        => "clause_03_a_holder_of_any_letters";
    broken records::TrimsHolders: "a blank holder becomes an empty one"
        => "clause_03_a_blank_holder_is_not_an_empty_one";
    broken records::NarrowYears: "times outside 1970 to 2262 become none"
        => "clause_03_the_years_0_and_9999";
    broken records::NarrowNumbers: "durations and transitions are cut to 32 bits"
        => "clause_03_extreme_durations";
    broken writes::BlindPut: "a swap on any version overwrites the newest"
        => "clause_04_swap_names_its_state",
           "clause_04_race_of_swaps",
           "clause_05_a_conflict_is_an_outcome",
           "clause_05_a_conflict_changes_nothing",
           "clause_06_no_hidden_retry",
           "clause_07_versions_grow_with_a_foreign_write";
    broken writes::CreatesOverExisting: "a create overwrites what is there"
        => "clause_04_create_only_where_nothing_is",
           "clause_02_an_object_without_a_record_is_empty",
           "clause_04_race_of_creates",
           "clause_05_a_conflict_is_an_outcome",
           "clause_05_a_conflict_tells_the_state",
           "clause_05_a_conflict_changes_nothing",
           "clause_10_unreadable_content_is_shown";
    broken writes::CreatesOnNothing: "a swap on a version creates the object that never was"
        => "clause_04_swap_on_nothing_creates_nothing",
           "clause_05_a_conflict_is_an_outcome";
    broken writes::RecreatesDeleted: "a swap on a version brings a deleted object back"
        => "clause_04_swap_on_deleted_creates_nothing";
    broken writes::CheckThenPut: "the version is checked first and the record put later"
        => "clause_04_race_of_swaps";
    broken writes::CheckThenPutByThreads: "the same, with a gap that only other threads can meet"
        => "clause_04_race_of_swaps";
    broken writes::CheckThenCreate: "the absence is checked first and the record put later"
        => "clause_04_race_of_creates";
    broken writes::CheckThenCreateByThreads: "the same, with a gap that only other threads can meet"
        => "clause_04_race_of_creates";
    broken writes::ConflictAsError: "a conflict is an error"
        => "clause_05_a_conflict_is_an_outcome";
    broken writes::ConflictTellsAbsence: "a conflict tells that there is nothing"
        => "clause_05_a_conflict_tells_the_state";
    broken writes::ConflictTouches: "a create that meets an object gives it a new version"
        => "clause_05_a_conflict_changes_nothing",
           "clause_02_an_object_without_a_record_is_empty",
           "clause_04_create_only_where_nothing_is",
           "clause_04_race_of_creates",
           "clause_05_a_conflict_tells_the_state";
    broken writes::HiddenRetry: "a swap that meets one's own newer record is tried again on that"
        => "clause_06_no_hidden_retry";
    broken writes::WritesTwice: "a write is repeated 40 ms later"
        => "clause_06_one_call_is_one_write",
           "clause_09_a_refusal_wrote_nothing",
           "clause_12_a_dropped_swap_writes_once_at_most";
    broken versions::WrappingVersions: "versions start again after 20"
        => "clause_07_versions_grow_with_every_write";
    broken versions::VersionReuse: "versions start again after a deletion"
        => "clause_07_versions_grow_across_delete";
    broken versions::ContentVersions: "the version stays when the object changes beside the record"
        => "clause_07_versions_grow_with_a_foreign_write";
    broken versions::EqualWriteLies: "an equal write answers a new version and writes nothing"
        => "clause_08_an_equal_write_says_what_it_did";
    broken versions::DeclaresNoop: "an equal write is declared to do nothing, and is written"
        => "clause_08_an_equal_write_says_what_it_did";
    broken failures::LiesUnavailable: "a lost reply is reported as: nothing was written"
        => "clause_09_a_failure_says_what_may_be_concluded";
    broken failures::LiesInvalid: "a record that is too big is refused, and written"
        => "clause_09_a_refusal_wrote_nothing";
    broken reads::HidesUnreadable: "content that is no record is shown as absence"
        => "clause_10_unreadable_content_is_shown", "clause_10_unreadable_content_can_be_replaced";
    broken writes::KeepsUnreadable: "content that is no record cannot be replaced"
        => "clause_10_unreadable_content_can_be_replaced";
    broken watches::WatchWithout: "a watch is declared, and there is none"
        => "clause_11_a_watch_is_as_declared";
    broken watches::WatchStartsLate: "changes between the opening of a watch and its first poll are lost"
        => "clause_11_a_watch_shows_a_later_change",
           "clause_11_a_watch_goes_on",
           "clause_11_a_watch_shows_the_first_creation",
           "clause_11_a_watch_shows_a_deletion",
           "clause_11_a_watch_shows_a_foreign_write",
           "clause_11_a_watch_shows_nothing_that_never_was",
           "clause_11_watches_do_not_disturb_one_another";
    broken watches::WatchStops: "a watch is silent after twelve changes"
        => "clause_11_a_watch_goes_on";
    broken watches::WatchMissesCreation: "a watch of what is not there yet never shows it"
        => "clause_11_a_watch_shows_the_first_creation";
    broken watches::WatchMissesDeletion: "a watch does not show that the object was deleted"
        => "clause_11_a_watch_shows_a_deletion";
    broken watches::WatchMissesForeign: "a watch does not show a new version with the same record"
        => "clause_11_a_watch_shows_a_foreign_write";
    broken watches::TornWatch: "a watch shows the new version with the old record"
        => "clause_11_a_watch_shows_nothing_that_never_was";
    broken watches::OneEndsAll: "a watch that is dropped silences the others"
        => "clause_11_watches_do_not_disturb_one_another";
    broken failures::LateGhost: "a dropped swap lands later on whatever is there"
        => "clause_12_a_dropped_swap_writes_once_at_most";
    broken failures::StuckAfterDrop: "a dropped read blocks all later ones"
        => "clause_12_a_dropped_read_or_watch_leaves_no_trace";
}
