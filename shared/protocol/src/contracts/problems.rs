//! The answers that are problems, as the OpenAPI document shows them.

use serde_json::{Map, Value, json};

use crate::problem::{PROBLEM_MEDIA_TYPE, TYPE_PREFIX};

/// A kind of problem that an agency may be answered with.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The end of its `type`.
    pub code: &'static str,
    /// Its status.
    pub status: u16,
    /// Its title in English.
    pub title: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// Every kind that an agency may be answered with. A test holds them against what the hub answers.
pub const KINDS: &[Kind] = &[
    kind(
        "malformed_signature",
        400,
        "The body is not a valid signed object",
        "Not a compact JWS of the expected `typ`, or its payload is not of the schema. Mend it; do not repeat it as it is.",
    ),
    kind(
        "unknown_key",
        401,
        "The signing key is not registered, or was revoked",
        "Ask the operator to register the key, or sign with one that is.",
    ),
    kind(
        "bad_signature",
        401,
        "The signature does not verify",
        "The bytes were changed, or signed with another key than `kid` names.",
    ),
    kind(
        "signature_expired",
        401,
        "The request was signed too long ago or ahead of time; sign it again",
        "`iat` is more than `tolerance_seconds` from the hub's clock; `now` is what that says. Set the clock and sign again.",
    ),
    kind(
        "not_found",
        404,
        "Nothing exists at this address or under this id, or it belongs to another party",
        "No application has this id, or it belongs to another agency: both are answered alike.",
    ),
    kind(
        "illegal_step",
        409,
        "The step is not possible at the application's current stage",
        "The case has moved on, or was withdrawn: drop the report. `stage` says where it stands.",
    ),
    kind(
        "other_leg",
        409,
        "The open leg belongs to another agency",
        "This agency's part is over or has not come yet: drop the report.",
    ),
    kind(
        "stale_version",
        409,
        "The report builds on a version that is out of date or does not exist",
        "Take the next message of the case, or ask for it again, and report on `version`.",
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
        "Only a decision is possible now; `bound` says what is used up.",
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
        "Mend every field of `errors` and send a new report under a new `report_id`.",
    ),
    kind(
        "key_reused",
        422,
        "The Idempotency-Key was used for another request",
        "The `report_id` was used for a report of other content: choose a new one.",
    ),
    kind(
        "internal",
        500,
        "The hub has an internal error",
        "A fault of the hub that a repeat does not mend at once. Repeat the same bytes later, with growing waits.",
    ),
    kind(
        "throttled",
        503,
        "The service is busy; please repeat the request",
        "Repeat the same bytes after `Retry-After` seconds, with jitter.",
    ),
    kind(
        "unavailable",
        503,
        "The service is not available; please repeat the request",
        "Repeat the same bytes after `Retry-After` seconds, with jitter.",
    ),
];

const fn kind(code: &'static str, status: u16, title: &'static str, advice: &'static str) -> Kind {
    Kind { code, status, title, advice }
}

/// The body of a problem of a kind, as an example.
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

/// The response of an operation for kinds of one status; `None` where a code is not known.
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
