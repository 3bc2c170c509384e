//! Every app route of the OpenAPI document against every kind of wrong request. A route that is not described or not
//! protected fails these tests.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use http_kit::fields::BATCH_BYTES;
use http_kit::rate_limit::Limits;
use jiff::SignedDuration;
use platform::faults::Fault;
use protocol::operations as declarations;
use serde_json::Value;
use tongban_tests::description::{Operation, operations};
use tongban_tests::repository::{files, text};

use crate::apps::{ALL, Answer, Apps, OWNER};

/// A tenant without applications and subscriptions.
const STRANGER: &str = "other-app";

fn name(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.path)
}

/// Asserts that a response is a problem with this status and code, and that the document describes the status.
fn assert_problem(operation: &Operation, answer: &Answer, status: u16, code: &str) {
    let name = name(operation);
    assert_eq!((answer.status, answer.code()), (status, code), "{name}: {answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{name}");
    assert!(operation.statuses().contains(&status), "{name}: {status} is not described");
}

async fn send_as(apps: &Apps, operation: &Operation, tenant: &str, scope: &str, body: Body) -> Answer {
    let request = apps.request(&operation.method, &apps.path(operation), tenant, scope);
    apps.send(request.header("content-type", "application/json").body(body).expect("a request")).await
}

fn valid_body(apps: &Apps, operation: &Operation) -> Body {
    apps.body(operation).map_or_else(Body::empty, |body| Body::from(body.to_string()))
}

/// Method and path of every operation in both published descriptions.
fn described() -> BTreeSet<String> {
    let agencies: Value =
        serde_yaml_ng::from_str(&text("shared/protocol/contracts/agency.openapi.yaml")).expect("YAML");
    let paths = agencies["paths"].as_object().expect("paths");
    let agencies = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods").keys().filter(|method| *method != "parameters");
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations().iter().map(name).chain(agencies).collect()
}

#[test]
fn the_declared_operations_are_exactly_the_described_ones() {
    let declared: BTreeSet<String> = declarations::all()
        .map(|operation| format!("{} {}", format!("{:?}", operation.method).to_uppercase(), operation.path))
        .collect();
    assert_eq!(declared, described());
}

#[test]
fn the_template_routes_each_declared_path_to_its_function_and_no_other() {
    let declared: BTreeSet<(String, String)> = declarations::all()
        .map(|operation| (operation.path.to_owned(), operation.function.name().to_owned()))
        .collect();
    let template = text("infra/template.yaml");
    let routed = template.split("RouteKey: \"ANY ").skip(1).map(|route| {
        let (path, rest) = route.split_once('"').expect("the end of a route key");
        let integration =
            rest.split_once("integrations/${").and_then(|(_, name)| name.split_once("Integration}"));
        (path.to_owned(), integration.expect("an integration").0.to_owned())
    });
    let routed: Vec<_> = routed.collect();
    // Case I10 of `tests/FIELD_CASES.md`: every other path goes to intake, which answers 404.
    assert_eq!(template.matches("RouteKey: \"$default\"").count(), 1);
    assert_eq!(
        routed.len() + 1,
        template.matches("RouteKey:").count(),
        "a route of the template has another form"
    );
    assert_eq!(routed.into_iter().collect::<BTreeSet<_>>(), declared);
}

#[test]
fn functions_route_declared_operations_only() {
    let sources = files("functions", ".rs").into_iter();
    for path in sources.filter(|path| path.components().any(|part| part.as_os_str() == "src")) {
        let source = text(path.to_str().expect("a path"));
        assert!(!source.contains(".route(\""), "{}: use `operation`", path.display());
    }
}

#[tokio::test]
async fn a_request_without_a_token_gets_401() {
    let apps = Apps::new().await;
    for operation in operations().iter().filter(|operation| operation.needs_token()) {
        for header in ["", "Bearer none", "Basic YTpi"] {
            let mut request = apps.request(&operation.method, &apps.path(operation), OWNER, ALL);
            let headers = request.headers_mut().expect("headers");
            headers.remove("authorization");
            if !header.is_empty() {
                headers.insert("authorization", header.parse().expect("a header"));
            }
            let answer = apps.send(request.body(valid_body(&apps, operation)).expect("a request")).await;
            assert_problem(operation, &answer, 401, "unauthorized");
            assert!(answer.headers.contains_key("www-authenticate"), "{}", name(operation));
        }
    }
}

#[tokio::test]
async fn every_other_scope_gets_403() {
    let apps = Apps::new().await;
    for operation in operations() {
        let Some(scope) = operation.scope() else { continue };
        let others: Vec<&str> = ALL.split(' ').filter(|other| *other != scope).collect();
        let answer =
            send_as(&apps, &operation, OWNER, &others.join(" "), valid_body(&apps, &operation)).await;
        assert_problem(&operation, &answer, 403, "insufficient_scope");
        let challenge = answer.headers["www-authenticate"].to_str().expect("a text");
        assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");
    }
}

