//! The schemas of the interface for apps are correct: every response fits its schema, and schema and parser accept the
//! same request bodies.

use axum::body::Body;
use domain::ids::ApplicationId;
use domain::stage::Stage;
use jiff::Timestamp;
use jsonschema::Validator;
use protocol::app::CALLED_BACK;
use protocol::callback::{Callback, TEST};
use protocol::contracts::app::webhooks;
use serde_json::{Value, json};
use tongban_tests::description::{for_apps, operations, with_problem_types};
use tongban_tests::forms;
use tongban_tests::people::Citizen;

use crate::apps::{ALL, Apps, MANY, OWNER};

/// The validator of a schema, given as a reference into the document or inline.
fn validator(schema: &Value) -> Validator {
    let mut document = json!({ "components": { "schemas": for_apps()["components"]["schemas"] } });
    document["allOf"] = json!([schema]);
    jsonschema::options().should_validate_formats(true).build(&document).expect("a schema of 2020-12")
}

fn of(name: &str) -> Validator {
    validator(&json!({ "$ref": format!("#/components/schemas/{name}") }))
}

fn problems(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[tokio::test]
async fn every_response_fits_its_description() {
    let document = with_problem_types(for_apps());
    for operation in operations() {
        let mut apps = Apps::new().await;
        // A limit, so that responses carry the rate limit headers.
        apps.limits = MANY;
        let answer = apps.ask(&operation).await;
        let name = format!("{} {} {}", operation.method, operation.path, answer.status);
        let mut said = &operation.said["responses"][answer.status.to_string()];
        if let Some(reference) = said["$ref"].as_str() {
            said = document.pointer(reference.trim_start_matches('#')).expect("a response");
        }
        assert!(said.is_object(), "{name} is not described: {answer:?}");
        for header in said["headers"].as_object().into_iter().flatten() {
            assert!(answer.headers.contains_key(header.0.as_str()), "{name} has no {}", header.0);
        }
        let Some(contents) = said["content"].as_object() else {
            assert_eq!(answer.body, Value::Null, "{name}");
            continue;
        };
        let kind = answer.headers["content-type"].to_str().expect("a text");
        let content = contents.get(kind).unwrap_or_else(|| panic!("{name}: {kind} is not described"));
        assert_eq!(problems(&validator(&content["schema"]), &answer.body), Vec::<String>::new(), "{name}");
    }
}

fn bodies() -> Vec<Value> {
    let (adult, child) = (Citizen::aged(30), Citizen::aged(9));
    let mut joining = forms::transfer(&adult, "couples_joining", "370102", "110105");
    joining["relative"] = Citizen::aged(29).json();
    let mut kinship = forms::certificate(&adult, "kinship", "370102", "110105");
    kinship["relative"] = Citizen::aged(60).json();
    vec![
        forms::first_card(&adult, "370102", "110105"),
        forms::when_complete(forms::child_card(&child, &Citizen::aged(35), "370102", "110105")),
        forms::transfer(&adult, "graduation", "370102", "110105"),
        joining,
        forms::certificate(&adult, "former_name", "370102", "110105"),
        kinship,
    ]
}

async fn create(apps: &Apps, body: &Value) -> u16 {
    let mut request =
        apps.request("POST", "/v1/applications", OWNER, ALL).header("content-type", "application/json");
    let key = uuid::Uuid::new_v4().to_string().parse().expect("a value");
    request.headers_mut().expect("headers").insert("idempotency-key", key);
    apps.send(request.body(Body::from(body.to_string())).expect("a request")).await.status
}

#[tokio::test]
async fn valid_bodies_fit_and_are_accepted() {
    let (apps, schema) = (Apps::new().await, of("NewApplication"));
    for body in bodies() {
        // `null` means that the member is absent.
        for (member, value) in
            [("service", &body["service"]), ("submit", &Value::Null), ("capabilities", &Value::Null)]
        {
            let mut body = body.clone();
            body[member] = value.clone();
            assert_eq!(problems(&schema, &body), Vec::<String>::new(), "{}", body["service"]);
            assert_eq!(create(&apps, &body).await, 201, "{}", body["service"]);
        }
    }
}

/// One wrong member at a time, in every kind of body that has the member.
#[tokio::test]
async fn wrong_bodies_neither_fit_nor_are_accepted() {
    let (apps, schema) = (Apps::new().await, of("NewApplication"));
    let wrong = [
        ("/service", json!("other")),
        ("/service", json!(1)),
        ("/accepted_at", json!("37010")),
        ("/accepted_at", json!("990102")),
        ("/registered_at", json!(110_105)),
        ("/registered_at", Value::Null),
        ("/applicant", json!([])),
        ("/applicant/name", json!("")),
        ("/applicant/name", json!("张3")),
        ("/applicant/name", json!("字".repeat(51))),
        ("/applicant/identity_number", json!("11010120231101217")),
        ("/applicant/identity_number", json!(1)),
        ("/applicant/mobile", json!("12345678901")),
        ("/applicant/alias", json!("x")),
        ("/address", json!("")),
        ("/address", json!("a\nb")),
        ("/address", json!("字".repeat(201))),
        ("/address", Value::Null),
        ("/reason", json!("kinship")),
        ("/certificate", json!("graduation")),
        ("/relative", json!({ "name": "张三" })),
        ("/guardian", json!("nobody")),
        ("/commitment", json!("yes")),
        ("/submit", json!("later")),
        ("/submit", json!(true)),
        ("/capabilities", json!(["Script"])),
        ("/capabilities", json!(vec!["a"; 9])),
        ("/documents", json!({})),
        ("/documents", json!([{}])),
        ("/documents", json!([{ "kind": "photograph", "media_type": "image/png", "size": 1, "sha256": "" }])),
        ("/unknown", json!(1)),
    ];
    for body in bodies() {
        for (pointer, value) in &wrong {
            let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
            let mut body = body.clone();
            body.pointer_mut(parent).expect("an object")[member] = value.clone();
            assert!(!schema.is_valid(&body), "{} {pointer} {value} fits", body["service"]);
            assert_eq!(create(&apps, &body).await, 422, "{} {pointer} {value}", body["service"]);
        }
    }
}

/// Every callback has a schema and fits it.
#[test]
fn callbacks_fit() {
    let mut described: Vec<&str> = webhooks::TYPES.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(described.pop(), Some(TEST));
    assert_eq!(described, CALLED_BACK);
    let schema = of("Callback");
    for (kind, _) in webhooks::TYPES {
        let callback = Callback {
            tenant: OWNER.parse().expect("a tenant"),
            application: ApplicationId::from_bytes16([7; 16]),
            version: 6,
            kind: kind.to_owned(),
            at: Timestamp::now(),
            stage: Stage::Received,
        };
        assert_eq!(problems(&schema, &json!(callback.payload())), Vec::<String>::new(), "{kind}");
    }
    assert!(!schema.is_valid(&json!({ "type": "application.received" })));
}
