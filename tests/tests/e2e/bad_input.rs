//! Wrong requests, by mistake or on purpose. The API refuses each in the caller's language, names every fault, and
//! stores nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{Span, Timestamp};
use protocol::app::ApplicationsPage;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tongban::secrets::{AUDIENCE, ISSUER};
use tongban_tests::people::{Citizen, day_before_today, trace_in};
use uuid::Uuid;

use crate::app::{App, TestResponse};
use crate::test_hub::TestHub;
use tongban_tests::forms::{HOHHOT, adult_documents, first_card};

const APPLICATIONS: &str = "/v1/applications";

fn valid() -> Value {
    first_card(&Citizen::aged(30), HOHHOT, "110105")
}

/// Asserts that the response is a problem with this code and contains no personal data. Returns the problem.
fn assert_problem(response: &TestResponse, status: u16, code: &str) -> Value {
    assert_eq!(response.status.as_u16(), status, "{response:?}");
    assert_eq!(response.headers["content-type"], "application/problem+json", "{response:?}");
    let problem = response.json();
    assert_eq!(problem["type"], format!("/problems/{code}"), "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
    assert!(problem["trace"].as_str().is_some_and(|trace| !trace.is_empty()), "{problem}");
    assert_eq!(trace_in(&response.text), None, "the response contains personal data");
    problem
}

/// The problem's field errors: pointer and code.
fn field_errors(problem: &Value) -> BTreeSet<(String, String)> {
    let errors =
        problem["errors"].as_array().unwrap_or_else(|| panic!("the problem has no field errors: {problem}"));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    errors
        .iter()
        .map(|error| {
            assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{error}");
            (text(&error["pointer"]), text(&error["code"]))
        })
        .collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeSet<(String, String)> {
    pairs.into_iter().map(|(pointer, code)| (pointer.to_owned(), code.to_owned())).collect()
}

async fn create(app: &App, body: &Value) -> TestResponse {
    app.post(APPLICATIONS).json(body).send().await
}

/// Asserts that the tenant has no application.
async fn assert_nothing_stored(app: &App) {
    let page: ApplicationsPage = app.get(APPLICATIONS).send().await.read(StatusCode::OK);
    assert_eq!(page.applications, [], "the hub stored a refused application");
}

pub(crate) async fn malformed_json(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-json").await;
    for text in ["{\"service\":", "{'service':1}", "{}{}", "\u{feff}{}", "[1,]", ""] {
        let response = app.post(APPLICATIONS).text("application/json", text).send().await;
        assert_problem(&response, 400, "malformed_json");
    }
    assert_nothing_stored(&app).await;
}

pub(crate) async fn wrong_types(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-types").await;
    let body = json!({
        "service": 7,
        "accepted_at": 150_102,
        "registered_at": ["110105"],
        "applicant": "somebody",
        "address": { "street": 1 },
        "commitment": "yes",
        "documents": {},
    });
    let problem = assert_problem(&create(&app, &body).await, 422, "invalid_fields");
    let pointers: BTreeSet<String> = field_errors(&problem).into_iter().map(|(pointer, _)| pointer).collect();
    for field in body.as_object().expect("an object").keys() {
        assert!(pointers.contains(&format!("/{field}")), "{field} is not named: {problem}");
    }
    for body in [json!([]), json!("text"), json!(1), Value::Null] {
        assert_problem(&create(&app, &body).await, 422, "invalid_fields");
    }
    assert_nothing_stored(&app).await;
}

/// JSON Schema counts 347.0 as an integer. The hub does not, and answers `not_an_integer`.
pub(crate) async fn a_float_for_an_integer(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-float").await;
    let mut body = valid();
    body["documents"] = json!([adult_documents()[0].declaration()]);
    body["documents"][0]["size"] = json!(347.0);
    let problem = assert_problem(&create(&app, &body).await, 422, "invalid_fields");
    assert_eq!(field_errors(&problem), pairs([("/documents/0/size", "not_an_integer")]));
    assert_nothing_stored(&app).await;
}

pub(crate) async fn missing_fields_are_named_at_once(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-missing").await;
    let body = json!({ "service": "first_identity_card", "applicant": {} });
    let expected = pairs([
        ("/accepted_at", "required"),
        ("/registered_at", "required"),
        ("/applicant/name", "required"),
        ("/applicant/identity_number", "required"),
        ("/address", "required"),
        ("/commitment", "required"),
    ]);
    let english = app.post(APPLICATIONS).json(&body).header("accept-language", "en").send().await;
    let english = assert_problem(&english, 422, "invalid_fields");
    let named_fields = field_errors(&english);
    assert!(named_fields.is_superset(&expected), "{expected:#?} are not all in {named_fields:#?}");
    let chinese = app.post(APPLICATIONS).json(&body).header("accept-language", "zh-CN,zh;q=0.9,en;q=0.5");
    let chinese = chinese.send().await;
    assert_eq!(chinese.headers["content-language"], "zh-CN");
    let chinese = assert_problem(&chinese, 422, "invalid_fields");
    assert_eq!(field_errors(&chinese), named_fields, "the same fields in both languages");
    let is_chinese = |text: &Value| text.as_str().is_some_and(|text| !text.is_ascii());
    assert!(is_chinese(&chinese["title"]) && is_chinese(&chinese["errors"][0]["detail"]), "{chinese}");
    assert!(!is_chinese(&english["title"]) && !is_chinese(&english["errors"][0]["detail"]), "{english}");
    assert_nothing_stored(&app).await;
}

pub(crate) async fn wrong_check_digit(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-check").await;
    let citizen = Citizen::aged(30);
    let mut wrong = citizen.identity_number.clone();
    let last = wrong.pop().expect("a check character");
    wrong.push(if last == '0' { '1' } else { '0' });
    let mut body = first_card(&citizen, HOHHOT, "110105");
    body["applicant"]["identity_number"] = json!(wrong);
    let response = create(&app, &body).await;
    let problem = assert_problem(&response, 422, "invalid_fields");
    let expected = pairs([("/applicant/identity_number", "identity_number_check_character")]);
    assert_eq!(field_errors(&problem), expected);
    assert!(!response.text.contains(&wrong), "the response contains the number");
    assert_nothing_stored(&app).await;
}

pub(crate) async fn unknown_division(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-division").await;
    for (code, why) in [("990101", "province"), ("11010", "length"), ("11010x", "not_digits")] {
        let mut body = valid();
        body["registered_at"] = json!(code);
        let problem = assert_problem(&create(&app, &body).await, 422, "invalid_fields");
        let errors = field_errors(&problem);
        let [(pointer, found)] = &errors.iter().collect::<Vec<_>>()[..] else {
            panic!("one field error expected: {problem}")
        };
        assert_eq!(pointer, "/registered_at");
        assert!(found.contains(why), "{code}: {found}");
    }
    assert_nothing_stored(&app).await;
}

pub(crate) async fn future_birth_date(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-birth").await;
    let unborn = Citizen::born(day_before_today(Span::new().days(-1)));
    let mut body = first_card(&unborn, HOHHOT, "110105");
    body["guardian"] = Citizen::aged(30).json();
    let problem = assert_problem(&create(&app, &body).await, 422, "invalid_fields");
    let expected =
        ("/applicant/identity_number".to_owned(), "identity_number_birth_date_in_future".to_owned());
    assert!(field_errors(&problem).contains(&expected), "{problem}");
    assert_nothing_stored(&app).await;
}

pub(crate) async fn a_body_of_400_kb(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-size").await;
    let mut body = valid();
    body["address"] = json!("a".repeat(400_000));
    assert_problem(&create(&app, &body).await, 413, "payload_too_large");
    assert_nothing_stored(&app).await;
}

pub(crate) async fn unknown_fields(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-unknown").await;
    let mut body = valid();
    body["nationality"] = json!("none");
    body["applicant"]["nickname"] = json!("none");
    let problem = assert_problem(&create(&app, &body).await, 422, "invalid_fields");
    let expected = pairs([("/nationality", "unknown_field"), ("/applicant/nickname", "unknown_field")]);
    assert_eq!(field_errors(&problem), expected);
    assert_nothing_stored(&app).await;
}

pub(crate) async fn wrong_method(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-method").await;
    let id = Uuid::new_v8([7; 16]);
    for (method, path) in [
        (Method::DELETE, APPLICATIONS.to_owned()),
        (Method::PUT, format!("{APPLICATIONS}/{id}")),
        (Method::GET, format!("{APPLICATIONS}/{id}/submit")),
        (Method::PATCH, "/v1/services".to_owned()),
        (Method::GET, format!("{APPLICATIONS}/{id}/documents/d1/upload")),
        (Method::GET, "/v1/reports".to_owned()),
    ] {
        let response = app.request(method.clone(), &path).send().await;
        assert_problem(&response, 405, "method_not_allowed");
        assert!(response.headers.contains_key("allow"), "{method} {path}: the response has no `Allow`");
    }
}

/// The hub reads a path as it was sent: encoded characters are part of the id, not of path, query or fragment.
pub(crate) async fn encoded_paths(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-path").await;
    for id in ["a%3Fb", "a%23b", "%25", "a%20b", "%E5%90%8D"] {
        let response = app.request(Method::GET, format!("{APPLICATIONS}/{id}")).send().await;
        assert_problem(&response, 404, "not_found");
        let response = app.post(format!("{APPLICATIONS}/{id}/submit")).json(&json!({})).send().await;
        assert_problem(&response, 404, "not_found");
    }
    // The gateway decodes this before routing, and answers the request itself.
    assert_eq!(app.get(format!("{APPLICATIONS}/..%2F..")).send().await.status, StatusCode::NOT_FOUND);
}

pub(crate) async fn wrong_content_type(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-type").await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        let response = app.post(APPLICATIONS).text(content_type, valid().to_string()).send().await;
        assert_problem(&response, 415, "unsupported_media_type");
    }
    assert_nothing_stored(&app).await;
}

pub(crate) async fn no_token(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-no-token").await;
    let response = app.post(APPLICATIONS).header("authorization", "").json(&valid()).send().await;
    assert_problem(&response, 401, "unauthorized");
    assert!(response.headers["www-authenticate"].starts_with("Bearer"), "{response:?}");
    assert_nothing_stored(&app).await;
}

pub(crate) async fn a_bad_token(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "bad-token").await;
    let now = Timestamp::now().as_second();
    let claims = |changes: Value| {
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "bad-token", "client_id": "bad-token", "tenant": "bad-token",
            "scope": "applications:read applications:write", "iat": now, "nbf": now, "exp": now + 600,
            "jti": Uuid::new_v4(),
        });
        for (name, value) in changes.as_object().expect("an object") {
            claims[name.as_str()] = value.clone();
        }
        test_hub.stack().secrets().signed("at+jwt", &claims).expect("a signed token")
    };
    let with =
        |token: String| app.get(APPLICATIONS).header("authorization", format!("Bearer {token}")).send();
    let good = claims(json!({}));
    assert_eq!(with(good.clone()).await.status, StatusCode::OK, "the unchanged claims are valid");
    let (head, signature) = good.rsplit_once('.').expect("a signature");
    let mut forged: Vec<char> = signature.chars().collect();
    forged[5] = if forged[5] == 'A' { 'B' } else { 'A' };
    for token in [
        "not-a-token".to_owned(),
        format!("{head}.{}", forged.into_iter().collect::<String>()),
        format!("{head}."),
        claims(json!({ "exp": now - 3600, "iat": now - 7200, "nbf": now - 7200 })),
        claims(json!({ "nbf": now + 3600 })),
        claims(json!({ "aud": "somebody-else" })),
        claims(json!({ "iss": "urn:somebody:else" })),
        claims(json!({ "tenant": "NOT A TENANT" })),
    ] {
        assert_problem(&with(token).await, 401, "unauthorized");
    }
    let reader = claims(json!({ "scope": "applications:read" }));
    let reader = app.post(APPLICATIONS).header("authorization", format!("Bearer {reader}"));
    assert_problem(&reader.json(&valid()).send().await, 403, "insufficient_scope");
    assert_nothing_stored(&app).await;
}

