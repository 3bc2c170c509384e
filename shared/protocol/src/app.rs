//! Bodies of the HTTP interface for app backends. What is written here is what a reader may rely on:
//! fields are added, never renamed.

use domain::application::{Application, Document, Results};
use domain::calendar::Deadline;
use domain::catalogue::{DocumentKind, Service, When};
use domain::command::Actor;
use domain::division::DivisionCode;
use domain::event::{DocumentFault, Event, Provider};
use domain::ids::{AgencyCode, ApplicationId, DocumentId, SubscriptionId};
use domain::ledger::Entry;
use domain::stage::{Purpose, Stage, Step, Taker, steps};
use domain::wake::expires_at;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::report::Link;

/// An application as its app backend sees it. Nothing personal: the app knows whom it applied for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplicationView {
    /// Its id.
    pub id: ApplicationId,
    /// Grows by one with each event.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// Where it stands.
    pub stage: Stage,
    /// Whether nothing can happen any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The service.
    pub service: Service,
    /// The case of the service.
    pub when: When,
    /// 受理地.
    pub accepted_at: DivisionCode,
    /// 户籍地.
    pub registered_at: DivisionCode,
    /// 迁入地 of a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub move_in: Option<DivisionCode>,
    /// Who acts, on what; none while a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegView>,
    /// The agency's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Deadline>,
    /// Whether that limit has passed.
    pub overdue: bool,
    /// Last day to answer the open supplement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Day>"))]
    pub supplement_until: Option<Date>,
    /// When it expires if the app does nothing: a draft, or one whose supplement is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub expires_at: Option<Timestamp>,
    /// The documents.
    pub documents: Vec<DocumentView>,
    /// Documents of the app that are not in yet.
    pub missing: Vec<DocumentId>,
    /// What the agencies have made of it so far; none while there is nothing.
    #[serde(default, skip_serializing_if = "ResultsView::is_empty")]
    pub results: ResultsView,
    /// What the app may do next: `submit`, `supplement` and `withdraw` are paths below the application; `hand_over` and
    /// `settle` are what `confirm` is given. `submit` and `supplement` are there once nothing is `missing`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::next_steps))]
    pub next: Vec<String>,
    /// When it was opened.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub opened_at: Timestamp,
    /// When it changed last.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub changed_at: Timestamp,
}

/// The current leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LegView {
    /// What is asked.
    pub purpose: Purpose,
    /// Of whom.
    pub agency: AgencyCode,
}

/// What the agencies have made of an application, in their words and numbers. Each member is there once it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Results"))]
pub struct ResultsView {
    /// Why it was refused, or is not issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who carries the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The carrier's number of the consignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// Where the card is to be collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Number of the move-in permit (准予迁入证明).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<String>,
    /// Number of the migration certificate (户口迁移证).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration_certificate: Option<String>,
    /// Its last day, while the citizen has to settle by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Day>"))]
    pub valid_until: Option<Date>,
    /// Number of the household registration certificate; the document with provider `agency` holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl ResultsView {
    fn is_empty(&self) -> bool {
        *self == ResultsView::default()
    }

    fn of(head: &Application) -> Self {
        let Results { reason, posted, place, permit, migration_certificate, certificate } =
            head.results.clone();
        let (carrier, tracking) = posted.map(|posted| (posted.carrier, posted.tracking)).unzip();
        ResultsView {
            reason,
            carrier,
            tracking,
            place,
            permit,
            migration_certificate,
            valid_until: head.certificate_until,
            certificate,
        }
    }
}

/// A document of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DocumentView {
    /// Its id within the application.
    pub id: DocumentId,
    /// The requirement it answers.
    pub requirement: String,
    /// The kinds that will do.
    pub accepts: Vec<DocumentKind>,
    /// Who hands it in.
    pub provider: Provider,
    /// `waiting` or `stored`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::document_state))]
    pub state: String,
    /// What the agency wants, in its words, where it asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why the last upload was not taken, while it waits for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<DocumentFault>,
    /// What it is, once it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DocumentKind>,
    /// Bytes, once it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Size>"))]
    pub size: Option<u64>,
    /// SHA-256 in base64, once it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Sha256>"))]
    pub sha256: Option<String>,
    /// Where to upload it, on the answer that opened the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Link>,
}

impl From<&Document> for DocumentView {
    fn from(document: &Document) -> Self {
        let stored = document.stored();
        DocumentView {
            id: document.slot.id,
            requirement: document.slot.requirement.clone(),
            accepts: document.slot.accepts.clone(),
            provider: document.slot.provider,
            state: if stored.is_some() { "stored" } else { "waiting" }.to_owned(),
            note: document.note.clone().filter(|note| !note.is_empty()),
            fault: document.fault,
            kind: stored.map(|object| object.kind),
            size: stored.map(|object| object.size),
            sha256: stored.map(|object| object.sha256.clone()),
            upload: None,
        }
    }
}

