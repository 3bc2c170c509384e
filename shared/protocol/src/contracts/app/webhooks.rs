//! The requests that the hub sends to app backends: callbacks after Standard Webhooks.

use serde_json::{Map, Value, json};

use crate::wire_names::TEST;

/// Every type of callback, and its meaning.
pub const TYPES: [(&str, &str); 23] = [
    (
        "application.document_rejected",
        "A document was rejected, for the reason in its `fault`. The app must upload another file.",
    ),
    ("application.dispatched", "The hub has sent the case to the queue of the agency that acts next."),
    ("application.received", "The agency has received the case."),
    (
        "application.supplement_requested",
        "The agency requests more documents. `missing` lists them, `expires_at` is the time limit.",
    ),
    ("application.signed", "First card: the agency has reviewed and signed the application."),
    (
        "application.not_issued",
        "First card: the agency does not issue the card. The citizen must apply at the place of household registration.",
    ),
    ("application.produced", "First card: the card is produced."),
    (
        "application.posted",
        "First card: the card was posted. `results` has the carrier and the tracking number.",
    ),
    ("application.ready", "First card: the card can be collected. Confirm when it is handed over."),
    ("application.collected", "First card: the citizen has the card."),
    ("application.approved", "Transfer: the agency of the move-in place has issued the move-in permit."),
    ("application.verified", "Transfer: the agency of the origin has verified the register."),
    (
        "application.moved_out",
        "Transfer: the agency of the origin has issued the migration certificate. The citizen must settle by its last day.",
    ),
    ("application.settled", "Transfer: the citizen is registered at the move-in place."),
    (
        "application.lapsed",
        "Transfer: the migration certificate expired. The agency of the origin restores the registration.",
    ),
    ("application.restored_at_origin", "Transfer: the registration is restored at the origin."),
    ("application.issued", "Certificate: the certificate is issued and can be read as a document."),
    ("application.completed", "Certificate: the citizen has the certificate."),
    ("application.withdrawn", "The citizen withdrew the application."),
    ("application.rejected", "An agency rejected the application. `results` has the reason."),
    ("application.expired", "The draft expired, or the citizen did not answer a supplement request in time."),
    ("application.overdue", "The agency's time limit has passed. The agency may still decide."),
    (TEST, "A test event that the app requested. No application has the id that it carries."),
];

/// The request of a callback.
pub(super) fn callback() -> Value {
    let types: Vec<String> = TYPES.iter().map(|(kind, meaning)| format!("- `{kind}`: {meaning}")).collect();
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
                "`application:version`, the same for every attempt. Ignore an id that you have processed before.",
                json!({ "type": "string", "examples": ["0190f4c0-0000-8000-8000-000000000001:6"] }),
            ),
            header(
                "webhook-timestamp",
                "Time of signing in seconds since 1970. Refuse a callback that differs from your clock by more than five minutes.",
                json!({ "type": "string", "pattern": "^[0-9]+$", "examples": ["1772415731"] }),
            ),
            header(
                "webhook-signature",
                "Signatures separated by spaces, over `webhook-id.webhook-timestamp.body`: `v1,` with HMAC-SHA256, `v1a,` \
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
The hub sends this request to the URL of a subscription, signed after [Standard Webhooks](https://www.standardwebhooks.com/). It \
contains ids only: read the application at `data.url`. Delivery is at least once. The callbacks of one application arrive in version \
order, except replays. Answer at once, and process the event afterwards: without an answer within \
1.5 seconds the hub sends the callback again later, with ten seconds for the answer. The hub does not follow redirects.

The hub retries a failed callback for 75 hours and stores it for 30 days. After 75 hours it disables the subscription and adds a notice \
to `GET /v1/notices`; `resume` delivers the stored callbacks.";

fn responses() -> Map<String, Value> {
    let responses = [
        (
            "2XX",
            "The callback is delivered: the status counts once the headers are there, and what happens to the body changes nothing.",
        ),
        (
            "410",
            "The endpoint is gone. The hub disables the subscription at once and keeps the stored callbacks.",
        ),
        ("429", "Too many callbacks. The hub retries after `Retry-After`."),
        (
            "default",
            "The delivery failed. The hub retries by its schedule, and not before `Retry-After` if the response has this header.",
        ),
    ];
    let described =
        responses.map(|(status, description)| (status.to_owned(), json!({ "description": description })));
    Map::from_iter(described)
}