#[tokio::test]
async fn another_tenant_gets_404_and_changes_nothing() {
    let apps = Apps::new().await;
    let owned: Vec<Operation> =
        operations().into_iter().filter(|operation| operation.path.contains("{id}")).collect();
    assert!(owned.len() >= 8, "{owned:?}");
    let before = apps.stored().await;
    for operation in &owned {
        let answer = send_as(&apps, operation, STRANGER, ALL, valid_body(&apps, operation)).await;
        assert_problem(operation, &answer, 404, "not_found");
        let missing = apps.path(operation).replacen('-', "-f", 1);
        let request = apps.request(&operation.method, &missing, STRANGER, ALL);
        let request = request.header("content-type", "application/json").body(valid_body(&apps, operation));
        let nowhere = apps.send(request.expect("a request")).await;
        assert_eq!(
            nowhere.body,
            answer.body,
            "{}: an unknown id and another tenant's id get different answers",
            name(operation)
        );
    }
    assert_eq!(apps.stored().await, before);
    for operation in
        operations().iter().filter(|operation| operation.method == "GET" && operation.scope().is_some())
    {
        let answer = send_as(&apps, operation, STRANGER, ALL, Body::empty()).await;
        let text = answer.body.to_string();
        assert!(!apps.ids().iter().any(|id| text.contains(id)), "{}: {text}", name(operation));
    }
}

/// `Allow` names exactly the described methods, so no other method is served.
#[tokio::test]
async fn another_method_gets_405() {
    let apps = Apps::new().await;
    let mut methods: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for operation in operations() {
        methods.entry(operation.path.clone()).or_default().push(operation);
    }
    for (path, described) in methods {
        let mut allowed: BTreeSet<&str> =
            described.iter().map(|operation| operation.method.as_str()).collect();
        if allowed.contains("GET") {
            allowed.insert("HEAD");
        }
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
            if allowed.contains(method) {
                continue;
            }
            let request = apps.request(method, &apps.path(&described[0]), OWNER, ALL);
            let answer = apps.send(request.body(Body::empty()).expect("a request")).await;
            assert_eq!(
                (answer.status, method == "HEAD" || answer.code() == "method_not_allowed"),
                (405, true),
                "{method} {path}: {answer:?}"
            );
            let named: BTreeSet<&str> =
                answer.headers["allow"].to_str().expect("a text").split(',').map(str::trim).collect();
            assert_eq!(named, allowed, "{path}");
        }
    }
}

#[tokio::test]
async fn a_too_large_body_gets_413() {
    let apps = Apps::new().await;
    for operation in operations().iter().filter(|operation| operation.has_body()) {
        let answer = send_as(&apps, operation, OWNER, ALL, Body::from(vec![b' '; BATCH_BYTES + 1])).await;
        assert_problem(operation, &answer, 413, "payload_too_large");
    }
}

#[tokio::test]
async fn a_malformed_body_gets_400() {
    let apps = Apps::new().await;
    for operation in operations().iter().filter(|operation| operation.has_body()) {
        for body in ["{", "{\"a\":}", "\u{feff}{}", "nul"] {
            let answer = send_as(&apps, operation, OWNER, ALL, Body::from(body)).await;
            assert_problem(operation, &answer, 400, "malformed_json");
        }
        for body in ["null", "[]", "1", "\"{}\""] {
            let answer = send_as(&apps, operation, OWNER, ALL, Body::from(body)).await;
            assert_problem(operation, &answer, 422, "invalid_fields");
        }
        let request = apps.request(&operation.method, &apps.path(operation), OWNER, ALL);
        let request = request.header("content-type", "text/plain").body(Body::from("{}")).expect("a request");
        assert_problem(operation, &apps.send(request).await, 415, "unsupported_media_type");
        if operation.needs_body() {
            let answer = send_as(&apps, operation, OWNER, ALL, Body::empty()).await;
            assert_problem(operation, &answer, 400, "malformed_json");
        }
    }
}

/// A path that is not UTF-8, a malformed idempotency key, an unknown or malformed query parameter.
#[tokio::test]
async fn paths_queries_and_headers_are_checked_too() {
    let apps = Apps::new().await;
    for operation in operations() {
        let parameters = operation.said["parameters"].as_array().cloned().unwrap_or_default();
        let has = |kind: &str| parameters.iter().any(|given| given["in"] == kind);
        if has("path") {
            let path = operation.path.replace("{id}", "%FF").replace("{document}", "d1");
            let path = path.replace("{service}", "%FF").replace("{code}", "%FF");
            let path = path.replace("{file}", "%FF");
            let request =
                apps.request(&operation.method, &path, OWNER, ALL).body(valid_body(&apps, &operation));
            assert_problem(&operation, &apps.send(request.expect("a request")).await, 400, "bad_request");
        }
        if has("query") {
            let path = apps.path(&operation);
            let glue = if path.contains('?') { '&' } else { '?' };
            for query in ["x-unknown=1", "limit=1&limit=2", "limit=347.0", "limit=null", "limit="] {
                let request = apps.request(&operation.method, &format!("{path}{glue}{query}"), OWNER, ALL);
                let answer = apps.send(request.body(Body::empty()).expect("a request")).await;
                assert_problem(&operation, &answer, 422, "invalid_fields");
            }
        }
        if operation.takes("Idempotency-Key") {
            for (key, code) in [(None, "idempotency_key_required"), (Some("a b"), "idempotency_key_invalid")]
            {
                let mut request = apps.request(&operation.method, &apps.path(&operation), OWNER, ALL);
                let headers = request.headers_mut().expect("headers");
                headers.remove("idempotency-key");
                if let Some(key) = key {
                    headers.insert("idempotency-key", key.parse().expect("a value"));
                }
                let answer = apps.send(request.body(valid_body(&apps, &operation)).expect("a request")).await;
                assert_problem(&operation, &answer, 400, code);
            }
        }
    }
}

