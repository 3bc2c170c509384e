//! The Lambda events: a valid request of an operation, with at most three changes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::command::ReportedResult;
use fastrand::Rng;
use protocol::backlog::{CASES_TYP, RESEND_TYP};
use protocol::operations::operation::{Access, Function, Operation};
use protocol::receipts::REPORTS_TYP;
use protocol::report::{DOCUMENT_TYP, REPORT_TYP};
use serde_json::{Value, json};
use tongban_tests::description;
use tongban_tests::forms;
use tongban_tests::people::Citizen;

use super::hostile::{change_bytes, change_text, change_value, text};
use crate::crash_harness::{BEIJING, CrashHarness};

/// The tenant of all requests.
const TENANT: &str = "edge-app";
/// Headers that the hub, its libraries or a proxy reads.
const HEADERS: &[&str] = &[
    "authorization",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "content-type",
    "content-encoding",
    "content-length",
    "accept",
    "accept-language",
    "accept-encoding",
    "transfer-encoding",
    "host",
    "x-forwarded-proto",
    "x-forwarded-for",
    "x-amzn-trace-id",
    "traceparent",
    "prefer",
    "range",
    "origin",
    "cookie",
    "expect",
    "dpop",
];
/// Names of query parameters.
const PARAMETERS: &[&str] = &[
    "limit",
    "cursor",
    "service",
    "stage",
    "updated_since",
    "overdue",
    "after",
    "state",
    "since",
    "accepted_at",
    "registered_at",
    "wait",
    "x",
];

/// A request before it is changed.
struct Request {
    operation: &'static Operation,
    parameters: BTreeMap<String, String>,
    query: String,
    body: Body,
}

#[derive(Clone)]
enum Body {
    None,
    Json(Value),
    /// An agency signs the value under this `typ`.
    Signed(&'static str, Value),
}

/// An endless source of events.
pub(crate) struct Events<'a> {
    harness: &'a CrashHarness,
    rng: Rng,
    token: String,
    requests: Vec<Request>,
}

