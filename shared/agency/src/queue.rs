//! The agency's queue: the trait that the consumer uses, and its SQS implementation.

use std::future::Future;
use std::time::Duration;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName};
use thiserror::Error;

use crate::config::{AgencyConfig, ReportsBy};
use crate::network::Obstacle;

/// Most messages of one receive (limit of SQS).
pub const BATCH: usize = 10;
/// Longest visibility timeout (limit of SQS): 12 hours.
pub const LONGEST_HIDDEN: Duration = Duration::from_secs(12 * 60 * 60);

/// One delivery of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Receipt handle of this delivery, to delete or hide the message.
    pub receipt: String,
    /// The queue's id of the message.
    pub message: String,
    /// FIFO group: the application. `None` when the queue does not name it.
    pub group: Option<String>,
    /// Number of deliveries, this one included.
    pub times: u32,
    /// A CloudEvent in JSON.
    pub body: String,
}

/// Why a call to the queue failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueueError {
    /// A retry may succeed.
    #[error("the queue is not available: {code}")]
    Unavailable {
        /// Error code of SQS or of the connection.
        code: String,
    },
    /// SQS did not answer. A retry may succeed.
    #[error("the queue cannot be reached: {0}")]
    Unreachable(Obstacle),
    /// No retry helps: the queue does not exist, or belongs to another agency.
    #[error("the queue does not exist, or refuses this account: {code}")]
    Refused {
        /// Error code of SQS.
        code: String,
    },
}

/// A queue of cases.
pub trait CaseQueue: Send + Sync + 'static {
    /// Receives up to `most` (1 to [`BATCH`]) messages, waits up to `wait` (20 seconds at most) for the first, and
    /// hides them for `hidden`. Messages of one group come in order.
    ///
    /// # Errors
    /// [`QueueError`].
    fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden: Duration,
    ) -> impl Future<Output = Result<Vec<ReceivedMessage>, QueueError>> + Send;

    /// Deletes a message that was handled.
    ///
    /// # Errors
    /// [`QueueError`]: the message will be delivered again.
    fn delete(&self, delivery: &ReceivedMessage) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Sets the visibility timeout of up to [`BATCH`] messages, counted from now.
    ///
    /// # Errors
    /// [`QueueError`]: some messages may be delivered earlier.
    fn hide(
        &self,
        deliveries: &[ReceivedMessage],
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
    /// The queue at a URL.
    #[must_use]
    pub fn new(client: aws_sdk_sqs::Client, url: impl Into<String>) -> Self {
        SqsQueue { client, url: url.into() }
    }
}

/// The hub's reports queue, which all agencies share.
#[derive(Clone, Debug)]
pub struct ReportsQueue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl ReportsQueue {
    /// The queue at a URL.
    #[must_use]
    pub fn new(client: aws_sdk_sqs::Client, url: impl Into<String>) -> Self {
        ReportsQueue { client, url: url.into() }
    }

    /// The queue of an agency that reports by the queue; `None` for an agency that reports over HTTP.
    #[must_use]
    pub fn configured(config: &AgencyConfig, client: aws_sdk_sqs::Client) -> Option<Self> {
        let url = config.reports_queue_url.as_ref().filter(|_| config.reports_by == ReportsBy::Queue)?;
        Some(ReportsQueue::new(client, url))
    }

    /// Sends a compact JWS.
    ///
    /// # Errors
    /// [`QueueError`]: send the same report again.
    pub(crate) async fn send(&self, jws: &str) -> Result<(), QueueError> {
        let call = self.client.send_message().queue_url(&self.url).message_body(jws);
        call.send().await.map(drop).map_err(|error| queue_error(&error))
    }
}

/// Approximate number of messages in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// Visible messages.
    pub visible: u64,
    /// Messages received but not deleted.
    pub in_flight: u64,
}

impl SqsQueue {
    /// Counts the messages without receiving any, so that no message comes nearer to the dead-letter queue.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn depth(&self) -> Result<QueueDepth, QueueError> {
        use aws_sdk_sqs::types::QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as InFlight,
        };
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(Visible).attribute_names(InFlight).send().await;
        let attributes = answer.map_err(|error| queue_error(&error))?.attributes.unwrap_or_default();
        let number = |name| {
            let number = attributes.get(&name).and_then(|text| text.parse().ok());
            number.ok_or_else(|| QueueError::Unavailable { code: "the response cannot be read".to_owned() })
        };
        Ok(QueueDepth { visible: number(Visible)?, in_flight: number(InFlight)? })
    }
}

/// Whole seconds, at most `most`.
fn seconds(duration: Duration, most: Duration) -> i32 {
    i32::try_from(duration.min(most).as_secs()).unwrap_or(i32::MAX)
}

impl CaseQueue for SqsQueue {
    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
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

    async fn delete(&self, delivery: &ReceivedMessage) -> Result<(), QueueError> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&delivery.receipt)
            .send()
            .await
            .map_err(|error| queue_error(&error))?;
        Ok(())
    }

    async fn hide(&self, deliveries: &[ReceivedMessage], hidden: Duration) -> Result<(), QueueError> {
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

fn delivery(message: Message) -> ReceivedMessage {
    let attribute = |name| {
        let attributes = message.attributes.as_ref()?;
        attributes.get(&name).cloned()
    };
    let times = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    ReceivedMessage {
        group: attribute(MessageSystemAttributeName::MessageGroupId),
        times: times.and_then(|text| text.parse().ok()).unwrap_or(1),
        receipt: message.receipt_handle.unwrap_or_default(),
        message: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

/// Classifies an SDK error as temporary or permanent. The service's message is left out, because it may quote the
/// request.
pub(crate) fn queue_error<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    match error {
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error();
            return QueueError::Unreachable(cause.map_or(Obstacle::Broken, |cause| Obstacle::of(cause)));
        }
        SdkError::TimeoutError(_) => return QueueError::Unreachable(Obstacle::Timeout),
        _ => {}
    }
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
                SdkError::ConstructionFailure(_) => "the request cannot be built",
                SdkError::ResponseError(_) => "the response cannot be read",
                _ => "unknown",
            }
            .to_owned(),
        },
    }
}
