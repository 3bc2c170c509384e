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
        "The body is not a compact JWS of the expected `typ`. Fix the body; do not repeat it unchanged.",
    ),
    kind(
        "malformed_json",
        400,
        "The body is not valid JSON",
        "The signed payload is not JSON: `line` and `column` give the position of the error, `errors` repeated members. Fix the payload and sign it again.",
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
        "document_rejected",
        409,
        "The uploaded file was rejected",
        "The file uploaded last for `document` was rejected; `fault` says why. Get a new link, upload another file, then send the same report.",
    ),
    kind(
        "application_full",
        409,
        "The application's record is full: only a decision or a withdrawal is taken",
        "The record has no room for another supplement request. Only a decision is possible now.",
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
        "Some fields are wrong",
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
        "incomplete_read",
        503,
        "A newer version of the hub changed the application: the running version cannot change it",
        "The hub is being deployed or rolled back. The case is unchanged. Send the same bytes again after `Retry-After` seconds, with jitter.",
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
        "document_rejected" => json!({
            "document": "d3", "fault": "content_mismatch",
            "errors": [{ "pointer": "/document", "code": "document_rejected", "detail": "The file that was uploaded last was rejected. Get a new link and upload another file." }]
        }),
        "malformed_json" => json!({ "line": 1, "column": 17 }),
        "bound_reached" => json!({ "bound": "supplement_rounds" }),
        "invalid_fields" => json!({ "errors": [
            { "pointer": "/certificate", "code": "required", "detail": "Is required." },
            { "pointer": "/valid_until", "code": "out_of_range", "detail": "Must lie within the bounds of this field. Accepted: 0 to 30." }
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
    let described = kinds.iter().map(|kind| DescribedKind {
        code: kind.code,
        title: kind.title,
        advice: kind.advice,
        example: example(kind),
    });
    Some(response_of(headers(status), described.collect()))
}

/// One kind of problem in the description of a response.
pub(super) struct DescribedKind<'a> {
    pub(super) code: &'a str,
    pub(super) title: &'a str,
    pub(super) advice: &'a str,
    /// An example body.
    pub(super) example: Value,
}

/// The headers that every problem response of this status has.
pub(super) fn headers(status: u16) -> Value {
    let mut headers = json!({ "Content-Language": header("ContentLanguage") });
    if status == 503 {
        headers["Retry-After"] = header("RetryAfter");
    }
    headers
}

/// A reference to a header of the document.
pub(super) fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// The response object for kinds of problems with the same status.
pub(super) fn response_of(headers: Value, kinds: Vec<DescribedKind<'_>>) -> Value {
    let lines: Vec<String> = kinds.iter().map(|kind| format!("- `{}`: {}", kind.code, kind.advice)).collect();
    let types: Vec<String> = kinds.iter().map(|kind| format!("{TYPE_PREFIX}{}", kind.code)).collect();
    let examples: Map<String, Value> = kinds
        .into_iter()
        .map(|kind| {
            let example = json!({ "summary": kind.title, "description": kind.advice, "value": kind.example });
            (kind.code.to_owned(), example)
        })
        .collect();
    json!({
        "description": lines.join("\n"),
        "headers": headers,
        "content": { PROBLEM_MEDIA_TYPE: {
            "schema": { "$ref": "#/components/schemas/Problem" },
            "examples": examples,
        } },
        "x-problem-types": types,
    })
}
