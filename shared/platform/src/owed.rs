//! Callbacks that a record owes to its app backend: what the router sends, and what a replay sends again.

use domain::effect::calls_back;
use domain::ledger::Ledger;
use protocol::callback::Callback;

/// The callbacks that the entries after `seen` owe, in version order.
#[must_use]
pub fn callbacks(ledger: &Ledger, seen: u32) -> Vec<Callback> {
    ledger
        .after(seen)
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
