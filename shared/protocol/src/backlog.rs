//! The open cases of an agency: listed page by page from the hub's record, and sent again on request.
//!
//! The queue keeps a message for 14 days; the record keeps a case until it is decided. An agency that was away for
//! longer, or that lost messages, lists its open cases and asks for them again.

use domain::calendar::Deadline;
use domain::catalogue::Service;
use domain::effect::NoticeKind;
use domain::ids::{AgencyCode, ApplicationId};
use domain::stage::{Purpose, Stage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::wire_names::CASES;

/// JWS `typ` of a signed request for a page of open cases.
pub const CASES_TYP: &str = "tongban-cases+jws";
/// JWS `typ` of a signed resend request.
pub const RESEND_TYP: &str = "tongban-resend+jws";
/// Cases on a page when the request gives no limit.
pub const CASES_DEFAULT: usize = 50;
/// Seconds between two resend requests for one case, at least.
pub const RESEND_SECONDS: i64 = 5;

/// A request for a page of the agency's open cases, oldest first. It is valid for
/// [`crate::report::REQUEST_FRESH_SECONDS`] before and after `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "A request for a page of the agency's open cases, oldest first. It is valid for 60 seconds before and after `iat`; sign a new request for each try."
    )
)]
pub struct CasesRequest {
    /// Agency that sends the request.
    pub agency: AgencyCode,
    /// Time of signing in seconds since 1970.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// Start of the page: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::cursor))]
    pub after: Option<String>,
    /// Cases on the page, 1 to [`CASES`]; [`CASES_DEFAULT`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::limit, description = "Cases on the page, 1 to 100; 50 when absent."))]
    pub limit: Option<u16>,
}

/// A page of open cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CasesPage {
    /// The cases, oldest application first.
    pub cases: Vec<OpenCase>,
    /// Start of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::cursor))]
    pub next: Option<String>,
}

/// A case that waits for the agency, or for the citizen's answer to the agency's supplement request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenCase {
    /// Id of the application.
    pub application: ApplicationId,
    /// Current version of the application.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// Version in the `id` of the message that carried the case last.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub message: u32,
    /// Reason of that message.
    pub notice: NoticeKind,
    /// Whether that message was put into the queue. If not, the hub is about to send it, or the message waits because
    /// the agency is suspended.
    pub sent: bool,
    /// Task of the agency on the open leg.
    pub purpose: Purpose,
    /// Service that the citizen applies for.
    pub service: Service,
    /// Current stage.
    pub stage: Stage,
    /// Time limit of the agency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Deadline>,
    /// Whether the time limit has passed.
    pub overdue: bool,
    /// Time at which the application was opened.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub opened_at: Timestamp,
    /// `true` when a newer version of the hub recorded something that the answering version cannot read, as for minutes
    /// around a deployment or after a rollback. The case is open as far as is known; reports are answered 503
    /// `incomplete_read`. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete_read: bool,
}

/// A request to put messages into the queue again, with their own ids. It is valid for
/// [`crate::report::REQUEST_FRESH_SECONDS`] before and after `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "A request to put messages into the queue again, with their own ids. It is valid for 60 seconds before and after `iat`; sign a new request for each try."
    )
)]
pub struct ResendRequest {
    /// Agency that sends the request.
    pub agency: AgencyCode,
    /// Time of signing in seconds since 1970.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// Cases to send again, 1 to [`CASES`], each application once.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::resend_cases, description = "Cases to send again, 1 to 100, each application once."))]
    pub cases: Vec<ResendCase>,
}

/// A message to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResendCase {
    /// Id of the application.
    pub application: ApplicationId,
    /// Version of the message; the latest of the open leg when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Version>"))]
    pub message: Option<u32>,
}

/// The outcome of a resend request, in the order of its cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResendAnswer {
    /// One outcome for each case of the request.
    pub cases: Vec<Resent>,
}

/// The outcome for one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resent {
    /// Id of the application.
    pub application: ApplicationId,
    /// Version of the message that the hub sends again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Version>"))]
    pub message: Option<u32>,
    /// Outcome for this case.
    pub outcome: ResendOutcome,
}

/// The outcome for one message of a resend request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResendOutcome {
    /// The message will be in the queue within seconds, or when the suspended agency resumes.
    Accepted,
    /// The message was requested within the last [`RESEND_SECONDS`].
    #[cfg_attr(
        feature = "schema",
        schemars(description = "The message was requested within the last 5 seconds.")
    )]
    TooSoon,
    /// The agency has no open leg on this case.
    Closed,
    /// The agency has no case with this id.
    NotFound,
    /// The open leg has no message of this version.
    NoSuchMessage,
    /// The hub could not record the request now. Ask again.
    Unavailable,
}