/// Both functions count against one limit a minute, and every route that needs a token counts.
#[tokio::test]
async fn a_request_above_the_tenants_limit_gets_429() {
    for operation in operations().into_iter().filter(Operation::needs_token) {
        let mut apps = Apps::new().await;
        apps.limits = Limits { requests_per_minute: Some(1), ..Limits::default() };
        let first = apps.ask(&operation).await;
        assert_ne!(first.status, 429, "{first:?}");
        assert!(first.headers.contains_key("ratelimit"), "{first:?}");
        for other in operations().iter().filter(|other| other.needs_token()) {
            let answer = apps.ask(other).await;
            assert_problem(other, &answer, 429, "too_many_requests");
            assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        }
        let stranger = send_as(&apps, &operation, STRANGER, ALL, valid_body(&apps, &operation)).await;
        assert_ne!(stranger.status, 429, "{stranger:?}");
    }
}

/// A repeat gets the first answer at any later time, and the key cannot be used for another request.
#[tokio::test]
async fn a_repeated_idempotency_key_always_gets_the_first_answer() {
    let mut answered = BTreeSet::new();
    for operation in operations().into_iter().filter(|operation| operation.takes("Idempotency-Key")) {
        let apps = Apps::new().await;
        let first = apps.ask(&operation).await;
        if first.status / 100 != 2 {
            // A refused operation may succeed later.
            assert_problem(&operation, &first, 409, first.code());
            continue;
        }
        apps.hub.clock.advance(SignedDuration::from_hours(24 * 400));
        for other in operations().iter().filter(|other| other.method != "GET" && other.path != operation.path)
        {
            apps.ask(other).await;
        }
        let again = apps.ask(&operation).await;
        let shown = |answer: &Answer| (answer.status, without_links(answer.body.clone()));
        assert_eq!(shown(&again), shown(&first), "{}", name(&operation));
        answered.insert(name(&operation));
    }
    assert_eq!(answered.len(), 11, "{answered:?}");
}

/// The response without its upload links, which are signed again for each answer.
fn without_links(mut view: Value) -> Value {
    for document in view["documents"].as_array_mut().into_iter().flatten() {
        document.as_object_mut().expect("a document").remove("upload");
    }
    view
}

/// Whichever call of AWS is throttled, the caller gets 503 with `Retry-After`.
#[tokio::test]
async fn a_throttled_call_of_aws_gives_503_with_retry_after() {
    let mut throttled = BTreeSet::new();
    for operation in operations() {
        let apps = Apps::new().await;
        apps.hub.faults.restart();
        apps.ask(&operation).await;
        let calls = apps.hub.faults.calls();
        for call in 1..=calls.len() {
            let apps = Apps::new().await;
            apps.hub.faults.restart();
            apps.hub.faults.plan(call, Fault::Throttled);
            let answer = apps.ask(&operation).await;
            // The hub retries a send itself. A failed notification beside a change is only logged, and so is a drainer's
            // message, which the schedule sends again.
            let is_wake =
                calls[call - 1] == "vault.encrypt" && calls[..call].contains(&"subscriptions.commit");
            if is_wake || ["queues.send", "deliveries.notify"].contains(&calls[call - 1]) {
                assert_eq!(answer.status / 100, 2, "{}: {answer:?}", name(&operation));
                continue;
            }
            if let Some(results) = answer.body["results"].as_array() {
                // A batch has a result for each entry.
                assert!(results.iter().any(|result| result["status"] == 503), "{answer:?}");
                throttled.insert(name(&operation));
                continue;
            }
            assert_ne!(
                answer.status / 100,
                2,
                "{}: the failure of {} in {calls:?} is ignored",
                name(&operation),
                calls[call - 1]
            );
            assert_problem(&operation, &answer, 503, "throttled");
            let seconds =
                answer.headers["retry-after"].to_str().ok().and_then(|text| text.parse::<u32>().ok());
            assert!(seconds.is_some_and(|seconds| seconds > 0), "{}: {calls:?}", name(&operation));
            throttled.insert(name(&operation));
        }
    }
    // All other operations answer without a call of AWS.
    let all: BTreeSet<String> = operations().iter().map(name).collect();
    let rest: Vec<&String> = all.difference(&throttled).collect();
    assert_eq!(
        rest,
        [
            "GET /docs",
            "GET /docs/{file}",
            "GET /problems",
            "GET /problems/{code}",
            "GET /v1/health",
            "GET /v1/openapi.json",
            "GET /v1/services",
            "GET /v1/services/{service}"
        ]
    );
}
