//! What a release replaces was written by the life that releases, or is the base of its own acquisition that may still
//! land (SAFETY 12, SAFETY 23): never what a successor wrote.
//!
//! Nobody can tell what is to the letter what he wrote himself; a twin under the same name may write that (SAFETY 16).

use std::sync::Arc;

use leaderelection::{Content, Expected};
use leaderelection_conformance::Operation;

use crate::history::{Change, History};

pub(super) fn judge(history: &History) -> Result<(), String> {
    for (at, write) in history.writes.iter().enumerate() {
        let (Some((by, named)), Some(Content::Record(record))) = (&write.by, &write.content) else {
            continue;
        };
        if !record.is_free() {
            continue;
        }
        let earlier = &history.writes[..at];
        if !wrote(earlier, by) && !acquired_on(history, by, *named) {
            let replaced = author(earlier);
            return Err(format!("{by} releases {named:?}, which {replaced:?} wrote"));
        }
    }
    Ok(())
}

/// Who wrote the present content. A label leaves it.
fn author(writes: &[Change]) -> Option<&Arc<str>> {
    let content = &writes.last()?.content;
    let first = writes
        .iter()
        .rev()
        .take_while(|write| write.content == *content)
        .last()?;
    first.by.as_ref().map(|(by, _)| by)
}

fn wrote(writes: &[Change], by: &Arc<str>) -> bool {
    let own = writes
        .iter()
        .rev()
        .find(|write| write.by.as_ref().is_some_and(|it| it.0 == *by));
    author(writes) == Some(by)
        || own.is_some_and(|own| writes.last().is_some_and(|there| there.content == own.content))
}

fn acquired_on(history: &History, by: &Arc<str>, named: Expected) -> bool {
    history
        .calls
        .iter()
        .filter(|call| call.client == *by)
        .any(|call| match &call.operation {
            Operation::CompareAndSwap { expected, record } => *expected == named && !record.is_free(),
            _ => false,
        })
}
