//! What a consumer did, in ids: one entry for each message and each report, nothing personal.

use std::fmt;
use std::sync::Arc;

use domain::ids::{AgencyCode, ApplicationId};
use jiff::Timestamp;
use serde::Serialize;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, to the millisecond.
    pub time: Timestamp,
    /// Which agency.
    pub agency: AgencyCode,
    /// What: `listening`, `stopped`, `case`, `report`, `document`, `upload`, `repeat`, `handled`, `overtaken`, `left`,
    /// `unreadable`; of a simulated agency also `mistake`, `asked_again` and `crashed`.
    pub what: &'static str,
    /// The application, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// Its version, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// A name from the protocol or the code of an error, never free text of a case.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Where entries go. Clones share it.
#[derive(Clone)]
pub struct Journal(Arc<dyn Fn(&Entry) + Send + Sync>);

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}

impl Default for Journal {
    /// Entries become `tracing` events.
    fn default() -> Self {
        Journal::new(|entry| {
            tracing::info!(
                agency = %entry.agency,
                application = entry.application.map(tracing::field::display),
                version = entry.version,
                detail = entry.detail,
                "{}",
                entry.what
            );
        })
    }
}

impl Journal {
    /// Hands every entry to `write`, which must not block for long.
    pub fn new(write: impl Fn(&Entry) + Send + Sync + 'static) -> Self {
        Journal(Arc::new(write))
    }

    /// Hands an entry of another journal on.
    pub fn forward(&self, entry: &Entry) {
        (self.0)(entry);
    }

    /// Writes an entry of now.
    pub fn write(
        &self,
        agency: &AgencyCode,
        what: &'static str,
        case: Option<(ApplicationId, u32)>,
        detail: impl Into<String>,
    ) {
        let now = Timestamp::now();
        (self.0)(&Entry {
            time: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
            agency: agency.clone(),
            what,
            application: case.map(|(application, _)| application),
            version: case.map(|(_, version)| version),
            detail: detail.into(),
        });
    }
}
