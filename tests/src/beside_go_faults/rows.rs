//! The rows of the table, and the runs that are made of them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Result;
use crate::random::Random;

/// One row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The fault in words.
    pub name: String,
    /// How many runs the table has.
    pub runs: u64,
    /// Lease duration, renew deadline, retry period.
    pub timing: [Span; 3],
    /// client-go's `ReleaseOnCancel`; ours always releases.
    pub release_on_cancel: bool,
    /// After which time the client gives up a call; zero: never.
    pub call_limit: Span,
    /// What happens.
    pub fault: Fault,
    /// Whether client-go has two leaders at once in some of many runs: if not, the harness is broken.
    pub client_go_fails: bool,
}

/// What happens to the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Nothing gets through.
    Partition,
    /// Replies are late; as the first one to a renewal is delivered, the partition begins.
    LateReplyThenPartition {
        /// How late.
        #[serde(rename = "for")]
        by: Span,
    },
    /// It stands still as it is about to send its next renewal.
    Freeze {
        /// How long.
        #[serde(rename = "for")]
        by: Span,
    },
    /// Another holder is written into the record.
    Overwrite {
        /// Whose name.
        holder: String,
    },
}

/// A duration: text for people in the rows, nanoseconds in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let nanos = u64::try_from(self.0.as_nanos()).map_err(serde::ser::Error::custom)?;
        serializer.serialize_u64(nanos)
    }
}

/// One run, as both sides get it. All moments are counted from its start.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// From which all was drawn.
    pub seed: u32,
    /// L.
    pub lease_duration: Span,
    /// R.
    pub renew_deadline: Span,
    /// P.
    pub retry_period: Span,
    /// client-go's `ReleaseOnCancel`.
    pub release: bool,
    /// As in the row.
    pub call_limit: Span,
    /// As in the row.
    pub fault: Fault,
    /// When it strikes.
    pub fault_at: Span,
    /// When the run is over.
    pub end: Span,
    /// How often work acts.
    pub act_every: Span,
    /// The first is the one that leads.
    pub candidates: Vec<Candidate>,
}

/// A candidate and its network.
#[derive(Debug, Clone, Serialize)]
pub struct Candidate {
    /// Its identity.
    pub name: &'static str,
    /// When it starts.
    pub start: Span,
    /// How long its requests travel.
    pub request: Span,
    /// How long replies to it travel.
    pub reply: Span,
}

/// The rows, in the order of the table.
///
/// # Errors
/// When the file is wrong.
pub fn rows() -> Result<Vec<Row>> {
    Ok(serde_json::from_str(include_str!("rows.json"))?)
}

impl Row {
    /// Its run of that number.
    pub fn run(&self, seed: u64, number: u64) -> Run {
        let mut random =
            Random::new(seed.wrapping_mul(0x1_0000_0001) ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let [lease_duration, renew_deadline, retry_period] = self.timing;
        let (second, zero) = (Duration::from_secs(1), Duration::ZERO);
        let travel =
            |random: &mut Random| random.between(Duration::from_micros(500), Duration::from_millis(5));
        let candidate = |random: &mut Random, name, start| Candidate {
            name,
            start: Span(start),
            request: Span(travel(random)),
            reply: Span(travel(random)),
        };
        let a = candidate(&mut random, "a", zero);
        let start = random.between(second, second + retry_period.0 * 3);
        let b = candidate(&mut random, "b", start);
        let start = random.between(second, second + retry_period.0 * 3);
        let c = candidate(&mut random, "c", start);
        // Over more than the time between two renewals.
        let fault_at = random.between(second * 30, second * 30 + retry_period.0 * 2);
        Run {
            // Go's math/rand tells no more seeds apart.
            seed: u32::try_from(random.next() >> 33).unwrap_or(0),
            lease_duration,
            renew_deadline,
            retry_period,
            release: self.release_on_cancel,
            call_limit: self.call_limit,
            fault: self.fault.clone(),
            fault_at: Span(fault_at),
            end: Span(fault_at + second * 60),
            act_every: Span(second),
            candidates: vec![a, b, c],
        }
    }
}
