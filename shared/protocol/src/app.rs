//! Response bodies of the HTTP API for app backends. They are stable: members are added, never renamed.

use std::fmt;

use domain::application::{Application, Document, Results, Unread};
use domain::calendar::Deadline;
use domain::catalogue::{DocumentKind, Service, When};
use domain::command::Actor;
use domain::division::DivisionCode;
use domain::event::{DocumentFault, Event, Provider};
use domain::ids::{AgencyCode, ApplicationId, DocumentId, SubscriptionId};
use domain::ledger::Entry;
use domain::stage::{Purpose, Stage, Step, steps};
use domain::wake::expires_at;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::report::Link;

/// An application as its app backend sees it. It holds no personal data: the app knows the applicant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplicationView {
    /// Id of the application.
    pub id: ApplicationId,
    /// Version; grows by one with each event.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// Current stage.
    pub stage: Stage,
    /// Whether the stage is final.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Service that the citizen applies for.
    pub service: Service,
    /// Case of the service.
    pub when: When,
    /// Acceptance place (受理地).
    pub accepted_at: DivisionCode,
    /// Place of household registration (户籍地).
    pub registered_at: DivisionCode,
    /// Move-in place (迁入地) of a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub move_in: Option<DivisionCode>,
    /// Current leg; absent while the application is a draft, and when it is not known (`incomplete_read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegView>,
    /// Time limit of the agency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Deadline>,
    /// Whether the time limit has passed.
    pub overdue: bool,
    /// Last day to answer the open supplement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Day>"))]
    pub supplement_until: Option<Date>,
    /// Time at which a draft, or an application with an open supplement, expires if the app does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub expires_at: Option<Timestamp>,
    /// Documents of the application. Files of one requirement are in the order of their declaration, for example the
    /// pages of a household register.
    pub documents: Vec<DocumentView>,
    /// Documents that the app has not uploaded yet.
    pub missing: Vec<DocumentId>,
    /// Results of the agencies so far; absent while there are none.
    #[serde(default, skip_serializing_if = "ResultsView::is_empty")]
    pub results: ResultsView,
    /// Steps that the app may take next. `submit`, `supplement` and `withdraw` are paths below the application;
    /// `hand_over` and `settle` are values for `confirm`. `submit` and `supplement` appear once `missing` is empty.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::next_steps))]
    pub next: Vec<String>,
    /// Time at which the application was opened.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub opened_at: Timestamp,
    /// Time of the last event.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub changed_at: Timestamp,
    /// `true` when a newer version of the hub recorded something that the answering version cannot read, as for minutes
    /// around a deployment or after a rollback. The other members show what is known; `stage` may be an earlier one. Steps
    /// are answered 503 `incomplete_read`. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete_read: bool,
}

/// The current leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LegView {
    /// Task of the agency on this leg.
    pub purpose: Purpose,
    /// Agency that acts.
    pub agency: AgencyCode,
}

/// Results of the agencies, in their words and numbers. Each member appears once it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Results"))]
pub struct ResultsView {
    /// Reason for a rejection, or why a card is not issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Carrier of the posted card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// Tracking number of the carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// Place where the citizen collects the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Number of the move-in permit (准予迁入证明).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<String>,
    /// Number of the migration certificate (户口迁移证).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration_certificate: Option<String>,
    /// Last day of the migration certificate, while the citizen must settle by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Day>"))]
    pub valid_until: Option<Date>,
    /// Number of the household registration certificate. The document with provider `agency` is the certificate.
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
    /// Id of the document within the application.
    pub id: DocumentId,
    /// Name of the requirement that this document answers.
    pub requirement: String,
    /// Kinds of document that satisfy the requirement.
    pub accepts: Vec<DocumentKind>,
    /// Who uploads the document: the app or the agency.
    pub provider: Provider,
    /// `waiting` until a file was uploaded and verified, then `stored`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::document_state))]
    pub state: String,
    /// What the agency requested, in its words, when the document belongs to a supplement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why the last upload was rejected, while the document waits for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<DocumentFault>,
    /// Media type, once the document is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DocumentKind>,
    /// Size in bytes, once the document is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Size>"))]
    pub size: Option<u64>,
    /// SHA-256 in base64, once the document is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Sha256>"))]
    pub sha256: Option<String>,
    /// Upload link, on the answer that created it.
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
        // `submit` and `supplement` need every document.
        let waits = |step: Step| !missing.is_empty() && matches!(step, Step::Submit | Step::Supplement);
        let next = steps(head.stage, head.purpose())
            .iter()
            .filter(|(step, _)| step.is_next_step() && !waits(*step) && !head.is_incomplete())
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
            leg: (head.leg_opened > 0 && head.unread != Some(Unread::Opening))
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
            incomplete_read: head.is_incomplete(),
        }
    }
}

