//! Turns a batch of stream records into messages.
//!
//! The stream is the outbox: an entry in the new image and not in the old one is a change, and [`domain::effect`]
//! decides which messages the change causes. Repeats are safe: a message has the same id every time, and a recorded
//! dispatch is not recorded again.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use domain::command::{Attempt, Command};
use domain::effect::{notices, open_notices};
use domain::ledger::Ledger;
use futures_util::stream::{self, StreamExt as _};
use platform::agency_messages::{AgencyMessage, Sending, Undeliverable, message};
use platform::apply::{ApplyError, apply_to};
use platform::batch::CONCURRENCY;
use platform::hub::Hub;
use platform::internal_queue::proven;
use platform::log_fault;
use platform::outbox::callbacks;
use platform::queues::{Outgoing, Queue, Queues as _, SendError};
use platform::store::StoredApplication;
use protocol::callback::CallbackMessage;
use protocol::jose::PrivateKey;

/// Sends the messages of the changes in the stream.
pub struct Router<H> {
    hub: H,
    signing: PrivateKey,
}

/// A change of one application, from one stream record.
pub struct Change {
    /// The application after the change.
    pub stored: StoredApplication,
    /// Version before the change; 0 for a new application.
    pub previous_version: u32,
    /// Version of the message that this change requests again.
    pub resend_requested: Option<u32>,
}

/// A pending message: its change with the index, and the version whose dispatch is recorded after the send.
struct PendingMessage<'c> {
    index: usize,
    change: &'c Change,
    recorded: Option<u32>,
}

/// The outcome of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteOutcome {
    /// Every message is sent and recorded, or the case waits in the table for the sweeper.
    Done,
    /// For this reason this version of the hub can never send a message of the change, or record its dispatch. The
    /// change's other messages are sent.
    Quarantine(String),
    /// A step failed: the change must be routed again.
    Retry,
}

/// The messages of a change.
#[derive(Default)]
struct Messages {
    /// Queue, message, and the version whose dispatch is recorded after the send.
    outgoing: Vec<(Queue, Outgoing, Option<u32>)>,
    /// Why a message can never be built by this version of the hub.
    unsendable: Option<String>,
}

/// The first version after `after` whose entry, or an entry before it, this version of the hub cannot read.
fn unread(ledger: &Ledger, after: u32) -> Option<u32> {
    let first = ledger.entries().iter().find(|line| !line.is_complete)?.entry.version;
    let first = first.max(after.saturating_add(1));
    (first <= ledger.state().version).then_some(first)
}

impl<H: Hub> Router<H> {
    /// A router that signs with the hub's key.
    pub fn new(hub: H, signing: PrivateKey) -> Self {
        Router { hub, signing }
    }

    /// The router's ports.
    pub fn hub(&self) -> &H {
        &self.hub
    }

    /// Sends the messages of the changes and records the dispatches. Returns one outcome for each change, in order.
    /// When the messages of a change cannot be built, later changes of the same application are not routed either.
    pub async fn route_changes(&self, changes: &[Change]) -> Vec<RouteOutcome> {
        let mut routed = Vec::with_capacity(changes.len());
        let mut queues: BTreeMap<Queue, Vec<Outgoing>> = BTreeMap::new();
        let mut pending: BTreeMap<(Queue, String), PendingMessage> = BTreeMap::new();
        let mut stopped = HashSet::new();
        // The outcomes of the changes with a step that failed after their messages were built, by index.
        let mut failed = HashMap::new();
        for (index, change) in changes.iter().enumerate() {
            if stopped.contains(&change.stored.id()) {
                routed.push(RouteOutcome::Retry);
                continue;
            }
            match self.messages(change).await {
                Ok(messages) => {
                    routed.push(messages.unsendable.map_or(RouteOutcome::Done, RouteOutcome::Quarantine));
                    for (queue, outgoing, recorded) in messages.outgoing {
                        let id = (queue.clone(), outgoing.id.clone());
                        // A message that a change causes and the same batch requests again is sent once.
                        if let Entry::Vacant(place) = pending.entry(id) {
                            place.insert(PendingMessage { index, change, recorded });
                            queues.entry(queue).or_default().push(outgoing);
                        }
                    }
                }
                Err(error) => {
                    let fault = format!("message: {error}");
                    log_fault!(error.needs_person(), &fault, application = %change.stored.id(), %error, "a message for an agency could not be built; the record will be retried");
                    stopped.insert(change.stored.id());
                    routed.push(RouteOutcome::Retry);
                }
            }
        }
        let mut sent = Vec::new();
        for (queue, messages) in queues {
            let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
            let receipts = match self.hub.queues().send(queue.clone(), messages).await {
                Ok(receipts) => receipts,
                Err(error) => ids.into_iter().map(|id| (id, Err(error))).collect(),
            };
            for (id, result) in receipts {
                let Some(PendingMessage { index, change, recorded }) = pending.get(&(queue.clone(), id))
                else {
                    continue;
                };
                match result {
                    Ok(()) => sent.extend(recorded.map(|version| (*index, *change, version))),
                    // The other records of the shard do not wait for a queue that an operator must bring back.
                    Err(SendError::NoQueue) if matches!(queue, Queue::Agency(_)) => {
                        log_fault!(true, &format!("no queue {queue:?}"), application = %change.stored.id(), ?queue, "the case waits in the table: its agency's queue is gone or forbidden; the sweeper tries again");
                    }
                    Err(error) => {
                        let fault = format!("{queue:?} {error}");
                        log_fault!(!error.is_transient(), &fault, application = %change.stored.id(), ?queue, %error, "the queue rejected the message, will retry");
                        failed.insert(*index, RouteOutcome::Retry);
                    }
                }
            }
        }
        let records = sent.into_iter().map(|(index, change, version)| async move {
            (index, self.record(&change.stored, version).await)
        });
        let mut records = stream::iter(records).buffer_unordered(CONCURRENCY);
        while let Some((index, recorded)) = records.next().await {
            if recorded != RouteOutcome::Done && failed.get(&index) != Some(&RouteOutcome::Retry) {
                failed.insert(index, recorded);
            }
        }
        let last = |(index, outcome)| failed.remove(&index).unwrap_or(outcome);
        routed.into_iter().enumerate().map(last).collect()
    }

