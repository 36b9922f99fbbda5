//! A history as JSON lines, for checkers that are not written in Rust.

use leaderelection::{Content, Expected, LeaderElectionRecord, Observation, Swap};
use serde_json::{Value, json};

use super::history::{CallResult, Entry, History, Operation};

impl History {
    /// One line of JSON per call, in the order of their starts.
    ///
    /// ```json
    /// {"id":0,"client":"a","op":"cas","expected":"absent","record":{"holderIdentity":"a"},
    ///  "start_ns":0,"start_step":0,"end_ns":1000,"end_step":1,"result":{"done":1}}
    /// ```
    ///
    /// `op` is `get`, `cas`, `watch` or `shown` (with `watch`, the id of the call that opened it). `expected` is
    /// `"absent"` or a version. `result` is one of `{"observed":STATE}`, `{"done":VERSION}`,
    /// `{"conflict":STATE or null}`, `{"watching":BOOL}`, `{"error":KIND,"message":TEXT}` and `"dropped"`; it and the end
    /// are `null` while the call is under way. STATE is `{"absent":VERSION or null}` or `{"version":VERSION}` with
    /// `"record"`, `"unreadable"` or, when the object holds none, neither. Whoever judges a history has to let a swap
    /// that was dropped, is under way or failed as `ambiguous` take effect at any time after its start, or never.
    /// Steps order all starts and ends, also where the nanoseconds are equal.
    ///
    /// `tests/servers/cmd/histories` in the repository judges it so, as a compare-and-swap register, by porcupine.
    pub fn to_json_lines(&self) -> String {
        self.entries()
            .iter()
            .map(|entry| format!("{}\n", line(entry)))
            .collect()
    }
}

fn line(entry: &Entry) -> Value {
    let mut line = json!({
        "id": entry.id,
        "client": &*entry.client,
        "start_ns": entry.start.as_nanos(),
        "start_step": entry.start_step,
        "end_ns": entry.end.map(|end| end.as_nanos()),
        "end_step": entry.end_step,
        "result": entry.result.as_ref().map(result),
    });
    let more = match &entry.operation {
        Operation::Get => json!({ "op": "get" }),
        Operation::CompareAndSwap {
            expected: named,
            record,
        } => {
            json!({ "op": "cas", "expected": expected(*named), "record": wire(record) })
        }
        Operation::Watch => json!({ "op": "watch" }),
        Operation::Shown { watch } => json!({ "op": "shown", "watch": watch }),
    };
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
    line
}

fn expected(expected: Expected) -> Value {
    match expected {
        Expected::Absent => json!("absent"),
        Expected::Version(version) => json!(version.get()),
    }
}

fn result(result: &CallResult) -> Value {
    match result {
        CallResult::Observed(observation) => json!({ "observed": state(observation) }),
        CallResult::Swapped(Swap::Done(version)) => json!({ "done": version.get() }),
        CallResult::Swapped(Swap::Conflict(told)) => json!({ "conflict": told.as_ref().map(state) }),
        CallResult::Watching(open) => json!({ "watching": open }),
        CallResult::Failed { kind, message } => json!({ "error": kind.to_string(), "message": message }),
        CallResult::Dropped => json!("dropped"),
    }
}

fn state(observation: &Observation) -> Value {
    match observation {
        Observation::Absent { as_of } => json!({ "absent": as_of.map(|version| version.get()) }),
        Observation::Present { version, content } => match content {
            Content::Record(record) => json!({ "version": version.get(), "record": wire(record) }),
            Content::Empty => json!({ "version": version.get() }),
            Content::Unreadable(found) => {
                json!({ "version": version.get(), "unreadable": String::from_utf8_lossy(&found.raw) })
            }
        },
    }
}

fn wire(record: &LeaderElectionRecord) -> Value {
    serde_json::from_str(&record.to_json()).unwrap_or_default()
}
