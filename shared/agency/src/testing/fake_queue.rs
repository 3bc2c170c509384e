//! An SQS FIFO queue in memory.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::queue::{CaseQueue, QueueError, ReceivedMessage};

#[derive(Debug)]
struct StoredMessage {
    delivery: ReceivedMessage,
    visible_at: Instant,
}

/// A FIFO queue in memory that keeps the order within a group and hides delivered messages. Uses tokio's clock, which a
/// test may pause. Clones share the messages.
#[derive(Clone, Debug, Default)]
pub struct FakeQueue(Arc<State>);

#[derive(Debug, Default)]
struct State {
    messages: Mutex<Vec<StoredMessage>>,
    sent: Notify,
    deliveries: AtomicUsize,
    hide_fails: AtomicBool,
}

impl FakeQueue {
    /// Appends a message to a group.
    ///
    /// # Panics
    /// Another user of the queue panicked.
    pub fn send(&self, group: &str, body: String) {
        let mut messages = self.0.messages.lock().unwrap();
        let message = format!("m{}-{group}", messages.len());
        let delivery = ReceivedMessage {
            receipt: message.clone(),
            message,
            group: Some(group.to_owned()),
            times: 0,
            body,
        };
        messages.push(StoredMessage { delivery, visible_at: Instant::now() });
        self.0.sent.notify_one();
    }

    /// The messages that are not deleted yet, hidden messages included.
    ///
    /// # Panics
    /// Another user of the queue panicked.
    #[must_use]
    pub fn messages(&self) -> Vec<ReceivedMessage> {
        let messages = self.0.messages.lock().unwrap();
        messages.iter().map(|stored| stored.delivery.clone()).collect()
    }

    /// Deliveries so far, repeated ones included.
    #[must_use]
    pub fn deliveries(&self) -> usize {
        self.0.deliveries.load(Ordering::SeqCst)
    }

    /// Makes every later call of [`CaseQueue::hide`] fail, or succeed again.
    pub fn fail_hide(&self, fails: bool) {
        self.0.hide_fails.store(fails, Ordering::SeqCst);
    }

    /// Receives up to `most` visible messages without waiting, and hides them.
    ///
    /// # Panics
    /// Another user of the queue panicked.
    #[must_use]
    pub fn receive_now(&self, most: usize, hidden: Duration) -> Vec<ReceivedMessage> {
        let now = Instant::now();
        let (mut blocked, mut received) = (HashSet::new(), Vec::new());
        for stored in self.0.messages.lock().unwrap().iter_mut() {
            if stored.visible_at > now {
                blocked.insert(stored.delivery.group.clone());
            } else if received.len() < most && !blocked.contains(&stored.delivery.group) {
                stored.visible_at = now + hidden;
                stored.delivery.times += 1;
                received.push(stored.delivery.clone());
                self.0.deliveries.fetch_add(1, Ordering::SeqCst);
            }
        }
        received
    }
}

impl CaseQueue for FakeQueue {
    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let received = self.receive_now(most, hidden);
        if !received.is_empty() {
            return Ok(received);
        }
        // A message that becomes visible again does not end the wait: the next receive returns the message.
        let _sent = tokio::time::timeout(wait, self.0.sent.notified()).await;
        Ok(self.receive_now(most, hidden))
    }

    async fn delete(&self, delivery: &ReceivedMessage) -> Result<(), QueueError> {
        let mut messages = self.0.messages.lock().unwrap();
        messages.retain(|stored| stored.delivery.receipt != delivery.receipt);
        Ok(())
    }

    async fn hide(&self, deliveries: &[ReceivedMessage], hidden: Duration) -> Result<(), QueueError> {
        if self.0.hide_fails.load(Ordering::SeqCst) {
            return Err(QueueError::Unavailable { code: "down".to_owned() });
        }
        for stored in self.0.messages.lock().unwrap().iter_mut() {
            if deliveries.iter().any(|given| given.receipt == stored.delivery.receipt) {
                stored.visible_at = Instant::now() + hidden;
            }
        }
        Ok(())
    }
}
