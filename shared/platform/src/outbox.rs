//! The callbacks of an application, which the router sends and a replay sends again, and the message that wakes a
//! drainer.

use domain::effect::calls_back;
use domain::ledger::Ledger;
use protocol::callback::{Callback, CallbackMessage, Drain};

use crate::queues::Outgoing;

/// The callbacks that the entries after `after_version` cause, in version order.
#[must_use]
pub fn callbacks(ledger: &Ledger, after_version: u32) -> Vec<Callback> {
    ledger
        .after(after_version)
        .iter()
        .filter(|line| calls_back(&line.entry.event))
        .filter_map(|line| {
            let then = ledger.at(line.entry.version)?;
            Some(Callback {
                tenant: then.tenant().clone(),
                application: then.id,
                version: then.version,
                kind: format!("application.{}", line.entry.event.name()),
                at: line.entry.at,
                stage: then.stage,
            })
        })
        .collect()
}

/// The message that wakes a drainer. Within five minutes the queue drops a second message with the same mark.
///
/// # Errors
/// The message cannot be written as JSON, which does not happen with two ids.
pub fn drain_message(drain: Drain, mark: &str) -> Result<Outgoing, serde_json::Error> {
    let group = drain.group();
    let body = serde_json::to_string(&CallbackMessage::Drain(drain))?;
    Ok(Outgoing { id: group.clone(), dedup: format!("{group}:{mark}"), group, body })
}
