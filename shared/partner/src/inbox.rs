//! What was worked on already, so that a message that comes again changes nothing.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use domain::ids::{ApplicationId, EventId};
use lru::LruCache;
use thiserror::Error;

/// The inbox cannot be read or written.
#[derive(Debug, Error)]
#[error("the inbox cannot be used")]
pub struct InboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Remembers which messages were handled. Versions of one application only grow, so a message of a lower
/// version than the highest one handled is old news: a repeat, or a late redrive.
pub trait Inbox: Send + Sync + 'static {
    /// Whether this message, or a later one of its application, was handled.
    ///
    /// # Errors
    /// [`InboxError`]: the message is left in the queue.
    fn handled(&self, event: EventId) -> impl Future<Output = Result<bool, InboxError>> + Send;

    /// Remembers that the message was handled. Called before it is deleted from the queue.
    ///
    /// # Errors
    /// [`InboxError`]: the message is left in the queue.
    fn remember(&self, event: EventId) -> impl Future<Output = Result<(), InboxError>> + Send;
}

/// Applications that [`MemoryInbox::default`] remembers.
const APPLICATIONS: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// An inbox in memory, bounded: it forgets the applications that were longest quiet. It knows nothing of an
/// earlier process; what that one reported is then refused by the hub as overtaken.
#[derive(Debug)]
pub struct MemoryInbox(Mutex<LruCache<ApplicationId, u32>>);

impl Default for MemoryInbox {
    fn default() -> Self {
        MemoryInbox::bounded(APPLICATIONS)
    }
}

impl MemoryInbox {
    /// Remembers this many applications.
    #[must_use]
    pub fn bounded(applications: NonZeroUsize) -> Self {
        MemoryInbox(Mutex::new(LruCache::new(applications)))
    }
}

impl Inbox for MemoryInbox {
    async fn handled(&self, event: EventId) -> Result<bool, InboxError> {
        let mut highest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(highest.get(&event.application()).is_some_and(|version| event.version() <= *version))
    }

    async fn remember(&self, event: EventId) -> Result<(), InboxError> {
        let mut highest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = highest.get_or_insert_mut(event.application(), || 0);
        *version = event.version().max(*version);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_newer_was_handled_and_memory_is_bounded() {
        let inbox = MemoryInbox::bounded(NonZeroUsize::new(2).expect("2"));
        let event = |application: u8, version| {
            EventId::new(ApplicationId::from_bytes16([application; 16]), version).expect("an id")
        };
        let handled = async |event| inbox.handled(event).await.expect("memory");
        inbox.remember(event(1, 5)).await.expect("memory");
        inbox.remember(event(1, 3)).await.expect("memory");
        assert!(handled(event(1, 5)).await && handled(event(1, 4)).await);
        assert!(!handled(event(1, 6)).await && !handled(event(2, 1)).await);
        inbox.remember(event(2, 1)).await.expect("memory");
        inbox.remember(event(3, 1)).await.expect("memory");
        assert!(!handled(event(1, 5)).await, "the quietest is forgotten");
    }
}
