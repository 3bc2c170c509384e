//! What an agency has open: listed from the hub's record, page by page, and sent again where it asks.
//!
//! A queue keeps a message for 14 days; the record keeps the case until it is decided. Whoever was away for longer,
//! or lost what it had taken, lists its cases and asks for them.

use domain::calendar::Deadline;
use domain::catalogue::Service;
use domain::effect::NoticeKind;
use domain::ids::{AgencyCode, ApplicationId};
use domain::stage::{Purpose, Stage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `typ` of a signed request for the list.
pub const CASES_TYP: &str = "tongban-cases+jws";
/// `typ` of a signed request to send again.
pub const RESEND_TYP: &str = "tongban-resend+jws";
/// Most cases on one page, and in one request to send again.
pub const CASES: usize = 100;
/// Cases on a page where none is said.
pub const CASES_DEFAULT: usize = 50;
/// Seconds after which a case that was sent again may be asked for once more.
pub const RESEND_SECONDS: i64 = 5;

/// Asks for a page of the agency's open cases, oldest first. Valid for [`crate::report::FRESH_SECONDS`] around `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "Asks for a page of the agency's open cases, oldest first. Valid for 900 seconds around `iat`."
    )
)]
pub struct CasesRequest {
    /// Who asks.
    pub agency: AgencyCode,
    /// When it was signed, seconds since 1970.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// Where the page begins: `next` of the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::cursor))]
    pub after: Option<String>,
    /// Cases on the page, 1 to [`CASES`]; [`CASES_DEFAULT`] without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::limit, description = "Cases on the page, 1 to 100; 50 without it."))]
    pub limit: Option<u16>,
}

/// A page of open cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CasesPage {
    /// The cases, oldest application first.
    pub cases: Vec<OpenCase>,
    /// Where the next page begins; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::cursor))]
    pub next: Option<String>,
}

/// A case that waits for the agency, or for the citizen's answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenCase {
    /// The application.
    pub application: ApplicationId,
    /// Its version now.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub version: u32,
    /// Version of the message it was sent with last; with the application's id the message's `id`.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Version"))]
    pub message: u32,
    /// What that message says.
    pub notice: NoticeKind,
    /// Whether that message is in the queue, or was. Where not, the hub is about to send it, or holds it because the
    /// agency is suspended.
    pub sent: bool,
    /// What is asked.
    pub purpose: Purpose,
    /// The service.
    pub service: Service,
    /// Where it stands.
    pub stage: Stage,
    /// The agency's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Deadline>,
    /// Whether the limit has passed.
    pub overdue: bool,
    /// When the application was opened.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub opened_at: Timestamp,
}

/// Asks for messages to be put into the queue once more, under their own ids. Valid for
/// [`crate::report::FRESH_SECONDS`] around `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "Asks for messages to be put into the queue once more, under their own ids. Valid for 900 seconds around `iat`."
    )
)]
pub struct ResendRequest {
    /// Who asks.
    pub agency: AgencyCode,
    /// When it was signed, seconds since 1970.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Seconds"))]
    pub iat: i64,
    /// Which, 1 to [`CASES`], each application once.
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::resend_cases, description = "Which, 1 to 100, each application once."))]
    pub cases: Vec<ResendCase>,
}

/// A message to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResendCase {
    /// The application.
    pub application: ApplicationId,
    /// Version of the message; the latest one of the open leg without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Version>"))]
    pub message: Option<u32>,
}

/// What becomes of each, in the order asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResendAnswer {
    /// One for each case asked for.
    pub cases: Vec<Resent>,
}

/// What becomes of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resent {
    /// The application.
    pub application: ApplicationId,
    /// Version of the message that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Version>"))]
    pub message: Option<u32>,
    /// What becomes of it.
    pub outcome: ResendOutcome,
}

/// What becomes of a message that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResendOutcome {
    /// It will be in the queue within moments; of a suspended agency, when it resumes.
    Accepted,
    /// It was asked for within the last [`RESEND_SECONDS`].
    #[cfg_attr(feature = "schema", schemars(description = "It was asked for within the last 5 seconds."))]
    TooSoon,
    /// The agency's part in the case is over.
    Closed,
    /// No such case of this agency.
    NotFound,
    /// The open leg has no message of this version.
    NoSuchMessage,
    /// The hub could not take this one now: ask again.
    Unavailable,
}
