//! States of applications that this process saw last.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::ApplicationId;
use lru::LruCache;

use crate::store::StoredApplication;

/// States that a function's process keeps: a bound on memory (about 5 KB each, never over 400 KB).
pub const CAPACITY: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// A bounded memory of states. Any of them may be out of date, so it may lead to a conditional write,
/// never to a refusal or an answer. Clones share it.
#[derive(Clone, Debug)]
pub struct RecentStates(Arc<Mutex<LruCache<ApplicationId, StoredApplication>>>);

impl Default for RecentStates {
    fn default() -> Self {
        RecentStates::new(CAPACITY)
    }
}

impl RecentStates {
    /// A memory of at most this many states.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        RecentStates(Arc::new(Mutex::new(LruCache::new(capacity))))
    }

    /// The state seen last, which may be out of date.
    #[must_use]
    pub fn get(&self, id: ApplicationId) -> Option<StoredApplication> {
        self.lock().get(&id).cloned()
    }

    /// Remembers a state, unless a later one is known.
    pub fn put(&self, stored: &StoredApplication) {
        let mut known = self.lock();
        let later = known.peek(&stored.id()).is_some_and(|known| known.version() > stored.version());
        if !later {
            known.put(stored.id(), stored.clone());
        }
    }

    /// Forgets a state.
    pub fn forget(&self, id: ApplicationId) {
        self.lock().pop(&id);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<ApplicationId, StoredApplication>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