impl<'a> Events<'a> {
    /// Files an application and a subscription, so that the requests have something to act on.
    pub(crate) async fn new(harness: &'a CrashHarness, seed: u64) -> Events<'a> {
        let body = forms::first_card(&Citizen::aged(30), "370102", "110105");
        let application = harness.post(TENANT, "/v1/applications", "first", &body).await.body(201);
        let endpoint = json!({ "url": "https://app.example.cn/hooks" });
        let subscription = harness.post(TENANT, "/v1/subscriptions", "first", &endpoint).await.body(201);
        let ids = [&application, &subscription].map(|made| made["id"].as_str().expect("an id").to_owned());
        let described = description::operations();
        let document = description::for_apps();
        let requests = protocol::operations::all().map(|operation| {
            let id = &ids[usize::from(operation.path.contains("subscriptions"))];
            let values = [
                ("id", id.as_str()),
                ("document", "d1"),
                ("service", "first_identity_card"),
                ("code", "not_found"),
                ("file", "agencies"),
            ];
            let named = values.iter().filter(|(name, _)| operation.path.contains(&format!("{{{name}}}")));
            let parameters = named.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let method = format!("{:?}", operation.method).to_uppercase();
            let said = described.iter().find(|said| said.method == method && said.path == operation.path);
            let body = match operation.access {
                Access::Signed => signed_body(operation, &ids[0]),
                _ => said.and_then(|said| said.example(&document)).map_or(Body::None, Body::Json),
            };
            let query =
                if operation.path == "/v1/coverage" { "service=first_identity_card" } else { "" }.to_owned();
            Request { operation, parameters, query, body }
        });
        Events {
            requests: requests.collect(),
            rng: Rng::with_seed(seed),
            token: harness.token(TENANT),
            harness,
        }
    }

    /// The next event, and the function that gets it.
    pub(crate) fn next(&mut self) -> (Function, Value) {
        let Events { harness, rng, token, requests } = self;
        let request = &requests[rng.usize(..requests.len())];
        let mut parameters = request.parameters.clone();
        let (mut query, mut body) = (request.query.clone(), request.body.clone());
        let mut headers = BTreeMap::from([
            ("authorization".to_owned(), format!("Bearer {token}")),
            ("idempotency-key".to_owned(), format!("k{}", rng.u16(..))),
        ]);
        let mut method = format!("{:?}", request.operation.method).to_uppercase();
        let (mut changes, mut encoded) = (rng.u8(..4), rng.u8(..8) == 0);
        if let Body::Json(value) | Body::Signed(_, value) = &mut body {
            for _ in 0..rng.u8(..3) {
                change_value(rng, value);
                changes = changes.saturating_sub(1);
            }
        }
        let mut bytes = match &body {
            Body::None => Vec::new(),
            Body::Json(value) => {
                headers.insert("content-type".to_owned(), "application/json".to_owned());
                value.to_string().into_bytes()
            }
            Body::Signed(typ, value) => {
                headers.insert("content-type".to_owned(), "application/jose".to_owned());
                harness.signed_value(BEIJING, typ, value).into_bytes()
            }
        };
        for _ in 0..changes {
            match rng.u8(..6) {
                0 => change_bytes(rng, &mut bytes),
                1 => {
                    let name = PARAMETERS[rng.usize(..PARAMETERS.len())];
                    query = format!("{query}&{name}={}", text(rng));
                }
                2 => {
                    let name = HEADERS[rng.usize(..HEADERS.len())].to_owned();
                    let valid = headers.get(&name).cloned().unwrap_or_default();
                    headers.insert(name, change_text(rng, &valid));
                }
                3 => {
                    for value in parameters.values_mut() {
                        *value = change_text(rng, value);
                    }
                }
                4 => ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"]
                    [rng.usize(..9)]
                .clone_into(&mut method),
                _ => encoded = true,
            }
        }
        let function = request.operation.function;
        if function == Function::Reports && rng.u8(..3) == 0 {
            return (function, batch(&String::from_utf8_lossy(&bytes)));
        }
        let body = if encoded {
            if rng.u8(..4) == 0 { text(rng) } else { STANDARD.encode(&bytes) }
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let raw_path = parameters.iter().fold(request.operation.path.to_owned(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value)
        });
        let event = json!({
            "version": "2.0", "routeKey": format!("ANY {}", request.operation.path), "rawPath": raw_path, "rawQueryString": query,
            "pathParameters": parameters, "headers": headers, "isBase64Encoded": encoded, "body": body,
            "requestContext": {
                "accountId": "1", "apiId": "a", "stage": "$default", "requestId": "r-1", "domainName": "hub.example.cn",
                "http": { "method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": text(rng) },
                "time": "02/Mar/2026:01:00:00 +0000", "timeEpoch": 1_772_413_200_000_i64,
            },
        });
        (function, event)
    }
}

/// A valid request of an agency about an application.
fn signed_body(operation: &Operation, application: &str) -> Body {
    let now = jiff::Timestamp::now().as_second();
    let common = json!({ "agency": BEIJING, "iat": now, "application": application });
    let (typ, mut value) = match operation.id {
        "sendReport" => (REPORT_TYP, json!(ReportedResult::Received)),
        "linkDocument" => (DOCUMENT_TYP, json!({ "action": "fetch", "document": "d1" })),
        "listReports" => (REPORTS_TYP, json!({})),
        "listCases" => (CASES_TYP, json!({})),
        "resendCases" => (RESEND_TYP, json!({ "cases": [{ "application": application }] })),
        other => panic!("the signed operation {other} has no valid request here"),
    };
    let members = value.as_object_mut().expect("an object");
    members.extend(common.as_object().cloned().unwrap_or_default());
    if typ == REPORT_TYP {
        members.insert("seen".to_owned(), json!(1));
        members.insert("report_id".to_owned(), json!("5d9e1f8e-7c1d-4d2b-9e0a-1f2a3b4c5d6e"));
    }
    Body::Signed(typ, value)
}

/// A batch of the reports queue with one message.
fn batch(body: &str) -> Value {
    let now = jiff::Timestamp::now().as_millisecond().to_string();
    let attributes = json!({ "ApproximateReceiveCount": "1", "SentTimestamp": now, "ApproximateFirstReceiveTimestamp": now });
    let record = json!({
        "messageId": "r1", "receiptHandle": "r1", "body": body, "attributes": attributes, "eventSource": "aws:sqs",
    });
    json!({ "Records": [record] })
}
