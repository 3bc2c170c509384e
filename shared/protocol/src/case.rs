//! The message in an agency's queue: a CloudEvents envelope around a case, signed by the hub and encrypted
//! to the agency.
//!
//! The envelope's `id` (`<application>:<version>`) is the same however often a message is sent: an agency
//! that keeps the ids it has worked on does everything once.

use domain::calendar::Deadline;
use domain::catalogue::{DocumentKind, Service, When};
use domain::effect::NoticeKind;
use domain::event::Places;
use domain::ids::{AgencyCode, ApplicationId, DocumentId, EventId};
use domain::personal_data::PersonalData;
use domain::stage::Purpose;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::jose::{JoseError, PrivateKey, PublicKey, decrypt, encrypt, sign, verify};

/// `typ` of a signed case.
pub const CASE_TYP: &str = "tongban-case+jws";

/// A CloudEvents 1.0 event in structured JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Envelope {
    /// `1.0`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::specversion))]
    pub specversion: String,
    /// `<application>:<version>`, stable for ever.
    pub id: EventId,
    /// `tongban`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::source))]
    pub source: String,
    /// `cn.tongban.case.<kind>.v1`.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::event_type))]
    pub kind: String,
    /// The application.
    pub subject: ApplicationId,
    /// When it was sealed; informative.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub time: Timestamp,
    /// `application/jose`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::content_type))]
    pub datacontenttype: String,
    /// A compact JWE of a compact JWS of a [`Case`].
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::sealed_case, description = "A compact JWE (RFC 7516) to the agency's key around a compact JWS (RFC 7515) of the hub, whose payload is a case."))]
    pub data: String,
}

/// A document of a case. Fetch it by id: see [`crate::report::DocumentRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(description = "A document of a case. It is fetched by its id, with a signed request.")
)]
pub struct CaseDocument {
    /// Its id within the application.
    pub id: DocumentId,
    /// The requirement it answers.
    pub requirement: String,
    /// What it is.
    pub kind: DocumentKind,
    /// Its media type.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Media"))]
    pub media_type: String,
    /// Bytes.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Size"))]
    pub size: u64,
    /// SHA-256, base64.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Sha256"))]
    pub sha256: String,
}

/// What an agency is asked to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Case {
    /// The application.
    pub application: ApplicationId,
    /// Version of the application; a report names it as `seen`.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// What this message says.
    pub notice: NoticeKind,
    /// The agency it is for.
    pub agency: AgencyCode,
    /// What is asked.
    pub purpose: Purpose,
    /// The service.
    pub service: Service,
    /// The case of the service.
    pub when: When,
    /// The places.
    #[serde(flatten)]
    pub places: CasePlaces,
    /// The limit of the leg; none on a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Deadline>,
    /// The persons; none on a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_data: Option<PersonalData>,
    /// The documents that are in.
    #[serde(default)]
    pub documents: Vec<CaseDocument>,
    /// Where the issued certificate is uploaded to, if one is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<DocumentId>,
    /// The kinds of report this leg may send, in no order.
    #[serde(default)]
    pub reports: Vec<String>,
}

/// The places of a case under their wire names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CasePlaces {
    /// 受理地.
    pub accepted_at: domain::division::DivisionCode,
    /// 户籍地.
    pub registered_at: domain::division::DivisionCode,
    /// 迁入地.
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

/// The CloudEvents type of a notice.
#[must_use]
pub fn event_type(notice: NoticeKind) -> &'static str {
    match notice {
        NoticeKind::Opened => "cn.tongban.case.opened.v1",
        NoticeKind::Supplemented => "cn.tongban.case.supplemented.v1",
        NoticeKind::Withdrawn => "cn.tongban.case.withdrawn.v1",
        NoticeKind::RestoreRequested => "cn.tongban.case.restore_requested.v1",
    }
}

impl Envelope {
    /// Signs a case with the hub's key and encrypts it to the agency's.
    ///
    /// # Errors
    /// [`JoseError`] where a key cannot be used.
    pub fn seal(
        case: &Case,
        at: Timestamp,
        hub: &PrivateKey,
        agency: &PublicKey,
    ) -> Result<Envelope, JoseError> {
        let jws = sign(CASE_TYP, case, hub)?;
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

    /// Decrypts with the agency's keys and verifies with the hub's. The envelope is outside of the
    /// signature, so what it says must agree with the case.
    ///
    /// # Errors
    /// [`JoseError`] where the message is not the hub's, not for these keys, or was put together from two.
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
