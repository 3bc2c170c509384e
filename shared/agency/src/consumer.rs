//! Takes cases from the queue to the handler: opened and verified, each once, in order within a case, several cases
//! at once.
//!
//! A message is deleted only after the handler has handled it and the inbox remembers it. Until then it is hidden,
//! and hidden for longer while the work lasts. What cannot be read is left: after ten deliveries SQS moves it to
//! the agency's dead-letter queue, where its operator finds it.

mod group;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::ids::{AgencyCode, ApplicationId};
use protocol::jose::PrivateKey;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::case_handler::CaseHandler;
use crate::config::{Config, Pace};
use crate::hub_client::HubClient;
use crate::hub_keys::HubKeys;
use crate::inbox::{Inbox, InboxError, SqliteInbox};
use crate::journal::Journal;
use crate::queue::{BATCH, CaseQueue, Delivery, QueueError};
use crate::retry_policy::RetryPolicy;
use crate::stop::Stop;

/// Why a consumer ended by itself.
#[derive(Debug, Error)]
pub enum ConsumerError {
    /// The inbox cannot be used: without it nothing tells a repeat from news.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// The very first receive was refused: no such queue, or not this agency's.
    #[error("cannot receive")]
    Queue(#[from] QueueError),
}

/// An agency's consumer.
#[derive(Debug)]
pub struct Consumer<Q, D, I> {
    counter: Counter<Q, D, I>,
    pace: Pace,
}

/// What every task of a consumer shares.
#[derive(Debug)]
struct Counter<Q, D, I> {
    agency: AgencyCode,
    keys: Vec<PrivateKey>,
    hub_keys: HubKeys,
    queue: Q,
    handler: D,
    inbox: I,
    client: HubClient,
    journal: Journal,
    /// How long a message is hidden while it is worked on.
    hidden: Duration,
    /// Applications worked on right now: a delivery that comes while its elder is at work must wait.
    in_hand: Mutex<HashSet<ApplicationId>>,
}

impl<Q: CaseQueue, D: CaseHandler> Consumer<Q, D, SqliteInbox> {
    /// A consumer with the configured file as its inbox. Nothing is opened or called before it runs.
    pub fn new(config: &Config, queue: Q, handler: D, client: HubClient) -> Self {
        Consumer {
            counter: Counter {
                agency: config.agency.clone(),
                keys: config.keys.encryption.clone(),
                hub_keys: client.hub_keys().clone(),
                queue,
                handler,
                inbox: SqliteInbox::at(&config.inbox),
                client,
                journal: Journal::default(),
                hidden: config.pace.visibility,
                in_hand: Mutex::default(),
            },
            pace: config.pace,
        }
    }
}

impl<Q: CaseQueue, D: CaseHandler, I: Inbox> Consumer<Q, D, I> {
    /// The same consumer with another inbox.
    #[must_use]
    pub fn with_inbox<J: Inbox>(self, inbox: J) -> Consumer<Q, D, J> {
        let Counter { agency, keys, hub_keys, queue, handler, inbox: _, client, journal, hidden, in_hand } =
            self.counter;
        Consumer {
            counter: Counter {
                agency,
                keys,
                hub_keys,
                queue,
                handler,
                inbox,
                client,
                journal,
                hidden,
                in_hand,
            },
            pace: self.pace,
        }
    }

    /// The same consumer with another journal.
    #[must_use]
    pub fn with_journal(mut self, journal: Journal) -> Self {
        self.counter.journal = journal;
        self
    }

    /// Takes cases until the end is asked for; then finishes the messages under way, for as long as the pace's
    /// grace, and gives the others back to the queue. While the queue is not available it waits and tries again.
    ///
    /// # Errors
    /// [`ConsumerError`] where the inbox cannot be used or the first receive is refused.
    pub async fn run(self, stop: Stop) -> Result<(), ConsumerError> {
        let Pace { wait, visibility, concurrency, grace } = self.pace;
        let counter = Arc::new(self.counter);
        counter.inbox.prepare().await?;
        let desks = Arc::new(Semaphore::new(concurrency.get()));
        let mut work = JoinSet::new();
        let retry_policy = RetryPolicy { tries: u32::MAX, ..RetryPolicy::default() };
        let (mut received, mut failures) = (false, 0u32);
        counter.note("listening", None, "");
        while let Some(mut places) = places(&desks, &stop).await {
            while work.try_join_next().is_some() {}
            let batch = tokio::select! {
                biased;
                () = stop.asked() => break,
                batch = counter.queue.receive(places.len(), wait, visibility) => batch,
            };
            match batch {
                Ok(batch) => {
                    (received, failures) = (true, 0);
                    for messages in groups(batch) {
                        let place = places.pop();
                        let (counter, stop) = (Arc::clone(&counter), stop.clone());
                        work.spawn(async move {
                            counter.work(messages, &stop).await;
                            drop(place);
                        });
                    }
                }
                Err(error @ QueueError::Refused { .. }) if !received => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(agency = %counter.agency, %error, "no messages received");
                    failures += 1;
                    tokio::select! {
                        biased;
                        () = stop.asked() => break,
                        _ = retry_policy.pause(failures, None) => {}
                    }
                }
            }
        }
        let finished = tokio::time::timeout(grace, async { while work.join_next().await.is_some() {} });
        let in_time = finished.await.is_ok();
        let detail = if in_time { "" } else { "work was cut short" };
        counter.note("stopped", None, detail);
        Ok(())
    }
}

/// Waits for one place and takes up to a batch of them; `None` once the end is asked for.
async fn places(desks: &Arc<Semaphore>, stop: &Stop) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        biased;
        () = stop.asked() => return None,
        first = Arc::clone(desks).acquire_owned() => first.ok()?,
    };
    let mut places = vec![first];
    while places.len() < BATCH
        && let Ok(place) = Arc::clone(desks).try_acquire_owned()
    {
        places.push(place);
    }
    Some(places)
}

/// Messages by group, in the order received; one without a group is a group of its own.
fn groups(batch: Vec<Delivery>) -> Vec<VecDeque<Delivery>> {
    let mut groups: Vec<VecDeque<Delivery>> = Vec::new();
    for delivery in batch {
        let same = |group: &&mut VecDeque<Delivery>| {
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