/// Every operation on another tenant's application gets the answer for an unknown application.
pub(crate) async fn another_tenants_id(test_hub: Arc<TestHub>) {
    let owner = App::open(&test_hub, "bad-owner").await;
    let stranger = App::open(&test_hub, "bad-stranger").await;
    let filed = owner.file(valid(), &[]).await;
    let unknown_application = Uuid::new_v8([9; 16]);
    let document = adult_documents()[0].declaration();
    for id in [filed.id.to_string(), unknown_application.to_string(), "not-an-id".to_owned()] {
        let path = format!("{APPLICATIONS}/{id}");
        let requests = [
            stranger.get(&path),
            stranger.get(format!("{path}/events")),
            stranger.get(format!("{path}/documents/d1")),
            stranger.post(format!("{path}/submit")).json(&json!({})),
            stranger.post(format!("{path}/withdraw")).json(&json!({})),
            stranger.post(format!("{path}/supplement")).json(&json!({})),
            stranger.post(format!("{path}/confirm")).json(&json!({ "confirm": "settle" })),
            stranger.post(format!("{path}/documents/d1/upload")).json(&document),
        ];
        for request in requests {
            let problem = assert_problem(&request.send().await, 404, "not_found");
            assert!(!problem.to_string().contains("bad-owner"), "{problem}");
        }
    }
    assert_eq!(owner.view(filed.id).await, filed.created, "the application has changed");
    assert_nothing_stored(&stranger).await;
}
