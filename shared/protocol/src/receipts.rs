//! Proof of a report: the receipt that the hub signs, and the list of the reports that an agency sent on one case.
//!
//! A receipt states what the hub's record says, so the hub can sign the receipt of an accepted report again at any time:
//! a repeated report and the list of reports have the receipt of the first answer.

use domain::ids::{AgencyCode, ApplicationId, ReportId};
use domain::stage::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::wire_names::REPORTS;

/// JWS `typ` of a signed receipt.
pub const RECEIPT_TYP: &str = "tongban-receipt+jws";
/// JWS `typ` of a signed request for the agency's reports on a case.
pub const REPORTS_TYP: &str = "tongban-reports+jws";
/// Reports on a page when the request gives no limit.
pub const REPORTS_DEFAULT: usize = 50;

/// What the hub did with a report. The hub signs it: compact JWS, `typ` `tongban-receipt+jws`, `kid` one of the hub's
/// published keys. It proves which report the hub had, when, and what came of it. The record of an accepted report
/// never changes, so each of its receipts has the same members. The receipt of a refusal has the time of that answer; in
/// the list a refused report has the time at which it was refused first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedReceipt {
    /// `received_at` in whole seconds since 1970, as a JWT has it.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// Agency that signed the report.
    pub agency: AgencyCode,
    /// Application that the report names; absent when the payload of a refused report names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// Id of the report; absent when the payload of a refused report has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_id: Option<ReportId>,
    /// SHA-256 of the report's compact JWS, in hexadecimal. A report that was signed again and repeated gets the receipt
    /// of the signature that the hub recorded first.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::sha256_hex))]
    pub report_sha256: String,
    /// Time at which the hub recorded the report or its refusal.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub received_at: Timestamp,
    /// What came of the report.
    pub outcome: ReportOutcome,
    /// Code of the problem, with `refused`. The hub may add codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::reason))]
    pub reason: Option<String>,
    /// Kind of the report, with `accepted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Version after the report, with `accepted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Version>"))]
    pub version: Option<u32>,
    /// Stage after the report, with `accepted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReportOutcome {
    /// The report is in the application's record.
    Accepted,
    /// The hub refused the report and stored it as evidence.
    Refused,
    /// The report came by the queue and waits for the report before it, or for the certificate that it names.
    Held,
}

/// A request for the reports that the agency sent on one of its cases. It is valid for
/// [`crate::report::REQUEST_FRESH_SECONDS`] before and after `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "A request for the reports that the agency sent on one of its cases. It is valid for 60 seconds before and after `iat`; sign a new request for each try."
    )
)]
pub struct ReportsRequest {
    /// Agency that sends the request.
    pub agency: AgencyCode,
    /// Time of signing in seconds since 1970.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// Application that the reports are about.
    pub application: ApplicationId,
    /// Start of the page: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::cursor))]
    pub after: Option<String>,
    /// Reports on the page, 1 to [`REPORTS`]; [`REPORTS_DEFAULT`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::report_limit, description = "Reports on the page, 1 to 100; 50 when absent."))]
    pub limit: Option<u16>,
}

/// A page of the agency's reports on a case, by HTTP and by the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportsPage {
    /// The accepted reports in the order of their versions, then the refused and the held ones in the order of their
    /// ids. A report that was refused for two reasons is listed twice; one that was refused and accepted later, too.
    pub reports: Vec<SentReport>,
    /// Start of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::cursor))]
    pub next: Option<String>,
}

/// A report that the agency sent, and what the hub did with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SentReport {
    /// What the hub's record says.
    #[serde(flatten)]
    pub record: SignedReceipt,
    /// The same, signed by the hub; absent for a held report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::signed_receipt))]
    pub receipt: Option<String>,
}
