//! Consumes batches of the callback queue and of the drain queue.
//!
//! Each application is a message group of the callback queue, so its events arrive in version order and do not delay
//! other applications. The drain queue delivers one message to an invocation.

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
    // Receipts by message id of the messages that no handler has started.
    let unstarted: Mutex<HashMap<String, String>> = Mutex::new(
        event
            .records
            .iter()
            .filter_map(|record| Some((record.message_id.clone()?, record.receipt_handle.clone()?)))
            .collect(),
    );
    let response = messages(event, deadline, async |message: Message| {
        unstarted.lock().unwrap_or_else(PoisonError::into_inner).remove(&message.id);
        callback(sender, message, deadline).await
    })
    .await;
    sender.journal.flush_due().await;
    let unstarted = unstarted.into_inner().unwrap_or_else(PoisonError::into_inner);
    shorten_visibility(sender, unstarted).await;
    response
}

async fn callback<H: Hub>(
    sender: &CallbackSender<H>,
    message: Message,
    deadline: Instant,
) -> Result<(), Failure> {
    match message.json()? {
        CallbackMessage::V1(callback) => sender.to_all(callback, &message).await,
        CallbackMessage::V2(addressed) => sender.to_one(addressed, &message).await,
        CallbackMessage::Drain(drain) => sender.drain(&drain, deadline).await,
    }
}

/// Makes messages that waited behind a failed message of their application return soon, and not only after the queue's
/// visibility timeout.
async fn shorten_visibility<H: Hub>(sender: &CallbackSender<H>, unstarted: HashMap<String, String>) {
    let soon = Duration::try_from(PROPAGATION_DELAY).unwrap_or_default();
    for receipt in unstarted.into_values() {
        if let Err(error) = sender.hub.queues().postpone(Queue::Callbacks, &receipt, soon).await {
            tracing::warn!(%error, "the visibility of a waiting callback message could not be shortened; the message returns after its visibility timeout");
        }
    }
}
