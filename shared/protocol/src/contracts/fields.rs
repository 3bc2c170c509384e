//! Constraints on single members of the messages, beyond those that follow from the Rust type.

use schemars::Schema;
use serde_json::{Value, json};

use crate::wire_names::{CASES, REPORTS, event_type as type_of};
use domain::effect::NoticeKind;
use domain::stage::Step;

/// A compact JWE of five parts; direct key agreement leaves the second part empty.
pub(super) const JWE: &str = r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$";
/// A compact JWS of three parts.
pub(super) const JWS: &str = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$";
/// Every kind of message in an agency's queue.
pub(super) const NOTICES: [NoticeKind; 4] =
    [NoticeKind::Opened, NoticeKind::Supplemented, NoticeKind::Withdrawn, NoticeKind::RestoreRequested];

fn put(schema: &mut Schema, members: Value) {
    if let Value::Object(members) = members {
        schema.ensure_object().extend(members);
    }
}

pub(crate) fn specversion(schema: &mut Schema) {
    put(schema, json!({ "const": "1.0" }));
}

pub(crate) fn source(schema: &mut Schema) {
    put(schema, json!({ "const": "tongban" }));
}

pub(crate) fn event_type(schema: &mut Schema) {
    put(
        schema,
        json!({ "enum": NOTICES.map(type_of), "title": "MessageType", "description": "Reason of the message, and its version." }),
    );
}

pub(crate) fn content_type(schema: &mut Schema) {
    put(schema, json!({ "const": "application/jose" }));
}

pub(crate) fn encrypted_case(schema: &mut Schema) {
    put(schema, json!({ "pattern": JWE, "contentMediaType": "application/jose" }));
}

pub(crate) fn method(schema: &mut Schema) {
    put(schema, json!({ "enum": ["GET", "PUT"] }));
}

pub(crate) fn url(schema: &mut Schema) {
    put(schema, json!({ "format": "uri", "minLength": 1 }));
}

pub(crate) fn cursor(schema: &mut Schema) {
    put(schema, json!({ "minLength": 1, "maxLength": 512 }));
}

pub(crate) fn limit(schema: &mut Schema) {
    put(schema, json!({ "minimum": 1, "maximum": CASES }));
}

pub(crate) fn report_limit(schema: &mut Schema) {
    put(schema, json!({ "minimum": 1, "maximum": REPORTS }));
}

pub(crate) fn sha256_hex(schema: &mut Schema) {
    put(schema, json!({ "pattern": "^[0-9a-f]{64}$" }));
}

pub(crate) fn reason(schema: &mut Schema) {
    put(schema, json!({ "pattern": "^[a-z_]+$", "examples": ["stale_version"] }));
}

pub(crate) fn signed_receipt(schema: &mut Schema) {
    put(schema, json!({ "pattern": JWS, "contentMediaType": "application/jose" }));
}

pub(crate) fn resend_cases(schema: &mut Schema) {
    put(schema, json!({ "minItems": 1, "maxItems": CASES }));
}

pub(crate) fn document_state(schema: &mut Schema) {
    put(schema, json!({ "enum": ["waiting", "stored"], "title": "DocumentState" }));
}

pub(crate) fn endpoint_state(schema: &mut Schema) {
    put(
        schema,
        json!({ "enum": ["healthy", "recovering", "failing", "disabled", "paused"], "title": "EndpointState" }),
    );
}

pub(crate) fn next_steps(schema: &mut Schema) {
    let steps: Vec<&str> =
        Step::ALL.iter().filter(|step| step.is_next_step()).map(|step| step.name()).collect();
    put(
        schema,
        json!({ "items": { "type": "string", "enum": steps, "title": "NextStep" }, "uniqueItems": true }),
    );
}

pub(crate) fn callback_type(schema: &mut Schema) {
    let types: Vec<&str> = super::app::webhooks::TYPES.iter().map(|(kind, _)| *kind).collect();
    put(schema, json!({ "pattern": r"^[a-z]+\.[a-z_]+$", "examples": types }));
}

pub(crate) fn event_name(schema: &mut Schema) {
    put(schema, json!({ "pattern": "^application\\.[a-z_]+$", "examples": ["application.received"] }));
}

pub(crate) fn event_data(schema: &mut Schema) {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let due = json!({
        "description": "`submitted`, `supplemented`, `approved`, `moved_out`, `lapsed`: the agency's time limit.",
        "type": "object",
        "required": ["date"],
        "properties": { "date": { "type": "string", "format": "date" }, "provisional": { "type": "boolean" } },
    });
    let members = json!({
        "service": text("`opened`, `corrected`: the service."),
        "when": text("`opened`, `corrected`: the case of the service."),
        "document": text("`document_stored`, `document_rejected`, `document_discarded`, `issued`: id of the document."),
        "kind": text("`document_stored`: kind of document."),
        "size": { "type": "integer", "description": "`document_stored`: size in bytes." },
        "sha256": text("`document_stored`: SHA-256 in base64."),
        "fault": text("`document_rejected`: the reason, as in the document's `fault`."),
        "due": due,
        "items": {
            "type": "array",
            "items": { "type": "object" },
            "description": "`supplement_requested`: the missing items, each with `name`, `accepts` and `note`.",
        },
        "documents": {
            "type": "array",
            "items": { "type": "string" },
            "description": "`supplement_requested`: ids of the documents to upload, in the order of `items`.",
        },
        "until": text("`supplement_requested`: last day to answer."),
        "reason": text("`rejected`, `not_issued`: the agency's reason."),
        "carrier": text("`posted`: the carrier."),
        "tracking": text("`posted`: tracking number of the carrier."),
        "place": text("`ready`: the place where the citizen collects the card."),
        "how": text("`collected`, `completed`: how the result reached the citizen."),
        "permit": text("`approved`: number of the move-in permit."),
        "certificate": text("`moved_out`, `issued`: number of the certificate."),
        "valid_until": text("`moved_out`: last day of the migration certificate."),
        "leg": { "type": "integer", "description": "`dispatched`, `overdue`: index of the leg, from 0." },
    });
    put(schema, json!({ "type": "object", "properties": members, "additionalProperties": true }));
}

pub(crate) fn hash(schema: &mut Schema) {
    put(schema, json!({ "pattern": "^[A-Za-z0-9_-]{43}$" }));
}

pub(crate) fn reasons(schema: &mut Schema) {
    put(
        schema,
        json!({ "items": { "type": "string", "enum": ["not_offered", "incapable", "same_place"], "title": "NotCoveredReason" } }),
    );
}
