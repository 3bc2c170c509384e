//! From a batch of the callback queue, or of the queue of drains, to deliveries.
//!
//! An application is a group of the callback queue, so its events arrive in version order; other applications
//! do not wait. Drains come through a queue of their own, an invocation each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use domain::endpoint::PROPAGATION_DELAY;
use platform::batch::{Failure, Message, messages};
use platform::hub::Hub;
use platform::queues::{Queue, Queues as _};
use protocol::callback::CallbackMessage;
use tokio::time::Instant;

use crate::delivery::CallbackSender;

/// Delivers a batch.
pub async fn callbacks<H: Hub>(
    sender: &CallbackSender<H>,
    event: SqsEvent,
    deadline: Instant,
) -> SqsBatchResponse {
    let waiting: Mutex<HashMap<String, String>> = Mutex::new(
        event
            .records
            .iter()
            .filter_map(|record| Some((record.message_id.clone()?, record.receipt_handle.clone()?)))
            .collect(),
    );
    let response = messages(event, deadline, async |message: Message| {
        waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&message.id);
        callback(sender, message, deadline).await
    })
    .await;
    sender.journal.settle().await;
    let waiting = waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
    hurry(sender, waiting).await;
    response
}

async fn callback<H: Hub>(
    sender: &CallbackSender<H>,
    message: Message,
    deadline: Instant,
) -> Result<(), Failure> {
    match message.json()? {
        CallbackMessage::V1(callback) => sender.to_all(callback, &message).await,
        CallbackMessage::V2(directed) => sender.to_one(directed, &message).await,
        CallbackMessage::Drain(drain) => sender.drain(&drain, deadline).await,
    }
}

/// What waited behind an earlier event of its application comes again soon after it, and not when the queue's
/// own time is up.
async fn hurry<H: Hub>(sender: &CallbackSender<H>, waiting: HashMap<String, String>) {
    let soon = Duration::try_from(PROPAGATION_DELAY).unwrap_or_default();
    for receipt in waiting.into_values() {
        if let Err(error) = sender.hub.queues().postpone(Queue::Callbacks, &receipt, soon).await {
            tracing::warn!(%error, "the visibility of a waiting callback message could not be shortened; the message returns after its visibility timeout");
        }
    }
}
