//! Schemas of the request bodies of app backends. The hub refuses a member that the schema does not have.
//!
//! `null` means an absent member, so every optional member may be `null`.

use domain::catalogue::{CaseRow, DocumentKind, Provider, ServiceRow, When, catalogue, current};
use domain::event::HandOver;
use domain::limits;
use serde_json::{Map, Value, json};

use crate::app::CALLED_BACK;

/// The schema of each request body, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut all: Map<String, Value> = catalogue().iter().flat_map(of_service).collect();
    let choices: Vec<Value> = all.keys().map(|name| of(name)).collect();
    let rest = [
        (
            "NewApplication",
            json!({
                "description": "An application, by service and case. Nobody is stored twice: a guardian is named for an \
                    applicant under 16 and else not, and all persons differ.",
                "oneOf": choices,
            }),
        ),
        ("ApplicationChange", application_change()),
        ("NewApplications", batch()),
        ("NewPerson", person()),
        ("PersonChange", person_change()),
        ("NewDocument", document(&DocumentKind::all())),
        ("Confirmation", confirmation()),
        ("Nothing", object("An object without members; the body is optional.", &[], json!({}))),
        ("NewSubscription", subscription()),
        ("SubscriptionChange", subscription_change()),
        ("Rotation", rotation()),
        ("Replay", replay()),
    ];
    all.extend(rest.map(|(name, schema)| (name.to_owned(), schema)));
    all
}

fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn object(description: &str, required: &[&str], properties: Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

/// A schema under the name that its type has in a generated client.
fn titled(title: &str, mut schema: Value) -> Value {
    schema["title"] = title.into();
    schema
}

/// A member that is left out or `null`. Generators of clients fail at a bare `type: null`.
fn absent() -> Value {
    json!({ "type": ["string", "null"], "const": null })
}

/// The bodies of one service. The cases that name a relative have a separate body.
fn of_service(row: &ServiceRow) -> Vec<(String, Value)> {
    let words = row.service.name().split('_');
    let parts = words.map(|word| word.split_at_checked(1).unwrap_or((word, "")));
    let name: String = parts.flat_map(|(first, rest)| [first.to_uppercase(), rest.to_owned()]).collect();
    let (with, without): (Vec<&CaseRow>, Vec<&CaseRow>) = row.cases.iter().partition(|case| case.relative);
    let bodies = [(format!("New{name}"), without, false), (format!("New{name}WithRelative"), with, true)];
    let bodies = bodies.into_iter().filter(|(_, cases, _)| !cases.is_empty());
    bodies.map(|(name, cases, relative)| (name, application(row, &cases, relative))).collect()
}

/// The query parameters of `readCoverage` that choose a case: one for each member of a form that chooses one.
pub(super) fn case_parameters() -> Vec<Value> {
    let parameter = |name: &str| {
        let rows =
            || catalogue().iter().filter(move |row| row.member().is_some_and(|member| member.name == name));
        // Two services may share a member, and their cases may share names.
        let mut cases: Vec<When> = Vec::new();
        for case in rows().flat_map(|row| &row.cases) {
            if !cases.contains(&case.when) {
                cases.push(case.when);
            }
        }
        let titles: Vec<&str> =
            rows().filter_map(ServiceRow::member).map(|member| member.title.en.as_str()).collect();
        json!({
            "name": name,
            "in": "query",
            "description": format!("{}.", titles.join(", ")),
            "required": false,
            "schema": { "type": "string", "enum": cases },
        })
    };
    current().case_members().into_iter().map(parameter).collect()
}

fn person() -> Value {
    let properties = json!({
        "name": of("PersonName"),
        "identity_number": of("IdentityNumber"),
        "mobile": or_null(of("MobileNumber")),
    });
    object(
        "A citizen. The birth date in the identity number must not be in the future.",
        &["name", "identity_number"],
        properties,
    )
}

/// Members of a person that a correction changes.
fn person_change() -> Value {
    let properties = json!({
        "name": of("PersonName"),
        "identity_number": of("IdentityNumber"),
        "mobile": or_null(of("MobileNumber")),
    });
    object("Members of a citizen to change. Absent members stay unchanged.", &[], properties)
}

/// Members of a draft that a correction changes, of all services.
fn application_change() -> Value {
    let kinds: Vec<DocumentKind> =
        DocumentKind::all().into_iter().filter(|kind| kind.provider() == Provider::App).collect();
    let mut properties = json!({
        "service": of("Service"),
        "accepted_at": placed("Acceptance place (受理地): where the citizen applies."),
        "registered_at": placed("Place of household registration (户籍地)."),
        "move_in": or_null(placed("Move-in place (迁入地); `accepted_at` by default.")),
        "applicant": of("PersonChange"),
        "guardian": or_null(of("PersonChange")),
        "relative": or_null(of("PersonChange")),
        "address": of("Address"),
        "commitment": {
            "description": "Whether the notice-and-commitment statement (告知承诺书) is signed.",
            "type": ["boolean", "null"],
        },
        "capabilities": capabilities(),
        "submit": submit_mode(),
        "documents": {
            "description": "All documents that the app uploads. Each must satisfy a requirement that has room for another file.",
            "type": "array", "maxItems": limits::OPENING_FILES, "items": document(&kinds),
        },
    });
    for parameter in case_parameters() {
        let Some(name) = parameter["name"].as_str() else { continue };
        let mut schema = parameter["schema"].clone();
        schema["type"] = json!(["string", "null"]);
        if let Some(cases) = schema["enum"].as_array_mut() {
            cases.push(Value::Null);
        }
        schema["description"] = parameter["description"].clone();
        properties[name] = schema;
    }
    let mut change = object("Members of a draft to change. Absent members stay unchanged.", &[], properties);
    change["minProperties"] = json!(1);
    change
}

fn capabilities() -> Value {
    json!({
        "description": "Capabilities that the deciding agency must have, such as `script:mongolian`.",
        "type": ["array", "null"], "maxItems": 8,
        "items": { "type": "string", "pattern": "^[a-z][a-z0-9:_-]{0,39}$" },
    })
}

fn submit_mode() -> Value {
    json!({
        "description": "`when_complete`: the hub submits the application once the last document is stored.",
        "type": ["string", "null"], "enum": ["manual", "when_complete", null], "title": "SubmitMode",
    })
}

/// A document before its upload. The hub returns a link for exactly this size, type and checksum.
fn document(kinds: &[DocumentKind]) -> Value {
    let properties = json!({
        "kind": { "type": "string", "enum": kinds },
        "media_type": {
            "type": "string", "enum": ["application/pdf", "image/jpeg", "image/png"], "title": "MediaType",
        },
        "size": {
            "description": "Size of the file in bytes.", "type": "integer", "minimum": 1, "maximum": limits::DOCUMENT_BYTES,
        },
        "sha256": {
            "description": "SHA-256 of the file in base64.",
            "type": "string", "pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$",
        },
    });
    object("A document that the app will upload.", &["kind", "media_type", "size", "sha256"], properties)
}

/// The body for these cases of a service.
fn application(row: &ServiceRow, cases: &[&CaseRow], relative: bool) -> Value {
    let names: Vec<When> = cases.iter().map(|case| case.when).collect();
    let asked = |kind: &DocumentKind| {
        cases.iter().flat_map(|case| &case.documents).any(|document| document.accepts.contains(kind))
    };
    let kinds: Vec<DocumentKind> = DocumentKind::all().into_iter().filter(asked).collect();
    let files = |case: &&CaseRow| case.documents.iter().map(|row| usize::from(row.files)).sum::<usize>();
    let most = cases.iter().map(files).max().unwrap_or_default();
    let mut required = vec!["service", "accepted_at", "registered_at", "applicant", "address"];
    let mut properties = json!({
        "service": { "type": "string", "const": row.service },
        "accepted_at": placed("Acceptance place (受理地): where the citizen applies."),
        "registered_at": placed("Place of household registration (户籍地)."),
        "applicant": of("NewPerson"),
        "guardian": or_null(of("NewPerson")),
        "address": of("Address"),
        "commitment": {
            "description": "Whether the notice-and-commitment statement (告知承诺书) is signed.",
            "type": ["boolean", "null"],
        },
        "capabilities": capabilities(),
        "submit": submit_mode(),
        "documents": {
            "description": "Documents that the app will upload. Each must satisfy a requirement that has room for another file; `files` of the \
                requirement says how many it takes, in order: the pages of a household register.",
            "type": ["array", "null"], "maxItems": most, "items": document(&kinds),
        },
    });
    if let Some(member) = row.member() {
        required.push(member.name);
        properties[member.name] =
            json!({ "description": "Case of the service.", "type": "string", "enum": names });
    }
    if row.moves_in() {
        properties["move_in"] = or_null(placed("Move-in place (迁入地); `accepted_at` by default."));
    }
    if relative {
        required.push("relative");
        properties["relative"] = of("NewPerson");
    }
    if row.commitment {
        required.push("commitment");
        properties["commitment"]["type"] = json!("boolean");
        properties["commitment"]["const"] = json!(true);
    }
    object(&format!("{} / {}.", row.title.en, row.title.zh), &required, properties)
}

fn placed(description: &str) -> Value {
    let mut place = of("DivisionCode");
    place["description"] = description.into();
    place
}

fn confirmation() -> Value {
    let ways = [HandOver::Fingerprint, HandOver::Delegate, HandOver::Post, HandOver::Window];
    json!({
        "description": "The result that the acceptance place confirms.",
        "oneOf": [
            titled("HandOverConfirmation", object("The result was handed over to the citizen.", &["confirm", "how"], json!({
                "confirm": { "type": "string", "const": "hand_over" },
                "how": { "type": "string", "enum": ways },
            }))),
            titled("SettleConfirmation", object("The citizen has settled at the move-in place.", &["confirm"], json!({
                "confirm": { "type": "string", "const": "settle" },
                "how": absent(),
            }))),
        ],
    })
}

fn batch() -> Value {
    let each = object(
        "One application and its key.",
        &["key", "application"],
        json!({
            "key": {
                "description": "Idempotency key of this application, unique in the batch.",
                "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!#-~]+$",
            },
            "application": {
                "description": "A `NewApplication`. Its own result reports its faults, so the schema accepts any value.",
            "not": { "type": "null" },
        },
        }),
    );
    let each = titled("BatchEntry", each);
    let many = json!({ "type": "array", "minItems": 1, "maxItems": 100, "items": each });
    object("Up to 100 applications, 512 KiB in total.", &["applications"], json!({ "applications": many }))
}

fn subscription() -> Value {
    object("URL and event types of the callbacks.", &["url"], endpoint())
}

fn subscription_change() -> Value {
    let mut properties = endpoint();
    properties["url"]["type"] = json!(["string", "null"]);
    let (mut with_url, mut with_events) = (properties.clone(), properties);
    with_url["url"]["type"] = json!("string");
    with_events["events"]["type"] = json!("array");
    json!({
        "description": "Members to change. Absent members stay unchanged.",
        "anyOf": [
            titled("SubscriptionUrlChange", object("Another URL.", &["url"], with_url)),
            titled("SubscriptionEventsChange", object("Other events.", &["events"], with_events)),
        ],
    })
}

fn rotation() -> Value {
    let hours = json!({
        "description": "Hours in which the old keys also sign, 24 by default.",
        "type": ["integer", "null"], "minimum": 0, "maximum": 168,
    });
    object("Options of the rotation; the body is optional.", &[], json!({ "overlap_hours": hours }))
}

fn replay() -> Value {
    let cursor = json!({ "anyOf": [of("Cursor"), { "type": "null" }], "description": "`next` of the previous response." });
    let since = json!({
        "description": "Every callback since this time.",
        "type": "string", "format": "date-time", "minLength": 20, "maxLength": 40,
    });
    json!({
        "description": "Callbacks to send again.",
        "anyOf": [
            titled("ReplayOne", object("One callback.", &["application", "version"], json!({
                "application": of("ApplicationId"),
                "version": { "description": "Version of the event.", "type": "integer", "minimum": 1, "maximum": u32::MAX },
                "since": absent(), "failed": absent(),
            }))),
            titled("ReplaySince", object("All callbacks since a time. One request covers some of the applications: continue with `next`.", &["since"], json!({
                "since": since, "cursor": cursor, "application": absent(), "version": absent(), "failed": absent(),
            }))),
            titled("ReplayFailed", object("Callbacks whose last attempt in the last 7 days failed. Continue with `next`.", &["failed"], json!({
                "failed": { "type": "boolean", "const": true }, "cursor": cursor,
                "application": absent(), "version": absent(), "since": absent(),
            }))),
        ],
    })
}

fn endpoint() -> Value {
    json!({
        "url": {
            "description": "An https URL with a host name, without user, password and fragment.",
            "type": "string", "minLength": 1, "maxLength": 1024,
            "pattern": "^https://([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(:443)?(/[A-Za-z0-9/_.~&=+-]*)?$",
        },
        "events": {
            "description": "Event types to send callbacks for; all when the subscription is made without this member.",
            "type": ["array", "null"], "minItems": 1, "maxItems": 32,
            "items": { "type": "string", "enum": CALLED_BACK, "title": "CallbackType" },
        },
    })
}
