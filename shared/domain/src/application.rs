//! The state of an application, computed from its events.

use jiff::{Timestamp, civil::Date};

use crate::calendar::{Calendar, Deadline};
use crate::catalogue::current;
use crate::event::{DocumentFault, Leg, Opened, Provider, Slot, StoredObject};
use crate::ids::{AgencyCode, ApplicationId, DocumentId, TenantId};
use crate::limits;
use crate::stage::{Purpose, Stage, Step, Taker, next, next_leg_of, reports, reports_from, steps};
use crate::time::today;

/// Content of a document's slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The slot is empty: nothing was uploaded, or the last upload was rejected.
    Waiting,
    /// A verified object.
    Stored(StoredObject),
}

/// A document of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Slot of the document.
    pub slot: Slot,
    /// Content of the slot.
    pub content: Content,
    /// Upload round, counted from 0: it grows with each rejected and each discarded upload. Part of the object key, so
    /// that no object is overwritten.
    pub round: u8,
    /// Number of rejected uploads.
    pub rejections: u8,
    /// Whether an agency has got the document. The app replaces no such document.
    pub sent: bool,
    /// Why the last upload was rejected, while the slot is empty.
    pub fault: Option<DocumentFault>,
    /// Note of the agency, when the agency requested the document. May be empty.
    pub note: Option<String>,
}

impl Document {
    /// A document with an empty slot.
    #[must_use]
    pub fn waiting(slot: Slot) -> Self {
        Document {
            slot,
            content: Content::Waiting,
            round: 0,
            rejections: 0,
            sent: false,
            fault: None,
            note: None,
        }
    }

    /// The verified object, if the slot has one.
    #[must_use]
    pub fn stored(&self) -> Option<&StoredObject> {
        match &self.content {
            Content::Stored(object) => Some(object),
            Content::Waiting => None,
        }
    }

    /// The object key, which only the hub creates from ids: `applications/<application>/<document>/<round>`.
    #[must_use]
    pub fn object_key(&self, application: ApplicationId) -> String {
        object_key(application, self.slot.id, self.round)
    }
}

/// The prefix of an application's object keys.
#[must_use]
pub fn object_prefix(application: ApplicationId) -> String {
    format!("applications/{application}/")
}

/// The object key of a document's upload round: `applications/<application>/<document>/<round>`.
#[must_use]
pub fn object_key(application: ApplicationId, document: DocumentId, round: u8) -> String {
    format!("applications/{application}/{document}/{round}")
}

/// Parses an object key; `None` when the hub did not create the key.
#[must_use]
pub fn parse_object_key(key: &str) -> Option<(ApplicationId, DocumentId, u8)> {
    let mut parts = key.strip_prefix("applications/")?.split('/');
    let parsed = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let canonical = object_key(parsed.0, parsed.1, parsed.2) == key;
    (canonical && parts.next().is_none()).then_some(parsed)
}

/// A command that was applied. The hub recognises its repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedCommand {
    /// Key of the command.
    pub key: CommandKey,
    /// Version after the command.
    pub version: u32,
}

/// Key of a command: a hash of the idempotency key or report id, and a fingerprint of the request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandKey {
    /// Hash of the caller and its key; two callers never share an id.
    pub id: [u8; 16],
    /// Hash of the body. The hub refuses the same key for another body.
    pub body: [u8; 8],
}

/// Results of the agencies so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Reason for a rejection, or why a card is not issued.
    pub reason: Option<String>,
    /// Carrier and tracking number of the card.
    pub posted: Option<Consignment>,
    /// Place where the citizen collects the card.
    pub place: Option<String>,
    /// Number of the move-in permit.
    pub permit: Option<String>,
    /// Number of the migration certificate. [`Application::certificate_until`] is its last day while it is valid.
    pub migration_certificate: Option<String>,
    /// Number of the household registration certificate.
    pub certificate: Option<String>,
}

/// A posted card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consignment {
    /// Name of the carrier.
    pub carrier: String,
    /// Tracking number of the carrier.
    pub tracking: String,
}

/// Whether a case at this stage of a leg is open at the leg's agency, see [`Application::is_before_agency`].
#[must_use]
pub fn waits_for_agency(stage: Stage, purpose: Purpose) -> bool {
    let concerns_agency = |step: &Step| match step.taken_by() {
        Taker::Agency | Taker::AppOrAgency => true,
        Taker::App | Taker::Hub => *step == Step::Dispatch,
    };
    stage == Stage::SupplementRequested || steps(stage, purpose).iter().any(|(step, _)| concerns_agency(step))
}

