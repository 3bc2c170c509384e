//! Examples of requests and responses for apps, by schema. The persons are invented and their identity numbers
//! computed.

use crate::form::fields;
use domain::catalogue::{CaseRow, Requirement, Service, ServiceRow, catalogue, kinds, service_row};
use serde_json::{Map, Value, json};

use super::super::ContractError;
use super::super::examples::{DATA, SHA256, named};

/// Id of the application in the examples.
const APPLICATION: &str = "0190f4c0-0000-8000-8000-000000000001";
/// Id of the subscription in the examples.
const SUBSCRIPTION: &str = "2b1f0d5e-8c1a-4f0e-9d2b-7a6c5e4f3d21";

/// Every example by its component name, `<schema>.<example>`.
///
/// # Errors
/// [`ContractError`] when an example cannot be created.
pub(super) fn all() -> Result<Map<String, Value>, ContractError> {
    let mut all = Map::new();
    for schema in SCHEMAS {
        for (name, value) in examples(schema)? {
            all.insert(format!("{schema}.{name}"), json!({ "value": value }));
        }
    }
    Ok(all)
}

/// The examples of its schema that a response of the operation shows; all examples by default.
const OF_OPERATIONS: [(&str, &str); 14] = [
    ("createApplication", "draft"),
    ("correctApplication", "draft"),
    ("submitApplication", "under_way"),
    ("supplementApplication", "under_way"),
    ("confirmResult", "under_way"),
    ("withdrawApplication", "withdrawn"),
    ("linkToRead", "read"),
    ("linkToUpload", "upload"),
    ("subscribe", "made"),
    ("rotateKeys", "made"),
    ("readSubscription", "later"),
    ("changeSubscription", "later"),
    ("pauseSubscription", "later"),
    ("resumeSubscription", "later"),
];

/// Adds references to examples to the response of an operation.
pub(super) fn add_answer(content: &mut Value, all: &Map<String, Value>, operation: &str) {
    add(content, all);
    let wanted = OF_OPERATIONS.iter().find(|(name, _)| *name == operation).map(|(_, example)| *example);
    if let (Some(wanted), Some(examples)) =
        (wanted, content.get_mut("examples").and_then(Value::as_object_mut))
    {
        examples.retain(|name, _| name == wanted);
    }
}

/// Adds references to the examples of its schema to a request body.
pub(super) fn add(content: &mut Value, all: &Map<String, Value>) {
    let schema = &content["schema"];
    // `utoipa` describes an optional body as the schema or `null`, but a body is never `null`.
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    let named = choices.chain([schema]).find_map(|choice| choice["$ref"].as_str());
    let Some(reference) = named.map(str::to_owned) else { return };
    let prefix = format!("{}.", reference.rsplit('/').next().unwrap_or_default());
    content["schema"] = json!({ "$ref": reference });
    let examples: Map<String, Value> = all
        .keys()
        .filter_map(|key| {
            let name = key.strip_prefix(&prefix)?;
            Some((name.to_owned(), json!({ "$ref": format!("#/components/examples/{key}") })))
        })
        .collect();
    if !examples.is_empty() {
        content["examples"] = Value::Object(examples);
    }
}

/// The schemas that have examples.
const SCHEMAS: [&str; 28] = [
    "ApplicationChange",
    "ApplicationView",
    "ApplicationsPage",
    "Callback",
    "Confirmation",
    "Coverage",
    "CreatedApplications",
    "Deliveries",
    "EventsPage",
    "Health",
    "Link",
    "NewApplication",
    "NewApplications",
    "NewDocument",
    "NewSubscription",
    "Nothing",
    "Notices",
    "ProblemPage",
    "ProblemTable",
    "Replay",
    "Replayed",
    "Rotation",
    "ServiceRow",
    "Services",
    "SubscriptionChange",
    "SubscriptionView",
    "Subscriptions",
    "Tested",
];

