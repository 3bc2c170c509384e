//! The state of an application, computed from its events.

use jiff::{Timestamp, civil::Date};

use crate::calendar::Deadline;
use crate::catalogue::service_row;
use crate::event::{DocumentFault, Leg, Opened, Provider, Slot, StoredObject};
use crate::ids::{AgencyCode, ApplicationId, DocumentId, TenantId};
use crate::stage::{Purpose, Stage, Step, Taker, next_leg_of, reports, steps};

/// What a document's slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing yet, or nothing any more after a refusal.
    Waiting,
    /// A verified object.
    Stored(StoredObject),
}

/// A document of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its slot.
    pub slot: Slot,
    /// What is in it.
    pub content: Content,
    /// How often an object was refused; part of the object's key, so a refused object is never overwritten.
    pub rejections: u8,
    /// Why the last one was, while it waits for another.
    pub fault: Option<DocumentFault>,
    /// What the agency wants, in its words, where it asked for the document. May be empty.
    pub note: Option<String>,
}

impl Document {
    /// An empty document for a slot.
    #[must_use]
    pub fn waiting(slot: Slot) -> Self {
        Document { slot, content: Content::Waiting, rejections: 0, fault: None, note: None }
    }

    /// The verified object, if one is in.
    #[must_use]
    pub fn stored(&self) -> Option<&StoredObject> {
        match &self.content {
            Content::Stored(object) => Some(object),
            Content::Waiting => None,
        }
    }

    /// The object key, made by the server alone from ids: `applications/<application>/<document>/<round>`.
    #[must_use]
    pub fn object_key(&self, application: ApplicationId) -> String {
        object_key(application, self.slot.id, self.rejections)
    }
}

/// The object key of a document's upload round: `applications/<application>/<document>/<round>`.
#[must_use]
pub fn object_key(application: ApplicationId, document: DocumentId, round: u8) -> String {
    format!("applications/{application}/{document}/{round}")
}

/// The parts of an object key, or `None` where the key is not one of ours.
#[must_use]
pub fn parse_object_key(key: &str) -> Option<(ApplicationId, DocumentId, u8)> {
    let mut parts = key.strip_prefix("applications/")?.split('/');
    let parsed = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let canonical = object_key(parsed.0, parsed.1, parsed.2) == key;
    (canonical && parts.next().is_none()).then_some(parsed)
}

/// A command that was taken, so that its repeat is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its key.
    pub key: CommandKey,
    /// Version after it.
    pub version: u32,
}

/// What makes a command the same command: an idempotency key or a report id, and a fingerprint of what
/// was asked under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandKey {
    /// Hash of the caller's key; two callers never share one.
    pub id: [u8; 16],
    /// Hash of the body: the same key for another body is a misuse.
    pub body: [u8; 8],
}

/// What the agencies have made of an application so far, in their words and numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Why it was refused, or is not issued.
    pub reason: Option<String>,
    /// Who carries the card, and under which number.
    pub posted: Option<Consignment>,
    /// Where the card is to be collected.
    pub place: Option<String>,
    /// Number of the move-in permit.
    pub permit: Option<String>,
    /// Number of the migration certificate. Its last day is [`Application::certificate_until`], while it counts.
    pub migration_certificate: Option<String>,
    /// Number of the household registration certificate.
    pub certificate: Option<String>,
}

/// A card in the post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consignment {
    /// The carrier's name.
    pub carrier: String,
    /// The consignment number.
    pub tracking: String,
}

