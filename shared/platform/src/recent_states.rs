//! Cache of the application states that this process has seen last.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::ApplicationId;
use lru::LruCache;

use crate::store::StoredApplication;

/// Most states in a process's cache, to bound its memory: a state has about 5 KB and at most 400 KB.
pub const CAPACITY: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// A bounded cache of states. A cached state may be out of date, so callers may use it for a conditional write, but
/// never for a refusal or an answer. Clones share the cache.
#[derive(Clone, Debug)]
pub struct RecentStates(Arc<Mutex<LruCache<ApplicationId, StoredApplication>>>);

impl Default for RecentStates {
    fn default() -> Self {
        RecentStates::new(CAPACITY)
    }
}

impl RecentStates {
    /// A cache of at most `capacity` states.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        RecentStates(Arc::new(Mutex::new(LruCache::new(capacity))))
    }

    /// The cached state, which may be out of date.
    #[must_use]
    pub fn get(&self, id: ApplicationId) -> Option<StoredApplication> {
        self.lock().get(&id).cloned()
    }

    /// Caches a state, unless a later version is cached.
    pub fn put(&self, stored: &StoredApplication) {
        let mut known = self.lock();
        let later = known.peek(&stored.id()).is_some_and(|known| known.version() > stored.version());
        if !later {
            known.put(stored.id(), stored.clone());
        }
    }

    /// Removes a state from the cache.
    pub fn forget(&self, id: ApplicationId) {
        self.lock().pop(&id);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<ApplicationId, StoredApplication>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
