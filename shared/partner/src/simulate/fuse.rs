//! A crash, as the agency's own machine would have it: at some step of its work, between two of them, everything stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{ApplicationId, EventId};
use tokio::sync::watch;

use crate::inbox::{Inbox, InboxError};
use crate::queue::{CaseQueue, Delivery, QueueError};

/// Burns down by a step of the work at a time, once it is lit. Clones are the same fuse.
#[derive(Clone, Debug)]
pub(crate) struct Fuse {
    left: Arc<Mutex<Option<u32>>>,
    blown: watch::Sender<bool>,
}

impl Default for Fuse {
    /// Not lit.
    fn default() -> Self {
        Fuse { left: Arc::default(), blown: watch::Sender::new(false) }
    }
}

impl Fuse {
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
    pub(crate) fuse: Fuse,
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
        self.fuse.step().await;
        let deleted = self.whole.delete(delivery).await;
        self.fuse.step().await;
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
        self.fuse.step().await;
        let remembered = self.whole.remember(event).await;
        self.fuse.step().await;
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
        let fuse = Fuse::default();
        for _ in 0..100 {
            fuse.step().await;
        }
        assert!(fuse.light(2) && !fuse.light(50));
        fuse.step().await;
        fuse.step().await;
        for _ in 0..2 {
            tokio::select! {
                biased;
                () = fuse.step() => panic!("went on"),
                () = fuse.blown() => {}
            }
        }
    }
}
