//! A queue in memory for the tests.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::queue::{CaseQueue, Delivery, QueueError};

/// A message of the queue below.
pub(crate) struct Lying {
    delivery: Delivery,
    visible_at: Instant,
}

/// A FIFO queue in memory, by the paused clock of the test.
#[derive(Clone, Default)]
pub(crate) struct Fifo(
    Arc<(Mutex<Vec<Lying>>, Notify)>,
    pub(crate) Arc<AtomicUsize>,
    pub(crate) Arc<AtomicBool>,
);

impl Fifo {
    pub(crate) fn send(&self, group: &str, body: String) {
        let mut all = self.0.0.lock().unwrap();
        let message = format!("m{}-{group}", all.len());
        let delivery =
            Delivery { receipt: message.clone(), message, group: Some(group.to_owned()), times: 0, body };
        all.push(Lying { delivery, visible_at: Instant::now() });
        self.0.1.notify_one();
    }

    pub(crate) fn left(&self) -> Vec<Delivery> {
        let all = self.0.0.lock().unwrap();
        all.iter().map(|lying| lying.delivery.clone()).collect()
    }

    pub(crate) fn take(&self, most: usize, hidden: Duration) -> Vec<Delivery> {
        let now = Instant::now();
        let (mut blocked, mut taken) = (HashSet::new(), Vec::new());
        for lying in self.0.0.lock().unwrap().iter_mut() {
            if lying.visible_at > now {
                blocked.insert(lying.delivery.group.clone());
            } else if taken.len() < most && !blocked.contains(&lying.delivery.group) {
                lying.visible_at = now + hidden;
                lying.delivery.times += 1;
                taken.push(lying.delivery.clone());
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
        taken
    }
}

impl CaseQueue for Fifo {
    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let taken = self.take(most, hidden);
        if !taken.is_empty() {
            return Ok(taken);
        }
        // A message that becomes visible again ends no wait here: the next receive finds it.
        let _sent = tokio::time::timeout(wait, self.0.1.notified()).await;
        Ok(self.take(most, hidden))
    }

    async fn delete(&self, delivery: &Delivery) -> Result<(), QueueError> {
        let mut all = self.0.0.lock().unwrap();
        all.retain(|lying| lying.delivery.receipt != delivery.receipt);
        Ok(())
    }

    async fn hide(&self, deliveries: &[Delivery], hidden: Duration) -> Result<(), QueueError> {
        if self.2.load(Ordering::SeqCst) {
            let code = "down".to_owned();
            return Err(QueueError::Unavailable { code });
        }
        for lying in self.0.0.lock().unwrap().iter_mut() {
            if deliveries.iter().any(|given| given.receipt == lying.delivery.receipt) {
                lying.visible_at = Instant::now() + hidden;
            }
        }
        Ok(())
    }
}
