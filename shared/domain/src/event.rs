//! Events of an application. The events are the record: the state is computed from them.
//!
//! The table stores this JSON for years, so names are short, variants are only added, and reading ignores unknown
//! fields.

use serde::{Deserialize, Serialize};

use crate::calendar::Deadline;
use crate::catalogue::{DocumentKind, Service, When};
use crate::division::DivisionCode;
use crate::ids::{AgencyCode, DocumentId, TenantId};
pub use crate::service::Provider;
use crate::stage::{Purpose, Step};

/// A slot for one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Id of the document within the application.
    pub id: DocumentId,
    /// Requirement that the document answers, for example `lawful_stay`.
    #[serde(rename = "r")]
    pub requirement: String,
    /// Kinds of document that satisfy the requirement.
    #[serde(rename = "k")]
    pub accepts: Vec<DocumentKind>,
    /// Party that uploads the document.
    #[serde(rename = "p")]
    pub provider: Provider,
}

/// One agency leg of an application, fixed when the application is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Task of the agency.
    #[serde(rename = "p")]
    pub purpose: Purpose,
    /// Agency that acts.
    #[serde(rename = "a")]
    pub agency: AgencyCode,
}

/// The places of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Acceptance place (受理地).
    #[serde(rename = "at")]
    pub accepted_at: DivisionCode,
    /// Place of household registration (户籍地); of a transfer, the move-out place (迁出地).
    #[serde(rename = "reg")]
    pub registered_at: DivisionCode,
    /// Move-in place (迁入地) of a transfer.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub move_in: Option<DivisionCode>,
}

/// The first event of every application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// App backend that opened the application. No other may read it.
    #[serde(rename = "tn")]
    pub tenant: TenantId,
    /// Service that the citizen applies for.
    #[serde(rename = "s")]
    pub service: Service,
    /// Case of the service.
    #[serde(rename = "w")]
    pub when: When,
    /// Places of the application.
    #[serde(rename = "pl")]
    pub places: Places,
    /// Legs in order.
    #[serde(rename = "lg")]
    pub legs: Vec<Leg>,
    /// One slot for each required document.
    #[serde(rename = "d")]
    pub slots: Vec<Slot>,
    /// Whether the hub submits the application once the last document is stored.
    #[serde(rename = "au")]
    pub submit_when_complete: bool,
    /// Capabilities that the deciding agency must have, for example `script:mongolian`.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
}

/// The data of a draft after a correction. It replaces the members of [`Opened`] with the same names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Service that the citizen applies for.
    #[serde(rename = "s")]
    pub service: Service,
    /// Case of the service.
    #[serde(rename = "w")]
    pub when: When,
    /// Places of the application.
    #[serde(rename = "pl")]
    pub places: Places,
    /// Legs in order.
    #[serde(rename = "lg")]
    pub legs: Vec<Leg>,
    /// The slots. A slot with an id that the draft has already keeps its document.
    #[serde(rename = "d")]
    pub slots: Vec<Slot>,
    /// Whether the hub submits the application once the last document is stored.
    #[serde(rename = "au")]
    pub submit_when_complete: bool,
    /// Capabilities that the deciding agency must have.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
}

impl From<Opened> for Correction {
    fn from(opened: Opened) -> Self {
        let Opened { tenant: _, service, when, places, legs, slots, submit_when_complete, capabilities } =
            opened;
        Correction { service, when, places, legs, slots, submit_when_complete, capabilities }
    }
}

/// A stored object, pinned to its S3 version: an overwrite creates another object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// S3 version id.
    #[serde(rename = "o")]
    pub version: String,
    /// Size in bytes, 1 to [`crate::limits::DOCUMENT_BYTES`].
    #[serde(rename = "z")]
    pub size: u64,
    /// SHA-256 in base64, verified by S3.
    #[serde(rename = "h")]
    pub sha256: String,
    /// Kind of document.
    #[serde(rename = "k")]
    pub kind: DocumentKind,
    /// Media type of the file.
    #[serde(rename = "m")]
    pub media_type: String,
}

