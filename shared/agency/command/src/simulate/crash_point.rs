//! A crash of an agency's process: between two steps of its work everything stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{ApplicationId, EventId};
use tokio::sync::watch;

use agency::inbox::{Inbox, InboxError};
use agency::queue::{CaseQueue, QueueError, ReceivedMessage};

/// Counts the steps until the process crashes. Clones share the counter.
#[derive(Clone, Debug)]
pub(crate) struct CrashPoint {
    /// Steps until the crash; `None` when no crash is scheduled.
    remaining: Arc<Mutex<Option<u32>>>,
    crashed: watch::Sender<bool>,
}

impl Default for CrashPoint {
    /// No crash is scheduled.
    fn default() -> Self {
        CrashPoint { remaining: Arc::default(), crashed: watch::Sender::new(false) }
    }
}

impl CrashPoint {
    /// Schedules a crash after this many steps. Does not change a crash that is already scheduled.
    ///
    /// Returns whether the crash is new.
    pub(crate) fn schedule(&self, steps: u32) -> bool {
        let mut remaining = self.remaining.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = remaining.is_none();
        remaining.get_or_insert(steps);
        is_new
    }

    /// Marks a point between two steps. When the crash is due, this never returns.
    pub(crate) async fn step(&self) {
        if self.is_due() {
            self.crashed.send_replace(true);
            std::future::pending::<()>().await;
        }
    }

    fn is_due(&self) -> bool {
        let mut remaining = self.remaining.lock().unwrap_or_else(PoisonError::into_inner);
        match remaining.as_mut() {
            Some(0) => true,
            Some(steps) => {
                *steps -= 1;
                false
            }
            None => false,
        }
    }

    /// Waits for the crash.
    pub(crate) async fn crashed(&self) {
        let mut crashed = self.crashed.subscribe();
        // This value owns the sender, so the channel cannot close.
        let _closed = crashed.wait_for(|crashed| *crashed).await.is_err();
    }
}

/// A queue or an inbox whose user can crash before and after each change.
#[derive(Clone, Debug)]
pub(crate) struct Crashable<T> {
    pub(crate) inner: T,
    pub(crate) crash_point: CrashPoint,
}

impl<Q: CaseQueue> CaseQueue for Crashable<Q> {
    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.inner.receive(most, wait, hidden).await
    }

    async fn delete(&self, delivery: &ReceivedMessage) -> Result<(), QueueError> {
        self.crash_point.step().await;
        let deleted = self.inner.delete(delivery).await;
        self.crash_point.step().await;
        deleted
    }

    async fn hide(&self, deliveries: &[ReceivedMessage], hidden: Duration) -> Result<(), QueueError> {
        self.inner.hide(deliveries, hidden).await
    }
}

impl<I: Inbox> Inbox for Crashable<I> {
    async fn prepare(&self) -> Result<(), InboxError> {
        self.inner.prepare().await
    }

    async fn handled(&self, event: EventId) -> Result<bool, InboxError> {
        self.inner.handled(event).await
    }

    async fn remember(&self, event: EventId) -> Result<(), InboxError> {
        self.crash_point.step().await;
        let remembered = self.inner.remember(event).await;
        self.crash_point.step().await;
        remembered
    }

    async fn forget(&self, application: ApplicationId) -> Result<(), InboxError> {
        self.inner.forget(application).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_process_crashes_at_its_step_and_does_nothing_after_it() {
        let crash_point = CrashPoint::default();
        for _ in 0..100 {
            crash_point.step().await;
        }
        assert!(crash_point.schedule(2) && !crash_point.schedule(50));
        crash_point.step().await;
        crash_point.step().await;
        for _ in 0..2 {
            tokio::select! {
                biased;
                () = crash_point.step() => panic!("went on"),
                () = crash_point.crashed() => {}
            }
        }
    }
}
