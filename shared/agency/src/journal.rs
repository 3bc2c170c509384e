//! The consumer's journal: one entry for each message and each report, with ids and without personal data.

use std::fmt;
use std::sync::Arc;

use domain::ids::{AgencyCode, ApplicationId};
use jiff::Timestamp;
use serde::Serialize;

/// One event of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalEntry {
    /// Time of the event, to the millisecond.
    pub time: Timestamp,
    /// The consumer's agency.
    pub agency: AgencyCode,
    /// The event: `listening`, `stopped`, `case`, `report`, `document`, `upload`, `repeat`, `handled`, `overtaken`,
    /// `left`, `unreadable`, `receipt`; a simulated agency also writes `mistake`, `resend_requested` and `crashed`.
    pub action: &'static str,
    /// The application, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// The application's version, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// A name from the protocol or an error's text, never free text of a case.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The hub's signed receipt of a report, a compact JWS, with `receipt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

/// The destination of journal entries. Clones share it.
#[derive(Clone)]
pub struct ConsumerJournal(Arc<dyn Fn(&JournalEntry) + Send + Sync>);

impl fmt::Debug for ConsumerJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}

impl Default for ConsumerJournal {
    /// Writes each entry as a `tracing` event.
    fn default() -> Self {
        ConsumerJournal::new(|entry| {
            tracing::info!(
                agency = %entry.agency,
                application = entry.application.map(tracing::field::display),
                version = entry.version,
                detail = entry.detail,
                receipt = entry.receipt,
                "{}",
                entry.action
            );
        })
    }
}

impl ConsumerJournal {
    /// Calls `write` for every entry. `write` must not block for long.
    pub fn new(write: impl Fn(&JournalEntry) + Send + Sync + 'static) -> Self {
        ConsumerJournal(Arc::new(write))
    }

    /// Writes an entry of another journal, with its own time.
    pub fn forward(&self, entry: &JournalEntry) {
        (self.0)(entry);
    }

    /// Writes an entry with the current time.
    pub fn write(
        &self,
        agency: &AgencyCode,
        action: &'static str,
        case: Option<(ApplicationId, u32)>,
        detail: impl Into<String>,
    ) {
        (self.0)(&entry(agency, action, case, detail.into()));
    }

    /// Writes the receipt of a report of this kind.
    pub fn receipt(&self, agency: &AgencyCode, case: (ApplicationId, u32), kind: &str, receipt: &str) {
        let entry = entry(agency, "receipt", Some(case), kind.to_owned());
        (self.0)(&JournalEntry { receipt: Some(receipt.to_owned()), ..entry });
    }
}

fn entry(
    agency: &AgencyCode,
    action: &'static str,
    case: Option<(ApplicationId, u32)>,
    detail: String,
) -> JournalEntry {
    let now = Timestamp::now();
    JournalEntry {
        time: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
        agency: agency.clone(),
        action,
        application: case.map(|(application, _)| application),
        version: case.map(|(_, version)| version),
        detail,
        receipt: None,
    }
}
