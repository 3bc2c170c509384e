//! Queues in SQS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::{Answer, BatchSender, Outgoing, Queue, Queues, Receipts, SendError, deliver, wait};
use crate::failure::Failure;

/// The URLs of the queues; `None` for a queue that the function does not send to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueUrls {
    /// The callbacks queue.
    pub callbacks: Option<String>,
    /// The drains queue.
    pub drains: Option<String>,
    /// The URL of an agency's queue is this prefix, the agency's code and `.fifo`.
    pub agency_prefix: Option<String>,
    /// The router's quarantine queue.
    pub quarantine: Option<String>,
    /// The reports queue.
    pub reports: Option<String>,
}

impl QueueUrls {
    /// The URL of a queue.
    #[must_use]
    pub fn of(&self, queue: &Queue) -> Option<String> {
        match queue {
            Queue::Callbacks => self.callbacks.clone(),
            Queue::Drains => self.drains.clone(),
            Queue::Quarantine => self.quarantine.clone(),
            Queue::Reports => self.reports.clone(),
            Queue::Agency(code) => self.agency_prefix.as_ref().map(|prefix| format!("{prefix}{code}.fifo")),
        }
    }
}

/// Queues in SQS. Clones share the client.
#[derive(Clone, Debug)]
pub struct AwsQueues {
    client: Client,
    urls: Arc<QueueUrls>,
}

impl AwsQueues {
    /// Takes a client and the URLs of the queues. Calls nothing.
    #[must_use]
    pub fn new(client: Client, urls: QueueUrls) -> Self {
        AwsQueues { client, urls: Arc::new(urls) }
    }
}

impl Queues for AwsQueues {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<Receipts, SendError> {
        let url = self.urls.of(&queue).ok_or(SendError::NoQueue)?;
        Ok(deliver(&Sqs { client: &self.client, url }, messages).await)
    }

    async fn postpone(&self, queue: Queue, receipt: &str, wait: Duration) -> Result<(), SendError> {
        let url = self.urls.of(&queue).ok_or(SendError::NoQueue)?;
        let seconds = i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
        let call = self.client.change_message_visibility().queue_url(url).receipt_handle(receipt);
        let answer = call.visibility_timeout(seconds).send().await;
        answer.map(|_| ()).map_err(|error| failed(Failure::of("SQS.ChangeMessageVisibility", &error)))
    }
}

/// One queue of SQS.
struct Sqs<'a> {
    client: &'a Client,
    url: String,
}

impl BatchSender for Sqs<'_> {
    async fn call(&self, batch: &[&Outgoing]) -> Answer {
        let mut call = self.client.send_message_batch().queue_url(&self.url);
        let ordered = self.url.ends_with(".fifo");
        for (place, message) in batch.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                // The position, because the hub's ids contain characters that SQS does not accept here.
                .id(place.to_string())
                .message_body(&message.body)
                .set_message_group_id(ordered.then(|| message.group.clone()))
                .set_message_deduplication_id(ordered.then(|| message.dedup.clone()));
            call = call.entries(entry.build().map_err(|_| SendError::Refused)?);
        }
        let answer =
            call.send().await.map_err(|error| failed(Failure::of("SQS.SendMessageBatch", &error)))?;
        let mut results: HashMap<&str, Result<(), SendError>> = HashMap::new();
        for taken in answer.successful() {
            results.insert(taken.id(), Ok(()));
        }
        for failed in answer.failed() {
            Failure::named(failed.code()).log("SQS.SendMessageBatch entry", failed.code());
            results.insert(failed.id(), Err(entry_error(failed.code(), failed.sender_fault())));
        }
        Ok((0..batch.len())
            .map(|place| results.remove(place.to_string().as_str()).unwrap_or(Err(SendError::Unavailable)))
            .collect())
    }

    async fn pause(&self, bound: Duration) {
        wait(bound).await;
    }
}

fn failed(failure: Failure) -> SendError {
    match failure {
        Failure::Throttled => SendError::Throttled,
        Failure::Denied | Failure::NotFound => SendError::NoQueue,
        Failure::Unavailable => SendError::Unavailable,
        Failure::Refused => SendError::Refused,
    }
}

/// SQS reports throttling as the sender's fault, too; only a malformed message fails again.
fn entry_error(code: &str, sender_fault: bool) -> SendError {
    match code {
        "RequestThrottled"
        | "ThrottlingException"
        | "Throttling"
        | "OverLimit"
        | "KmsThrottled"
        | "KMS.ThrottlingException" => SendError::Throttled,
        _ if sender_fault => SendError::Refused,
        _ => SendError::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn an_agency_queue_is_named_by_its_code() {
        let urls = QueueUrls {
            callbacks: Some("http://sqs/1/s-callbacks.fifo".into()),
            drains: Some("http://sqs/1/s-drains.fifo".into()),
            agency_prefix: Some("http://sqs/1/s-agency-".into()),
            quarantine: Some("http://sqs/1/s-router-quarantine".into()),
            reports: None,
        };
        let agency = Queue::Agency("1504".parse().unwrap());
        assert_eq!(urls.of(&agency).unwrap(), "http://sqs/1/s-agency-1504.fifo");
        assert_eq!(urls.of(&Queue::Callbacks).unwrap(), "http://sqs/1/s-callbacks.fifo");
        assert_eq!(QueueUrls::default().of(&agency), None);
    }

    #[test]
    fn throttling_is_not_taken_for_the_senders_fault() {
        assert_eq!(entry_error("RequestThrottled", true), SendError::Throttled);
        assert_eq!(entry_error("InvalidMessageContents", true), SendError::Refused);
        assert_eq!(entry_error("InternalError", false), SendError::Unavailable);
    }
}
