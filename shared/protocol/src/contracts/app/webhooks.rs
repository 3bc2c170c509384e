//! What the hub sends of itself: callbacks, after Standard Webhooks.

use serde_json::{Map, Value, json};

use crate::wire_names::TEST;

/// Every type of callback, and what it tells.
pub const TYPES: [(&str, &str); 23] = [
    (
        "application.document_rejected",
        "A document was not taken, its `fault` says why; its slot waits for another one.",
    ),
    ("application.dispatched", "The case lies in the queue of the agency whose turn it is."),
    ("application.received", "The agency has taken the case."),
    (
        "application.supplement_requested",
        "The agency asks for more: `missing` names the slots, `expires_at` the end.",
    ),
    ("application.signed", "First card: the agency has signed it off."),
    (
        "application.not_issued",
        "First card: it is not issued; the citizen must go to the place of registration.",
    ),
    ("application.produced", "First card: it is produced."),
    ("application.posted", "First card: it is in the post; `results` has carrier and number."),
    ("application.ready", "First card: it waits at the acceptance place; confirm when it is handed over."),
    ("application.collected", "First card: it is in the citizen's hands."),
    ("application.approved", "Transfer: the destination has issued the move-in permit."),
    ("application.verified", "Transfer: the origin has verified the register."),
    (
        "application.moved_out",
        "Transfer: the origin has issued the migration certificate, which has a last day.",
    ),
    ("application.settled", "Transfer: the citizen is registered at the destination."),
    (
        "application.lapsed",
        "Transfer: the migration certificate ran out; the origin restores the registration.",
    ),
    ("application.restored_at_origin", "Transfer: the registration is back at the origin."),
    ("application.issued", "Certificate: it is issued, and can be read as a document."),
    ("application.completed", "Certificate: it is in the citizen's hands."),
    ("application.withdrawn", "The citizen took the application back."),
    ("application.rejected", "An agency refused it; `results` says why."),
    ("application.expired", "It ran out of time: a draft, or the answer to a supplement."),
    ("application.overdue", "The agency's limit passed; the case goes on."),
    (TEST, "The app asked for a test. The application exists nowhere."),
];

/// The request of a callback.
pub(super) fn callback() -> Value {
    let types: Vec<String> = TYPES.iter().map(|(kind, tells)| format!("- `{kind}`: {tells}")).collect();
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": true, "description": description, "schema": schema });
    json!({ "post": {
        "operationId": "callback",
        "tags": ["subscriptions"],
        "summary": "An application changed",
        "description": format!("{DESCRIPTION}\n\n{}", types.join("\n")),
        "security": [],
        "parameters": [
            header(
                "webhook-id",
                "`application:version`, the same at every attempt: what was taken before is taken again without effect.",
                json!({ "type": "string", "examples": ["0190f4c0-0000-8000-8000-000000000001:6"] }),
            ),
            header(
                "webhook-timestamp",
                "When this attempt was signed, in seconds since 1970. Refuse one more than five minutes off.",
                json!({ "type": "string", "pattern": "^[0-9]+$", "examples": ["1772415731"] }),
            ),
            header(
                "webhook-signature",
                "Signatures with a space between them, over `webhook-id.webhook-timestamp.body`: `v1,` with HMAC-SHA256, `v1a,` \
                 with Ed25519, each in base64. While keys are rotated there are more; one must fit.",
                json!({ "type": "string", "examples": ["v1,47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="] }),
            ),
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Callback" } } },
        },
        "responses": responses(),
    } })
}

const DESCRIPTION: &str = "\
The hub sends this to the URL of a subscription, signed after [Standard Webhooks](https://www.standardwebhooks.com/). It holds ids \
alone: read the application at `data.url`. Callbacks come at least once, those of one application in order of version, but for what \
was replayed. Answer within ten seconds and work afterwards; redirects are not followed.

What is not taken is tried again for 75 hours and held for 30 days; then the subscription is disabled, `GET /v1/notices` says so, and \
`resume` delivers what is held.";

fn responses() -> Map<String, Value> {
    let responses = [
        ("2XX", "It is taken. The body does not matter."),
        (
            "410",
            "Nobody is here any more: the subscription is disabled at once, and what is held stays held.",
        ),
        ("429", "Too many: it is tried again, not before `Retry-After`."),
        (
            "default",
            "It is not taken, and is tried again by the schedule; not before `Retry-After`, where one is given.",
        ),
    ];
    let described = responses.map(|(status, said)| (status.to_owned(), json!({ "description": said })));
    Map::from_iter(described)
}
