//! Turns a Lambda event of the table's stream into changes, and the outcomes into the answer to Lambda.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use platform::hub::Hub;
use platform::log_fault;
use platform::queues::{Outgoing, Queue, Queues as _, SendError};
use platform::store::{Image, StoreError, read_image};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::handler::{Change, RouteOutcome, Router};

impl<H: Hub> Router<H> {
    /// Handles a batch until `deadline`. The answer names the earliest record that must be retried: Lambda delivers
    /// that record and all later ones again, and repeats are safe.
    ///
    /// An unreadable record, and one whose message to an agency can never be built, go to the quarantine queue with the
    /// reason, so that they do not block the others.
    pub async fn handle(&self, event: Event, deadline: Instant) -> DynamoDbEventResponse {
        let first = event.records.first().map(sequence);
        // Boxed, because the compiler does not accept the deeply nested future otherwise.
        match timeout_at(deadline, Box::pin(self.handle_all(&event.records))).await {
            Ok(failed) => answer(failed),
            Err(_) => {
                tracing::warn!(
                    records = event.records.len(),
                    "the batch did not finish before the deadline; the stream delivers it again"
                );
                answer(first)
            }
        }
    }

    /// The sequence number of the earliest record that is not done.
    async fn handle_all(&self, records: &[EventRecord]) -> Option<String> {
        let mut changes = Vec::with_capacity(records.len());
        let mut changed = Vec::with_capacity(records.len());
        let mut failed = None;
        for (place, record) in records.iter().enumerate() {
            match change(record) {
                Ok(Some(change)) => {
                    changes.push(change);
                    changed.push((place, record));
                }
                Ok(None) => {}
                Err(error) => {
                    let reason = std::error::Error::source(&error).map(ToString::to_string);
                    if !self.quarantine(record, &reason.unwrap_or_else(|| error.to_string())).await {
                        failed.get_or_insert(place);
                    }
                }
            }
        }
        for ((place, record), routed) in changed.into_iter().zip(self.route_changes(&changes).await) {
            let is_done = match routed {
                RouteOutcome::Done => true,
                RouteOutcome::Quarantine(reason) => self.quarantine(record, &reason).await,
                RouteOutcome::Retry => false,
            };
            if !is_done {
                failed = Some(failed.map_or(place, |before| before.min(place)));
                break;
            }
        }
        failed.and_then(|place| records.get(place)).map(sequence)
    }

    /// Sends a record's position to the quarantine queue; false when the stream must deliver the record again.
    async fn quarantine(&self, record: &EventRecord, reason: &str) -> bool {
        let sequence = sequence(record);
        tracing::error!(
            sequence,
            reason,
            "a stream record cannot be read or sent; its position goes to the quarantine queue"
        );
        match self.send_to_quarantine(record, sequence, reason).await {
            Ok(()) => true,
            Err(error) => {
                let fault = format!("quarantine: {error}");
                log_fault!(!error.is_transient(), &fault, %error, "a stream record could not be quarantined; the stream delivers it again");
                false
            }
        }
    }

    async fn send_to_quarantine(
        &self,
        record: &EventRecord,
        sequence: String,
        reason: &str,
    ) -> Result<(), SendError> {
        // Only ids and the reason: the record may contain personal data.
        let body = json!({ "sequence": sequence, "key": record.change.keys, "reason": reason }).to_string();
        let quarantined =
            Outgoing { id: sequence.clone(), group: "quarantine".to_owned(), dedup: sequence, body };
        for (_, result) in self.hub().queues().send(Queue::Quarantine, vec![quarantined]).await? {
            result?;
        }
        Ok(())
    }
}

/// The change in a record; `None` for a removed item, which has no new image.
fn change(record: &EventRecord) -> Result<Option<Change>, StoreError> {
    let new = &record.change.new_image;
    if new.is_empty() {
        return Ok(None);
    }
    let Image { stored, resend_requested } = read_image(new)?;
    let old = &record.change.old_image;
    let (previous_version, before) = if old.is_empty() {
        (0, None)
    } else {
        let old = read_image(old)?;
        (old.stored.version(), old.resend_requested)
    };
    let resend_requested = resend_requested.filter(|mark| Some(*mark) != before).map(|(_, message)| message);
    Ok(Some(Change { stored, previous_version, resend_requested }))
}

fn sequence(record: &EventRecord) -> String {
    record.change.sequence_number.clone().unwrap_or_default()
}

fn answer(failed: Option<String>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    response.batch_item_failures.extend(failed.map(|sequence| {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence);
        failure
    }));
    response
}