/// Why a document was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DocumentFault {
    /// The file is empty.
    Empty,
    /// The file has more than 20 MiB.
    TooLarge,
    /// The content does not match the media type.
    ContentMismatch,
    /// The slot does not accept this kind of document.
    WrongKind,
}

/// One missing item of a supplement request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissingItem {
    /// Name of the item, for example `guardianship`. 1 to 64 characters.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
    pub name: String,
    /// Kinds of document that the agency accepts, each once.
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::accepted_kinds))]
    pub accepts: Vec<DocumentKind>,
    /// Note in the agency's words, up to 200 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Note"))]
    pub note: String,
}

/// How the result reached the citizen (领取凭证).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HandOver {
    /// Collected in person, checked by fingerprint.
    Fingerprint,
    /// Collected by a delegate.
    Delegate,
    /// Delivered by post.
    Post,
    /// Handed over at the acceptance window.
    Window,
}

/// A recorded event. [`Step`] says which party causes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Event {
    /// The application was opened. Contains all data that is not personal.
    Opened(Box<Opened>),
    /// A document was stored.
    DocumentStored {
        /// Id of the document.
        #[serde(rename = "d")]
        document: DocumentId,
        /// Stored object.
        #[serde(flatten)]
        object: StoredObject,
    },
    /// A document was rejected. The app must upload another file.
    DocumentRejected {
        /// Id of the document.
        #[serde(rename = "d")]
        document: DocumentId,
        /// S3 version id of the rejected object.
        #[serde(rename = "o")]
        version: String,
        /// Reason for the rejection.
        #[serde(rename = "f")]
        fault: DocumentFault,
    },
    /// The app replaces a stored document: its file is discarded, and the slot waits for another one.
    DocumentDiscarded {
        /// Id of the document.
        #[serde(rename = "d")]
        document: DocumentId,
    },
    /// The app corrected the draft. The personal data may have changed, too.
    Corrected(Box<Correction>),
    /// The application was submitted. The first leg is open until `due`.
    Submitted {
        /// Time limit of the first leg.
        due: Deadline,
    },
    /// The case was put into the queue of the current leg's agency.
    Dispatched {
        /// Index of the leg, from 0.
        #[serde(rename = "l")]
        leg: u8,
    },
    /// The agency received the case.
    Received,
    /// The agency requested everything that is missing.
    SupplementRequested {
        /// Missing items.
        items: Vec<MissingItem>,
        /// Slots for the answers, one for each item.
        slots: Vec<Slot>,
        /// Last day to answer.
        until: jiff::civil::Date,
    },
    /// The citizen answered. The time limit of the leg starts again.
    Supplemented {
        /// Time limit of the leg.
        due: Deadline,
    },
    /// The agency reviewed and signed the application.
    Signed,
    /// The agency does not issue the card. The citizen must apply at the place of household registration.
    NotIssued {
        /// Reason in the agency's words.
        reason: String,
    },
    /// The card is produced.
    Produced,
    /// The card was posted.
    Posted {
        /// Carrier of the card.
        carrier: String,
        /// Tracking number of the carrier.
        tracking: String,
    },
    /// The card can be collected.
    Ready {
        /// Place where the citizen collects the card.
        place: String,
    },
    /// The citizen has the card.
    Collected {
        /// Way of the hand-over.
        how: HandOver,
    },
    /// The move-in permit is issued. The next leg is open until `due`.
    Approved {
        /// Number of the move-in permit.
        permit: String,
        /// Time limit of the next leg.
        due: Deadline,
    },
    /// The agency of the origin verified the register.
    Verified,
    /// The citizen was moved out. The settle leg is open until `due`.
    MovedOut {
        /// Number of the migration certificate.
        certificate: String,
        /// Last day of the migration certificate.
        valid_until: jiff::civil::Date,
        /// Time limit of the next leg.
        due: Deadline,
    },
    /// The citizen settled at the move-in place.
    Settled,
    /// The migration certificate expired. The restore leg is open until `due`.
    Lapsed {
        /// Time limit of the restore leg.
        due: Deadline,
    },
    /// The registration was restored at the origin.
    RestoredAtOrigin,
    /// The certificate was issued and stored as `document`.
    Issued {
        /// Document id of the certificate.
        #[serde(rename = "d")]
        document: DocumentId,
        /// Number of the certificate.
        certificate: String,
    },
    /// The citizen has the certificate.
    Completed {
        /// Way of the hand-over.
        how: HandOver,
    },
    /// The citizen withdrew the application.
    Withdrawn,
    /// An agency rejected the application.
    Rejected {
        /// Reason in the agency's words.
        reason: String,
    },
    /// The time limit of a draft or of a supplement passed.
    Expired,
    /// The time limit of the agency passed.
    Overdue {
        /// Index of the leg, from 0.
        #[serde(rename = "l")]
        leg: u8,
    },
    /// An event that this version of the hub cannot read: a newer version recorded it. Never written.
    #[serde(skip)]
    Unknown {
        /// Name of the event, see [`Event::name`].
        name: String,
    },
}

