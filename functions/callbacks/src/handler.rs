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
use platform::internal_queue::read;
use protocol::callback::CallbackMessage;
use tokio::time::Instant;

use crate::delivery::CallbackSender;

/// Visibility of a message that can never be processed. With the queue's 360 receives, a dead-letter queue has it after
/// six minutes.
const POISON_RETURNS: Duration = Duration::from_secs(1);

/// Delivers a batch.
pub async fn callbacks<H: Hub>(
    sender: &CallbackSender<H>,
    event: SqsEvent,
    deadline: Instant,
) -> SqsBatchResponse {
    // By id, the messages that no handler has started.
    let unstarted: Mutex<HashMap<String, Message>> = Mutex::new(
        event
            .records
            .iter()
            .cloned()
            .map(Message::from)
            .map(|message| (message.id.clone(), message))
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
    let done = match read(&sender.hub, &message).await {
        Ok(CallbackMessage::V1(callback)) => sender.to_all(callback, &message).await,
        Ok(CallbackMessage::V2(addressed)) => sender.to_one(addressed, &message).await,
        Ok(CallbackMessage::Drain(drain)) => sender.drain(&drain, deadline).await,
        Err(failure) => Err(failure),
    };
    if let Err(Failure::Poison(_)) = &done {
        // The messages behind it wait until it is in the dead-letter queue, so its deliveries follow each other
        // quickly.
        sender.postpone(&message, POISON_RETURNS).await;
    }
    done
}

/// Makes messages that waited behind a failed message of their application return soon, and not only after the queue's
/// visibility timeout.
async fn shorten_visibility<H: Hub>(sender: &CallbackSender<H>, unstarted: HashMap<String, Message>) {
    let soon = Duration::try_from(PROPAGATION_DELAY).unwrap_or_default();
    for message in unstarted.into_values() {
        sender.postpone(&message, soon).await;
    }
}
