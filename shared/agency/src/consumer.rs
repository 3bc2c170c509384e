//! The consumer receives messages, decrypts and verifies them, and hands each case to the handler once. Messages of one
//! case stay in order; different cases are handled concurrently.
//!
//! A message is deleted only after the handler has finished and the inbox remembers the message. Until then its
//! visibility timeout is extended. An unreadable message stays in the queue: after ten deliveries SQS moves it to the
//! agency's dead-letter queue, where the hub's operator finds it.

mod processor;

use std::collections::VecDeque;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::case_handler::CaseHandler;
use crate::config::{AgencyConfig, ConsumerSettings};
use crate::hub_client::HubClient;
use crate::inbox::{Inbox, InboxError, SqliteInbox};
use crate::journal::ConsumerJournal;
use crate::queue::{BATCH, CaseQueue, QueueError, ReceivedMessage};
use crate::retry_policy::RetryPolicy;
use crate::stop::Stop;
use processor::MessageProcessor;

/// Why a consumer ended without a stop request.
#[derive(Debug, Error)]
pub enum ConsumerError {
    /// The inbox cannot be used, so the consumer could not recognise repeated messages.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// SQS refused the first receive: the queue does not exist, or belongs to another agency.
    #[error("the first receive from the queue was refused")]
    Queue(#[from] QueueError),
}

/// Receives an agency's messages and handles them.
#[derive(Debug)]
pub struct Consumer<Q, D, I> {
    processor: MessageProcessor<Q, D, I>,
    settings: ConsumerSettings,
}

impl<Q: CaseQueue, D: CaseHandler> Consumer<Q, D, SqliteInbox> {
    /// A consumer with the configured inbox file. Opens no file and makes no call before [`Consumer::run`].
    pub fn new(config: &AgencyConfig, queue: Q, handler: D, client: HubClient) -> Self {
        Consumer {
            processor: MessageProcessor {
                agency: config.agency.clone(),
                keys: config.keys.encryption.clone(),
                hub_keys: client.hub_keys().clone(),
                queue,
                handler,
                inbox: SqliteInbox::at(&config.inbox),
                client,
                journal: ConsumerJournal::default(),
                visibility: config.consumer.visibility,
                in_progress: std::sync::Mutex::default(),
            },
            settings: config.consumer,
        }
    }
}

impl<Q: CaseQueue, D: CaseHandler, I: Inbox> Consumer<Q, D, I> {
    /// The same consumer with another inbox.
    #[must_use]
    pub fn with_inbox<J: Inbox>(self, inbox: J) -> Consumer<Q, D, J> {
        let MessageProcessor {
            agency,
            keys,
            hub_keys,
            queue,
            handler,
            inbox: _,
            client,
            journal,
            visibility,
            in_progress,
        } = self.processor;
        Consumer {
            processor: MessageProcessor {
                agency,
                keys,
                hub_keys,
                queue,
                handler,
                inbox,
                client,
                journal,
                visibility,
                in_progress,
            },
            settings: self.settings,
        }
    }

    /// The same consumer with another journal. Its client writes the hub's receipts there, too.
    #[must_use]
    pub fn with_journal(mut self, journal: ConsumerJournal) -> Self {
        self.processor.client = self.processor.client.with_journal(journal.clone());
        self.processor.journal = journal;
        self
    }

    /// Handles cases until a stop is requested. Then it finishes the messages in progress within the configured grace
    /// period, without further tries of a failed call, and returns the others to the queue. While the queue is not available, the consumer retries with
    /// backoff.
    ///
    /// # Errors
    /// [`ConsumerError`] when the inbox cannot be used or the first receive is refused.
    pub async fn run(self, stop: Stop) -> Result<(), ConsumerError> {
        let ConsumerSettings { wait, visibility, concurrency, grace } = self.settings;
        let mut processor = self.processor;
        processor.client = processor.client.with_stop(stop.clone());
        let processor = Arc::new(processor);
        processor.inbox.prepare().await?;
        let slots = Arc::new(Semaphore::new(concurrency.get()));
        let mut tasks = JoinSet::new();
        let retry_policy = RetryPolicy { tries: u32::MAX, ..RetryPolicy::default() };
        let (mut received, mut failures) = (false, 0u32);
        processor.note("listening", None, "");
        while let Some(mut permits) = acquire_permits(&slots, &stop).await {
            while tasks.try_join_next().is_some() {}
            let batch = tokio::select! {
                biased;
                () = stop.requested() => break,
                batch = processor.queue.receive(permits.len(), wait, visibility) => batch,
            };
            match batch {
                Ok(batch) => {
                    (received, failures) = (true, 0);
                    for messages in by_group(batch) {
                        let permit = permits.pop();
                        let (processor, stop) = (Arc::clone(&processor), stop.clone());
                        tasks.spawn(async move {
                            processor.process_group(messages, &stop).await;
                            drop(permit);
                        });
                    }
                }
                Err(error @ QueueError::Refused { .. }) if !received => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(agency = %processor.agency, %error, "receive failed, will retry");
                    failures = failures.saturating_add(1);
                    tokio::select! {
                        biased;
                        () = stop.requested() => break,
                        _ = retry_policy.pause(failures, None) => {}
                    }
                }
            }
        }
        let finished = tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} });
        let in_time = finished.await.is_ok();
        let detail = if in_time { "" } else { "work was cut short" };
        processor.note("stopped", None, detail);
        Ok(())
    }
}

/// Waits for one permit and takes up to a batch of them. Returns `None` when a stop is requested.
async fn acquire_permits(slots: &Arc<Semaphore>, stop: &Stop) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        biased;
        () = stop.requested() => return None,
        first = Arc::clone(slots).acquire_owned() => first.ok()?,
    };
    let mut permits = vec![first];
    while permits.len() < BATCH
        && let Ok(permit) = Arc::clone(slots).try_acquire_owned()
    {
        permits.push(permit);
    }
    Some(permits)
}

/// Messages by FIFO group, in the order received. A message without a group forms a group of its own.
fn by_group(batch: Vec<ReceivedMessage>) -> Vec<VecDeque<ReceivedMessage>> {
    let mut groups: Vec<VecDeque<ReceivedMessage>> = Vec::new();
    for delivery in batch {
        let same = |group: &&mut VecDeque<ReceivedMessage>| {
            delivery.group.is_some() && group.iter().any(|other| other.group == delivery.group)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push_back(delivery),
            None => groups.push(VecDeque::from([delivery])),
        }
    }
    groups
}

#[cfg(test)]
mod tests;