fn examples(schema: &str) -> Result<Vec<(&'static str, Value)>, ContractError> {
    Ok(match schema {
        "NewApplication" => {
            let names = ["first_card", "childs_card", "transfer", "certificate"];
            names
                .map(|name| opened_by(name).map(|body| (name, body)))
                .into_iter()
                .collect::<Result<_, _>>()?
        }
        "ApplicationView" => {
            vec![("draft", view(true)?), ("under_way", view(false)?), ("withdrawn", withdrawn()?)]
        }
        "ApplicationChange" => vec![
            ("address", json!({ "address": "北京市朝阳区示例路 2 号" })),
            ("mobile", json!({ "applicant": { "mobile": null } })),
        ],
        "ApplicationsPage" => vec![("last_page", json!({ "applications": [view(false)?] }))],
        "Callback" => vec![(
            "received",
            json!({
                "type": "application.received",
                "timestamp": "2026-03-02T01:42:11Z",
                "data": {
                    "application": APPLICATION, "version": 6, "stage": "received",
                    "url": format!("/v1/applications/{APPLICATION}"),
                },
            }),
        )],
        "EventsPage" => vec![("page", events())],
        "Nothing" => vec![("nothing", json!({}))],
        "Confirmation" => vec![
            ("handed_over", json!({ "confirm": "hand_over", "how": "window" })),
            ("settled", json!({ "confirm": "settle" })),
        ],
        "NewApplications" => vec![(
            "two",
            json!({ "applications": [
                { "key": "form-0001", "application": opened_by("first_card")? },
                { "key": "form-0002", "application": {} },
            ] }),
        )],
        "CreatedApplications" => vec![(
            "one_of_two",
            json!({ "results": [
                { "key": "form-0001", "status": 201, "application": view(true)? },
                { "key": "form-0002", "status": 422, "problem": {
                    "type": "/problems/invalid_fields", "title": "Some fields are wrong", "status": 422,
                    "errors": [{ "pointer": "/service", "code": "required", "detail": "Is required." }],
                } },
            ] }),
        )],
        "NewDocument" => vec![("register", DATA["document"].clone())],
        "Link" => vec![
            ("read", named("link-fetch")?.unwrap_or_default()),
            ("upload", named("link-upload")?.unwrap_or_default()),
        ],
        "NewSubscription" => vec![(
            "some",
            json!({ "url": "https://app.example.cn/hooks", "events": ["application.received", "application.posted"] }),
        )],
        "SubscriptionView" => vec![("made", subscription(true)), ("later", subscription(false))],
        "SubscriptionChange" => {
            vec![("two_events", json!({ "events": ["application.received", "application.rejected"] }))]
        }
        "Rotation" => vec![("at_once", json!({ "overlap_hours": 0 }))],
        "Replay" => vec![
            ("one", json!({ "application": APPLICATION, "version": 6 })),
            ("since", json!({ "since": "2026-03-02T01:30:00Z" })),
            ("failed", json!({ "failed": true })),
        ],
        "Replayed" => vec![("three", json!({ "queued": 3 }))],
        "Tested" => vec![("sent", json!({ "webhook_id": format!("{APPLICATION}:1") }))],
        "Deliveries" => vec![("two", deliveries())],
        "Notices" => vec![(
            "disabled",
            json!({
                "notices": [{
                    "type": "subscription.disabled", "subscription": SUBSCRIPTION, "at": "2026-03-05T04:30:00Z", "reason": "gone",
                }],
                "more": false,
            }),
        )],
        "Subscriptions" => vec![("one", json!({ "subscriptions": [subscription(false)] }))],
        "Services" => vec![("all", json!({ "services": catalogue(), "kinds": kinds() }))],
        "ServiceRow" => vec![("first_card", json!(shown()?.0))],
        "Coverage" => vec![("covered", covered()?)],
        "Health" => vec![("well", json!({ "status": "ok" }))],
        "ProblemPage" => vec![("not_found", problem_page()?)],
        "ProblemTable" => vec![("first_of_each", problem_table()?)],
        _ => Vec::new(),
    })
}

/// The request body of an example in `data/examples.json`.
fn opened_by(name: &str) -> Result<Value, ContractError> {
    let body = DATA["applications"].get(name).cloned();
    body.ok_or_else(|| ContractError::Unknown(name.to_owned()))
}

/// The service and the case in the example responses: those of the first example body.
fn shown() -> Result<(&'static ServiceRow, &'static CaseRow), ContractError> {
    let body = opened_by("first_card")?;
    let service: Service = serde_json::from_value(body["service"].clone())?;
    let row = service_row(service);
    Ok((row, &row.cases[0]))
}

