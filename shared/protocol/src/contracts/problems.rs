//! The problem responses of the OpenAPI document for agencies.

use serde_json::{Map, Value, json};

use crate::problem::{PROBLEM_MEDIA_TYPE, TYPE_PREFIX};

/// A kind of problem that an agency may receive.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The last segment of the problem's `type`.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Title in English.
    pub title: &'static str,
    /// How the agency fixes the problem.
    pub advice: &'static str,
}

/// Every kind of problem that an agency may receive. A test compares them with the hub's responses.
pub const KINDS: &[Kind] = &[
    kind(
        "malformed_signature",
        400,
        "The body is not a valid signed object",
        "The body is not a compact JWS of the expected `typ`, or its payload does not match the schema. Fix the body; do not repeat it unchanged.",
    ),
    kind(
        "unknown_key",
        401,
        "The signing key is not registered, or was revoked",
        "Ask the operator to register the key, or sign with a registered one.",
    ),
    kind(
        "bad_signature",
        401,
        "The signature does not verify",
        "The bytes were changed, or signed with a key other than the one that `kid` names.",
    ),
    kind(
        "signature_expired",
        401,
        "The request was signed too long ago or ahead of time; sign it again",
        "`iat` differs from the hub's clock (`now`) by more than `tolerance_seconds`. Set the clock and sign again.",
    ),
    kind(
        "not_found",
        404,
        "Nothing exists at this address or under this id, or it belongs to another party",
        "No application has this id, or the application belongs to another agency. Check the address and the id.",
    ),
    kind(
        "illegal_step",
        409,
        "The step is not possible at the application's current stage",
        "The case is at another stage (`stage`) or was withdrawn. Drop the report.",
    ),
    kind(
        "other_leg",
        409,
        "The open leg belongs to another agency",
        "This agency's leg is over or has not started. Drop the report.",
    ),
    kind(
        "stale_version",
        409,
        "The report builds on a version that is out of date or does not exist",
        "Read the next message of the case, or request it again, and report on `version`.",
    ),
    kind(
        "documents_missing",
        409,
        "Documents are missing",
        "Upload the issued certificate first; `missing` names it. Then send the same report.",
    ),
    kind(
        "bound_reached",
        409,
        "The application has reached one of its limits",
        "Only a decision is possible now. `bound` names the limit.",
    ),
    kind("payload_too_large", 413, "The body is too large", "A report has at most 64 KiB."),
    kind(
        "unsupported_media_type",
        415,
        "The address does not support this content type",
        "Send `Content-Type: application/jose`.",
    ),
    kind(
        "invalid_fields",
        422,
        "Some fields are wrong; all of them are listed",
        "Fix every field of `errors` and send a new report with a new `report_id`.",
    ),
    kind(
        "key_reused",
        422,
        "The Idempotency-Key or report_id was used for another request",
        "The `report_id` was used for a report with other content. Choose a new `report_id`.",
    ),
    kind(
        "internal",
        500,
        "The hub has an internal error",
        "The hub has a fault. Send the same bytes again later, with growing waits.",
    ),
    kind(
        "throttled",
        503,
        "The service is busy; please repeat the request",
        "Send the same bytes again after `Retry-After` seconds, with jitter.",
    ),
    kind(
        "unavailable",
        503,
        "The service is not available; please repeat the request",
        "Send the same bytes again after `Retry-After` seconds, with jitter.",
    ),
];

const fn kind(code: &'static str, status: u16, title: &'static str, advice: &'static str) -> Kind {
    Kind { code, status, title, advice }
}

/// An example body of a kind of problem.
#[must_use]
pub fn example(kind: &Kind) -> Value {
    let mut body = json!({
        "type": format!("{TYPE_PREFIX}{}", kind.code),
        "title": kind.title,
        "status": kind.status,
        "trace": "1-69a4e7c8-2f1d0c3b5a7948e6d1c2b3a4",
    });
    let members = match kind.code {
        "signature_expired" => json!({ "now": 1_772_415_000, "tolerance_seconds": 900 }),
        "illegal_step" => json!({ "stage": "withdrawn", "step": "sign" }),
        "other_leg" => json!({ "stage": "dispatched" }),
        "stale_version" => json!({ "seen": 4, "version": 7 }),
        "documents_missing" => json!({
            "missing": ["d3"],
            "errors": [{ "pointer": "/documents/d3", "code": "document_missing", "detail": "This document is not in yet." }]
        }),
        "bound_reached" => json!({ "bound": "supplement_rounds" }),
        "invalid_fields" => json!({ "errors": [
            { "pointer": "/certificate", "code": "required", "detail": "Is required." },
            { "pointer": "/valid_until", "code": "out_of_range", "detail": "Must lie within the bounds that the interface's description states for this field." }
        ] }),
        _ => json!({}),
    };
    if let (Value::Object(body), Value::Object(members)) = (&mut body, members) {
        body.extend(members);
    }
    body
}

/// The response of an operation for kinds with the same status; `None` when a code is unknown.
pub(super) fn response(codes: &[String]) -> Option<Value> {
    let kinds: Option<Vec<&Kind>> =
        codes.iter().map(|code| KINDS.iter().find(|kind| kind.code == code)).collect();
    let kinds = kinds?;
    let status = kinds.first()?.status;
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            (
                kind.code.to_owned(),
                json!({ "summary": kind.title, "description": kind.advice, "value": example(kind) }),
            )
        })
        .collect();
    let types: Vec<String> = kinds.iter().map(|kind| format!("{TYPE_PREFIX}{}", kind.code)).collect();
    let lines: Vec<String> = kinds.iter().map(|kind| format!("- `{}`: {}", kind.code, kind.advice)).collect();
    let mut headers = json!({
        "Content-Language": { "$ref": "#/components/headers/ContentLanguage" }
    });
    if status == 503 {
        headers["Retry-After"] = json!({ "$ref": "#/components/headers/RetryAfter" });
    }
    Some(json!({
        "description": lines.join("\n"),
        "headers": headers,
        "content": { PROBLEM_MEDIA_TYPE: {
            "schema": { "$ref": "#/components/schemas/Problem" },
            "examples": examples,
        } },
        "x-problem-types": types,
    }))
}
