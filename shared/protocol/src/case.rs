//! The message in an agency's queue: a CloudEvents 1.0 envelope around a case that the hub signs and encrypts to
//! the agency.
//!
//! The envelope's `id` (`<application>:<version>`) is the same each time the hub sends a message. An agency that
//! stores the ids it has handled therefore handles every message once.

use domain::calendar::Deadline;
use domain::catalogue::{DocumentKind, Service, When};
use domain::effect::NoticeKind;
use domain::event::Places;
use domain::ids::{AgencyCode, ApplicationId, DocumentId, EventId};
use domain::personal_data::PersonalData;
use domain::stage::Purpose;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::wire_names::event_type;

use crate::jose::{JoseError, PrivateKey, PublicKey, decrypt, encrypt, sign, verify};

/// JWS `typ` of a signed case.
pub const CASE_TYP: &str = "tongban-case+jws";

/// A CloudEvents 1.0 event in structured JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Envelope {
    /// Version of CloudEvents, always `1.0`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::specversion))]
    pub specversion: String,
    /// `<application>:<version>`, the same each time this message is sent.
    pub id: EventId,
    /// Sender of the event, always `tongban`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::source))]
    pub source: String,
    /// Event type, `cn.tongban.case.<notice>.v1`.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::event_type))]
    pub kind: String,
    /// Id of the application.
    pub subject: ApplicationId,
    /// Time at which the hub signed and encrypted the case. For information only: the signed case has it as `iat`.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub time: Timestamp,
    /// Media type of `data`, always `application/jose`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::content_type))]
    pub datacontenttype: String,
    /// A compact JWE of a compact JWS of a [`Case`].
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::encrypted_case, description = "A compact JWE (RFC 7516) to the agency's key around a compact JWS (RFC 7515) of the hub, whose payload is a case."))]
    pub data: String,
}

/// A document of a case. Fetch it by id: see [`crate::report::DocumentRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(description = "A document of a case. The agency fetches it by its id with a signed request.")
)]
pub struct CaseDocument {
    /// Id of the document within the application.
    pub id: DocumentId,
    /// Name of the requirement that this document answers.
    pub requirement: String,
    /// Kind of document.
    pub kind: DocumentKind,
    /// Media type of the file.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Media"))]
    pub media_type: String,
    /// Size of the file in bytes.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Size"))]
    pub size: u64,
    /// SHA-256 of the file in base64.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Sha256"))]
    pub sha256: String,
}

/// The case that an agency must act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Case {
    /// The application.
    pub application: ApplicationId,
    /// Version of the application. A report repeats it as `seen`.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// Time at which the hub signed this message, in seconds since 1970. A message that is sent again is signed again.
    /// Absent in messages that were signed before the hub had this member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Seconds>"))]
    pub iat: Option<i64>,
    /// Reason why the hub sends this message.
    pub notice: NoticeKind,
    /// Agency that must act.
    pub agency: AgencyCode,
    /// Task of the agency on this leg.
    pub purpose: Purpose,
    /// Service that the citizen applies for.
    pub service: Service,
    /// Case of the service.
    pub when: When,
    /// Places of the application.
    #[serde(flatten)]
    pub places: CasePlaces,
    /// Time limit of the leg; absent on a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Deadline>,
    /// Persons and address; absent on a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_data: Option<PersonalData>,
    /// Whether the applicant may have applied for the same before; absent when the hub knows of nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possible_duplicate: Option<PossibleDuplicate>,
    /// Documents that were uploaded and verified. Files with the same `requirement` are the pages of one paper, in
    /// order.
    #[serde(default)]
    pub documents: Vec<CaseDocument>,
    /// Document id to upload the issued certificate to, when the leg issues one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<DocumentId>,
    /// Kinds of report that the agency may send on this message, in the order in which the case allows them. `received`
    /// is among them only where it is still due. A supplement request and a decision exclude each other.
    #[serde(default)]
    pub reports: Vec<String>,
}

/// Other applications of the same applicant for the same service that are open or were decided recently. The hub
/// refuses none of them: the agency decides whether they are the same matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "Other applications of the same applicant for the same service that are open or were decided recently. The hub refuses none of them: the agency decides whether they are the same matter."
    )
)]
pub struct PossibleDuplicate {
    /// Those of them that this agency has or had as a case, newest first.
    #[cfg_attr(feature = "schema", schemars(length(max = 5)))]
    pub applications: Vec<ApplicationId>,
    /// Whether there are others, which other agencies have.
    pub elsewhere: bool,
}

/// The places of a case, with their names on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CasePlaces {
    /// Acceptance place (受理地).
    pub accepted_at: domain::division::DivisionCode,
    /// Place of household registration (户籍地).
    pub registered_at: domain::division::DivisionCode,
    /// Move-in place (迁入地) of a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub move_in: Option<domain::division::DivisionCode>,
}

impl From<&Places> for CasePlaces {
    fn from(places: &Places) -> Self {
        CasePlaces {
            accepted_at: places.accepted_at.clone(),
            registered_at: places.registered_at.clone(),
            move_in: places.move_in.clone(),
        }
    }
}

impl Envelope {
    /// Signs a case with the hub's key and encrypts it to the agency's key. The signed case says when: its `iat` is `at`.
    ///
    /// # Errors
    /// [`JoseError`] when a key cannot be used.
    pub fn sign_and_encrypt(
        case: &Case,
        at: Timestamp,
        hub: &PrivateKey,
        agency: &PublicKey,
    ) -> Result<Envelope, JoseError> {
        let jws = sign(CASE_TYP, &Case { iat: Some(at.as_second()), ..case.clone() }, hub)?;
        Ok(Envelope {
            specversion: "1.0".to_owned(),
            id: EventId::new(case.application, case.version).ok_or(JoseError::Payload)?,
            source: "tongban".to_owned(),
            kind: event_type(case.notice).to_owned(),
            subject: case.application,
            time: at,
            datacontenttype: "application/jose".to_owned(),
            data: encrypt(jws.as_bytes(), "JWS", agency)?,
        })
    }

    /// Decrypts with the agency's keys and verifies with the hub's keys. The signature does not cover the envelope,
    /// so `id`, `subject` and `type` must agree with the signed case.
    ///
    /// # Errors
    /// [`JoseError`] when the hub did not sign the message, it is encrypted to another key, or envelope and case
    /// come from two messages.
    pub fn open<'k>(
        &self,
        own: impl IntoIterator<Item = &'k PrivateKey>,
        hub: impl IntoIterator<Item = &'k PublicKey>,
    ) -> Result<Case, JoseError> {
        let jws = String::from_utf8(decrypt(&self.data, own)?).map_err(|_| JoseError::Payload)?;
        let case: Case = verify(CASE_TYP, &jws, hub)?;
        let agrees = Some(self.id) == EventId::new(case.application, case.version)
            && self.subject == case.application
            && self.kind == event_type(case.notice);
        if agrees { Ok(case) } else { Err(JoseError::Forged) }
    }
}
