//! From a batch of the webhook queue, or of the queue of drains, to deliveries.
//!
//! An application is a group of the webhook queue, so its events arrive in version order; other applications
//! do not wait. Drains come through a queue of their own, an invocation each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use platform::batch::{Failure, Message, messages};
use platform::hub::Hub;
use platform::queues::{Queue, Queues as _};
use platform::settings::SETTLED;
use protocol::callback::Due;
use tokio::time::Instant;

use crate::delivery::Courier;

/// Delivers a batch.
pub async fn callbacks<H: Hub>(courier: &Courier<H>, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
    let waiting: Mutex<HashMap<String, String>> = Mutex::new(
        event
            .records
            .iter()
            .filter_map(|record| Some((record.message_id.clone()?, record.receipt_handle.clone()?)))
            .collect(),
    );
    let response = messages(event, deadline, async |message: Message| {
        waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&message.id);
        callback(courier, message, deadline).await
    })
    .await;
    courier.journal.settle().await;
    let waiting = waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
    hurry(courier, waiting).await;
    response
}

async fn callback<H: Hub>(courier: &Courier<H>, message: Message, deadline: Instant) -> Result<(), Failure> {
    match message.json()? {
        Due::V1(callback) => courier.to_all(callback, &message).await,
        Due::V2(directed) => courier.to_one(directed, &message).await,
        Due::Drain(drain) => courier.drain(&drain, deadline).await,
    }
}

/// What waited behind an earlier event of its application comes again soon after it, and not when the queue's
/// own time is up.
async fn hurry<H: Hub>(courier: &Courier<H>, waiting: HashMap<String, String>) {
    let soon = Duration::try_from(SETTLED).unwrap_or_default();
    for receipt in waiting.into_values() {
        if let Err(error) = courier.hub.queues().postpone(Queue::Webhooks, &receipt, soon).await {
            tracing::warn!(%error, "a callback behind another could not be hurried");
        }
    }
}