/// One event of an application's feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventView {
    /// Version after the event.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// `application.<event>`.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::event_name))]
    pub kind: String,
    /// Time at which the hub recorded the event. Order follows from the version, not from this time.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub at: Timestamp,
    /// Who caused the event.
    pub by: ActorView,
    /// Data of the event, by its type. Empty when the answering version of the hub cannot read the event; see
    /// `incomplete_read` of the application.
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
    /// A party that the answering version of the hub does not know; see `incomplete_read` of the application.
    Unknown,
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
                Actor::Unknown => ActorView::Unknown,
            },
            data: event_data(&entry.event),
        }
    }
}

/// Data of an event in the feed. The names do not depend on the stored form.
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
        Event::DocumentDiscarded { document } => json!({ "document": document }),
        Event::Corrected(correction) => json!({ "service": correction.service, "when": correction.when }),
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
        | Event::Expired
        | Event::Unknown { .. } => json!({}),
    }
}

/// A page of the event feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsPage {
    /// Events in version order.
    pub events: Vec<EventView>,
    /// Value of `after` for the next page: the last version on this page.
    pub after: u32,
    /// Whether the next page already has events.
    pub more: bool,
    /// SHA-256 of the newest entry of the record. The entries are chained, so this hash proves the whole record.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::hash))]
    pub hash: String,
}

/// A page of a tenant's applications, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplicationsPage {
    /// Applications on this page.
    pub applications: Vec<ApplicationView>,
    /// Value of `cursor` for the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::cursor))]
    pub next: Option<String>,
}

/// Event types that callbacks are sent for, see `domain::effect::calls_back`.
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

/// A callback subscription. `Debug` leaves out the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "A callback subscription."))]
pub struct SubscriptionView {
    /// Id of the subscription.
    pub id: SubscriptionId,
    /// URL that receives the callbacks.
    pub url: String,
    /// Event types of this subscription; empty means all.
    pub events: Vec<String>,
    /// Time at which the subscription was created.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub created_at: Timestamp,
    /// State of the endpoint: `healthy`, `recovering`, `failing`, `disabled` or `paused`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::endpoint_state))]
    pub state: String,
    /// Why the endpoint is disabled: `gone` (it answered 410) or `exhausted` (the retry schedule ended).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Time since which the endpoint is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// Time of the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub next_attempt_at: Option<Timestamp>,
    /// Callbacks stored for this endpoint, counted up to 1,000. Present when one subscription is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_callbacks: Option<u32>,
    /// Public key that verifies `v1a` signatures, `whpk_<base64>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Time until which the keys before the last rotation also sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub former_keys_until: Option<Timestamp>,
    /// Secret of the `v1` signatures; only on the answer that created or rotated it, and on its repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl fmt::Debug for SubscriptionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SubscriptionView { id, url, state, events, .. } = self;
        let url = url.split('?').next();
        let mut shown = f.debug_struct("SubscriptionView");
        shown.field("id", id).field("url", &url).field("state", state).field("events", events);
        shown.finish_non_exhaustive()
    }
}
