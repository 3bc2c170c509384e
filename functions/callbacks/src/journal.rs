//! The log of attempts, written in few calls and never in the way of a delivery.
//!
//! What went well at once is written with a later batch of its process, when a call is full or the oldest has
//! waited for [`LATE`], and when the schedule wakes the process. So the newest successes may be missing for a
//! minute, or until a process that stands still has work again, and for good where it ends; a failure, whatever follows one, and a test, which somebody waits
//! for, is written before its batch is answered.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use platform::clock::Clock as _;
use platform::deliveries::{Attempt, BATCH, Deliveries as _, Line};
use platform::hub::Hub;
use protocol::callback::TEST;

/// How long a success waits for others, at most, while callbacks go on.
const LATE: SignedDuration = SignedDuration::from_secs(10);
/// Lines that wait at once, at most: beyond them the log has been out of reach for long.
const WAITING: usize = 1_000;

#[derive(Default)]
struct Waiting {
    lines: Vec<Line>,
    oldest: Option<Timestamp>,
    urgent: bool,
}

/// Attempts that are not written yet. Clones share them.
#[derive(Clone)]
pub(crate) struct Journal<H> {
    hub: H,
    waiting: Arc<Mutex<Waiting>>,
}

impl<H: Hub> Journal<H> {
    pub(crate) fn new(hub: H) -> Self {
        Journal { hub, waiting: Arc::default() }
    }

    /// Takes note of an attempt.
    pub(crate) fn note(&self, attempt: Attempt) {
        let mut waiting = self.lock();
        waiting.urgent |= attempt.number > 1 || !attempt.is_delivered() || attempt.callback.kind == TEST;
        waiting.oldest.get_or_insert(attempt.at);
        if waiting.lines.len() < WAITING {
            waiting.lines.push(Line::Attempted(attempt));
        } else {
            tracing::warn!(
                callback = attempt.callback.id(),
                "a delivery attempt is dropped from the delivery log: too many attempts wait to be written"
            );
        }
    }

    /// Writes what must be written by now.
    pub(crate) async fn settle(&self) {
        let now = self.hub.clock().now();
        let is_due = {
            let waiting = self.lock();
            let late = waiting.oldest.is_some_and(|oldest| now.duration_since(oldest) >= LATE);
            waiting.urgent || late || waiting.lines.len() >= BATCH
        };
        if is_due {
            self.write().await;
        }
    }

    /// Writes all there is. What cannot be written waits for the next time, and is told in the function's own log: no
    /// delivery depends on it.
    pub(crate) async fn write(&self) {
        let now = self.hub.clock().now();
        let lines = mem::take(&mut *self.lock()).lines;
        if lines.is_empty() {
            return;
        }
        let Err(error) = self.hub.deliveries().write(lines.clone()).await else { return };
        let mut waiting = self.lock();
        let (count, room) = (lines.len(), WAITING.saturating_sub(waiting.lines.len()));
        tracing::warn!(count, lost = count.saturating_sub(room), %error, "delivery attempts could not be written to the delivery log; the next batch tries again");
        waiting.lines.splice(0..0, lines.into_iter().take(room));
        waiting.oldest = Some(now);
        waiting.urgent = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