/// What this version of the hub cannot read of a record that a newer version wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// A part of the first event. Of the legs only the agencies are certain.
    Opening,
    /// A later event, or a part of one.
    Event,
}

/// The state of one application. Only [`crate::evolve`] builds it; the hub never stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Id of the application.
    pub id: ApplicationId,
    /// Version: the number of events.
    pub version: u32,
    /// Time of the first event.
    pub opened_at: Timestamp,
    /// Time of the last event.
    pub changed_at: Timestamp,
    /// Data of the first event.
    pub opened: Opened,
    /// Current stage.
    pub stage: Stage,
    /// Index of the current leg in `opened.legs`.
    pub leg: u8,
    /// Version of the event that opened the current leg; 0 for a draft.
    pub leg_opened: u32,
    /// Version of the event that caused the latest message to the agency: the event that opened the leg, or the last
    /// answer to a supplement request. 0 for a draft.
    pub message_version: u32,
    /// Version of the leg's last recorded dispatch; 0 without a dispatch.
    pub leg_dispatched: u32,
    /// Time of that dispatch.
    pub dispatched_at: Option<Timestamp>,
    /// Time limit of the agency on the current leg.
    pub due: Option<Deadline>,
    /// Whether the running time limit, `due`, was marked as passed.
    pub overdue: bool,
    /// Documents in slot order.
    pub documents: Vec<Document>,
    /// Highest number of a document's id so far. An id is never used again, because its object keys may have objects.
    pub last_document: u8,
    /// Number of replaced documents so far.
    pub replacements: u8,
    /// Number of corrections of the draft so far.
    pub corrections: u8,
    /// Time of the last event after which the bucket may hold files that the application no longer needs; see
    /// [`Application::needs_file`].
    pub leftovers_since: Option<Timestamp>,
    /// Number of supplement requests so far.
    pub supplement_rounds: u8,
    /// Last day to answer the open supplement request.
    pub supplement_until: Option<Date>,
    /// Last day of the migration certificate.
    pub certificate_until: Option<Date>,
    /// Results of the agencies.
    pub results: Results,
    /// Applied commands, oldest first.
    pub applied_commands: Vec<AppliedCommand>,
    /// What this version of the hub cannot read of the record. The state is then known in part: it may be shown, and
    /// nothing may be sent, erased or written because of it.
    pub unread: Option<Unread>,
}