    /// The messages of a change: first to agencies, then to the app backend.
    async fn messages(&self, change: &Change) -> Result<Messages, Undeliverable> {
        let mut messages = Messages::default();
        let ledger = &change.stored.ledger;
        let first =
            notices(ledger, change.previous_version).into_iter().map(|notice| (notice, Sending::First));
        let requested =
            open_notices(ledger).into_iter().filter(|notice| change.resend_requested == Some(notice.version));
        for (notice, sending) in first.chain(requested.map(|notice| (notice, Sending::Resend))) {
            match message(&self.hub, &self.signing, &change.stored, &notice, sending).await {
                Ok(message) => {
                    if let Some(others) = message.others() {
                        let (application, agency) = (change.stored.id(), &notice.agency);
                        tracing::warn!(%application, %agency, others, "an application may repeat others of the same person");
                    }
                    let AgencyMessage { queue, outgoing, .. } = message;
                    let recorded = notice.is_recorded().then_some(notice.version);
                    messages.outgoing.push((queue, outgoing, recorded));
                }
                // The sweeper finds every case without a recorded dispatch. An agency that misses a withdrawal learns
                // of it when the hub refuses the agency's next report.
                Err(error) if error.waits_for_agency() => {
                    let (application, version) = (change.stored.id(), notice.version);
                    log_fault!(true, &error.to_string(), %application, version, %error, "the case waits in the table: its agency cannot be sent a message; the sweeper tries again");
                }
                Err(error) if error.is_permanent() => {
                    messages.unsendable = Some(format!("version {}: {error}", notice.version));
                }
                Err(error) => return Err(error),
            }
        }
        // What the entry causes is known to the version of the hub that wrote it. What the entries before it cause is sent.
        if let Some(version) = unread(ledger, change.previous_version) {
            messages.unsendable = Some(format!(
                "version {version} and later: a newer version of the hub wrote an entry that this version cannot read"
            ));
        }
        for callback in callbacks(&change.stored.ledger, change.previous_version) {
            let id = callback.id();
            let group = callback.application.to_string();
            let body = proven(&self.hub, &CallbackMessage::V1(callback)).await?;
            let outgoing = Outgoing { dedup: id.clone(), id, group, body };
            messages.outgoing.push((Queue::Callbacks, outgoing, None));
        }
        Ok(messages)
    }

    /// Records the dispatch of the message of a version. Succeeds when the application has changed meanwhile and the
    /// dispatch no longer applies, and when nothing is left to record it in: DynamoDB removes an expired draft, and an
    /// operator may restore a table without the application.
    async fn record(&self, stored: &StoredApplication, message_version: u32) -> RouteOutcome {
        let application = stored.id();
        let attempt = Attempt::hub(Command::Dispatch { message_version });
        match apply_to(&self.hub, stored.clone(), &[attempt]).await {
            Ok(_) => RouteOutcome::Done,
            Err(ApplyError::NotFound) => {
                log_fault!(true, &format!("missing {application}"), %application, "the message is sent and its application is missing from the table; the dispatch is not recorded");
                RouteOutcome::Done
            }
            Err(ApplyError::Store(error)) if !error.is_transient() => RouteOutcome::Quarantine(format!(
                "version {message_version}: the dispatch cannot be recorded: {error}"
            )),
            Err(error) => {
                tracing::warn!(%application, %error, "the dispatch could not be recorded; the record will be retried");
                RouteOutcome::Retry
            }
        }
    }
}
