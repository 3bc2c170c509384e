//! A problem (RFC 9457): the response to a request that failed.

pub mod advice;
pub mod agency;

use domain::ids::DocumentId;
use serde::{Deserialize, Serialize};

/// Media type of a problem.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";
/// Prefix of the code in a problem's `type`, which is a relative reference (RFC 9457, section 3.1.1). Resolved against
/// the hub's address, `type` is the page that explains the problem.
pub const TYPE_PREFIX: &str = "/problems/";

/// Why a request failed. Decide by `type`. `title` and `detail` are for people, in Chinese or English according to
/// `Accept-Language`. Ignore members that you do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// `/problems/` and a stable code: the path of the page that explains the problem. Decide by the code; treat an
    /// unknown code by the status.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^/problems/[a-z_]+$")))]
    pub kind: String,
    /// Short description of the kind of problem.
    pub title: String,
    /// The HTTP status.
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    pub status: u16,
    /// Description of this occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The wrong fields, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Number of wrong fields beyond those in `errors`; absent when `errors` has all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_errors: Option<u32>,
    /// Id of the request in the hub's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The exceeded limit, `minute` or `day`, with `too_many_requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The agencies that offer the service, with `not_covered`, and with `invalid_fields` that name an uncovered place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offered_by: Vec<String>,
    /// Capabilities that the agency lacks, with `not_covered`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Line of the body, from 1, with `malformed_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column of the line, from 1, with `malformed_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Time of the hub in seconds since 1970, with `signature_expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<i64>,
    /// Accepted difference between `iat` and the hub's clock in seconds, with `signature_expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance_seconds: Option<i64>,
    /// Version that the report named, with `stale_version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u32>,
    /// Current version of the case, with `stale_version` and `precondition_failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Current stage of the application, with `illegal_step` and `other_leg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The refused step, with `illegal_step`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Documents that are not stored yet, with `documents_missing`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<DocumentId>,
    /// The document whose last upload was rejected, with `document_rejected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentId>,
    /// Why the upload was rejected, with `document_rejected`: `empty`, `too_large`, `content_mismatch` or `wrong_kind`.
    /// The hub may add values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The limit that the application has reached, with `bound_reached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// Proof of the refusal and its time, with a refused report: a compact JWS by the hub, `typ` `tongban-receipt+jws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::signed_receipt))]
    pub receipt: Option<String>,
}

/// A wrong field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) to the field.
    pub pointer: String,
    /// Stable code of the fault. The hub may add codes.
    pub code: String,
    /// Description of the fault.
    pub detail: String,
}
