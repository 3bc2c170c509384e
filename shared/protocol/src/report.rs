//! What an agency sends: reports on its cases, and requests for documents. The agency signs both. A report has the
//! same bytes over HTTP and in the reports queue.

use std::collections::BTreeMap;
use std::fmt;

use domain::command::ReportedResult;
use domain::ids::{AgencyCode, ApplicationId, DocumentId, ReportId};
use domain::stage::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// JWS `typ` of a signed report.
pub const REPORT_TYP: &str = "tongban-report+jws";
/// JWS `typ` of a signed request for a document.
pub const DOCUMENT_TYP: &str = "tongban-document+jws";
/// Largest signed report, in bytes, over HTTP and in the queue. The largest valid report, a full supplement list, is
/// smaller.
pub const REPORT_BYTES: usize = 64 * 1024;
/// Seconds that `iat` of a report may differ from the hub's clock, in either direction.
pub const FRESH_SECONDS: i64 = 900;
/// Seconds that `iat` of a signed request (for a document, for the open cases, for messages) may differ from the hub's
/// clock, in either direction. Whoever sees such a request can repeat it for so long, so the time is short. A client
/// whose clock is wrong signs again with the hub's time, which the answer `signature_expired` has.
pub const REQUEST_FRESH_SECONDS: i64 = 60;

/// A report of an agency on its case. A repeat with the same `report_id` gets the answer of the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// UUID of any version that the agency chooses, a new one for each report.
    pub report_id: ReportId,
    /// Application that the report is about.
    pub application: ApplicationId,
    /// Agency that reports.
    pub agency: AgencyCode,
    /// Version of the case that the agency acted on: of the message it received, or of the receipt of its last report.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub seen: u32,
    /// Time of signing in seconds since 1970. The hub stores it as evidence and derives no order from it.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// Result that the agency reports.
    #[serde(flatten)]
    pub result: ReportedResult,
}

/// The receipt: the answer to a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// Id of the report.
    pub report_id: ReportId,
    /// Id of the application.
    pub application: ApplicationId,
    /// Version after the report; the next report repeats it as `seen`.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// Stage after the report.
    pub stage: Stage,
    /// Time at which the hub recorded the report; the same on a repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Moment>"))]
    pub received_at: Option<Timestamp>,
    /// Proof of the report and its time: a compact JWS by the hub, `typ` `tongban-receipt+jws`, whose payload is a signed
    /// receipt. Keep it with the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::signed_receipt))]
    pub receipt: Option<String>,
}

/// A request for a document. It is valid for [`REQUEST_FRESH_SECONDS`] before and after `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "A request for a document. It is valid for 60 seconds before and after `iat`; sign a new request for each try."
    )
)]
pub struct DocumentRequest {
    /// Agency that sends the request.
    pub agency: AgencyCode,
    /// Application that the document belongs to.
    pub application: ApplicationId,
    /// Time of signing in seconds since 1970.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// Requested action.
    #[serde(flatten)]
    pub action: DocumentAction,
}

/// An action of an agency on a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum DocumentAction {
    /// Fetch one of the citizen's documents.
    Fetch {
        /// Id of the document.
        document: DocumentId,
    },
    /// Upload the issued certificate.
    Upload {
        /// Document id that the case gives as `upload`.
        document: DocumentId,
        /// `application/pdf`, `image/jpeg` or `image/png`.
        #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Media"))]
        media_type: String,
        /// Size of the file in bytes.
        #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Size"))]
        size: u64,
        /// SHA-256 of the file in base64.
        #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Sha256"))]
        sha256: String,
    },
}

/// A short-lived link. The client sends exactly the headers listed, with the same values. It writes `host` and
/// `content-length` itself, as every HTTP client does: neither is listed, and an upload must have the size that was
/// declared. Whoever has the URL can use it, so `Debug` leaves out its query, which has the signature.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "A short-lived link. The client sends exactly the headers listed, with the same values. It writes `host` and `content-length` itself, as every HTTP client does: neither is listed, and an upload must have the size that was declared."
    )
)]
pub struct Link {
    /// Presigned URL.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::url))]
    pub url: String,
    /// HTTP method, `GET` or `PUT`.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::method))]
    pub method: String,
    /// Headers that are part of the signature.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Time at which the link expires.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub expires_at: Timestamp,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.url.split(['?', '#']).next().unwrap_or_default();
        write!(f, "Link({} {public}, until {})", self.method, self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8_a_printed_link_has_no_signature() {
        let link = Link {
            url: "https://bucket.example.cn/applications/a/d1/0?X-Amz-Security-Token=canary&X-Amz-Signature=canary".to_owned(),
            method: "PUT".to_owned(),
            headers: BTreeMap::from([("x-amz-meta-kind".to_owned(), "canary".to_owned())]),
            expires_at: Timestamp::UNIX_EPOCH,
        };
        let shown = format!("{link:?} {:#?}", Some(&link));
        assert!(shown.contains("applications/a/d1/0") && !shown.contains("canary"), "{shown}");
    }
}
