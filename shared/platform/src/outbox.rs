//! The callbacks of an application, which the router sends and a replay sends again, and the message that wakes a
//! drainer.

use domain::effect::calls_back;
use domain::ledger::Ledger;
use protocol::callback::{Callback, CallbackMessage, Drain};

use crate::hub::Hub;
use crate::internal_queue::{ProofError, proven};
use crate::queues::Outgoing;

/// The callbacks that the entries after `after_version` cause, in version order. None from the first entry on that this
/// version of the hub cannot read.
#[must_use]
pub fn callbacks(ledger: &Ledger, after_version: u32) -> Vec<Callback> {
    ledger
        .after(after_version)
        .iter()
        .filter(|line| calls_back(&line.entry.event))
        .filter_map(|line| {
            let then = ledger.at(line.entry.version).filter(|then| !then.is_incomplete())?;
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
/// [`ProofError`] when the vault cannot make the proof of the message.
pub async fn drain_message<H: Hub>(hub: &H, drain: Drain, mark: &str) -> Result<Outgoing, ProofError> {
    let group = drain.group();
    let body = proven(hub, &CallbackMessage::Drain(drain)).await?;
    Ok(Outgoing { id: group.clone(), dedup: format!("{group}:{mark}"), group, body })
}