impl From<&Application> for ApplicationView {
    fn from(head: &Application) -> Self {
        let missing: Vec<DocumentId> = head.missing().map(|document| document.slot.id).collect();
        // What it may hand in is whole.
        let waits = |step: Step| !missing.is_empty() && matches!(step, Step::Submit | Step::Supplement);
        let next = steps(head.stage, head.purpose())
            .iter()
            .filter(|(step, _)| matches!(step.taken_by(), Taker::App | Taker::AppOrAgency) && !waits(*step))
            .map(|(step, _)| step.name().to_owned())
            .collect();
        ApplicationView {
            id: head.id,
            version: head.version,
            stage: head.stage,
            is_final: head.is_final(),
            service: head.opened.service,
            when: head.opened.when,
            accepted_at: head.opened.places.accepted_at.clone(),
            registered_at: head.opened.places.registered_at.clone(),
            move_in: head.opened.places.move_in.clone(),
            leg: (head.leg_opened > 0)
                .then(|| LegView { purpose: head.purpose(), agency: head.agency().clone() }),
            due: head.due,
            overdue: head.overdue,
            supplement_until: head.supplement_until,
            expires_at: expires_at(head),
            documents: head.documents.iter().map(DocumentView::from).collect(),
            missing,
            results: ResultsView::of(head),
            next,
            opened_at: head.opened_at,
            changed_at: head.changed_at,
        }
    }
}

/// One event of an application's feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventView {
    /// Version after it.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// `application.<event>`.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::event_name))]
    pub kind: String,
    /// When it was recorded; no order is taken from it.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub at: Timestamp,
    /// Who caused it.
    pub by: ActorView,
    /// What the event carries, by its type.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::event_data))]
    pub data: Value,
}

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActorView {
    /// The app backend.
    App,
    /// An agency.
    Agency(AgencyCode),
    /// The hub.
    Hub,
}

impl From<&Entry> for EventView {
    fn from(entry: &Entry) -> Self {
        EventView {
            version: entry.version,
            kind: format!("application.{}", entry.event.name()),
            at: entry.at,
            by: match &entry.by {
                Actor::Tenant(_) => ActorView::App,
                Actor::Agency(agency) => ActorView::Agency(agency.clone()),
                Actor::Hub => ActorView::Hub,
            },
            data: event_data(&entry.event),
        }
    }
}

/// What the feed shows of an event, under names that do not depend on how it is stored.
fn event_data(event: &Event) -> Value {
    use serde_json::json;
    match event {
        Event::Opened(opened) => json!({ "service": opened.service, "when": opened.when }),
        Event::DocumentStored { document, object } => {
            json!({ "document": document, "kind": object.kind, "size": object.size, "sha256": object.sha256 })
        }
        Event::DocumentRejected { document, version: _, fault } => {
            json!({ "document": document, "fault": fault })
        }
        Event::Submitted { due } | Event::Supplemented { due } | Event::Lapsed { due } => {
            json!({ "due": due })
        }
        Event::SupplementRequested { items, slots, until } => {
            let documents: Vec<_> = slots.iter().map(|slot| slot.id).collect();
            json!({ "items": items, "documents": documents, "until": until })
        }
        Event::NotIssued { reason } | Event::Rejected { reason } => json!({ "reason": reason }),
        Event::Posted { carrier, tracking } => json!({ "carrier": carrier, "tracking": tracking }),
        Event::Ready { place } => json!({ "place": place }),
        Event::Collected { how } | Event::Completed { how } => json!({ "how": how }),
        Event::Approved { permit, due } => json!({ "permit": permit, "due": due }),
        Event::MovedOut { certificate, valid_until, due } => {
            json!({ "certificate": certificate, "valid_until": valid_until, "due": due })
        }
        Event::Issued { document, certificate } => {
            json!({ "document": document, "certificate": certificate })
        }
        Event::Dispatched { leg } | Event::Overdue { leg } => json!({ "leg": leg }),
        Event::Received
        | Event::Signed
        | Event::Produced
        | Event::Verified
        | Event::Settled
        | Event::RestoredAtOrigin
        | Event::Withdrawn
        | Event::Expired => json!({}),
    }
}

/// A page of the event feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsPage {
    /// In version order.
    pub events: Vec<EventView>,
    /// Pass as `after` to read on; the last version given.
    pub after: u32,
    /// Whether there is more already.
    pub more: bool,
    /// SHA-256 of the last entry recorded so far: proves the whole record.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::seal))]
    pub seal: String,
}

/// A page of a tenant's applications, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplicationsPage {
    /// The applications.
    pub applications: Vec<ApplicationView>,
    /// Pass as `cursor` to read on; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::cursor))]
    pub next: Option<String>,
}

/// Event types that are called back, see `domain::effect::calls_back`.
pub const CALLED_BACK: [&str; 22] = [
    "application.document_rejected",
    "application.dispatched",
    "application.received",
    "application.supplement_requested",
    "application.signed",
    "application.not_issued",
    "application.produced",
    "application.posted",
    "application.ready",
    "application.collected",
    "application.approved",
    "application.verified",
    "application.moved_out",
    "application.settled",
    "application.lapsed",
    "application.restored_at_origin",
    "application.issued",
    "application.completed",
    "application.withdrawn",
    "application.rejected",
    "application.expired",
    "application.overdue",
];

/// A callback subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubscriptionView {
    /// Its id.
    pub id: SubscriptionId,
    /// Where callbacks go.
    pub url: String,
    /// Event types wanted; empty means all.
    pub events: Vec<String>,
    /// When it was made.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub created_at: Timestamp,
    /// How its endpoint is: `healthy`, `recovering`, `troubled`, `disabled` or `paused`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::endpoint_state))]
    pub state: String,
    /// Why it is disabled: `gone` (it answered 410) or `exhausted` (the schedule is over).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it left health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// When it is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub next_attempt_at: Option<Timestamp>,
    /// Callbacks held for it, counted to 1,000. Where one subscription is read alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u32>,
    /// What its `v1a` signatures verify with, `whpk_<base64>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Until when the keys before the last rotation sign, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub former_keys_until: Option<Timestamp>,
    /// The secret, shown only on the answer that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}
