//! The buffer of the delivery log. It writes attempts in few calls, and a failed write never fails a delivery.
//!
//! First-time successes are written together: when [`BATCH`] of them wait, when the oldest has waited for
//! [`MAX_DELAY`], and when the schedule wakes the process. The log may therefore lack the newest successes for a minute,
//! and longer while a process is idle. A process that ends loses them. Failures, retries and test events are written
//! before their batch is answered.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use platform::clock::Clock as _;
use platform::deliveries::{Attempt, BATCH, Deliveries as _, DeliveryWrite};
use platform::hub::Hub;
use protocol::callback::TEST;

/// Maximum time that a success waits for others while the process has batches.
const MAX_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// Maximum number of waiting writes. More are dropped: the log has then been unavailable for a long time.
const MAX_WAITING: usize = 1_000;

#[derive(Default)]
struct PendingWrites {
    writes: Vec<DeliveryWrite>,
    oldest: Option<Timestamp>,
    urgent: bool,
}

/// Attempts that are not written yet. Clones share them.
#[derive(Clone)]
pub(crate) struct Journal<H> {
    hub: H,
    waiting: Arc<Mutex<PendingWrites>>,
}

impl<H: Hub> Journal<H> {
    pub(crate) fn new(hub: H) -> Self {
        Journal { hub, waiting: Arc::default() }
    }

    /// Adds an attempt to the buffer.
    pub(crate) fn add(&self, attempt: Attempt) {
        let mut waiting = self.lock();
        waiting.urgent |= attempt.number > 1 || !attempt.is_delivered() || attempt.callback.kind == TEST;
        waiting.oldest.get_or_insert(attempt.at);
        if waiting.writes.len() < MAX_WAITING {
            waiting.writes.push(DeliveryWrite::Attempted(attempt));
        } else {
            tracing::warn!(
                callback = attempt.callback.id(),
                "a delivery attempt is dropped from the delivery log: too many attempts wait to be written"
            );
        }
    }

    /// Writes the buffer when an attempt is urgent or late, or the buffer is full.
    pub(crate) async fn flush_due(&self) {
        let now = self.hub.clock().now();
        let is_due = {
            let waiting = self.lock();
            let late = waiting.oldest.is_some_and(|oldest| now.duration_since(oldest) >= MAX_DELAY);
            waiting.urgent || late || waiting.writes.len() >= BATCH
        };
        if is_due {
            self.write().await;
        }
    }

    /// Writes the buffer. After a failure the writes wait for the next write; the failure is logged only, because no
    /// delivery depends on the log.
    pub(crate) async fn write(&self) {
        let now = self.hub.clock().now();
        let writes = mem::take(&mut *self.lock()).writes;
        if writes.is_empty() {
            return;
        }
        let Err(error) = self.hub.deliveries().write(writes.clone()).await else { return };
        let mut waiting = self.lock();
        let (count, room) = (writes.len(), MAX_WAITING.saturating_sub(waiting.writes.len()));
        tracing::warn!(count, lost = count.saturating_sub(room), %error, "delivery attempts could not be written to the delivery log; the next batch tries again");
        waiting.writes.splice(0..0, writes.into_iter().take(room));
        waiting.oldest = Some(now);
        waiting.urgent = true;
    }

    fn lock(&self) -> MutexGuard<'_, PendingWrites> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
