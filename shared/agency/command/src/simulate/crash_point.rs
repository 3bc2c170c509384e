//! A crash, as the agency's own machine would have it: at some step of its work, between two of them, everything stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{ApplicationId, EventId};
use tokio::sync::watch;

use agency::inbox::{Inbox, InboxError};
use agency::queue::{CaseQueue, Delivery, QueueError};

/// Burns down by a step of the work at a time, once it is lit. Clones are the same fuse.
#[derive(Clone, Debug)]
pub(crate) struct CrashPoint {
    left: Arc<Mutex<Option<u32>>>,
    blown: watch::Sender<bool>,
}

impl Default for CrashPoint {
    /// Not lit.
    fn default() -> Self {
        CrashPoint { left: Arc::default(), blown: watch::Sender::new(false) }
    }
}

impl CrashPoint {
    /// Lights it, to blow at the step after this many. One that burns goes on burning as it does.
    ///
    /// Returns whether it was lit now.
    pub(crate) fn light(&self, steps: u32) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let unlit = left.is_none();
        left.get_or_insert(steps);
        unlit
    }

    /// A place between two steps: where the fuse has burnt down, nobody comes further than here.
    pub(crate) async fn step(&self) {
        if self.burn() {
            self.blown.send_replace(true);
            std::future::pending::<()>().await;
        }
    }

    fn burn(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.as_mut() {
            Some(0) => true,
            Some(steps) => {
                *steps -= 1;
                false
            }
            None => false,
        }
    }

    /// Waits until it has blown.
    pub(crate) async fn blown(&self) {
        let mut blown = self.blown.subscribe();
        // The sender is this fuse's own, so that there is always one.
        let _gone = blown.wait_for(|blown| *blown).await.is_err();
    }
}

/// A queue or an inbox whose user can crash before and after each of its changes.
#[derive(Clone, Debug)]
pub(crate) struct Fragile<T> {
    pub(crate) whole: T,
    pub(crate) crash_point: CrashPoint,
}

impl<Q: CaseQueue> CaseQueue for Fragile<Q> {
    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.whole.receive(most, wait, hidden).await
    }

    async fn delete(&self, delivery: &Delivery) -> Result<(), QueueError> {
        self.crash_point.step().await;
        let deleted = self.whole.delete(delivery).await;
        self.crash_point.step().await;
        deleted
    }

    async fn hide(&self, deliveries: &[Delivery], hidden: Duration) -> Result<(), QueueError> {
        self.whole.hide(deliveries, hidden).await
    }
}

impl<I: Inbox> Inbox for Fragile<I> {
    async fn prepare(&self) -> Result<(), InboxError> {
        self.whole.prepare().await
    }

    async fn handled(&self, event: EventId) -> Result<bool, InboxError> {
        self.whole.handled(event).await
    }

    async fn remember(&self, event: EventId) -> Result<(), InboxError> {
        self.crash_point.step().await;
        let remembered = self.whole.remember(event).await;
        self.crash_point.step().await;
        remembered
    }

    async fn forget(&self, application: ApplicationId) -> Result<(), InboxError> {
        self.whole.forget(application).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_blows_at_its_step_and_nobody_comes_further() {
        let crash_point = CrashPoint::default();
        for _ in 0..100 {
            crash_point.step().await;
        }
        assert!(crash_point.light(2) && !crash_point.light(50));
        crash_point.step().await;
        crash_point.step().await;
        for _ in 0..2 {
            tokio::select! {
                biased;
                () = crash_point.step() => panic!("went on"),
                () = crash_point.blown() => {}
            }
        }
    }
}
