//! The callbacks that a receiver has taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::ApplicationId;

use crate::receiver::ReceivedCallback;

#[derive(Debug, Default)]
struct Entries {
    callbacks: Vec<ReceivedCallback>,
    rejections: Vec<String>,
}

/// Every callback in the order of arrival, repeats included. Clones share the log. It is not bounded: it is for tests
/// and for a demonstration of a few dozen callbacks.
#[derive(Clone, Debug, Default)]
pub struct CallbackLog(Arc<Mutex<Entries>>);

impl CallbackLog {
    /// A handler for [`CallbackReceiver::listen`](crate::CallbackReceiver::listen) that stores everything.
    pub fn handler(
        &self,
    ) -> impl Fn(Result<ReceivedCallback, String>) -> bool + Send + Sync + use<> + 'static {
        let log = self.clone();
        move |callback| {
            let mut entries = log.entries();
            match callback {
                Ok(callback) => entries.callbacks.push(callback),
                Err(reason) => entries.rejections.push(reason),
            }
            true
        }
    }

    /// Every callback that was verified.
    #[must_use]
    pub fn callbacks(&self) -> Vec<ReceivedCallback> {
        self.entries().callbacks.clone()
    }

    /// The first callback about a version of an application; delivery is at least once, so there may be others.
    #[must_use]
    pub fn find(&self, application: ApplicationId, version: u32) -> Option<ReceivedCallback> {
        let is_wanted = |callback: &&ReceivedCallback| {
            let data = &callback.payload.data;
            data.application == application && data.version == version
        };
        self.entries().callbacks.iter().find(is_wanted).cloned()
    }

    /// Why callbacks were rejected.
    #[must_use]
    pub fn rejections(&self) -> Vec<String> {
        self.entries().rejections.clone()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
