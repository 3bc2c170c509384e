//! From a batch of the webhook queue to deliveries.
//!
//! A callback that is not delivered hides for the schedule's wait and comes again; its group, the
//! application, waits behind it, so events arrive in version order. Other applications do not wait.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use platform::batch::{Failure, Message, messages};
use platform::hub::Hub;
use platform::queues::{Queue, Queues as _};
use protocol::callback::Due;
use tokio::time::Instant;

use crate::delivery::Courier;
use crate::schedule::wait_after;

/// Delivers a batch.
pub async fn callbacks<H: Hub>(courier: &Courier<H>, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
    messages(event, deadline, async |message| callback(courier, message).await).await
}

async fn callback<H: Hub>(courier: &Courier<H>, message: Message) -> Result<(), Failure> {
    let Due::V1(callback) = message.json()?;
    let Err(error) = courier.deliver(&callback).await else { return Ok(()) };
    tracing::warn!(
        application = %callback.application,
        version = callback.version,
        attempt = message.receives,
        %error,
        "a callback was not delivered"
    );
    if let Some(wait) = wait_after(message.receives)
        && let Err(error) = courier.hub().queues().postpone(Queue::Webhooks, &message.receipt, wait).await
    {
        tracing::warn!(%error, "a callback could not be postponed; it comes again when its queue lets it");
    }
    Err(Failure::retry(error))
}