impl Event {
    /// The step that this event records; `None` for `Opened`, the first event, and for an unknown event.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        Some(match self {
            Event::Opened(_) | Event::Unknown { .. } => return None,
            Event::DocumentStored { .. } => Step::StoreDocument,
            Event::DocumentRejected { .. } => Step::RejectDocument,
            Event::DocumentDiscarded { .. } => Step::DiscardDocument,
            Event::Corrected(_) => Step::Correct,
            Event::Submitted { .. } => Step::Submit,
            Event::Dispatched { .. } => Step::Dispatch,
            Event::Received => Step::Receive,
            Event::SupplementRequested { .. } => Step::RequestSupplement,
            Event::Supplemented { .. } => Step::Supplement,
            Event::Signed => Step::Sign,
            Event::NotIssued { .. } => Step::NotIssue,
            Event::Produced => Step::Produce,
            Event::Posted { .. } => Step::Post,
            Event::Ready { .. } => Step::MakeReady,
            Event::Collected { .. } | Event::Completed { .. } => Step::HandOver,
            Event::Approved { .. } => Step::Approve,
            Event::Verified => Step::Verify,
            Event::MovedOut { .. } => Step::MoveOut,
            Event::Settled => Step::Settle,
            Event::Lapsed { .. } => Step::Lapse,
            Event::RestoredAtOrigin => Step::Restore,
            Event::Issued { .. } => Step::Issue,
            Event::Withdrawn => Step::Withdraw,
            Event::Rejected { .. } => Step::Reject,
            Event::Expired => Step::Expire,
            Event::Overdue { .. } => Step::MarkOverdue,
        })
    }

    /// Stable name in the event feed and in callbacks, for example `document_stored`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Event::Opened(_) => "opened",
            Event::DocumentStored { .. } => "document_stored",
            Event::DocumentRejected { .. } => "document_rejected",
            Event::DocumentDiscarded { .. } => "document_discarded",
            Event::Corrected(_) => "corrected",
            Event::Submitted { .. } => "submitted",
            Event::Dispatched { .. } => "dispatched",
            Event::Received => "received",
            Event::SupplementRequested { .. } => "supplement_requested",
            Event::Supplemented { .. } => "supplemented",
            Event::Signed => "signed",
            Event::NotIssued { .. } => "not_issued",
            Event::Produced => "produced",
            Event::Posted { .. } => "posted",
            Event::Ready { .. } => "ready",
            Event::Collected { .. } => "collected",
            Event::Approved { .. } => "approved",
            Event::Verified => "verified",
            Event::MovedOut { .. } => "moved_out",
            Event::Settled => "settled",
            Event::Lapsed { .. } => "lapsed",
            Event::RestoredAtOrigin => "restored_at_origin",
            Event::Issued { .. } => "issued",
            Event::Completed { .. } => "completed",
            Event::Withdrawn => "withdrawn",
            Event::Rejected { .. } => "rejected",
            Event::Expired => "expired",
            Event::Overdue { .. } => "overdue",
            Event::Unknown { name } => name,
        }
    }
}
