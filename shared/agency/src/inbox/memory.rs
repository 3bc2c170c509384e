//! An inbox in memory, for tests and for consumers that live as long as one process.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use domain::ids::{ApplicationId, EventId};
use lru::LruCache;

use super::port::{Inbox, InboxError};

/// Applications that [`MemoryInbox::default`] remembers.
const APPLICATIONS: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// A bounded inbox in memory. When full, it forgets the least recently used application. The content is lost when the
/// process ends.
#[derive(Debug)]
pub struct MemoryInbox(Mutex<LruCache<ApplicationId, u32>>);

impl Default for MemoryInbox {
    fn default() -> Self {
        MemoryInbox::bounded(APPLICATIONS)
    }
}

impl MemoryInbox {
    /// An inbox that remembers at most this number of applications.
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

    async fn forget(&self, application: ApplicationId) -> Result<(), InboxError> {
        let mut highest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        highest.pop(&application);
        Ok(())
    }
}
