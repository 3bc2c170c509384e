//! The agency's queue: what the consumer needs of it, and SQS.

use std::future::Future;
use std::time::Duration;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName};
use thiserror::Error;

/// Messages in one receive (limit of SQS).
pub const BATCH: usize = 10;
/// Longest time a message can be hidden (limit of SQS): 12 hours.
pub const LONGEST_HIDDEN: Duration = Duration::from_secs(12 * 60 * 60);

/// A message as the queue handed it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Names this delivery, to delete it or to hide it longer.
    pub receipt: String,
    /// The queue's own id of the message.
    pub message: String,
    /// FIFO group: the application. `None` where the queue does not say.
    pub group: Option<String>,
    /// How often it was delivered, this time included.
    pub times: u32,
    /// An envelope in JSON.
    pub body: String,
}

/// Why the queue did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueueError {
    /// It will pass.
    #[error("the queue is not available: {code}")]
    Unavailable {
        /// Code of the service or of the connection.
        code: String,
    },
    /// It will not: no such queue, or not this agency's.
    #[error("the queue refuses: {code}")]
    Refused {
        /// Code of the service.
        code: String,
    },
}

/// A queue of cases.
pub trait CaseQueue: Send + Sync + 'static {
    /// Receives up to `most` (1 to [`BATCH`]) messages, waiting up to `wait` (20 seconds at most) for the first,
    /// and hides them for `hidden`. Messages of one group come in order.
    ///
    /// # Errors
    /// [`QueueError`].
    fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden: Duration,
    ) -> impl Future<Output = Result<Vec<Delivery>, QueueError>> + Send;

    /// Deletes a message that was handled.
    ///
    /// # Errors
    /// [`QueueError`]: it will come again.
    fn delete(&self, delivery: &Delivery) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Hides up to [`BATCH`] messages for this long from now.
    ///
    /// # Errors
    /// [`QueueError`]: some may come again earlier.
    fn hide(
        &self,
        deliveries: &[Delivery],
        hidden: Duration,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// An agency's FIFO queue in SQS.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl SqsQueue {
    /// The queue at an address.
    #[must_use]
    pub fn new(client: aws_sdk_sqs::Client, url: impl Into<String>) -> Self {
        SqsQueue { client, url: url.into() }
    }
}

/// How many messages a queue holds, about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Waiting to be taken.
    pub waiting: u64,
    /// Taken, and not deleted yet.
    pub in_hand: u64,
}

impl SqsQueue {
    /// How full the queue is. Takes no message, so that none comes a time nearer to the dead-letter queue.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        use aws_sdk_sqs::types::QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesNotVisible as InHand,
        };
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(Waiting).attribute_names(InHand).send().await;
        let attributes = answer.map_err(|error| queue_error(&error))?.attributes.unwrap_or_default();
        let number = |name| {
            let number = attributes.get(&name).and_then(|text| text.parse().ok());
            number.ok_or_else(|| QueueError::Unavailable { code: "answer not read".to_owned() })
        };
        Ok(Depth { waiting: number(Waiting)?, in_hand: number(InHand)? })
    }
}

/// Seconds as SQS takes them.
fn seconds(duration: Duration, most: Duration) -> i32 {
    i32::try_from(duration.min(most).as_secs()).unwrap_or(i32::MAX)
}

impl CaseQueue for SqsQueue {
    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most.clamp(1, BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(wait, Duration::from_secs(20)))
            .visibility_timeout(seconds(hidden, LONGEST_HIDDEN))
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| queue_error(&error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(delivery).collect())
    }

    async fn delete(&self, delivery: &Delivery) -> Result<(), QueueError> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&delivery.receipt)
            .send()
            .await
            .map_err(|error| queue_error(&error))?;
        Ok(())
    }

    async fn hide(&self, deliveries: &[Delivery], hidden: Duration) -> Result<(), QueueError> {
        let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (index, delivery) in deliveries.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&delivery.receipt)
                .visibility_timeout(seconds(hidden, LONGEST_HIDDEN))
                .build();
            let entry = entry.map_err(|_| QueueError::Refused { code: "incomplete".to_owned() })?;
            request = request.entries(entry);
        }
        let answer = request.send().await.map_err(|error| queue_error(&error))?;
        match answer.failed().first() {
            Some(failed) => Err(QueueError::Unavailable { code: failed.code().to_owned() }),
            None => Ok(()),
        }
    }
}

fn delivery(message: Message) -> Delivery {
    let attribute = |name| {
        let attributes = message.attributes.as_ref()?;
        attributes.get(&name).cloned()
    };
    let times = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    Delivery {
        group: attribute(MessageSystemAttributeName::MessageGroupId),
        times: times.and_then(|text| text.parse().ok()).unwrap_or(1),
        receipt: message.receipt_handle.unwrap_or_default(),
        message: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

/// Tells what will pass from what will not, once, where the cause is known. The service's message is left out:
/// it may quote the request.
pub(crate) fn queue_error<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    let service = error.as_service_error().and_then(|error| error.code());
    match service {
        Some(code)
            if code.contains("NonExistentQueue")
                || code.contains("QueueDoesNotExist")
                || code.contains("AccessDenied")
                || code.contains("InvalidAddress")
                || code.contains("InvalidClientTokenId")
                || code.contains("UnrecognizedClient")
                || code.contains("SignatureDoesNotMatch") =>
        {
            QueueError::Refused { code: code.to_owned() }
        }
        Some(code) => QueueError::Unavailable { code: code.to_owned() },
        None => QueueError::Unavailable {
            code: match error {
                SdkError::TimeoutError(_) => "timeout",
                SdkError::DispatchFailure(_) => "not reached",
                SdkError::ConstructionFailure(_) => "request not built",
                SdkError::ResponseError(_) => "answer not read",
                _ => "unknown",
            }
            .to_owned(),
        },
    }
}
