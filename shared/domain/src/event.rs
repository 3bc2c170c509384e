//! What has happened to an application. Events are the record: the state is computed from them.
//!
//! The JSON is what lies in the table for years, so names are short, variants are only ever added,
//! and unknown fields are ignored on reading.

use serde::{Deserialize, Serialize};

use crate::calendar::Deadline;
use crate::catalogue::{DocumentKind, Service, When};
use crate::division::DivisionCode;
use crate::ids::{AgencyCode, DocumentId, TenantId};
pub use crate::service::Provider;
use crate::stage::{Purpose, Step};

/// A place for one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its id within the application.
    pub id: DocumentId,
    /// The requirement it answers, for example `lawful_stay`.
    #[serde(rename = "r")]
    pub requirement: String,
    /// The kinds that will do.
    #[serde(rename = "k")]
    pub accepts: Vec<DocumentKind>,
    /// Who hands it in.
    #[serde(rename = "p")]
    pub provider: Provider,
}

/// One agency leg of an application, fixed when it is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// What is asked.
    #[serde(rename = "p")]
    pub purpose: Purpose,
    /// Of whom.
    #[serde(rename = "a")]
    pub agency: AgencyCode,
}

/// The places an application concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// 受理地: where the citizen applies.
    #[serde(rename = "at")]
    pub accepted_at: DivisionCode,
    /// 户籍地: where the citizen is registered; of a transfer, the 迁出地.
    #[serde(rename = "reg")]
    pub registered_at: DivisionCode,
    /// 迁入地 of a transfer.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub move_in: Option<DivisionCode>,
}

/// The first event of every application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The app backend that opened it and alone may read it.
    #[serde(rename = "tn")]
    pub tenant: TenantId,
    /// The service.
    #[serde(rename = "s")]
    pub service: Service,
    /// The case of the service.
    #[serde(rename = "w")]
    pub when: When,
    /// The places.
    #[serde(rename = "pl")]
    pub places: Places,
    /// The legs in order.
    #[serde(rename = "lg")]
    pub legs: Vec<Leg>,
    /// A slot for each required document.
    #[serde(rename = "d")]
    pub slots: Vec<Slot>,
    /// Submit by itself once the last document is in.
    #[serde(rename = "au")]
    pub submit_when_complete: bool,
    /// What the deciding agency must be able to do, for example `script:mongolian`.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
}

/// Which object a document is. The version is pinned: an overwrite is another object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// S3 version id.
    #[serde(rename = "o")]
    pub version: String,
    /// Bytes, 1 to [`crate::limits::DOCUMENT_BYTES`].
    #[serde(rename = "z")]
    pub size: u64,
    /// SHA-256, base64, as S3 verified it.
    #[serde(rename = "h")]
    pub sha256: String,
    /// What it is.
    #[serde(rename = "k")]
    pub kind: DocumentKind,
    /// Its media type.
    #[serde(rename = "m")]
    pub media_type: String,
}

/// Why a document was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DocumentFault {
    /// No byte in it.
    Empty,
    /// More bytes than a document may have.
    TooLarge,
    /// Its content is not what its media type says.
    ContentMismatch,
    /// Not a kind that the slot accepts.
    WrongKind,
}

/// One thing an agency misses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissingItem {
    /// The name the answer will carry, for example `guardianship`. 1 to 64 characters.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
    pub name: String,
    /// What will do.
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::not_empty))]
    pub accepts: Vec<DocumentKind>,
    /// What the agency wants, in its words. Up to 200 characters.
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

/// What happened. See [`Step`] for who may cause it and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Event {
    /// Opened, with everything that is not personal.
    Opened(Box<Opened>),
    /// A document is in.
    DocumentStored {
        /// Which slot.
        #[serde(rename = "d")]
        document: DocumentId,
        /// Which object.
        #[serde(flatten)]
        object: StoredObject,
    },
    /// A document was refused; its slot waits again.
    DocumentRejected {
        /// Which slot.
        #[serde(rename = "d")]
        document: DocumentId,
        /// The refused object's version.
        #[serde(rename = "o")]
        version: String,
        /// Why.
        #[serde(rename = "f")]
        fault: DocumentFault,
    },
    /// Handed in; the first leg is open until `due`.
    Submitted {
        /// Limit of the first leg.
        due: Deadline,
    },
    /// In the queue of the current leg's agency.
    Dispatched {
        /// Which leg, from 0.
        #[serde(rename = "l")]
        leg: u8,
    },
    /// Taken by the agency.
    Received,
    /// Everything that is missing, said once.
    SupplementRequested {
        /// The list.
        items: Vec<MissingItem>,
        /// Where the answers go.
        slots: Vec<Slot>,
        /// Last day for the answer.
        until: jiff::civil::Date,
    },
    /// Answered; the leg's limit starts again.
    Supplemented {
        /// Limit of the leg.
        due: Deadline,
    },
    /// Signed.
    Signed,
    /// Not issued: the citizen must go to the place of registration.
    NotIssued {
        /// Why, in the agency's words.
        reason: String,
    },
    /// Produced.
    Produced,
    /// Posted.
    Posted {
        /// The carrier's name.
        carrier: String,
        /// The consignment number.
        tracking: String,
    },
    /// To be collected.
    Ready {
        /// Where.
        place: String,
    },
    /// Card in the citizen's hands.
    Collected {
        /// How.
        how: HandOver,
    },
    /// Permit issued; the move-out leg is open until `due`.
    Approved {
        /// Number of the move-in permit.
        permit: String,
        /// Limit of the next leg.
        due: Deadline,
    },
    /// The origin has verified the register.
    Verified,
    /// Moved out; the settle leg is open until `due`.
    MovedOut {
        /// Number of the migration certificate.
        certificate: String,
        /// Its last day.
        valid_until: jiff::civil::Date,
        /// Limit of the next leg.
        due: Deadline,
    },
    /// Settled.
    Settled,
    /// The migration certificate ran out; the restore leg is open until `due`.
    Lapsed {
        /// Limit of the restore leg.
        due: Deadline,
    },
    /// Restored at origin.
    RestoredAtOrigin,
    /// Certificate issued; it lies in `document`.
    Issued {
        /// The slot that holds it.
        #[serde(rename = "d")]
        document: DocumentId,
        /// Its number.
        certificate: String,
    },
    /// Certificate in the citizen's hands.
    Completed {
        /// How.
        how: HandOver,
    },
    /// Taken back.
    Withdrawn,
    /// Refused by an agency.
    Rejected {
        /// Why, in the agency's words.
        reason: String,
    },
    /// Ran out of time.
    Expired,
    /// The agency's limit passed.
    Overdue {
        /// Which leg, from 0.
        #[serde(rename = "l")]
        leg: u8,
    },
}

impl Event {
    /// The step this event records; `None` for the first event, which is not a step but a beginning.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        Some(match self {
            Event::Opened(_) => return None,
            Event::DocumentStored { .. } => Step::StoreDocument,
            Event::DocumentRejected { .. } => Step::RejectDocument,
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

    /// The stable name used in feeds and callbacks, for example `document_stored`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::Opened(_) => "opened",
            Event::DocumentStored { .. } => "document_stored",
            Event::DocumentRejected { .. } => "document_rejected",
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
        }
    }
}