/// The application for a first card: as a draft, or received by its agency.
fn view(draft: bool) -> Result<Value, ContractError> {
    let (row, case) = shown()?;
    let slot = |(index, requirement): (usize, &Requirement)| {
        let mut slot = json!({
            "id": format!("d{}", index.saturating_add(1)), "requirement": requirement.name, "accepts": requirement.accepts, "provider": "app",
            "state": if draft { "waiting" } else { "stored" },
        });
        if !draft {
            slot["kind"] = slot["accepts"][0].clone();
            slot["size"] = json!(48_213);
            slot["sha256"] = json!(SHA256);
        }
        slot
    };
    let mut view = json!({
        "id": APPLICATION,
        "version": if draft { 1 } else { 6 },
        "stage": if draft { "draft" } else { "received" },
        "final": false,
        "service": row.service,
        "when": case.when,
        "accepted_at": "150102",
        "registered_at": "110105",
        "overdue": false,
        "documents": case.documents.iter().enumerate().map(slot).collect::<Vec<_>>(),
        "missing": if draft { json!(["d1", "d2"]) } else { json!([]) },
        "next": ["withdraw"],
        "opened_at": "2026-03-02T01:30:00Z",
        "changed_at": if draft { "2026-03-02T01:30:00Z" } else { "2026-03-02T01:42:11Z" },
    });
    if draft {
        view["expires_at"] = json!("2026-04-01T01:30:00Z");
    } else {
        view["leg"] = json!({ "purpose": "decide", "agency": "11" });
        view["due"] = json!({ "date": "2026-03-30" });
    }
    Ok(view)
}

fn withdrawn() -> Result<Value, ContractError> {
    let mut view = view(false)?;
    for (name, value) in [
        ("version", json!(7)),
        ("stage", json!("withdrawn")),
        ("final", json!(true)),
        ("next", json!([])),
        ("changed_at", json!("2026-03-02T02:05:40Z")),
    ] {
        view[name] = value;
    }
    if let Some(members) = view.as_object_mut() {
        members.remove("due");
    }
    Ok(view)
}

fn events() -> Value {
    json!({
        "events": [
            {
                "version": 4, "type": "application.submitted", "at": "2026-03-02T01:41:07Z", "by": "app",
                "data": { "due": { "date": "2026-03-30" } },
            },
            {
                "version": 5, "type": "application.dispatched", "at": "2026-03-02T01:41:08Z", "by": "hub",
                "data": { "leg": 0 },
            },
            {
                "version": 6, "type": "application.received", "at": "2026-03-02T01:42:11Z", "by": { "agency": "11" },
                "data": {},
            },
        ],
        "after": 6,
        "more": false,
        "hash": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
    })
}

fn deliveries() -> Value {
    let attempt = |number: u32, at: &str, delivered: bool| {
        json!({
            "webhook_id": format!("{APPLICATION}:6"), "type": "application.received", "application": APPLICATION,
            "version": 6, "attempt": number, "at": at, "delivered": delivered, "latency_ms": 31,
            "status": if delivered { 204 } else { 503 },
        })
    };
    json!({ "deliveries": [
        attempt(2, "2026-03-02T01:42:17Z", true),
        attempt(1, "2026-03-02T01:42:11Z", false),
    ] })
}

fn subscription(made: bool) -> Value {
    let mut view = json!({
        "id": SUBSCRIPTION,
        "url": "https://app.example.cn/hooks",
        "events": ["application.posted", "application.received"],
        "created_at": "2026-03-02T01:30:00Z",
        "state": "healthy",
        "public_key": format!("whpk_{SHA256}"),
    });
    if made {
        // Not a real secret: the SHA-256 of the empty string.
        view["secret"] = json!(format!("whsec_{SHA256}"));
    }
    view
}

fn covered() -> Result<Value, ContractError> {
    let (row, case) = shown()?;
    Ok(json!({
        "service": row.service,
        "offered": true,
        "legs": [{
            "purpose": "decide", "title": row.legs[0].title, "agency": "11", "name": { "zh": "北京市", "en": "Beijing" },
            "limit_working_days": row.legs[0].limit_working_days,
        }],
        "cases": [{
            "when": case.when, "title": case.title, "documents": case.documents, "fields": fields(row.service, case.when, None),
        }],
        "captured_on_site": row.captured_on_site,
    }))
}

fn problem_table() -> Result<Value, ContractError> {
    let field = json!({ "code": "required", "zh": "必填", "en": "Is required." });
    Ok(json!({ "problems": [problem_page()?], "fields": [field] }))
}

fn problem_page() -> Result<Value, ContractError> {
    let advice = crate::problem::advice::advice("not_found")
        .ok_or_else(|| ContractError::Unknown("not_found".to_owned()))?;
    Ok(json!({
        "type": "/problems/not_found",
        "status": 404,
        "zh": { "title": "该地址或编号不存在，或不属于调用方", "who": advice.who.zh(), "advice": advice.zh },
        "en": { "title": "Nothing exists at this address or under this id, or it belongs to another party", "who": advice.who.en(), "advice": advice.en },
    }))
}
