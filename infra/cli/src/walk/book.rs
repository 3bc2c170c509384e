//! What the walk's app backend was called back about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::ApplicationId;

use crate::receiver::Heard;

#[derive(Debug, Default)]
struct StoredApplication {
    heard: BTreeMap<(ApplicationId, u32), Heard>,
    refused: Option<String>,
}

/// Every callback that came. Clones share it; a walk has a few dozen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book(Arc<Mutex<StoredApplication>>);

impl Book {
    /// Writes down what a receiver hears.
    pub(crate) fn taker(&self) -> impl Fn(Result<Heard, String>) -> bool + Send + Sync + 'static {
        let book = self.clone();
        move |heard| {
            let mut kept = book.kept();
            match heard {
                Ok(heard) => {
                    let data = &heard.payload.data;
                    // Delivery is at least once: the first one counts.
                    kept.heard.entry((data.application, data.version)).or_insert(heard);
                }
                Err(why) => kept.refused = Some(why),
            }
            true
        }
    }

    /// The callback about one event, if it came.
    pub(crate) fn heard(&self, application: ApplicationId, version: u32) -> Option<Heard> {
        self.kept().heard.get(&(application, version)).cloned()
    }

    /// Every callback by application and version.
    pub(crate) fn all(&self) -> BTreeMap<(ApplicationId, u32), Heard> {
        self.kept().heard.clone()
    }

    /// Why a callback was not believed, if one was not.
    pub(crate) fn refused(&self) -> Option<String> {
        self.kept().refused.clone()
    }

    fn kept(&self) -> MutexGuard<'_, StoredApplication> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
