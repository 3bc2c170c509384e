//! The problem responses of operations for apps. Most follow from the parameters and the body of an operation; the
//! operation names the others in `x-problems`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::ContractError;
use super::super::problems::{DescribedKind, header, headers, response_of};
use crate::problem::TYPE_PREFIX;
use crate::problem::advice::advice;
use crate::problem::agency::for_agencies;

/// Code, status and title of the problems that only apps receive. Agencies receive the others, too. A test compares
/// them with the hub's responses.
pub const OF_APPS: &[(&str, u16, &str)] = &[
    ("bad_request", 400, "The request is not understood"),
    ("malformed_json", 400, "The body is not valid JSON"),
    ("idempotency_key_required", 400, "The header Idempotency-Key is missing"),
    ("idempotency_key_invalid", 400, "Idempotency-Key is one header of 1 to 128 visible ASCII characters"),
    ("unauthorized", 401, "There is no valid access token or signature"),
    ("insufficient_scope", 403, "The access token lacks the scope that this operation requires"),
    ("conflict", 409, "The request conflicts with the current state of the document"),
    ("too_many_subscriptions", 409, "The tenant has as many subscriptions as it may have"),
    ("precondition_failed", 412, "The application has changed: its version is not that of If-Match"),
    ("not_covered", 422, "No agency takes this application"),
    ("too_many_requests", 429, "Too many requests"),
];

/// Status and title of a kind of problem.
fn kind(code: &str) -> Option<(u16, &'static str)> {
    let own = OF_APPS.iter().find(|row| row.0 == code).map(|row| (row.1, row.2));
    own.or_else(|| for_agencies(code).map(|kind| (kind.status, kind.title)))
}

/// Problem codes that follow from the parameters and the body of an operation.
fn implied(operation: &Value) -> Vec<&'static str> {
    let mut codes = vec!["internal", "throttled", "unavailable"];
    let security = operation["security"].as_array().cloned().unwrap_or_default();
    if let Some(scheme) = security.first().and_then(Value::as_object).filter(|scheme| !scheme.is_empty()) {
        codes.push("unauthorized");
        if scheme.values().any(|scopes| scopes.as_array().is_some_and(|scopes| !scopes.is_empty())) {
            codes.push("insufficient_scope");
        }
    }
    if operation.get("requestBody").is_some() {
        codes.extend(["malformed_json", "payload_too_large", "unsupported_media_type", "invalid_fields"]);
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        match (parameter["in"].as_str(), parameter["name"].as_str()) {
            (Some("path"), _) => codes.extend(["bad_request", "not_found"]),
            (Some("query"), _) => codes.push("invalid_fields"),
            (Some("header"), Some("Idempotency-Key")) => {
                codes.extend(["idempotency_key_required", "idempotency_key_invalid"]);
            }
            (Some("header"), Some("If-Match")) => {
                codes.extend(["bad_request", "precondition_failed", "incomplete_read"])
            }
            (Some("header"), Some("If-None-Match")) => codes.push("bad_request"),
            _ => {}
        }
    }
    codes
}

/// Adds every problem response to an operation; `x-problems` names the codes particular to the operation. `shared`
/// holds the responses once for all operations.
///
/// # Errors
/// [`ContractError`] when the operation names an unknown kind of problem.
pub(super) fn add(operation: &mut Value, shared: &mut Map<String, Value>) -> Result<(), ContractError> {
    let mut codes: BTreeSet<String> = implied(operation).into_iter().map(str::to_owned).collect();
    if let Some(own) = operation.as_object_mut().and_then(|members| members.remove("x-problems")) {
        codes.extend(serde_json::from_value::<Vec<String>>(own)?);
    }
    let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for code in codes {
        let (status, _) = kind(&code).ok_or_else(|| ContractError::Unknown(code.clone()))?;
        by_status.entry(status).or_default().push(code);
    }
    for (status, codes) in by_status {
        let name = codes.join("-or-");
        operation["responses"][status.to_string()] =
            json!({ "$ref": format!("#/components/responses/{name}") });
        if !shared.contains_key(&name) {
            shared.insert(name, response(status, &codes)?);
        }
    }
    operation["responses"]["429"] = json!({ "$ref": "#/components/responses/too_many_requests" });
    Ok(())
}

fn response(status: u16, codes: &[String]) -> Result<Value, ContractError> {
    let mut kinds = Vec::new();
    for code in codes {
        let unknown = || ContractError::Unknown(code.clone());
        let (_, title) = kind(code).ok_or_else(unknown)?;
        let advice = advice(code).ok_or_else(unknown)?.en.to_owned();
        kinds.push(DescribedKind { code, title, advice, example: example(code, status, title) });
    }
    let mut headers = headers(status);
    if status == 401 || status == 403 {
        headers["WWW-Authenticate"] = header("Challenge");
    }
    Ok(response_of(headers, kinds))
}

/// An example body of a kind of problem.
fn example(code: &str, status: u16, title: &str) -> Value {
    let mut body = json!({
        "type": format!("{TYPE_PREFIX}{code}"),
        "title": title,
        "status": status,
        "trace": "1-69a4e7c8-2f1d0c3b5a7948e6d1c2b3a4",
    });
    let field = |pointer: &str, code: &str, detail: &str| json!({ "pointer": pointer, "code": code, "detail": detail });
    let members = match code {
        "malformed_json" => json!({ "detail": "At line 3, column 12.", "line": 3, "column": 12 }),
        "insufficient_scope" => json!({ "detail": "The access token needs the scope applications:write." }),
        "illegal_step" => json!({
            "detail": "The application is at stage withdrawn, where submit is not possible.",
            "stage": "withdrawn", "step": "submit",
        }),
        "documents_missing" => json!({
            "missing": ["d2"],
            "errors": [field("/documents/d2", "document_missing", "This document is not in yet.")],
        }),
        "bound_reached" => json!({ "bound": "rejections" }),
        "payload_too_large" => json!({ "detail": "A body has at most 65536 bytes." }),
        "invalid_fields" => json!({ "errors": [
            field("/applicant/identity_number", "identity_number_check_character", "Its check character does not fit."),
            field("/address", "required", "Is required."),
        ] }),
        "not_covered" => json!({
            "offered_by": ["11", "37"],
            "errors": [field("/registered_at", "not_offered", "No agency offers the service there.")],
        }),
        _ => json!({}),
    };
    if let (Value::Object(body), Value::Object(members)) = (&mut body, members) {
        body.extend(members);
    }
    body
}