impl Application {
    /// The tenant that owns the application.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.opened.tenant
    }

    /// The current leg. Every application has at least one leg, so this never fails.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the ledger reads no application without a leg")]
    pub fn current_leg(&self) -> &Leg {
        let last = self.opened.legs.len().saturating_sub(1);
        &self.opened.legs[usize::from(self.leg).min(last)]
    }

    /// Task of the agency on the current leg.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.current_leg().purpose
    }

    /// Agency of the current leg.
    #[must_use]
    pub fn agency(&self) -> &AgencyCode {
        &self.current_leg().agency
    }

    /// Index of the leg that a step opens, see [`next_leg_of`].
    #[must_use]
    pub fn next_leg(&self, step: Step) -> Option<usize> {
        let purposes: Vec<Purpose> = self.opened.legs.iter().map(|leg| leg.purpose).collect();
        next_leg_of(&purposes, usize::from(self.leg), step)
    }

    /// The reports that the agency of the current leg may send, from the leg's row in the catalogue. When the catalogue
    /// no longer has the leg, all reports of the stage table for its purpose are allowed.
    #[must_use]
    pub fn reports(&self) -> Vec<Step> {
        match current().service(self.opened.service).and_then(|row| row.leg(self.purpose())) {
            Some(row) => row.reports.clone(),
            None => reports(self.purpose()),
        }
    }

    /// The reports that the agency may send on the case as its message shows it, in the order in which they become
    /// possible: those of [`Application::reports`] that follow from the current stage, once the message has reached the
    /// agency.
    #[must_use]
    pub fn possible_reports(&self) -> Vec<Step> {
        let purpose = self.purpose();
        let allowed = self.reports();
        let from = next(self.stage, purpose, Step::Dispatch).unwrap_or(self.stage);
        let mut found = reports_from(from, purpose);
        found.retain(|step| {
            allowed.contains(step) && (*step != Step::RequestSupplement || self.takes_supplement_request())
        });
        found
    }

    /// Whether the limits leave room for another supplement request.
    #[must_use]
    pub fn takes_supplement_request(&self) -> bool {
        self.supplement_rounds < limits::SUPPLEMENT_ROUNDS
            && self.documents.len() < limits::DOCUMENTS
            && usize::try_from(self.version).is_ok_and(|version| version < limits::EVENTS_SOFT)
    }

    /// Whether an agency has any of the legs opened so far, and so may read the case. Of an incomplete record any leg may
    /// be open.
    #[must_use]
    pub fn involves(&self, agency: &AgencyCode) -> bool {
        let opened = match (self.is_incomplete(), self.leg_opened) {
            (true, _) => self.opened.legs.len(),
            (false, 0) => 0,
            (false, _) => usize::from(self.leg).saturating_add(1),
        };
        self.opened.legs.iter().take(opened).any(|leg| &leg.agency == agency)
    }

    /// Whether a newer version of the hub recorded something that this version cannot read, see
    /// [`Application::unread`].
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.unread.is_some()
    }

    /// The document with this id.
    #[must_use]
    pub fn document(&self, id: DocumentId) -> Option<&Document> {
        self.documents.iter().find(|document| document.slot.id == id)
    }

    /// The app's documents that are not stored yet.
    pub fn missing(&self) -> impl Iterator<Item = &Document> {
        self.documents
            .iter()
            .filter(|document| document.slot.provider == Provider::App && document.stored().is_none())
    }

    /// Whether the case is open at the current leg's agency: the agency may still report, the hub is about to send it a
    /// message, or the citizen answers its supplement request.
    #[must_use]
    pub fn is_before_agency(&self) -> bool {
        self.leg_opened > 0 && waits_for_agency(self.stage, self.purpose())
    }

    /// Whether the citizen ended the application before a decision, by a withdrawal or by letting it expire. The hub
    /// then keeps none of its files.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        matches!(self.stage, Stage::Withdrawn | Stage::Expired)
    }

    /// Whether the application needs a version of an object in the bucket: it is pinned, or it may still be recorded.
    /// The answer for a file that is not needed never changes, so it may be given by an older state. An incomplete state
    /// needs every file.
    #[must_use]
    pub fn needs_file(&self, document: DocumentId, round: u8, version: &str) -> bool {
        if self.is_incomplete() {
            return true;
        }
        if self.is_abandoned() {
            return false;
        }
        match self.document(document) {
            // A later state may have this document; an id is never used again.
            None => document.number() > self.last_document,
            Some(found) if round < found.round => false,
            Some(found) if round > found.round => !self.is_final(),
            Some(found) => match found.stored() {
                Some(object) => object.version == version,
                None => !self.is_final(),
            },
        }
    }

    /// The time limit of a leg with `purpose` that begins to run at `from`.
    #[must_use]
    pub fn limit_from(&self, purpose: Purpose, from: Timestamp) -> Deadline {
        let row = current().service(self.opened.service);
        let days = row.and_then(|row| row.limit(purpose)).unwrap_or(20);
        Calendar::official().deadline(today(from), days)
    }

    /// Whether no further step is possible.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.stage.is_final()
    }

    /// The applied command with this key, if any.
    #[must_use]
    pub fn applied_command(&self, id: &[u8; 16]) -> Option<&AppliedCommand> {
        self.applied_commands.iter().find(|taken| &taken.key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_object_keys_of_the_hub_parse() {
        let id: ApplicationId = "0190f4c0-0000-8000-8000-000000000001".parse().expect("an id");
        let document: DocumentId = "d2".parse().expect("a document id");
        let key = object_key(id, document, 1);
        assert_eq!(parse_object_key(&key), Some((id, document, 1)));
        for odd in [
            format!("{key}/x"),
            key.replace("d2/1", "d2/01"),
            key.replace("d2/1", "d2%2F1"),
            key.replace("applications/", "applications/../applications/"),
            key.to_uppercase(),
            String::new(),
        ] {
            assert_eq!(parse_object_key(&odd), None, "{odd}");
        }
    }
}
