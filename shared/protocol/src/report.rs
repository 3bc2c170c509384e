//! What an agency sends: reports on its cases, and requests for documents. Both are signed; the bytes are the
//! same over HTTP and in the reports queue.

use std::collections::BTreeMap;

use domain::command::Finding;
use domain::ids::{AgencyCode, ApplicationId, DocumentId, ReportId};
use domain::stage::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `typ` of a signed report.
pub const REPORT_TYP: &str = "tongban-report+jws";
/// `typ` of a signed request for a document.
pub const DOCUMENT_TYP: &str = "tongban-document+jws";
/// How far an agency's clock may be from the hub's, in seconds, for a request that must be fresh.
pub const FRESH_SECONDS: i64 = 900;

/// A report. Its `report_id` makes it once: a repeat is answered as the first was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// Chosen by the agency, a UUID of any version, new for each report.
    pub report_id: ReportId,
    /// The application.
    pub application: ApplicationId,
    /// Who reports.
    pub agency: AgencyCode,
    /// The version of the case it acts on: of the message it took, or of the answer to its last report.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub seen: u32,
    /// When it was signed, seconds since 1970. Kept as evidence; no order is taken from it.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// What was found or done.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The answer to a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// Which report.
    pub report_id: ReportId,
    /// Which application.
    pub application: ApplicationId,
    /// Version after it: the next report's `seen`.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// Stage after it.
    pub stage: Stage,
}

/// A request for a document, valid for [`FRESH_SECONDS`] around `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(description = "A request for a document, valid for 900 seconds around `iat`.")
)]
pub struct DocumentRequest {
    /// Who asks.
    pub agency: AgencyCode,
    /// The application.
    pub application: ApplicationId,
    /// When it was signed, seconds since 1970.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// What is asked.
    #[serde(flatten)]
    pub action: DocumentAction,
}

/// What an agency does with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum DocumentAction {
    /// Fetch one of the citizen's documents.
    Fetch {
        /// Which.
        document: DocumentId,
    },
    /// Upload the issued certificate.
    Upload {
        /// The slot named in the case as `upload`.
        document: DocumentId,
        /// `application/pdf`, `image/jpeg` or `image/png`.
        #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Media"))]
        media_type: String,
        /// Bytes.
        #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Size"))]
        size: u64,
        /// SHA-256, base64.
        #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Sha256"))]
        sha256: String,
    },
}

/// A short-lived link. Send exactly these headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Link {
    /// Where.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::url))]
    pub url: String,
    /// `GET` or `PUT`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::method))]
    pub method: String,
    /// The headers that are part of the signature.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Until when.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub expires_at: Timestamp,
}
