//! The problem responses of the OpenAPI document for agencies.

use serde_json::{Map, Value, json};

use crate::problem::agency::{AgencyProblem, for_agencies};
use crate::problem::{PROBLEM_MEDIA_TYPE, TYPE_PREFIX};

/// An example body of a kind of problem.
#[must_use]
pub fn example(kind: &AgencyProblem) -> Value {
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
    let kinds = codes.iter().map(|code| for_agencies(code)).collect::<Option<Vec<_>>>()?;
    let status = kinds.first()?.status;
    let described = kinds.iter().map(|kind| DescribedKind {
        code: kind.code,
        title: kind.title,
        advice: format!("{} {}", kind.meaning, kind.remedy),
        example: example(kind),
    });
    Some(response_of(headers(status), described.collect()))
}

/// One kind of problem in the description of a response.
pub(super) struct DescribedKind<'a> {
    pub(super) code: &'a str,
    pub(super) title: &'a str,
    pub(super) advice: String,
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
