//! A problem (RFC 9457): the answer to a request that was not done.

pub mod advice;

use domain::ids::DocumentId;
use serde::{Deserialize, Serialize};

/// Media type of a problem.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";
/// Before the code in a problem's `type`: a reference relative to the address of the interface (RFC 9457, section 3.1.1).
/// Resolved against it, it is the page that explains the problem.
pub const TYPE_PREFIX: &str = "/problems/";

/// Why a request was not done. Decide by `type`; the words are for people and come in Chinese or English, as
/// `Accept-Language` asks. Members that are not known are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// `/problems/` and a stable code, relative to the address of the interface: there it says what to do. Decide by the
    /// part after the last slash. An unknown one is treated by its status.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^/problems/[a-z_]+$")))]
    pub kind: String,
    /// What it is, in words.
    pub title: String,
    /// The HTTP status.
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    pub status: u16,
    /// What is particular to this occurrence, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Every wrong field, all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Names the request in the hub's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The rule of the limit, `minute` or `day`, with `too_many_requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The agencies that offer the service, with `not_covered`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offered_by: Vec<String>,
    /// What the agency there cannot do, with `not_covered`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Line of the body, from 1, with `malformed_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column of the line, from 1, with `malformed_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The hub's own time in seconds since 1970, with `signature_expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<i64>,
    /// How far a signature's time may be from the hub's, in seconds, with `signature_expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance_seconds: Option<i64>,
    /// The version the report named, with `stale_version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u32>,
    /// The version of the case now, with `stale_version` and `precondition_failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The stage the application is at, with `illegal_step` and `other_leg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The step that is not possible there, with `illegal_step`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The documents that are not in, with `documents_missing`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<DocumentId>,
    /// The bound that is reached, with `bound_reached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
}

/// A wrong field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldProblem {
    /// Which, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// A stable code. New ones may appear.
    pub code: String,
    /// What is wrong, in words.
    pub detail: String,
}
