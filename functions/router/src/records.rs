//! Turns a Lambda event of the table's stream into changes, and the outcomes into the answer to Lambda.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use platform::hub::Hub;
use platform::queues::{Outgoing, Queue, Queues as _, SendError};
use platform::store::{Image, StoreError, read_image};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::handler::{Change, RouteOutcome, Router};

impl<H: Hub> Router<H> {
    /// Handles a batch until `deadline`. The answer names the earliest record that must be retried: Lambda delivers
    /// that record and all later ones again, and repeats are safe.
    ///
    /// An unreadable record goes to the quarantine queue with the reason, so that it does not block the others.
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
        let mut sequences = Vec::with_capacity(records.len());
        let mut failed = None;
        for record in records {
            match change(record) {
                Ok(Some(change)) => {
                    changes.push(change);
                    sequences.push(sequence(record));
                }
                Ok(None) => {}
                Err(error) => {
                    if let Err(error) = self.quarantine(record, &error).await {
                        tracing::error!(%error, "an unreadable stream record could not be quarantined; the stream delivers it again");
                        failed = Some(sequence(record));
                        break;
                    }
                }
            }
        }
        let routed = self.route_changes(&changes).await;
        let again = routed.iter().position(|routed| *routed == RouteOutcome::Retry);
        again.map(|index| sequences[index].clone()).or(failed)
    }

    async fn quarantine(&self, record: &EventRecord, error: &StoreError) -> Result<(), SendError> {
        let sequence = sequence(record);
        let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        tracing::error!(
            sequence,
            reason,
            "a stream record cannot be read; its position goes to the quarantine queue"
        );
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