/// The state of one application. Built by [`crate::evolve::evolve`] alone; never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its id.
    pub id: ApplicationId,
    /// Number of its events.
    pub version: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When its last event happened.
    pub changed_at: Timestamp,
    /// What it was opened with.
    pub opened: Opened,
    /// Where it stands.
    pub stage: Stage,
    /// Index of the current leg in `opened.legs`.
    pub leg: u8,
    /// Version of the event that opened the current leg; 0 while a draft.
    pub leg_opened: u32,
    /// Version of the event whose message its agency is owed: what opened the leg, or the last answer to a
    /// supplement. 0 while a draft.
    pub message_version: u32,
    /// Version of the leg's last recorded dispatch; 0 while there is none.
    pub leg_dispatched: u32,
    /// When that was.
    pub dispatched_at: Option<Timestamp>,
    /// The agency's limit on the current leg.
    pub due: Option<Deadline>,
    /// Whether the limit that runs, `due`, was marked as passed.
    pub overdue: bool,
    /// The documents in slot order.
    pub documents: Vec<Document>,
    /// Rounds of supplement so far.
    pub supplement_rounds: u8,
    /// Last day of the answer to the open supplement.
    pub supplement_until: Option<Date>,
    /// Last day of the migration certificate.
    pub certificate_until: Option<Date>,
    /// What has come of it.
    pub results: Results,
    /// Commands taken so far, oldest first.
    pub taken: Vec<Taken>,
}

impl Application {
    /// The tenant that owns it.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.opened.tenant
    }

    /// The current leg. Every application has at least one (see `open`), so this is total.
    #[must_use]
    pub fn current_leg(&self) -> &Leg {
        let last = self.opened.legs.len().saturating_sub(1);
        &self.opened.legs[usize::from(self.leg).min(last)]
    }

    /// What the current leg asks.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.current_leg().purpose
    }

    /// Who acts on the current leg.
    #[must_use]
    pub fn agency(&self) -> &AgencyCode {
        &self.current_leg().agency
    }

    /// The index of the leg that a step opens: see [`next_leg_of`].
    #[must_use]
    pub fn next_leg(&self, step: Step) -> Option<usize> {
        let purposes: Vec<Purpose> = self.opened.legs.iter().map(|leg| leg.purpose).collect();
        next_leg_of(&purposes, usize::from(self.leg), step)
    }

    /// The reports that the agency of the current leg may send: those of the leg's row in the catalogue. An application
    /// whose service has lost the leg since keeps all reports that the stage table has for its purpose.
    #[must_use]
    pub fn reports(&self) -> Vec<Step> {
        match service_row(self.opened.service).leg(self.purpose()) {
            Some(row) => row.reports.clone(),
            None => reports(self.purpose()),
        }
    }

    /// Whether an agency has a part in any leg opened so far, and so may read the case.
    #[must_use]
    pub fn involves(&self, agency: &AgencyCode) -> bool {
        self.leg_opened > 0
            && self.opened.legs.iter().take(usize::from(self.leg) + 1).any(|leg| &leg.agency == agency)
    }

    /// The document with this id.
    #[must_use]
    pub fn document(&self, id: DocumentId) -> Option<&Document> {
        self.documents.iter().find(|document| document.slot.id == id)
    }

    /// The app's documents that are not in yet.
    pub fn missing(&self) -> impl Iterator<Item = &Document> {
        self.documents
            .iter()
            .filter(|document| document.slot.provider == Provider::App && document.stored().is_none())
    }

    /// Whether the current leg's agency has the case before it: something of it may still come from there, or is about
    /// to be sent there. While the citizen answers its supplement the case stays before it.
    #[must_use]
    pub fn is_before_agency(&self) -> bool {
        let agencys = |step: &Step| match step.taken_by() {
            Taker::Agency | Taker::AppOrAgency => true,
            Taker::App | Taker::Hub => *step == Step::Dispatch,
        };
        let waits = self.stage == Stage::SupplementRequested;
        self.leg_opened > 0
            && (waits || steps(self.stage, self.purpose()).iter().any(|(step, _)| agencys(step)))
    }

    /// Whether nothing can happen any more.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.stage.is_final()
    }

    /// The command taken under this caller's key, if one was.
    #[must_use]
    pub fn taken(&self, id: &[u8; 16]) -> Option<&Taken> {
        self.taken.iter().find(|taken| &taken.key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_keys_parse() {
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
